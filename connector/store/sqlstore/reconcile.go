package sqlstore

import (
	"context"
	"errors"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// foundReason is why a delivery counts as told that we did not know to be.
const foundReason = "found in the destination"

// LoadLife implements store.Reconciler.
func (s *Store) LoadLife(ctx context.Context, account string) (time.Time, error) {
	var at time.Time
	err := s.read(ctx, "load sign of life", func(t *tx) error {
		return t.one(`SELECT at FROM lives WHERE account = $1`, []any{clock{&at}}, name(account))
	})
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	return at, err
}

// SaveLife implements store.Reconciler.
func (s *Store) SaveLife(ctx context.Context, account string, at time.Time) error {
	return s.write(ctx, "save sign of life", func(t *tx) error {
		_, err := t.exec(`
			INSERT INTO lives (account, at) VALUES ($1, $2) ON CONFLICT (account) DO UPDATE SET at = excluded.at`,
			name(account), at.UnixMilli())
		return err
	})
}

// LoadMarked implements store.Reconciler.
func (s *Store) LoadMarked(ctx context.Context, connector string, keys []string) (map[string]int64, error) {
	marked := map[string]int64{}
	err := s.read(ctx, "load marks", func(t *tx) error {
		return t.query(`
			SELECT m.key, m.at FROM {rows key:text} AS r CROSS JOIN marks m WHERE m.connector = $1 AND m.key = r.key`, func(r row) error {
			var key string
			var at int64
			err := r.Scan(&key, &at)
			marked[key] = at
			return err
		}, name(connector), rows{names(keys)})
	})
	return marked, err
}

func names(list []string) texts {
	out := make(texts, len(list))
	for i, s := range list {
		out[i] = name(s)
	}
	return out
}

// MarkFound implements store.Reconciler.
func (s *Store) MarkFound(ctx context.Context, lease store.Lease, connector string, events []store.FoundEvent, now time.Time) (int, error) {
	marked := 0
	err := s.write(ctx, "mark found events", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		var keys, kinds, sids, types texts
		var at ints
		for _, e := range events {
			keys, at = append(keys, name(e.Key)), append(at, e.At.UnixMilli())
			kinds, sids, types = append(kinds, name(string(e.Fact.Kind))), append(sids, name(e.Fact.SID)), append(types, name(e.Type))
		}
		customers, err := t.ownersOf(name(connector), keys)
		if err != nil {
			return err
		}
		if err := t.lockCustomers(customers); err != nil {
			return err
		}
		marked, err = t.exec(`
			INSERT INTO marks (connector, key, kind, sid, type, at)
			SELECT $1, r.key, COALESCE(d.fact_kind, r.kind), COALESCE(d.fact_sid, r.sid), COALESCE(d.type, r.type), r.at
			FROM {rows key:text kind:text sid:text type:text at:bigint} AS r LEFT JOIN deliveries d ON d.connector = $1 AND d.key = r.key AND d.kind = 'event'
			WHERE true
			ON CONFLICT (connector, key) DO NOTHING`, name(connector), rows{keys, kinds, sids, types, at})
		if err != nil {
			return err
		}
		_, err = t.exec(`
			UPDATE deliveries SET state = 'delivered', settled_at = $2, unknown_since = NULL, reason = '`+foundReason+`'
			WHERE connector = $1 AND kind = 'event' AND key IN (SELECT key FROM {rows key:text} AS r)
				AND state IN ('pending', 'unknown', 'dead')`, name(connector), now.UnixMilli(), rows{keys})
		if err != nil {
			return err
		}
		return t.requeue(customers)
	})
	if err != nil {
		return 0, err
	}
	return marked, nil
}

// ownersOf returns the customers whose event deliveries have the keys.
func (t *tx) ownersOf(connector string, keys texts) (ints, error) {
	var owners ints
	err := t.query(`
		SELECT d.customer_id FROM {rows key:text} AS r CROSS JOIN deliveries d
		WHERE d.connector = $1 AND d.key = r.key AND d.kind = 'event'`, scanID(&owners), connector, rows{keys})
	return distinct(owners), err
}

