package sqlstore

import (
	"context"
	"errors"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// ProveKey implements store.Forgetter.
func (s *Store) ProveKey(ctx context.Context, proof string, adopt bool) error {
	var kept string
	load := func(t *tx) error { return t.one(`SELECT proof FROM tomb_keys WHERE id = 1`, []any{&kept}) }
	err := s.read(ctx, "load proof of key", load)
	if errors.Is(err, store.ErrNotFound) {
		if !adopt || proof == "" {
			return nil
		}
		err = s.write(ctx, "keep proof of key", func(t *tx) error {
			if _, err := t.exec(`INSERT INTO tomb_keys (id, proof) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, proof); err != nil {
				return err
			}
			return load(t)
		})
	}
	if err == nil && kept != proof {
		return store.ErrOtherKey
	}
	return err
}

// AnyTombs implements store.Forgetter.
func (s *Store) AnyTombs(ctx context.Context, connector string) (bool, error) {
	var one int
	err := s.read(ctx, "look for tombs", func(t *tx) error {
		return t.one(`SELECT 1 FROM tombs WHERE connector = $1 LIMIT 1`, []any{&one}, name(connector))
	})
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// LoadTombs implements store.Forgetter.
func (s *Store) LoadTombs(ctx context.Context, connector string, asked []store.Tomb) ([]store.Tomb, error) {
	var found []store.Tomb
	err := s.read(ctx, "load tombs", func(t *tx) error {
		return t.query(`
			SELECT t.kind, t.digest, t.until FROM {rows kind:text digest:text until:bigint} AS r CROSS JOIN tombs t
			WHERE t.connector = $1 AND t.kind = r.kind AND t.digest = r.digest`, func(r row) error {
			var tomb store.Tomb
			err := r.Scan(&tomb.Kind, &tomb.Digest, clock{&tomb.Until})
			found = append(found, tomb)
			return err
		}, name(connector), tombRows(asked))
	})
	return found, err
}

// SaveTombs implements store.Forgetter.
func (s *Store) SaveTombs(ctx context.Context, connector string, tombs []store.Tomb) error {
	return s.write(ctx, "save tombs", func(t *tx) error { return t.saveTombs(name(connector), tombs) })
}

// tombRows lays tombs out as rows, each once, with the latest Until.
func tombRows(tombs []store.Tomb) rows {
	at := map[[2]string]int{}
	var kinds, digests texts
	var until ints
	for _, tomb := range tombs {
		key := [2]string{string(tomb.Kind), tomb.Digest}
		i, twice := at[key]
		if !twice {
			i = len(kinds)
			at[key] = i
			kinds, digests, until = append(kinds, key[0]), append(digests, key[1]), append(until, 0)
		}
		until[i] = max(until[i], tomb.Until.UnixMilli())
	}
	return rows{kinds, digests, until}
}

func (t *tx) saveTombs(connector string, tombs []store.Tomb) error {
	_, err := t.exec(`
		INSERT INTO tombs (connector, kind, digest, until)
		SELECT $1, kind, digest, until FROM {rows kind:text digest:text until:bigint} AS r WHERE true
		ON CONFLICT (connector, kind, digest) DO UPDATE SET until = excluded.until WHERE tombs.until < excluded.until`,
		connector, tombRows(tombs))
	return err
}

// LoadPerson implements store.Forgetter.
func (s *Store) LoadPerson(ctx context.Context, connector string, tokens []store.Token) (*store.Person, error) {
	return s.loadPerson(ctx, connector, func(t *tx) (ints, error) {
		found, err := t.reach(name(connector), tokens, nil)
		return found.customers, err
	})
}

// LoadPersonOf implements store.Forgetter.
func (s *Store) LoadPersonOf(ctx context.Context, connector string, customers []int64) (*store.Person, error) {
	return s.loadPerson(ctx, connector, func(t *tx) (ints, error) {
		var found ints
		err := t.query(`
			SELECT c.id FROM {rows id:bigint} AS r CROSS JOIN customers c WHERE c.id = r.id AND c.connector = $1`,
			scanID(&found), name(connector), rows{distinct(customers)})
		return found, err
	})
}

func (s *Store) loadPerson(ctx context.Context, connector string, find func(*tx) (ints, error)) (*store.Person, error) {
	p := &store.Person{}
	err := s.read(ctx, "load person", func(t *tx) error {
		customers, err := find(t)
		if err != nil || len(customers) == 0 {
			return err
		}
		merged, err := t.mergedInto(customers)
		if err != nil {
			return err
		}
		all := rows{distinct(append(append(ints(nil), customers...), merged...))}
		var known, absorbed store.Neighbours
		if err := t.neighbours(&known, name(connector), all[0].(ints)); err != nil {
			return err
		}
		if err := t.together(t.customersOf(&absorbed, rows{merged})); err != nil {
			return err
		}
		p.Merged, p.Facts, p.Tokens = absorbed.Customers, known.Facts, known.Tokens
		for _, c := range known.Customers {
			if c.MergedInto == 0 {
				p.Customers = append(p.Customers, c)
			}
		}
		p.Events, err = t.eventsOf(all)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// mergedInto returns the customers that were merged into some, directly or not.
func (t *tx) mergedInto(customers ints) (ints, error) {
	var merged ints
	for next := customers; len(next) > 0; {
		var found ints
		err := t.query(`
			SELECT c.id FROM {rows id:bigint} AS r CROSS JOIN customers c
			WHERE c.merged_into = r.id AND c.merged_into IS NOT NULL`, scanID(&found), rows{distinct(next)})
		if err != nil {
			return nil, err
		}
		merged, next = append(merged, found...), found
	}
	return merged, nil
}

func scanID(into *ints) func(row) error {
	return func(r row) error {
		var id int64
		err := r.Scan(&id)
		*into = append(*into, id)
		return err
	}
}

// eventsOf returns the keys of the events that were told of customers or are owed.
func (t *tx) eventsOf(customers rows) ([]string, error) {
	var keys []string
	seen := map[string]bool{}
	collect := func(r row) error {
		var key string
		err := r.Scan(&key)
		if !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
		return err
	}
	err := t.query(`
		SELECT m.key FROM {rows id:bigint} AS r CROSS JOIN facts f CROSS JOIN marks m {by marks_fact}
		WHERE f.customer_id = r.id AND m.connector = f.connector AND m.kind = f.kind AND m.sid = f.sid`, collect, customers)
	if err != nil {
		return nil, err
	}
	err = t.query(`
		SELECT d.key FROM {rows id:bigint} AS r CROSS JOIN deliveries d
		WHERE d.customer_id = r.id AND d.kind = 'event'`, collect, customers)
	return keys, err
}

// LoadRecordsAfter implements store.Forgetter.
func (s *Store) LoadRecordsAfter(ctx context.Context, connector string, after int64, limit int) ([]record.Record, error) {
	var kept []record.Record
	var bodies arena
	err := s.read(ctx, "load records", func(t *tx) error {
		return t.query(`
			SELECT `+recordColumns+` FROM records
			WHERE connector = $1 AND id > $2 ORDER BY id LIMIT $3`, func(r row) error {
			rec, err := scanRecord(r, &bodies)
			kept = append(kept, rec)
			return err
		}, name(connector), after, limit)
	})
	return kept, err
}

// HoldBack implements store.Forgetter.
func (s *Store) HoldBack(ctx context.Context, lease store.Lease, connector string, customers []int64, now time.Time) (int, error) {
	underWay := 0
	err := s.write(ctx, "hold deliveries back", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		ids := rows{distinct(customers)}
		if err := t.lockCustomers(ids[0].(ints)); err != nil {
			return err
		}
		_, err := t.exec(`
			UPDATE deliveries {by deliveries_unsettled} SET state = 'withdrawn', settled_at = $1, reason = 'forgotten'
			WHERE customer_id IN (SELECT id FROM {rows id:bigint} AS r) AND state IN ('pending', 'sending', 'unknown', 'dead')
				AND state IN ('pending', 'dead')`, now.UnixMilli(), ids)
		if err != nil {
			return err
		}
		if err := t.leaveQueue(ids[0].(ints)); err != nil {
			return err
		}
		underWay = 0
		return t.query(`
			SELECT d.id FROM {rows id:bigint} AS r CROSS JOIN deliveries d {by deliveries_unsettled}
			WHERE d.customer_id = r.id AND d.state IN ('pending', 'sending', 'unknown', 'dead') AND d.state = 'sending'`,
			func(r row) error {
				var id int64
				underWay++
				return r.Scan(&id)
			}, ids)
	})
	return underWay, err
}

// LoadAsked implements store.Forgetter.
func (s *Store) LoadAsked(ctx context.Context, connector, kind string) ([]store.Run, error) {
	var asked []store.Run
	err := s.read(ctx, "load asked runs", func(t *tx) error {
		return t.query(`
			SELECT `+runColumns+` FROM runs WHERE connector = $1 AND kind = $2 AND state = 'running' ORDER BY id`, func(r row) error {
			var run store.Run
			err := r.Scan(runFields(&run)...)
			asked = append(asked, run)
			return err
		}, name(connector), name(kind))
	})
	return asked, err
}

// EndAsked implements store.Forgetter.
func (s *Store) EndAsked(ctx context.Context, r store.Run) error {
	return s.write(ctx, "end asked run", func(t *tx) error {
		return t.overwriting(func() error {
			n, err := t.exec(`
				UPDATE runs SET state = $2, progress = $3, error = $4, ended_at = $5, request = $6 WHERE id = $1`,
				r.ID, string(r.State), bytesOf(r.Progress), name(r.Error), moment(r.EndedAt), []byte{})
			if err == nil && n == 0 {
				return store.ErrNotFound
			}
			return err
		})
	})
}

// LoadAged implements store.Forgetter. Ids grow with time, so that those behind the
// last one that was ever looked at are the new ones.
func (s *Store) LoadAged(ctx context.Context, connector string, now time.Time, limit int) ([]int64, error) {
	var due ints
	err := s.read(ctx, "load aged customers", func(t *tx) error {
		err := t.query(`
			SELECT customer_id FROM aged WHERE connector = $1 AND look_at <= $2 ORDER BY look_at LIMIT $3`,
			scanID(&due), name(connector), now.UnixMilli(), limit)
		if err != nil || len(due) == limit {
			return err
		}
		return t.query(`
			SELECT id FROM customers WHERE connector = $1 AND merged_into IS NULL
				AND id > (SELECT COALESCE(MAX(customer_id), 0) FROM aged WHERE connector = $1)
			ORDER BY id LIMIT $2`, scanID(&due), name(connector), limit-len(due))
	})
	return due, err
}

// LookAgain implements store.Forgetter.
func (s *Store) LookAgain(ctx context.Context, connector string, at map[int64]time.Time) error {
	var ids ints
	var looks moments
	for id, look := range at {
		ids, looks = append(ids, id), append(looks, look)
	}
	return s.write(ctx, "note aged customers", func(t *tx) error {
		_, err := t.exec(`
			INSERT INTO aged (connector, customer_id, look_at)
			SELECT $1, id, look_at FROM {rows id:bigint look_at:bigint} AS r WHERE true
			ON CONFLICT (customer_id) DO UPDATE SET look_at = excluded.look_at`, name(connector), rows{ids, looks})
		return err
	})
}
