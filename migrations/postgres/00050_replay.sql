-- +goose Up

-- The replay of a connector that is under way, at most one; see store.Replay.
CREATE TABLE replays (
    connector TEXT    NOT NULL PRIMARY KEY,
    run_id    BIGINT  NOT NULL,
    request   BYTEA   NOT NULL,
    position  BYTEA   NOT NULL
);

-- What records told when they were digested again, until it is joined to the facts.
-- Runs below zero are dry runs: the moment they began, in negative Unix milliseconds.
CREATE TABLE staged_facts (
    connector TEXT    NOT NULL,
    run_id    BIGINT  NOT NULL,
    kind      TEXT    NOT NULL,
    sid       TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    PRIMARY KEY (connector, run_id, kind, sid)
);
