-- +goose Up

-- Which records wait to be digested, in the order in which they are. A record's own
-- row, with its body, is written once: taking it off this list is what digests it, and
-- its state says only what else became of it (ignored, failed).
CREATE TABLE waiting (
    connector   TEXT    NOT NULL,
    lane        INTEGER NOT NULL,
    id          INTEGER NOT NULL,
    captured_at INTEGER NOT NULL,
    PRIMARY KEY (connector, lane, id)
) STRICT, WITHOUT ROWID;
INSERT INTO waiting (connector, lane, id, captured_at)
    SELECT connector, lane, id, captured_at FROM records WHERE state = 'waiting';
UPDATE records SET state = 'digested', digested_at = captured_at WHERE state = 'waiting';
DROP INDEX records_waiting;
