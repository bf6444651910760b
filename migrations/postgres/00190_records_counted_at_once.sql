-- +goose Up

-- Records are counted by whoever inserts them, once for each transaction.
--
-- How this is done is each database's own affair. A trigger of PostgreSQL runs once for each statement, so it stays.
SELECT 1;
