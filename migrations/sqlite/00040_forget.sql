-- +goose Up

-- Whoever was forgotten: digests, under a key that is not in this database, of what
-- would lead to them, and until when what happened is theirs; see store.Tomb.
CREATE TABLE tombs (
    connector TEXT    NOT NULL,
    kind      TEXT    NOT NULL CHECK (kind IN ('email', 'phone', 'identity', 'ref', 'event')),
    digest    TEXT    NOT NULL,
    until     INTEGER NOT NULL,
    PRIMARY KEY (connector, kind, digest)
) STRICT, WITHOUT ROWID;

-- The digest of a constant under that key, to know it again.
CREATE TABLE tomb_keys (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    proof TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- When a customer whose time may have come is to be looked at again; see
-- store.Forgetter.LoadAged.
CREATE TABLE aged (
    customer_id INTEGER NOT NULL PRIMARY KEY,
    connector   TEXT    NOT NULL,
    look_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX aged_due ON aged (connector, look_at);
CREATE INDEX aged_last ON aged (connector, customer_id);

-- Runs that whoever digests a connector executes.
CREATE INDEX runs_asked ON runs (connector, kind, id) WHERE state = 'running';

-- When a Brevo account was last delivered to, or could have been; see
-- store.Reconciler.
CREATE TABLE lives (
    account TEXT    NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
