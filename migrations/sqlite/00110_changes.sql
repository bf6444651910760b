-- +goose Up

-- Which customers a digest touched, for parts that keep something of them elsewhere;
-- see store.Follower. Without such a part both tables are empty.
CREATE TABLE changes (
    customer_id INTEGER PRIMARY KEY REFERENCES customers (id),
    connector   TEXT    NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq > 0)
) STRICT;

CREATE UNIQUE INDEX changes_seq ON changes (connector, seq);

-- The last place that was given in a connector's feed.
CREATE TABLE feeds (
    connector TEXT    NOT NULL PRIMARY KEY,
    seq       INTEGER NOT NULL CHECK (seq > 0)
) STRICT, WITHOUT ROWID;
