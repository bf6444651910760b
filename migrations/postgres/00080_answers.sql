-- +goose Up

-- What was found out about a destination account that its documentation leaves
-- open, such as what a batch of events costs there.
CREATE TABLE answers (
    account  TEXT   NOT NULL,
    question TEXT   NOT NULL,
    answer   TEXT   NOT NULL,
    seen_at  BIGINT NOT NULL,
    PRIMARY KEY (account, question)
);
