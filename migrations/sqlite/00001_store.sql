-- +goose Up

-- Times are Unix milliseconds in UTC; NULL is no time. Bodies and payloads come
-- last in their tables, so that reading the rest of a row walks no overflow page.

CREATE TABLE records (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    connector   TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    stream      TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    via         TEXT    NOT NULL,
    lane        INTEGER NOT NULL CHECK (lane BETWEEN 0 AND 2),
    at          INTEGER,
    captured_at INTEGER NOT NULL,
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'digested', 'ignored', 'failed')),
    reason      TEXT    NOT NULL DEFAULT '',
    digested_at INTEGER,
    body        BLOB    NOT NULL,
    UNIQUE (connector, key),
    CHECK ((state = 'waiting') = (digested_at IS NULL)),
    CHECK (state NOT IN ('ignored', 'failed') OR reason <> '')
) STRICT;
CREATE INDEX records_waiting ON records (connector, lane, id) WHERE state = 'waiting';
CREATE INDEX records_state ON records (connector, state, captured_at);

CREATE TABLE checkpoints (
    connector TEXT    NOT NULL,
    stream    TEXT    NOT NULL,
    cursor    BLOB    NOT NULL,
    through   INTEGER,
    saved_at  INTEGER NOT NULL,
    PRIMARY KEY (connector, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE customers (
    id            INTEGER PRIMARY KEY CHECK (id > 0),
    connector     TEXT    NOT NULL,
    created_at    INTEGER,
    conversations INTEGER NOT NULL CHECK (conversations >= 0),
    merged_into   INTEGER REFERENCES customers (id),
    contact_id    INTEGER,
    linked        INTEGER NOT NULL DEFAULT 0 CHECK (linked IN (0, 1)),
    desired       TEXT    NOT NULL,
    held          TEXT    NOT NULL DEFAULT '{}',
    CHECK (merged_into <> id),
    CHECK (linked = 0 OR contact_id IS NOT NULL)
) STRICT;
-- A merged customer keeps what it holds, so its survivor may adopt that contact.
CREATE UNIQUE INDEX customers_contact ON customers (connector, contact_id)
    WHERE contact_id IS NOT NULL AND merged_into IS NULL;
CREATE INDEX customers_merged ON customers (connector, contact_id)
    WHERE contact_id IS NOT NULL AND merged_into IS NOT NULL;
CREATE INDEX customers_survivor ON customers (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX customers_summary ON customers (connector, merged_into, linked, conversations);

CREATE TABLE identifiers (
    connector   TEXT    NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('email', 'phone', 'identity', 'ref')),
    value       TEXT    NOT NULL,
    customer_id INTEGER REFERENCES customers (id),
    shared      INTEGER NOT NULL CHECK (shared IN (0, 1)),
    PRIMARY KEY (connector, kind, value),
    CHECK (customer_id IS NOT NULL OR shared = 1)
) STRICT, WITHOUT ROWID;
CREATE INDEX identifiers_customer ON identifiers (customer_id);

CREATE TABLE facts (
    connector   TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    sid         TEXT    NOT NULL,
    customer_id INTEGER REFERENCES customers (id),
    open        INTEGER NOT NULL CHECK (open IN (0, 1)),
    read_at     INTEGER NOT NULL DEFAULT 0,
    body        TEXT    NOT NULL,
    UNIQUE (connector, kind, sid)
) STRICT;
CREATE INDEX facts_customer ON facts (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX facts_open ON facts (connector, kind, read_at) WHERE open = 1;

-- One row for each event that was told, for ever.
CREATE TABLE marks (
    connector TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    sid       TEXT    NOT NULL,
    type      TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (connector, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX marks_fact ON marks (connector, kind, sid);

CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    connector       TEXT    NOT NULL,
    account         TEXT    NOT NULL,
    customer_id     INTEGER NOT NULL REFERENCES customers (id),
    kind            TEXT    NOT NULL CHECK (kind IN ('contact', 'event')),
    key             TEXT    NOT NULL,
    fact_kind       TEXT    NOT NULL,
    fact_sid        TEXT    NOT NULL,
    type            TEXT    NOT NULL,
    lane            INTEGER NOT NULL CHECK (lane BETWEEN 0 AND 2),
    any_age         INTEGER NOT NULL CHECK (any_age IN (0, 1)),
    event_at        INTEGER NOT NULL,
    state           TEXT    NOT NULL DEFAULT 'pending' CHECK (state IN
        ('pending', 'sending', 'unknown', 'delivered', 'skipped', 'dead', 'withdrawn')),
    attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    settled_at      INTEGER,
    unknown_since   INTEGER,
    status          INTEGER NOT NULL DEFAULT 0,
    reason          TEXT    NOT NULL DEFAULT '',
    payload         TEXT    NOT NULL,
    CHECK ((kind = 'event') = (key <> '')),
    CHECK ((state IN ('delivered', 'skipped', 'dead', 'withdrawn')) = (settled_at IS NOT NULL)),
    CHECK ((state = 'unknown') = (unknown_since IS NOT NULL)),
    CHECK (state NOT IN ('skipped', 'dead', 'withdrawn') OR reason <> '')
) STRICT;
CREATE UNIQUE INDEX deliveries_event ON deliveries (connector, key) WHERE kind = 'event';
CREATE UNIQUE INDEX deliveries_contact ON deliveries (customer_id)
    WHERE kind = 'contact' AND state IN ('pending', 'dead');
CREATE INDEX deliveries_unsettled ON deliveries (customer_id, event_at, id)
    WHERE state IN ('pending', 'sending', 'unknown', 'dead');
CREATE INDEX deliveries_customer ON deliveries (customer_id);
CREATE INDEX deliveries_sending ON deliveries (account) WHERE state = 'sending';
CREATE INDEX deliveries_unknown ON deliveries (account, unknown_since) WHERE state = 'unknown';
CREATE INDEX deliveries_state ON deliveries (connector, state, kind, settled_at);

-- The customers of whom something may be sent, and when: derived from deliveries
-- in the transaction that changes them, so that a claim never walks over what is
-- blocked.
CREATE TABLE queue (
    account     TEXT    NOT NULL,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    lane        INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    PRIMARY KEY (customer_id, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_due ON queue (account, lane, due_at, customer_id);

CREATE TABLE omissions (
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    connector   TEXT    NOT NULL,
    origin      TEXT    NOT NULL CHECK (origin IN ('digest', 'deliver')),
    what        TEXT    NOT NULL,
    value       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    rule        TEXT    NOT NULL,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    PRIMARY KEY (customer_id, origin, what, value, reason, rule)
) STRICT, WITHOUT ROWID;
CREATE INDEX omissions_summary ON omissions (connector, reason, what);

CREATE TABLE runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL,
    connector  TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    request    BLOB    NOT NULL,
    progress   BLOB    NOT NULL,
    error      TEXT    NOT NULL DEFAULT '',
    created_at INTEGER,
    started_at INTEGER,
    ended_at   INTEGER
) STRICT;
CREATE INDEX runs_queued ON runs (id) WHERE state = 'queued';

CREATE TABLE leases (
    role       TEXT    NOT NULL PRIMARY KEY,
    holder     TEXT    NOT NULL,
    term       INTEGER NOT NULL CHECK (term > 0),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
