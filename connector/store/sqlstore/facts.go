package sqlstore

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
)

const factColumns = `kind, sid, COALESCE(customer_id, 0), open, read_at, body`

// LoadFact implements store.FactReader.
func (s *Store) LoadFact(ctx context.Context, connector string, key fact.Key) (store.StoredFact, error) {
	found, err := s.facts(ctx, "load fact",
		`SELECT `+factColumns+` FROM facts WHERE connector = $1 AND kind = $2 AND sid = $3`,
		name(connector), string(key.Kind), name(key.SID))
	switch {
	case err != nil:
		return store.StoredFact{}, err
	case len(found) == 0:
		return store.StoredFact{}, store.ErrNotFound
	}
	return found[0], nil
}

// LoadOpenFacts implements store.FactReader.
func (s *Store) LoadOpenFacts(ctx context.Context, connector string, kind fact.Kind, before time.Time, limit int) ([]store.StoredFact, error) {
	return s.facts(ctx, "load open facts", `
		SELECT `+factColumns+` FROM facts
		WHERE connector = $1 AND kind = $2 AND open = 1 AND read_at < $3
		ORDER BY read_at, sid LIMIT $4`, name(connector), string(kind), before.UnixMilli(), limit)
}

func (s *Store) facts(ctx context.Context, doing, query string, args ...any) (found []store.StoredFact, err error) {
	err = s.read(ctx, doing, func(t *tx) error {
		found = nil
		return t.query(query, func(r row) error {
			f, err := scanFact(r)
			found = append(found, f)
			return err
		}, args...)
	})
	return found, err
}
