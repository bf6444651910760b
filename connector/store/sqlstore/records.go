package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"flexbrevo/connector/record"
	"flexbrevo/migrations"
)

// LoadRecords implements store.Digester.
func (s *Store) LoadRecords(ctx context.Context, connector string, ids []int64) ([]record.Record, error) {
	var found []record.Record
	err := s.read(ctx, "load records", func(t *tx) (err error) {
		found, err = t.records(name(connector), ids)
		return err
	})
	return found, err
}

// records returns records by their ids, in order of lane and then capture.
func (t *tx) records(connector string, ids ints) ([]record.Record, error) {
	found := make([]record.Record, 0, len(ids))
	err := t.scanRecords(connector, ids, &arena{}, func(r record.Record) { found = append(found, r) })
	slices.SortFunc(found, byLane)
	return found, err
}

// eachRecord calls each with records by their ids, which are in order. Bodies are good
// until each returns.
func (t *tx) eachRecord(connector string, ids ints, each func(record.Record)) error {
	if t.dialect.name == migrations.Postgres { // which may join in another order
		found, err := t.records(connector, ids)
		for _, r := range found {
			each(r)
		}
		return err
	}
	var room arena
	return t.scanRecords(connector, ids, &room, func(r record.Record) {
		each(r)
		room = room[:0]
	})
}

// scanRecords calls each with records by their ids, their bodies in room.
func (t *tx) scanRecords(connector string, ids ints, room *arena, each func(record.Record)) error {
	return t.query(`
		SELECT o.id, o.key, o.stream, o.type, o.via, o.lane, o.at, o.captured_at, o.body
		FROM {rows id:bigint} AS r CROSS JOIN records o WHERE o.id = r.id AND o.connector = $1`, func(r row) error {
		var rec record.Record
		err := r.Scan(&rec.ID, &rec.Key, &rec.Stream, &rec.Type, &rec.Via, &rec.Lane, clock{&rec.At}, clock{&rec.CapturedAt}, bodyOf{&rec, room})
		if err == nil {
			each(rec)
		}
		return err
	}, connector, rows{ids})
}

func byLane(a, b record.Record) int {
	return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.ID, b.ID))
}

// LoadRecordsByKey implements store.Reader.
func (s *Store) LoadRecordsByKey(ctx context.Context, connector string, keys []string) ([]record.Record, error) {
	var found []record.Record
	var bodies arena
	err := s.read(ctx, "load records by key", func(t *tx) error {
		return t.query(`
			SELECT o.id, o.key, o.stream, o.type, o.via, o.lane, o.at, o.body
			FROM {rows key:text} AS r CROSS JOIN records o WHERE o.connector = $1 AND o.key = r.key ORDER BY o.id`, func(r row) error {
			rec, err := scanRecord(r, &bodies)
			found = append(found, rec)
			return err
		}, name(connector), rows{distinctNames(keys)})
	})
	return found, err
}

// distinctNames are the names of keys, each once.
func distinctNames(keys []string) texts {
	seen := map[string]bool{}
	var out texts
	for _, key := range names(keys) {
		if !seen[key] {
			seen[key], out = true, append(out, key)
		}
	}
	return out
}
