-- +goose Up

-- Omissions that last: what an earlier digest did to two contacts for good. The table
-- is made anew, because SQLite cannot change a constraint.
CREATE TABLE omissions_next (
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    connector   TEXT    NOT NULL,
    origin      TEXT    NOT NULL CHECK (origin IN ('digest', 'deliver', 'link')),
    what        TEXT    NOT NULL,
    value       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    rule        TEXT    NOT NULL,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    PRIMARY KEY (customer_id, origin, what, value, reason, rule)
) STRICT, WITHOUT ROWID;
INSERT INTO omissions_next SELECT customer_id, connector, origin, what, value, reason, rule, first_at, last_at FROM omissions;
DROP TABLE omissions;
ALTER TABLE omissions_next RENAME TO omissions;
CREATE INDEX omissions_summary ON omissions (connector, reason, what);
