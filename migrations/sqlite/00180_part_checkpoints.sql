-- +goose Up

-- What parts have read stands beside the streams of Twilio under names of their own.
UPDATE checkpoints SET stream = 'part:' || stream
WHERE stream IN ('crm', 'custom_objects')
    AND NOT EXISTS (SELECT 1 FROM checkpoints o WHERE o.connector = checkpoints.connector AND o.stream = 'part:' || checkpoints.stream);
DELETE FROM checkpoints WHERE stream IN ('crm', 'custom_objects');
