-- +goose Up

-- Only PostgreSQL compresses bodies.
SELECT 1;
