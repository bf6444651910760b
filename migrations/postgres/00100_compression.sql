-- +goose Up

-- A record's body is larger than PostgreSQL leaves in the row, so that it is
-- compressed; lz4 takes a fraction of the processor time of the default. A server
-- built without it keeps the default.
-- +goose StatementBegin
DO $$
BEGIN
    ALTER TABLE records ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END $$;
-- +goose StatementEnd
