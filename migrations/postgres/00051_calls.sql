-- +goose Up

-- By which call a delivery was last tried, and the names of the values and lists that
-- it made the destination take, as a JSON array; both empty while there was none.
ALTER TABLE deliveries ADD COLUMN call TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN sent TEXT NOT NULL DEFAULT '';
