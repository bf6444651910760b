package sqlstore

import (
	"context"
	"time"

	"flexbrevo/connector/store"
)

// AskPublished implements store.Publisher.
func (s *Store) AskPublished(ctx context.Context, lease store.Lease, connector string, customers []int64, now time.Time) error {
	return s.write(ctx, "ask to publish", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		return t.later(`
			INSERT INTO published (customer_id, connector, state, revision, hash, reason, due_at, attempts)
			SELECT c.id, c.connector, 'waiting', '', '', '', $2, 0 FROM {rows id:bigint} AS r CROSS JOIN customers c
			WHERE c.id = r.id AND c.connector = $1
			ON CONFLICT (customer_id) DO UPDATE SET due_at = excluded.due_at, attempts = 0
			WHERE published.state NOT IN ('leaving', 'gone')`,
			name(connector), now.UnixMilli(), rows{distinct(customers)})
	})
}

// LetGo implements store.Publisher.
func (s *Store) LetGo(ctx context.Context, connector string, customers []int64, now time.Time) error {
	return s.write(ctx, "let published go", func(t *tx) error {
		return t.later(`
			INSERT INTO published (customer_id, connector, state, revision, hash, reason, due_at, attempts)
			SELECT c.id, c.connector, 'leaving', '', '', '', $2, 0 FROM {rows id:bigint} AS r CROSS JOIN customers c
			WHERE c.id = r.id AND c.connector = $1
			ON CONFLICT (customer_id) DO UPDATE SET state = 'leaving', due_at = excluded.due_at, attempts = 0, reason = ''
			WHERE published.state NOT IN ('leaving', 'gone')`,
			name(connector), now.UnixMilli(), rows{distinct(customers)})
	})
}

const publishedColumns = `p.customer_id, p.state, COALESCE(p.key, ''), p.revision, p.hash, p.reason, p.due_at, p.attempts, p.expires_at`

func scanPublished(into *[]store.Published) func(row) error {
	return func(r row) error {
		var p store.Published
		err := r.Scan(&p.CustomerID, &p.State, &p.Key, &p.Revision, &p.Hash, &p.Reason, clock{&p.DueAt}, &p.Attempts, clock{&p.ExpiresAt})
		*into = append(*into, p)
		return err
	}
}

// LoadDuePublished implements store.Publisher.
func (s *Store) LoadDuePublished(ctx context.Context, connector string, now time.Time, limit int) ([]store.Published, error) {
	var due []store.Published
	err := s.read(ctx, "load what is due to publish", func(t *tx) error {
		due = nil
		if err := t.byIndex(); err != nil {
			return err
		}
		// Those who are let go are few: they are found by their state.
		err := t.query(`
			SELECT `+publishedColumns+` FROM published p
			WHERE p.connector = $1 AND p.state = 'leaving' AND p.due_at <= $2 LIMIT $3`, scanPublished(&due), name(connector), now.UnixMilli(), limit)
		if err != nil || len(due) == limit {
			return err
		}
		return t.query(`
			SELECT `+publishedColumns+` FROM published p
			WHERE p.connector = $1 AND p.due_at <= $2 AND p.due_at IS NOT NULL AND p.state <> 'leaving'
			ORDER BY p.due_at LIMIT $3`, scanPublished(&due), name(connector), now.UnixMilli(), limit-len(due))
	})
	return due, err
}

// LoadPublished implements store.Publisher.
func (s *Store) LoadPublished(ctx context.Context, connector string, customers []int64) ([]store.Published, error) {
	var found []store.Published
	err := s.read(ctx, "load published", func(t *tx) error {
		found = nil
		return t.query(`
			SELECT `+publishedColumns+` FROM {rows id:bigint} AS r CROSS JOIN published p
			WHERE p.customer_id = r.id AND p.connector = $1`, scanPublished(&found), name(connector), rows{distinct(customers)})
	})
	return found, err
}

// LoadPublishedAt implements store.Publisher.
func (s *Store) LoadPublishedAt(ctx context.Context, connector, key string) (store.Published, error) {
	var found []store.Published
	err := s.read(ctx, "load published by key", func(t *tx) error {
		found = nil
		return t.query(`
			SELECT `+publishedColumns+` FROM published p WHERE p.connector = $1 AND p.key = $2 AND p.key IS NOT NULL`,
			scanPublished(&found), name(connector), name(key))
	})
	switch {
	case err != nil:
		return store.Published{}, err
	case len(found) == 0:
		return store.Published{}, store.ErrNotFound
	}
	return found[0], nil
}

// SavePublished implements store.Publisher.
func (s *Store) SavePublished(ctx context.Context, lease store.Lease, connector string, p store.Published, takenFrom int64, now time.Time) error {
	return s.write(ctx, "save published", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		if takenFrom != 0 {
			err := t.later(`
				UPDATE published SET key = NULL, revision = '', hash = '', due_at = $3, expires_at = NULL,
					state = CASE WHEN state = 'leaving' THEN state ELSE 'waiting' END
				WHERE customer_id = $1 AND connector = $2`, takenFrom, name(connector), now.UnixMilli())
			if err != nil {
				return err
			}
		}
		var key any
		if p.Key != "" {
			key = name(p.Key)
		}
		return t.later(`
			UPDATE published SET state = $3, key = $4, revision = $5, hash = $6, reason = $7, due_at = $8, attempts = $9, expires_at = $10
			WHERE customer_id = $1 AND connector = $2
				AND (state NOT IN ('leaving', 'gone') OR state = 'leaving' AND $3 IN ('leaving', 'gone'))`,
			p.CustomerID, name(connector), string(p.State), key, name(p.Revision), name(p.Hash), name(p.Reason),
			moment(p.DueAt), p.Attempts, moment(p.ExpiresAt))
	})
}

// CountPublished implements store.Publisher.
func (s *Store) CountPublished(ctx context.Context, connector string) ([]store.PublishedCount, error) {
	var counts []store.PublishedCount
	err := s.read(ctx, "count published", func(t *tx) error {
		counts = nil
		return t.query(`
			SELECT state, reason, COUNT(*) FROM published WHERE connector = $1 GROUP BY state, reason ORDER BY state, reason`,
			func(r row) error {
				var c store.PublishedCount
				err := r.Scan(&c.State, &c.Reason, &c.Count)
				counts = append(counts, c)
				return err
			}, name(connector))
	})
	return counts, err
}

// LoadShared implements store.Follower.
func (s *Store) LoadShared(ctx context.Context, connector string, phones []string) (map[string]bool, error) {
	shared := map[string]bool{}
	var values texts
	for _, p := range phones {
		values = append(values, name(p))
	}
	err := s.read(ctx, "load shared phones", func(t *tx) error {
		return t.query(`
			SELECT i.value FROM {rows value:text} AS r CROSS JOIN identifiers i
			WHERE i.connector = $1 AND i.kind = 'phone' AND i.value = r.value AND i.shared = 1`, func(r row) error {
			var phone string
			err := r.Scan(&phone)
			shared[phone] = true
			return err
		}, name(connector), rows{values})
	})
	return shared, err
}
