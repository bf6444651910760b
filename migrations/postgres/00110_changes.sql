-- +goose Up

-- Which customers a digest touched, for parts that keep something of them elsewhere;
-- see store.Follower. Without such a part both tables are empty.
CREATE TABLE changes (
    customer_id BIGINT PRIMARY KEY REFERENCES customers (id),
    connector   TEXT   NOT NULL,
    seq         BIGINT NOT NULL CHECK (seq > 0)
);

CREATE UNIQUE INDEX changes_seq ON changes (connector, seq);

-- The last place that was given in a connector's feed.
CREATE TABLE feeds (
    connector TEXT   NOT NULL PRIMARY KEY,
    seq       BIGINT NOT NULL CHECK (seq > 0)
);
