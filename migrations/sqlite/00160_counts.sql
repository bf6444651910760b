-- +goose Up

-- How many rows there are of what only ever grows, so that nobody has to count them: kept
-- by triggers, in the transactions that change the rows, whatever program writes them.
-- What is not settled is few and counted by its index.
--
-- How this is done is each database's own affair.
CREATE TABLE counts (
    connector TEXT    NOT NULL,
    what      TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    n         INTEGER NOT NULL,
    PRIMARY KEY (connector, what, kind, state)
) STRICT, WITHOUT ROWID;

INSERT INTO counts SELECT connector, 'facts', kind, '', COUNT(*) FROM facts GROUP BY connector, kind;
INSERT INTO counts SELECT connector, 'deliveries', kind, state, COUNT(*) FROM deliveries
    WHERE state IN ('delivered', 'skipped', 'withdrawn') GROUP BY connector, kind, state;
INSERT INTO counts SELECT connector, 'omissions', reason, what, COUNT(*) FROM omissions GROUP BY connector, reason, what;
INSERT INTO counts SELECT connector, 'customers', 'all', '', COUNT(*) FROM customers
    WHERE merged_into IS NULL GROUP BY connector;
INSERT INTO counts SELECT connector, 'customers', 'linked', '', SUM(linked) FROM customers
    WHERE merged_into IS NULL GROUP BY connector;
INSERT INTO counts SELECT connector, 'customers', 'conversations', '', SUM(conversations) FROM customers
    WHERE merged_into IS NULL GROUP BY connector;

-- +goose StatementBegin
CREATE TRIGGER facts_counted AFTER INSERT ON facts BEGIN
    INSERT INTO counts VALUES (NEW.connector, 'facts', NEW.kind, '', 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER facts_uncounted AFTER DELETE ON facts BEGIN
    UPDATE counts SET n = n - 1 WHERE connector = OLD.connector AND what = 'facts' AND kind = OLD.kind AND state = '';
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER deliveries_counted AFTER INSERT ON deliveries WHEN NEW.state IN ('delivered', 'skipped', 'withdrawn') BEGIN
    INSERT INTO counts VALUES (NEW.connector, 'deliveries', NEW.kind, NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deliveries_uncounted AFTER DELETE ON deliveries WHEN OLD.state IN ('delivered', 'skipped', 'withdrawn') BEGIN
    UPDATE counts SET n = n - 1
    WHERE connector = OLD.connector AND what = 'deliveries' AND kind = OLD.kind AND state = OLD.state;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deliveries_settled AFTER UPDATE OF state ON deliveries
    WHEN NEW.state <> OLD.state AND NEW.state IN ('delivered', 'skipped', 'withdrawn') BEGIN
    INSERT INTO counts VALUES (NEW.connector, 'deliveries', NEW.kind, NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deliveries_revived AFTER UPDATE OF state ON deliveries
    WHEN NEW.state <> OLD.state AND OLD.state IN ('delivered', 'skipped', 'withdrawn') BEGIN
    UPDATE counts SET n = n - 1
    WHERE connector = OLD.connector AND what = 'deliveries' AND kind = OLD.kind AND state = OLD.state;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER omissions_counted AFTER INSERT ON omissions BEGIN
    INSERT INTO counts VALUES (NEW.connector, 'omissions', NEW.reason, NEW.what, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER omissions_uncounted AFTER DELETE ON omissions BEGIN
    UPDATE counts SET n = n - 1
    WHERE connector = OLD.connector AND what = 'omissions' AND kind = OLD.reason AND state = OLD.what;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER customers_counted AFTER INSERT ON customers WHEN NEW.merged_into IS NULL BEGIN
    INSERT INTO counts VALUES
        (NEW.connector, 'customers', 'all', '', 1),
        (NEW.connector, 'customers', 'linked', '', NEW.linked),
        (NEW.connector, 'customers', 'conversations', '', NEW.conversations)
    ON CONFLICT DO UPDATE SET n = n + excluded.n;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER customers_uncounted AFTER DELETE ON customers WHEN OLD.merged_into IS NULL BEGIN
    INSERT INTO counts VALUES
        (OLD.connector, 'customers', 'all', '', -1),
        (OLD.connector, 'customers', 'linked', '', -OLD.linked),
        (OLD.connector, 'customers', 'conversations', '', -OLD.conversations)
    ON CONFLICT DO UPDATE SET n = n + excluded.n;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER customers_changed AFTER UPDATE OF merged_into, linked, conversations ON customers
    WHEN NEW.merged_into IS NOT OLD.merged_into OR NEW.linked <> OLD.linked OR NEW.conversations <> OLD.conversations BEGIN
    INSERT INTO counts VALUES
        (NEW.connector, 'customers', 'all', '', (NEW.merged_into IS NULL) - (OLD.merged_into IS NULL)),
        (NEW.connector, 'customers', 'linked', '',
            NEW.linked * (NEW.merged_into IS NULL) - OLD.linked * (OLD.merged_into IS NULL)),
        (NEW.connector, 'customers', 'conversations', '',
            NEW.conversations * (NEW.merged_into IS NULL) - OLD.conversations * (OLD.merged_into IS NULL))
    ON CONFLICT DO UPDATE SET n = n + excluded.n;
END;
-- +goose StatementEnd
