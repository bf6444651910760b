package sqlstore

import (
	"context"
	"slices"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/migrations"
)

// Capture implements store.Capturer.
func (s *Store) Capture(ctx context.Context, batch []store.Batch) (store.Captured, error) {
	var captured store.Captured
	records := recordsOf(batch)
	checkpoints := checkpointRows(batch)
	if records.total == 0 && checkpoints.size() == 0 {
		return captured, nil
	}
	err := s.write(ctx, "capture", func(t *tx) error {
		fresh, err := t.insertRecords(records)
		if err != nil {
			return err
		}
		captured = store.Captured{New: fresh, Known: records.total - fresh}
		return t.saveCheckpoints(checkpoints)
	})
	if err != nil {
		return store.Captured{}, err
	}
	return captured, nil
}

// How records are inserted, after what they are selected from and before what becomes of
// them: those of a page, or of anything else.
const (
	insertRecords = `
		INSERT {or fail} INTO records (connector, stream, via, lane, captured_at, digested_at, state, key, type, at, body)`
	insertedAlike = insertRecords + `
		SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($5 AS BIGINT),
			'digested', key, type, at, body
		FROM {rows key:text type:text at:bigint body:bytea} AS r` + onceEach
	insertedMixed = insertRecords + `
		SELECT connector, stream, via, lane, captured_at, captured_at, 'digested', key, type, at, body
		FROM {rows connector:text stream:text via:text lane:bigint captured_at:bigint key:text type:text at:bigint body:bytea} AS r` + onceEach
	onceEach = `
		WHERE true
		ON CONFLICT (connector, key) DO NOTHING`
	wait = `INSERT INTO waiting (connector, lane, id, captured_at) SELECT connector, lane, id, captured_at FROM `
)

// insertRecords keeps the records whose keys are new, has them wait, and returns how
// many they are. SQLite writes in no other way than one transaction after the other,
// so that ids above the highest are this one's.
func (t *tx) insertRecords(records newRecords) (int, error) {
	text, args := records.statement()
	if t.dialect.name == migrations.Postgres {
		if err := t.keepPlans(); err != nil {
			return 0, err
		}
		return t.exec(`WITH fresh AS (`+text+` RETURNING connector, lane, id, captured_at) `+wait+`fresh`, args...)
	}
	var highest int64
	if err := t.one(`SELECT COALESCE(MAX(id), 0) FROM records`, []any{&highest}); err != nil {
		return 0, err
	}
	n, err := t.exec(text, args...)
	if err != nil || n == 0 {
		return 0, err
	}
	if err := t.countCaptured(records, n, highest); err != nil {
		return 0, err
	}
	return t.exec(wait+`records WHERE id > $1`, highest)
}

// countCaptured counts the records that SQLite has above an id, so many.
func (t *tx) countCaptured(records newRecords, n int, above int64) error {
	if records.alike {
		return t.countDigested(records.heads[0].connector, n)
	}
	return t.countNewRecords(above)
}

// newRecords are records to be captured, in their order.
type newRecords struct {
	total int
	// heads has a head for each record, or, where alike says so, one for all: those of a
	// page have it in common, and it is handed over once.
	heads []head
	alike bool

	keys, types texts
	at          moments
	bodies      bodies
}

// head is what the records of a page have in common.
type head struct {
	connector, stream, via string
	lane                   int64
	capturedAt             int64
}

// recordsOf lays all records of a batch out.
func recordsOf(batch []store.Batch) newRecords {
	n := newRecords{alike: true}
	for _, b := range batch {
		for _, p := range b.Pages {
			n.total += len(p.Records)
		}
	}
	n.keys, n.types, n.at = make(texts, 0, n.total), make(texts, 0, n.total), make(moments, 0, n.total)
	n.bodies = make(bodies, 0, n.total)
	for _, b := range batch {
		for _, p := range b.Pages {
			for i := range p.Records {
				n.add(b, &p.Records[i])
			}
		}
	}
	return n
}

func (n *newRecords) add(b store.Batch, r *record.Record) {
	h := head{name(b.Connector), name(r.Stream), string(r.Via), int64(r.Lane), b.At.UnixMilli()}
	if n.alike && len(n.heads) > 0 && n.heads[0] != h {
		n.alike, n.heads = false, slices.Grow(slices.Repeat(n.heads, len(n.keys)), n.total-len(n.keys))
	}
	if !n.alike || len(n.heads) == 0 {
		n.heads = append(n.heads, h)
	}
	n.keys, n.types = append(n.keys, name(r.Key)), append(n.types, name(r.Type))
	n.at, n.bodies = append(n.at, r.At), append(n.bodies, r.Body)
}

// statement returns the statement that inserts the records, and its arguments.
func (n newRecords) statement() (text string, args []any) {
	own := rows{n.keys, n.types, n.at, n.bodies}
	if n.alike && n.total > 0 {
		h := n.heads[0]
		return insertedAlike, []any{h.connector, h.stream, h.via, h.lane, h.capturedAt, own}
	}
	connectors, streams, vias := make(texts, n.total), make(texts, n.total), make(texts, n.total)
	lanes, capturedAt := make(ints, n.total), make(ints, n.total)
	for i, h := range n.heads {
		connectors[i], streams[i], vias[i], lanes[i], capturedAt[i] = h.connector, h.stream, h.via, h.lane, h.capturedAt
	}
	return insertedMixed, []any{append(rows{connectors, streams, vias, lanes, capturedAt}, own...)}
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
	return t.later(`
		INSERT INTO checkpoints (connector, stream, cursor, through, saved_at)
		SELECT connector, stream, cursor, through, saved_at
		FROM {rows connector:text stream:text cursor:bytea through:bigint saved_at:bigint} AS r
		WHERE true
		ON CONFLICT (connector, stream) DO UPDATE SET
			cursor = CASE WHEN length(excluded.cursor) > 0 THEN excluded.cursor ELSE checkpoints.cursor END,
			through = COALESCE(excluded.through, checkpoints.through),
			saved_at = excluded.saved_at`, checkpoints)
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

// EachUndigested implements store.Digester.
func (s *Store) EachUndigested(ctx context.Context, connector string, limit int, beside []int64, each func(record.Record)) error {
	return s.read(ctx, "load undigested records", func(t *tx) error {
		ids, err := t.waiting(name(connector), limit, beside)
		if err != nil {
			return err
		}
		return t.eachRecord(name(connector), ids, each)
	})
}

// waiting returns the ids of records that wait, in order, without some. SQLite makes a plan
// for the very value of a bare parameter behind LIMIT, anew whenever that is bound.
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
		err := t.query(`SELECT id FROM waiting WHERE connector = $1 ORDER BY lane, id LIMIT CAST($2 AS BIGINT)`, collect, connector, limit)
		return ids, err
	}
	err := t.query(`
		SELECT id FROM waiting WHERE connector = $1 AND id NOT IN (SELECT id FROM {rows id:bigint} AS r)
		ORDER BY lane, id LIMIT CAST($2 AS BIGINT)`, collect, connector, limit, rows{ints(without)})
	return ids, err
}
