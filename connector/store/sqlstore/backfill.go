package sqlstore

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// SaveBackfill implements store.Backfiller.
func (s *Store) SaveBackfill(ctx context.Context, b store.Backfill) error {
	return s.write(ctx, "save backfill", func(t *tx) error {
		return t.later(`
			INSERT INTO backfills (connector, run_id, since, until, events, held, request)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (connector) DO UPDATE SET run_id = excluded.run_id, since = excluded.since, until = excluded.until,
				events = excluded.events, held = excluded.held, request = excluded.request`,
			name(b.Connector), b.RunID, b.Since.UnixMilli(), b.Until.UnixMilli(), string(b.Events), flag(b.Held), bytesOf(b.Request))
	})
}

// LoadBackfill implements store.Backfiller.
func (s *Store) LoadBackfill(ctx context.Context, connector string) (store.Backfill, error) {
	b := store.Backfill{Connector: connector}
	err := s.read(ctx, "load backfill", func(t *tx) error {
		var held int
		err := t.one(`SELECT run_id, since, until, events, held, request FROM backfills WHERE connector = $1`,
			[]any{&b.RunID, clock{&b.Since}, clock{&b.Until}, &b.Events, &held, &b.Request}, name(connector))
		b.Held = held == 1
		return err
	})
	return b, err
}

// EndBackfill implements store.Backfiller.
func (s *Store) EndBackfill(ctx context.Context, connector string) error {
	return s.write(ctx, "end backfill", func(t *tx) error {
		return t.later(`DELETE FROM backfills WHERE connector = $1`, name(connector))
	})
}

// LoadOwed implements store.Backfiller.
func (s *Store) LoadOwed(ctx context.Context, connector string, limit int) ([]int64, []fact.Key, error) {
	var customers ints
	var keys []fact.Key
	err := s.read(ctx, "load owed customers", func(t *tx) error {
		err := t.query(`SELECT customer_id FROM owed WHERE connector = $1 ORDER BY customer_id LIMIT $2`, func(r row) error {
			var id int64
			err := r.Scan(&id)
			customers = append(customers, id)
			return err
		}, name(connector), limit)
		if err != nil {
			return err
		}
		keys, err = t.factsOf(customers)
		return err
	})
	return customers, keys, err
}

// factsOf returns the keys of all facts of customers, in order.
func (t *tx) factsOf(customers ints) ([]fact.Key, error) {
	var keys []fact.Key
	err := t.query(`
		SELECT f.kind, f.sid FROM {rows id:bigint} AS r CROSS JOIN facts f
		WHERE f.customer_id = r.id ORDER BY f.kind, f.sid`, func(r row) error {
		var key fact.Key
		err := r.Scan(&key.Kind, &key.SID)
		keys = append(keys, key)
		return err
	}, rows{customers})
	return keys, err
}

// CountOwed implements store.Backfiller.
func (s *Store) CountOwed(ctx context.Context, connector string) (int, error) {
	var n int
	err := s.read(ctx, "count owed customers", func(t *tx) error {
		return t.one(`SELECT COUNT(*) FROM owed WHERE connector = $1`, []any{&n}, name(connector))
	})
	return n, err
}

// CountRecords implements store.Backfiller. What happened since a moment was captured since
// then, but for a clock that was wrong: that spares reading all that is older.
func (s *Store) CountRecords(ctx context.Context, connector, stream string, from, until time.Time) (int, error) {
	const wrong = time.Hour
	var n int
	err := s.read(ctx, "count records", func(t *tx) error {
		return t.one(`
			SELECT COUNT(*) FROM records
			WHERE connector = $1 AND state IN ('waiting', 'digested', 'ignored', 'failed') AND captured_at >= $5
				AND stream = $2 AND at >= $3 AND at < $4`,
			[]any{&n}, name(connector), name(stream), from.UnixMilli(), until.UnixMilli(), from.Add(-wrong).UnixMilli())
	})
	return n, err
}

// LoadWaiting implements store.Backfiller.
func (s *Store) LoadWaiting(ctx context.Context, connector string, lane record.Lane) (store.Waits, error) {
	var records, deliveries int
	err := s.read(ctx, "load what waits", func(t *tx) error {
		return t.one(`
			SELECT CASE WHEN EXISTS (SELECT 1 FROM waiting WHERE connector = $1 AND lane = $2) THEN 1 ELSE 0 END,
				CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE connector = $1 AND lane = $2 AND state IN ('pending', 'sending', 'unknown'))
				THEN 1 ELSE 0 END`,
			[]any{&records, &deliveries}, name(connector), int(lane))
	})
	return store.Waits{Records: records == 1, Deliveries: deliveries == 1}, err
}

// saveOwed notes whom a digest left to the end of a backfill, and of whom it put
// everything in the outbox.
func (t *tx) saveOwed(connector string, d *store.Digest) error {
	err := t.later(`
		DELETE FROM owed WHERE connector = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`,
		connector, rows{distinct(ints(d.Unowed))})
	if err != nil {
		return err
	}
	return t.later(`
		INSERT INTO owed (connector, customer_id) SELECT $1, id FROM {rows id:bigint} AS r WHERE true
		ON CONFLICT (connector, customer_id) DO NOTHING`, connector, rows{distinct(ints(d.Owed))})
}
