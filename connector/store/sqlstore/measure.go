package sqlstore

import (
	"context"
	"strings"

	"flexbrevo/connector/store"
	"flexbrevo/migrations"
)

// measureEvery is after how many digested records it is looked whether tables have
// grown beyond what PostgreSQL knows of them.
const measureEvery = 1000

// measured are the tables that PostgreSQL's planner must know, with the columns whose
// values decide which of their indexes finds a row.
var measured = map[string]string{
	"aged":        "customer_id, connector, look_at",
	"agent_parts": "connector, source, day",
	"changes":     "customer_id, connector, seq",
	"csat_parts":  "connector, source, day",
	"customers":   "id, connector, merged_into, contact_id",
	"deliveries":  "id, connector, account, customer_id, kind, key, state",
	"facts":       "connector, kind, sid, customer_id, open",
	"identifiers": "connector, kind, value, customer_id",
	"marks":       "connector, key, kind, sid",
	"omissions":   "customer_id, connector, origin",
	"owed":        "connector, customer_id",
	"published":   "customer_id, connector, state",
	"queue":       "account, customer_id, lane, due_at",
	"queue_parts": "connector, source, hour",
	"records":     "id, connector, key, state, captured_at",
	"waiting":     "connector, lane, id",
}

// measure has PostgreSQL measure tables that have become several times larger since it
// did, or that it never measured. It would do so by itself, but a minute late: until
// then it takes a connector's name for something rare, and a first load read the whole
// index of a table for each batch. It follows a digest that is stored whatever comes of
// it. SQLite's plans do not depend on measures.
func (s *Store) measure(ctx context.Context, d *store.Digest) {
	if s.dialect.name != migrations.Postgres || s.unmeasured.Add(int64(len(d.Records))) < measureEvery {
		return
	}
	s.unmeasured.Store(0)
	if err := s.write(ctx, "measure tables", measureGrown); err != nil {
		s.unmeasurable.Do(func() {
			s.options.Logger.Warn("tables cannot be measured: PostgreSQL may read more than it needs", "err", err)
		})
	}
}

func measureGrown(t *tx) error {
	names := make(texts, 0, len(measured))
	for table := range measured {
		names = append(names, table)
	}
	var grown []string
	err := t.query(`
		SELECT r.name FROM {rows name:text} AS r
		WHERE pg_relation_size(to_regclass(r.name)) > (
			SELECT CAST(GREATEST(c.relpages, 2) AS BIGINT) * 4 * 8192 FROM pg_class c WHERE c.oid = to_regclass(r.name))`, func(r row) error {
		var table string
		err := r.Scan(&table)
		grown = append(grown, table+" ("+measured[table]+")")
		return err
	}, rows{names})
	if err != nil || len(grown) == 0 {
		return err
	}
	// A sample of some thousand rows says enough. What is being vacuumed is measured then.
	if err := do(t.ctx, t.session, `SET LOCAL default_statistics_target = 10`); err != nil {
		return err
	}
	return do(t.ctx, t.session, `ANALYZE (SKIP_LOCKED) `+strings.Join(grown, ", "))
}
