-- +goose Up

-- The replay of a connector that is under way, at most one; see store.Replay.
CREATE TABLE replays (
    connector TEXT    NOT NULL PRIMARY KEY,
    run_id    INTEGER NOT NULL,
    request   BLOB    NOT NULL,
    position  BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- What records told when they were digested again, until it is joined to the facts.
-- Runs below zero are dry runs: the moment they began, in negative Unix milliseconds.
CREATE TABLE staged_facts (
    connector TEXT    NOT NULL,
    run_id    INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    sid       TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    PRIMARY KEY (connector, run_id, kind, sid)
) STRICT, WITHOUT ROWID;
