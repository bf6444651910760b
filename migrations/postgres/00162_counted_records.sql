-- +goose Up

-- Records that are done with are counted, too: a month of them is millions.
--
-- How this is done is each database's own affair. It is as in 00160, in one transaction,
-- since one table alone is taken over.

-- +goose StatementBegin
CREATE FUNCTION count_records() RETURNS trigger LANGUAGE plpgsql AS $count$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO counts SELECT connector, 'records', '', state, COUNT(*) FROM new_rows
        WHERE state IN ('digested', 'ignored') GROUP BY connector, state;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO counts SELECT connector, 'records', '', state, -COUNT(*) FROM old_rows
        WHERE state IN ('digested', 'ignored') GROUP BY connector, state;
    ELSE
        INSERT INTO counts SELECT connector, 'records', '', state, SUM(n) FROM (
            SELECT connector, state, 1 AS n FROM new_rows WHERE state IN ('digested', 'ignored')
            UNION ALL
            SELECT connector, state, -1 FROM old_rows WHERE state IN ('digested', 'ignored')) AS changed
        GROUP BY connector, state HAVING SUM(n) <> 0;
    END IF;
    RETURN NULL;
END $count$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$
BEGIN
    LOCK TABLE records IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO counts SELECT connector, 'records', '', state, COUNT(*) FROM records
    WHERE state IN ('digested', 'ignored') GROUP BY connector, state;
    CREATE TRIGGER records_counted AFTER INSERT ON records
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_records();
    CREATE TRIGGER records_uncounted AFTER DELETE ON records
        REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_records();
    CREATE TRIGGER records_moved AFTER UPDATE ON records
        REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_records();
END $$;
-- +goose StatementEnd
