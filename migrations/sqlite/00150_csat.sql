-- +goose Up

-- What each survey answer adds to its local day, also where no agent took the task
-- it rates: score and scale in hundredths, a scale of 0 where it is not known.
CREATE TABLE csat_parts (
    connector TEXT    NOT NULL,
    source    TEXT    NOT NULL,
    day       TEXT    NOT NULL,
    channel   TEXT    NOT NULL,
    queue     TEXT    NOT NULL,
    score     INTEGER NOT NULL,
    scale     INTEGER NOT NULL,
    PRIMARY KEY (connector, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX csat_parts_day ON csat_parts (connector, day);
