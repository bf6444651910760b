-- +goose Up

-- What was, or is to be, written on a contact's timeline in the destination's CRM:
-- one row for each rule, fact and kind, for ever, so that nothing is written twice.
-- The body is emptied once the row is final.
CREATE TABLE crm_cases (
    connector   TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    customer_id BIGINT  NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('waiting', 'sending', 'unknown', 'written', 'left_out')),
    body        BYTEA   NOT NULL,
    event_at    BIGINT  NOT NULL,
    due_at      BIGINT  NOT NULL,
    tried_at    BIGINT  NOT NULL,
    written_id  TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    PRIMARY KEY (connector, key),
    CHECK ((state = 'left_out') = (reason <> ''))
);

CREATE INDEX crm_cases_open ON crm_cases (connector, state, due_at) WHERE state IN ('waiting', 'sending', 'unknown');
CREATE INDEX crm_cases_customer ON crm_cases (customer_id);
