-- +goose Up

-- Omissions that last: what an earlier digest did to two contacts for good.
ALTER TABLE omissions DROP CONSTRAINT omissions_origin_check;
ALTER TABLE omissions ADD CONSTRAINT omissions_origin_check CHECK (origin IN ('digest', 'deliver', 'link'));