// Retell implements store.Reconciler.
func (s *Store) Retell(ctx context.Context, lease store.Lease, connector string, keys []string, now time.Time) ([]string, error) {
	var retold texts
	err := s.write(ctx, "retell events", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		retold = nil
		err := t.query(`
			SELECT d.key FROM {rows key:text} AS r CROSS JOIN deliveries d
			WHERE d.connector = $1 AND d.key = r.key AND d.kind = 'event' AND d.state = 'delivered'`, func(r row) error {
			var key string
			err := r.Scan(&key)
			retold = append(retold, key)
			return err
		}, name(connector), rows{names(keys)})
		if err != nil || len(retold) == 0 {
			return err
		}
		customers, err := t.ownersOf(name(connector), retold)
		if err != nil {
			return err
		}
		if err := t.lockCustomers(customers); err != nil {
			return err
		}
		_, err = t.exec(`
			UPDATE deliveries SET state = 'unknown', settled_at = NULL, unknown_since = $2, reason = 'not in the destination'
			WHERE connector = $1 AND kind = 'event' AND state = 'delivered' AND key IN (SELECT key FROM {rows key:text} AS r)`,
			name(connector), now.UnixMilli(), rows{retold})
		if err != nil {
			return err
		}
		_, err = t.exec(`DELETE FROM marks WHERE connector = $1 AND key IN (SELECT key FROM {rows key:text} AS r)`, name(connector), rows{retold})
		if err != nil {
			return err
		}
		return t.requeue(customers)
	})
	return retold, err
}

// CorrectHeld implements store.Reconciler.
func (s *Store) CorrectHeld(ctx context.Context, lease store.Lease, connector string, held map[int64]record.Held) (int, error) {
	corrected := 0
	err := s.write(ctx, "correct what is held", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		var ids, linked ints
		var contacts refs
		var values texts
		for id, h := range held {
			value, err := encode("held", h)
			if err != nil {
				return err
			}
			ids, contacts, values = append(ids, id), append(contacts, h.ID), append(values, value)
			linked = append(linked, flag(h.ID != 0 && !h.Deleted))
		}
		if err := t.lockCustomers(ids); err != nil {
			return err
		}
		var err error
		corrected, err = t.exec(`
			UPDATE customers SET contact_id = r.contact_id, linked = r.linked, held = r.held, desired = ''
			FROM {rows id:bigint contact_id:bigint linked:bigint held:text} AS r
			WHERE customers.id = r.id AND customers.connector = $1
				AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.customer_id = r.id AND d.state = 'sending')`,
			name(connector), rows{ids, contacts, linked, values})
		return err
	})
	if err != nil {
		return 0, err
	}
	return corrected, nil
}

// LoadKnownRecords implements store.Reconciler.
func (s *Store) LoadKnownRecords(ctx context.Context, connector string, keys []string) (map[string]bool, error) {
	known := map[string]bool{}
	err := s.read(ctx, "load known records", func(t *tx) error {
		return t.query(`
			SELECT o.key FROM {rows key:text} AS r CROSS JOIN records o WHERE o.connector = $1 AND o.key = r.key`, func(r row) error {
			var key string
			err := r.Scan(&key)
			known[key] = true
			return err
		}, name(connector), rows{names(keys)})
	})
	return known, err
}

// DigestAgain implements store.Reconciler.
func (s *Store) DigestAgain(ctx context.Context, connector string, keys []string) (int, error) {
	n := 0
	err := s.write(ctx, "digest records again", func(t *tx) (err error) {
		var ids ints
		err = t.query(`
			SELECT o.id FROM {rows key:text} AS r CROSS JOIN records o
			WHERE o.connector = $1 AND o.key = r.key AND length(o.body) > 0`, func(r row) error {
			var id int64
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, name(connector), rows{names(keys)})
		if err == nil {
			n, err = t.waitAgain(ids)
		}
		return err
	})
	return n, err
}

// EarliestOwed implements store.Reconciler.
func (s *Store) EarliestOwed(ctx context.Context, account string) (time.Time, error) {
	var earliest time.Time
	err := s.read(ctx, "load earliest owed event", func(t *tx) error {
		return t.one(`
			SELECT MIN(event_at) FROM deliveries
			WHERE account = $1 AND kind = 'event' AND state IN ('pending', 'sending', 'unknown', 'dead')`,
			[]any{clock{&earliest}}, name(account))
	})
	return earliest, err
}
