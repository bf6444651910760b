-- +goose Up

-- When the oldest delivery became due, without reading all that wait: after a backfill
-- of a year they are as many as there are customers.
CREATE INDEX deliveries_due ON deliveries (connector, next_attempt_at) WHERE state = 'pending';
