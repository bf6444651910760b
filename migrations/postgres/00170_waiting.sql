-- +goose Up

-- Which records wait to be digested, in the order in which they are. A record's own
-- row, with its body, is written once: taking it off this list is what digests it, and
-- its state says only what else became of it (ignored, failed).
CREATE TABLE waiting (
    connector   TEXT     NOT NULL,
    lane        SMALLINT NOT NULL,
    id          BIGINT   NOT NULL,
    captured_at BIGINT   NOT NULL,
    PRIMARY KEY (connector, lane, id)
) WITH (fillfactor = 100, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- A flexbrevo from before this migration may still run and write down that its records
-- wait: they are put on the list, for one from after it.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE FUNCTION records_put_on_waiting() RETURNS trigger LANGUAGE plpgsql AS $f$
    BEGIN
        INSERT INTO waiting (connector, lane, id, captured_at) VALUES (NEW.connector, NEW.lane, NEW.id, NEW.captured_at)
            ON CONFLICT (connector, lane, id) DO NOTHING;
        UPDATE records SET state = 'digested', reason = '', digested_at = NEW.captured_at WHERE id = NEW.id;
        RETURN NULL;
    END $f$;
    CREATE TRIGGER records_of_an_older_flexbrevo AFTER INSERT OR UPDATE OF state ON records
        FOR EACH ROW WHEN (NEW.state = 'waiting') EXECUTE FUNCTION records_put_on_waiting();
END $$;
-- +goose StatementEnd

INSERT INTO waiting (connector, lane, id, captured_at)
    SELECT connector, lane, id, captured_at FROM records WHERE state = 'waiting';
UPDATE records SET state = 'digested', digested_at = captured_at WHERE state = 'waiting';
DROP INDEX records_waiting;
