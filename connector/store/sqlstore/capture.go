package sqlstore

import (
	"context"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/migrations"
)

// Capture implements store.Capturer.
func (s *Store) Capture(ctx context.Context, batch []store.Batch) (store.Captured, error) {
	var captured store.Captured
	table, total := recordRows(batch)
	checkpoints := checkpointRows(batch)
	if total == 0 && checkpoints.size() == 0 {
		return captured, nil
	}
	err := s.write(ctx, "capture", func(t *tx) error {
		fresh, err := t.insertRecords(table)
		if err != nil {
			return err
		}
		captured = store.Captured{New: fresh, Known: total - fresh}
		return t.saveCheckpoints(checkpoints)
	})
	if err != nil {
		return store.Captured{}, err
	}
	return captured, nil
}

// insertRecords keeps the records whose keys are new, has them wait, and returns how
// many they are. SQLite writes in no other way than one transaction after the other,
// so that ids above the highest are this one's.
func (t *tx) insertRecords(table rows) (int, error) {
	const insert = `
		INSERT INTO records (connector, key, stream, type, via, lane, at, captured_at, state, digested_at, body)
		SELECT connector, key, stream, type, via, lane, at, captured_at, 'digested', captured_at, body
		FROM {rows connector:text key:text stream:text type:text via:text lane:bigint at:bigint captured_at:bigint body:bytea} AS r
		WHERE true
		ON CONFLICT (connector, key) DO NOTHING`
	const wait = `INSERT INTO waiting (connector, lane, id, captured_at) SELECT connector, lane, id, captured_at FROM `
	if t.dialect.name == migrations.Postgres {
		if err := t.keepPlans(); err != nil {
			return 0, err
		}
		return t.exec(`WITH fresh AS (`+insert+` RETURNING connector, lane, id, captured_at) `+wait+`fresh`, table)
	}
	var highest int64
	if err := t.one(`SELECT COALESCE(MAX(id), 0) FROM records`, []any{&highest}); err != nil {
		return 0, err
	}
	if n, err := t.exec(insert, table); err != nil || n == 0 {
		return 0, err
	}
	if err := t.countNewRecords(highest); err != nil {
		return 0, err
	}
	return t.exec(wait+`records WHERE id > $1`, highest)
}

// recordRows lays all records of a batch out as rows, in their order.
func recordRows(batch []store.Batch) (rows, int) {
	total := 0
	for _, b := range batch {
		for _, p := range b.Pages {
			total += len(p.Records)
		}
	}
	connectors, keys, streams := make(texts, 0, total), make(texts, 0, total), make(texts, 0, total)
	types, vias := make(texts, 0, total), make(texts, 0, total)
	lanes, at, capturedAt := make(ints, 0, total), make(moments, 0, total), make(moments, 0, total)
	bodies := &bodies{values: make([][]byte, 0, total)}
	for _, b := range batch {
		for _, p := range b.Pages {
			for _, r := range p.Records {
				connectors, keys = append(connectors, name(b.Connector)), append(keys, name(r.Key))
				streams, types = append(streams, name(r.Stream)), append(types, name(r.Type))
				vias, lanes = append(vias, string(r.Via)), append(lanes, int64(r.Lane))
				at, capturedAt = append(at, r.At), append(capturedAt, b.At)
				bodies.values = append(bodies.values, r.Body)
			}
		}
	}
	return rows{connectors, keys, streams, types, vias, lanes, at, capturedAt, bodies}, total
}

// checkpointRows gives the last checkpoint of each stream in a batch. A page
// without cursor and without Through has none.
func checkpointRows(batch []store.Batch) rows {
	type stream struct{ connector, name string }
	at := map[stream]int{}
	var connectors, streams texts
	var cursors blobs
	var through, saved moments
	for _, b := range batch {
		for _, p := range b.Pages {
			if p.Cursor == "" && p.Through.IsZero() {
				continue
			}
			key := stream{name(b.Connector), name(p.Stream)}
			i, known := at[key]
			if !known {
				i = len(streams)
				at[key] = i
				connectors, streams = append(connectors, key.connector), append(streams, key.name)
				cursors, through, saved = append(cursors, []byte{}), append(through, p.Through), append(saved, b.At)
			}
			if p.Cursor != "" {
				cursors[i] = []byte(p.Cursor)
			}
			if !p.Through.IsZero() {
				through[i] = p.Through
			}
			saved[i] = b.At
		}
	}
	return rows{connectors, streams, cursors, through, saved}
}

// saveCheckpoints keeps what a page does not say: its cursor or its Through.
func (t *tx) saveCheckpoints(checkpoints rows) error {
	_, err := t.exec(`
		INSERT INTO checkpoints (connector, stream, cursor, through, saved_at)
		SELECT connector, stream, cursor, through, saved_at
		FROM {rows connector:text stream:text cursor:bytea through:bigint saved_at:bigint} AS r
		WHERE true
		ON CONFLICT (connector, stream) DO UPDATE SET
			cursor = CASE WHEN length(excluded.cursor) > 0 THEN excluded.cursor ELSE checkpoints.cursor END,
			through = COALESCE(excluded.through, checkpoints.through),
			saved_at = excluded.saved_at`, checkpoints)
	return err
}

// LoadCheckpoints implements store.Capturer.
func (s *Store) LoadCheckpoints(ctx context.Context, connector string) (map[string]store.Checkpoint, error) {
	var checkpoints map[string]store.Checkpoint
	err := s.read(ctx, "load checkpoints", func(t *tx) (err error) {
		checkpoints, err = t.checkpoints(connector)
		return err
	})
	return checkpoints, err
}

func (t *tx) checkpoints(connector string) (map[string]store.Checkpoint, error) {
	checkpoints := map[string]store.Checkpoint{}
	err := t.query(`SELECT stream, cursor, through, saved_at FROM checkpoints WHERE connector = $1`, func(r row) error {
		var stream string
		var cursor []byte
		var c store.Checkpoint
		if err := r.Scan(&stream, &cursor, clock{&c.Through}, clock{&c.At}); err != nil {
			return err
		}
		c.Cursor = record.Cursor(cursor)
		checkpoints[stream] = c
		return nil
	}, name(connector))
	return checkpoints, err
}

// LoadUndigested implements store.Digester.
func (s *Store) LoadUndigested(ctx context.Context, connector string, limit int, beside ...int64) ([]record.Record, error) {
	var found []record.Record
	err := s.read(ctx, "load undigested records", func(t *tx) error {
		ids, err := t.waiting(name(connector), limit, beside)
		if err != nil {
			return err
		}
		found, err = t.records(name(connector), ids)
		return err
	})
	return found, err
}

// waiting returns the ids of records that wait, in order, without some.
func (t *tx) waiting(connector string, limit int, without []int64) (ints, error) {
	if err := t.byIndex(); err != nil {
		return nil, err
	}
	ids := make(ints, 0, limit)
	collect := func(r row) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}
	if len(without) == 0 {
		return ids, t.query(`SELECT id FROM waiting WHERE connector = $1 ORDER BY lane, id LIMIT $2`, collect, connector, limit)
	}
	return ids, t.query(`
		SELECT id FROM waiting WHERE connector = $1 AND id NOT IN (SELECT id FROM {rows id:bigint} AS r)
		ORDER BY lane, id LIMIT $2`, collect, connector, limit, rows{ints(without)})
}
