-- +goose Up

-- Records that are done with are counted, too: a month of them is millions.
--
-- How this is done is each database's own affair.
INSERT INTO counts SELECT connector, 'records', '', state, COUNT(*) FROM records
    WHERE state IN ('digested', 'ignored') GROUP BY connector, state;

-- +goose StatementBegin
CREATE TRIGGER records_counted AFTER INSERT ON records WHEN NEW.state IN ('digested', 'ignored') BEGIN
    INSERT INTO counts VALUES (NEW.connector, 'records', '', NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER records_uncounted AFTER DELETE ON records WHEN OLD.state IN ('digested', 'ignored') BEGIN
    UPDATE counts SET n = n - 1
    WHERE connector = OLD.connector AND what = 'records' AND kind = '' AND state = OLD.state;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER records_done AFTER UPDATE OF state ON records
    WHEN NEW.state <> OLD.state AND NEW.state IN ('digested', 'ignored') BEGIN
    INSERT INTO counts VALUES (NEW.connector, 'records', '', NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER records_undone AFTER UPDATE OF state ON records
    WHEN NEW.state <> OLD.state AND OLD.state IN ('digested', 'ignored') BEGIN
    UPDATE counts SET n = n - 1
    WHERE connector = OLD.connector AND what = 'records' AND kind = '' AND state = OLD.state;
END;
-- +goose StatementEnd
