-- +goose Up

-- What was put in Twilio Sync of each customer, for the agents' screens; see
-- store.Publisher.
CREATE TABLE published (
    customer_id INTEGER PRIMARY KEY REFERENCES customers (id),
    connector   TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'written', 'left out', 'leaving', 'gone')),
    key         TEXT,
    revision    TEXT NOT NULL,
    hash        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    due_at      INTEGER,
    attempts    INTEGER NOT NULL,
    expires_at  INTEGER,
    CHECK (state <> 'written' OR (key IS NOT NULL AND hash <> '')),
    CHECK (state NOT IN ('left out', 'gone') OR key IS NULL)
) STRICT;

CREATE UNIQUE INDEX published_key ON published (connector, key) WHERE key IS NOT NULL;

CREATE INDEX published_due ON published (connector, due_at) WHERE due_at IS NOT NULL;

CREATE INDEX published_state ON published (connector, state, reason);
