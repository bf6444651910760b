-- +goose NO TRANSACTION
-- +goose Up

-- How many rows there are of what only ever grows, so that nobody has to count them: kept
-- by triggers, in the transactions that change the rows, whatever program writes them.
-- What is not settled is few and counted by its index.
--
-- How this is done is each database's own affair.
--
-- Each statement adds what it changed as rows of its own, because a row that all
-- transactions update would let them wait for one another; Prune folds them. Tables
-- are taken over one by one, each in a transaction of its own that keeps writers out
-- while it counts: two tables at once could be waited for in the other order. A
-- migration that was cut short begins again.
CREATE TABLE IF NOT EXISTS counts (
    connector TEXT   NOT NULL,
    what      TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    state     TEXT   NOT NULL,
    n         BIGINT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 1000);
CREATE INDEX IF NOT EXISTS counts_connector ON counts (connector);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION count_facts() RETURNS trigger LANGUAGE plpgsql AS $count$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO counts SELECT connector, 'facts', kind, '', COUNT(*) FROM new_rows GROUP BY connector, kind;
    ELSE
        INSERT INTO counts SELECT connector, 'facts', kind, '', -COUNT(*) FROM old_rows GROUP BY connector, kind;
    END IF;
    RETURN NULL;
END $count$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$
BEGIN
    LOCK TABLE facts IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM counts WHERE what = 'facts';
    INSERT INTO counts SELECT connector, 'facts', kind, '', COUNT(*) FROM facts GROUP BY connector, kind;
    DROP TRIGGER IF EXISTS facts_counted ON facts;
    DROP TRIGGER IF EXISTS facts_uncounted ON facts;
    CREATE TRIGGER facts_counted AFTER INSERT ON facts
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_facts();
    CREATE TRIGGER facts_uncounted AFTER DELETE ON facts
        REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_facts();
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION count_deliveries() RETURNS trigger LANGUAGE plpgsql AS $count$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO counts SELECT connector, 'deliveries', kind, state, COUNT(*) FROM new_rows
        WHERE state IN ('delivered', 'skipped', 'withdrawn') GROUP BY connector, kind, state;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO counts SELECT connector, 'deliveries', kind, state, -COUNT(*) FROM old_rows
        WHERE state IN ('delivered', 'skipped', 'withdrawn') GROUP BY connector, kind, state;
    ELSE
        INSERT INTO counts SELECT connector, 'deliveries', kind, state, SUM(n) FROM (
            SELECT connector, kind, state, 1 AS n FROM new_rows WHERE state IN ('delivered', 'skipped', 'withdrawn')
            UNION ALL
            SELECT connector, kind, state, -1 FROM old_rows WHERE state IN ('delivered', 'skipped', 'withdrawn')) AS changed
        GROUP BY connector, kind, state HAVING SUM(n) <> 0;
    END IF;
    RETURN NULL;
END $count$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$
BEGIN
    LOCK TABLE deliveries IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM counts WHERE what = 'deliveries';
    INSERT INTO counts SELECT connector, 'deliveries', kind, state, COUNT(*) FROM deliveries
    WHERE state IN ('delivered', 'skipped', 'withdrawn') GROUP BY connector, kind, state;
    DROP TRIGGER IF EXISTS deliveries_counted ON deliveries;
    DROP TRIGGER IF EXISTS deliveries_uncounted ON deliveries;
    DROP TRIGGER IF EXISTS deliveries_moved ON deliveries;
    CREATE TRIGGER deliveries_counted AFTER INSERT ON deliveries
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();
    CREATE TRIGGER deliveries_uncounted AFTER DELETE ON deliveries
        REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();
    CREATE TRIGGER deliveries_moved AFTER UPDATE ON deliveries
        REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION count_omissions() RETURNS trigger LANGUAGE plpgsql AS $count$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO counts SELECT connector, 'omissions', reason, what, COUNT(*) FROM new_rows GROUP BY connector, reason, what;
    ELSE
        INSERT INTO counts SELECT connector, 'omissions', reason, what, -COUNT(*) FROM old_rows GROUP BY connector, reason, what;
    END IF;
    RETURN NULL;
END $count$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$
BEGIN
    LOCK TABLE omissions IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM counts WHERE what = 'omissions';
    INSERT INTO counts SELECT connector, 'omissions', reason, what, COUNT(*) FROM omissions GROUP BY connector, reason, what;
    DROP TRIGGER IF EXISTS omissions_counted ON omissions;
    DROP TRIGGER IF EXISTS omissions_uncounted ON omissions;
    CREATE TRIGGER omissions_counted AFTER INSERT ON omissions
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_omissions();
    CREATE TRIGGER omissions_uncounted AFTER DELETE ON omissions
        REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_omissions();
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION count_customers() RETURNS trigger LANGUAGE plpgsql AS $count$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO counts SELECT c.connector, 'customers', k.kind, '', k.n FROM (
            SELECT connector, COUNT(*) AS n, SUM(linked) AS linked, SUM(conversations) AS conversations
            FROM new_rows WHERE merged_into IS NULL GROUP BY connector) AS c
        CROSS JOIN LATERAL (VALUES ('all', c.n), ('linked', c.linked), ('conversations', c.conversations)) AS k (kind, n)
        WHERE k.n <> 0;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO counts SELECT c.connector, 'customers', k.kind, '', -k.n FROM (
            SELECT connector, COUNT(*) AS n, SUM(linked) AS linked, SUM(conversations) AS conversations
            FROM old_rows WHERE merged_into IS NULL GROUP BY connector) AS c
        CROSS JOIN LATERAL (VALUES ('all', c.n), ('linked', c.linked), ('conversations', c.conversations)) AS k (kind, n)
        WHERE k.n <> 0;
    ELSE
        INSERT INTO counts SELECT c.connector, 'customers', k.kind, '', k.n FROM (
            SELECT connector, SUM(n) AS n, SUM(n * linked) AS linked, SUM(n * conversations) AS conversations FROM (
                SELECT connector, linked, conversations, 1 AS n FROM new_rows WHERE merged_into IS NULL
                UNION ALL
                SELECT connector, linked, conversations, -1 FROM old_rows WHERE merged_into IS NULL) AS changed
            GROUP BY connector) AS c
        CROSS JOIN LATERAL (VALUES ('all', c.n), ('linked', c.linked), ('conversations', c.conversations)) AS k (kind, n)
        WHERE k.n <> 0;
    END IF;
    RETURN NULL;
END $count$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$
BEGIN
    LOCK TABLE customers IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM counts WHERE what = 'customers';
    INSERT INTO counts SELECT c.connector, 'customers', k.kind, '', k.n FROM (
        SELECT connector, COUNT(*) AS n, SUM(linked) AS linked, SUM(conversations) AS conversations
        FROM customers WHERE merged_into IS NULL GROUP BY connector) AS c
    CROSS JOIN LATERAL (VALUES ('all', c.n), ('linked', c.linked), ('conversations', c.conversations)) AS k (kind, n);
    DROP TRIGGER IF EXISTS customers_counted ON customers;
    DROP TRIGGER IF EXISTS customers_uncounted ON customers;
    DROP TRIGGER IF EXISTS customers_changed ON customers;
    CREATE TRIGGER customers_counted AFTER INSERT ON customers
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_customers();
    CREATE TRIGGER customers_uncounted AFTER DELETE ON customers
        REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_customers();
    CREATE TRIGGER customers_changed AFTER UPDATE ON customers
        REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_customers();
END $$;
-- +goose StatementEnd
