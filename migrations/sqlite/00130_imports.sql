-- +goose Up

-- Bulk imports that were handed to a destination account; see store.Import.
CREATE TABLE imports (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT    NOT NULL,
    connector  TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('handed', 'accepted', 'done', 'failed', 'overdue', 'refused', 'lost')),
    process_id INTEGER,
    contacts   INTEGER NOT NULL CHECK (contacts > 0),
    found      INTEGER NOT NULL DEFAULT 0 CHECK (found >= 0),
    handed_at  INTEGER NOT NULL,
    ended_at   INTEGER,
    reports    TEXT    NOT NULL DEFAULT '',
    CHECK ((state IN ('handed', 'accepted')) = (ended_at IS NULL)),
    CHECK (state <> 'accepted' OR process_id IS NOT NULL)
) STRICT;
CREATE INDEX imports_under_way ON imports (account, id) WHERE ended_at IS NULL;
CREATE INDEX imports_connector ON imports (connector, id);

-- The contacts of imports that are under way; sent names the values, it holds none.
CREATE TABLE import_rows (
    import_id   INTEGER NOT NULL,
    delivery_id INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    sent        TEXT    NOT NULL,
    PRIMARY KEY (import_id, delivery_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX import_rows_customer ON import_rows (customer_id);
