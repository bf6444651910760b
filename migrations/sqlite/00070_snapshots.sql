-- +goose Up

-- What Twilio's own statistics said of an interval, or of a moment where both ends are
-- the same; see store.Snapshot.
CREATE TABLE snapshots (
    connector TEXT NOT NULL,
    kind      TEXT NOT NULL,
    sid       TEXT NOT NULL,
    since     INTEGER NOT NULL,
    until     INTEGER NOT NULL CHECK (until >= since),
    body      BLOB NOT NULL,
    PRIMARY KEY (connector, kind, until, since, sid)
) STRICT, WITHOUT ROWID;
