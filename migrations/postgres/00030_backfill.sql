-- +goose Up

-- The backfill of a connector that is under way, at most one; see store.Backfill.
CREATE TABLE backfills (
    connector TEXT    NOT NULL PRIMARY KEY,
    run_id    BIGINT  NOT NULL,
    since     BIGINT  NOT NULL,
    until     BIGINT  NOT NULL CHECK (until > since),
    events    TEXT    NOT NULL CHECK (events IN ('recent', 'all', 'none')),
    held      BIGINT  NOT NULL CHECK (held IN (0, 1)),
    request   BYTEA   NOT NULL
);

-- The customers whose contact and events a backfill has not put in the outbox yet.
CREATE TABLE owed (
    connector   TEXT    NOT NULL,
    customer_id BIGINT  NOT NULL,
    PRIMARY KEY (connector, customer_id)
);

-- What each task, survey answer and change of activity adds to an agent's local
-- day: figures are sums over these rows, never counters.
CREATE TABLE agent_parts (
    connector  TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    day        TEXT    NOT NULL,
    worker     TEXT    NOT NULL,
    activity   TEXT    NOT NULL,
    offered    BIGINT  NOT NULL,
    accepted   BIGINT  NOT NULL,
    rejected   BIGINT  NOT NULL,
    timed_out  BIGINT  NOT NULL,
    handled    BIGINT  NOT NULL,
    talk       BIGINT  NOT NULL,
    wrap       BIGINT  NOT NULL,
    csat_count BIGINT  NOT NULL,
    csat_sum   BIGINT  NOT NULL,
    lasted     BIGINT  NOT NULL,
    PRIMARY KEY (connector, source, day, worker, activity)
);
CREATE INDEX agent_parts_day ON agent_parts (connector, day);

-- Likewise for a queue's UTC hour, by channel.
CREATE TABLE queue_parts (
    connector       TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    hour            BIGINT  NOT NULL,
    queue           TEXT    NOT NULL,
    channel         TEXT    NOT NULL,
    offered         BIGINT  NOT NULL,
    accepted        BIGINT  NOT NULL,
    abandoned       BIGINT  NOT NULL,
    short_abandoned BIGINT  NOT NULL,
    in_service      BIGINT  NOT NULL,
    waited          BIGINT  NOT NULL,
    longest         BIGINT  NOT NULL,
    PRIMARY KEY (connector, source, hour, queue, channel)
);
CREATE INDEX queue_parts_hour ON queue_parts (connector, hour);
