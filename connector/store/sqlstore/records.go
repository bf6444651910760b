package sqlstore

import (
	"context"

	"flexbrevo/connector/record"
)

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
