-- +goose Up

-- The backfill of a connector that is under way, at most one; see store.Backfill.
CREATE TABLE backfills (
    connector TEXT    NOT NULL PRIMARY KEY,
    run_id    INTEGER NOT NULL,
    since     INTEGER NOT NULL,
    until     INTEGER NOT NULL CHECK (until > since),
    events    TEXT    NOT NULL CHECK (events IN ('recent', 'all', 'none')),
    held      INTEGER NOT NULL CHECK (held IN (0, 1)),
    request   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- The customers whose contact and events a backfill has not put in the outbox yet.
CREATE TABLE owed (
    connector   TEXT    NOT NULL,
    customer_id INTEGER NOT NULL,
    PRIMARY KEY (connector, customer_id)
) STRICT, WITHOUT ROWID;

-- What each task, survey answer and change of activity adds to an agent's local
-- day: figures are sums over these rows, never counters.
CREATE TABLE agent_parts (
    connector  TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    day        TEXT    NOT NULL,
    worker     TEXT    NOT NULL,
    activity   TEXT    NOT NULL,
    offered    INTEGER NOT NULL,
    accepted   INTEGER NOT NULL,
    rejected   INTEGER NOT NULL,
    timed_out  INTEGER NOT NULL,
    handled    INTEGER NOT NULL,
    talk       INTEGER NOT NULL,
    wrap       INTEGER NOT NULL,
    csat_count INTEGER NOT NULL,
    csat_sum   INTEGER NOT NULL,
    lasted     INTEGER NOT NULL,
    PRIMARY KEY (connector, source, day, worker, activity)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_parts_day ON agent_parts (connector, day);

-- Likewise for a queue's UTC hour, by channel.
CREATE TABLE queue_parts (
    connector       TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    hour            INTEGER NOT NULL,
    queue           TEXT    NOT NULL,
    channel         TEXT    NOT NULL,
    offered         INTEGER NOT NULL,
    accepted        INTEGER NOT NULL,
    abandoned       INTEGER NOT NULL,
    short_abandoned INTEGER NOT NULL,
    in_service      INTEGER NOT NULL,
    waited          INTEGER NOT NULL,
    longest         INTEGER NOT NULL,
    PRIMARY KEY (connector, source, hour, queue, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_parts_hour ON queue_parts (connector, hour);
