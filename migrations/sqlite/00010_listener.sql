-- +goose Up

-- The latest refused requests of each connector, without bodies and with values
-- masked; see store.Refusal.
CREATE TABLE refusals (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    connector TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    data      BLOB    NOT NULL
) STRICT;
CREATE INDEX refusals_ring ON refusals (connector, id);

-- Who posted to a connector, and since when a sender is silent; see store.Sender.
CREATE TABLE senders (
    connector    TEXT    NOT NULL,
    sender       TEXT    NOT NULL,
    first_at     INTEGER,
    last_at      INTEGER,
    accepted     INTEGER NOT NULL CHECK (accepted >= 0),
    refused      INTEGER NOT NULL CHECK (refused >= 0),
    silent_since INTEGER,
    test_id      TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (connector, sender),
    CHECK ((first_at IS NULL) = (last_at IS NULL)),
    CHECK (silent_since IS NULL OR last_at IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- Posts of the Flex UI plugin, to see which of them nothing confirmed.
CREATE INDEX records_plugin ON records (connector, captured_at) WHERE via = 'plugin';
