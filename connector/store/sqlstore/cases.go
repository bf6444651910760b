package sqlstore

import (
	"context"
	"time"

	"flexbrevo/connector/store"
)

// AddCases implements store.Chronicler.
func (s *Store) AddCases(ctx context.Context, connector string, cases []store.Case) (int, error) {
	if len(cases) == 0 {
		return 0, nil
	}
	last := map[string]store.Case{} // one statement must not meet a row twice
	for _, c := range cases {
		last[name(c.Key)] = c
	}
	var keys, states, reasons texts
	var customers ints
	var bodies blobs
	var events, due moments
	for key, c := range last {
		keys, states, reasons = append(keys, key), append(states, string(c.State)), append(reasons, name(c.Reason))
		customers, bodies = append(customers, c.CustomerID), append(bodies, bytesOf(c.Body))
		events, due = append(events, c.EventAt), append(due, c.DueAt)
	}
	added := 0
	err := s.write(ctx, "add cases", func(t *tx) error {
		known := 0
		if err := t.one(`
			SELECT COUNT(*) FROM {rows key:text} AS r CROSS JOIN crm_cases c WHERE c.connector = $1 AND c.key = r.key`,
			[]any{&known}, name(connector), rows{keys}); err != nil {
			return err
		}
		added = len(keys) - known
		_, err := t.exec(`
			INSERT INTO crm_cases (connector, key, customer_id, state, body, event_at, due_at, tried_at, written_id, reason)
			SELECT $1, key, customer_id, state, body, event_at, due_at, 0, '', reason
			FROM {rows key:text customer_id:bigint state:text body:bytea event_at:bigint due_at:bigint reason:text} AS r WHERE true
			ON CONFLICT (connector, key) DO UPDATE SET customer_id = excluded.customer_id, body = excluded.body, due_at = excluded.due_at
			WHERE crm_cases.state = 'waiting' AND excluded.state = 'waiting'`,
			name(connector), rows{keys, customers, states, bodies, events, due, reasons})
		return err
	})
	return added, err
}

// LoadKnownCases implements store.Chronicler.
func (s *Store) LoadKnownCases(ctx context.Context, connector string, keys []string) (map[string]bool, error) {
	known := map[string]bool{}
	var asked texts
	for _, key := range keys {
		asked = append(asked, name(key))
	}
	err := s.read(ctx, "load known cases", func(t *tx) error {
		return t.query(`
			SELECT c.key FROM {rows key:text} AS r CROSS JOIN crm_cases c WHERE c.connector = $1 AND c.key = r.key`, func(r row) error {
			var key string
			err := r.Scan(&key)
			known[key] = true
			return err
		}, name(connector), rows{asked})
	})
	return known, err
}

// LoadCases implements store.Chronicler.
func (s *Store) LoadCases(ctx context.Context, connector string, state store.CaseState, now time.Time, limit int) ([]store.Case, error) {
	return s.loadCases(ctx, `
		SELECT x.key, x.customer_id, x.state, x.body, x.event_at, x.due_at, x.tried_at, x.written_id, x.reason, c.contact_id
		FROM crm_cases x JOIN customers c ON c.id = x.customer_id
		WHERE x.connector = $1 AND x.state = $2 AND x.due_at <= $3 AND c.contact_id IS NOT NULL AND (x.state <> 'waiting' OR c.merged_into IS NULL)
		ORDER BY x.due_at, x.key LIMIT $4`, name(connector), string(state), now.UnixMilli(), limit)
}

// LoadOldCases implements store.Chronicler.
func (s *Store) LoadOldCases(ctx context.Context, connector string, before time.Time, limit int) ([]store.Case, error) {
	return s.loadCases(ctx, `
		SELECT key, customer_id, state, body, event_at, due_at, tried_at, written_id, reason, 0
		FROM crm_cases WHERE connector = $1 AND state = 'waiting' AND event_at < $2 ORDER BY due_at LIMIT $3`,
		name(connector), before.UnixMilli(), limit)
}

func (s *Store) loadCases(ctx context.Context, text string, args ...any) ([]store.Case, error) {
	var cases []store.Case
	err := s.read(ctx, "load cases", func(t *tx) error {
		cases = nil
		return t.query(text, func(r row) error {
			var c store.Case
			err := r.Scan(&c.Key, &c.CustomerID, &c.State, &c.Body, clock{&c.EventAt}, clock{&c.DueAt}, clock{&c.TriedAt}, &c.WrittenID, &c.Reason, &c.ContactID)
			cases = append(cases, c)
			return err
		}, args...)
	})
	return cases, err
}

// TakeCase implements store.Chronicler.
func (s *Store) TakeCase(ctx context.Context, connector, key string, now time.Time) (bool, error) {
	taken := 0
	err := s.write(ctx, "take case", func(t *tx) (err error) {
		taken, err = t.exec(`UPDATE crm_cases SET state = 'sending', tried_at = $3 WHERE connector = $1 AND key = $2 AND state = 'waiting'`,
			name(connector), name(key), now.UnixMilli())
		return err
	})
	return taken == 1, err
}

// RecoverCases implements store.Chronicler.
func (s *Store) RecoverCases(ctx context.Context, connector string) error {
	return s.write(ctx, "recover cases", func(t *tx) error {
		_, err := t.exec(`UPDATE crm_cases SET state = 'unknown' WHERE connector = $1 AND state = 'sending'`, name(connector))
		return err
	})
}

// SaveCase implements store.Chronicler.
func (s *Store) SaveCase(ctx context.Context, connector string, c store.Case) error {
	body := bytesOf(c.Body)
	if c.State == store.CaseWritten || c.State == store.CaseLeftOut {
		body = []byte{}
	}
	return s.write(ctx, "save case", func(t *tx) error {
		_, err := t.exec(`
			UPDATE crm_cases SET state = $3, body = $4, due_at = $5, written_id = $6, reason = $7
			WHERE connector = $1 AND key = $2 AND state IN ('waiting', 'sending', 'unknown')`,
			name(connector), name(c.Key), string(c.State), body, c.DueAt.UnixMilli(), name(c.WrittenID), name(c.Reason))
		return err
	})
}

// LoadWritten implements store.Chronicler.
func (s *Store) LoadWritten(ctx context.Context, connector string, customerID int64) ([]string, error) {
	var ids []string
	err := s.read(ctx, "load what was written", func(t *tx) error {
		ids = nil
		return t.query(`SELECT written_id FROM crm_cases WHERE customer_id = $2 AND connector = $1 AND written_id <> '' ORDER BY written_id`, func(r row) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, name(connector), customerID)
	})
	return ids, err
}

// CountCases implements store.Chronicler.
func (s *Store) CountCases(ctx context.Context, connector string) (store.CaseCounts, error) {
	counts := store.CaseCounts{States: map[store.CaseState]int{}, LeftOut: map[string]int{}}
	err := s.read(ctx, "count cases", func(t *tx) error {
		return t.query(`SELECT state, reason, COUNT(*) FROM crm_cases WHERE connector = $1 GROUP BY state, reason`, func(r row) error {
			var state store.CaseState
			var reason string
			var n int
			if err := r.Scan(&state, &reason, &n); err != nil {
				return err
			}
			counts.States[state] += n
			if reason != "" {
				counts.LeftOut[reason] = n
			}
			return nil
		}, name(connector))
	})
	return counts, err
}
