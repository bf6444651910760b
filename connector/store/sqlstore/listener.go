package sqlstore

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// KeepRefusals implements store.Listener.
func (s *Store) KeepRefusals(ctx context.Context, connector string, refusals []store.Refusal) error {
	refusals = refusals[max(0, len(refusals)-store.RefusalsKept):]
	if len(refusals) == 0 {
		return nil
	}
	connectors, at, data := make(texts, len(refusals)), make(moments, len(refusals)), make(blobs, len(refusals))
	for i, r := range refusals {
		connectors[i], at[i], data[i] = name(connector), r.At, bytesOf(r.Data)
	}
	return s.write(ctx, "keep refusals", func(t *tx) error {
		_, err := t.exec(`
			INSERT INTO refusals (connector, at, data)
			SELECT connector, at, data FROM {rows connector:text at:bigint data:bytea} AS r WHERE true`,
			rows{connectors, at, data})
		if err != nil {
			return err
		}
		_, err = t.exec(`
			DELETE FROM refusals WHERE connector = $1 AND id <= (
				SELECT id FROM refusals WHERE connector = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)`,
			name(connector), store.RefusalsKept)
		return err
	})
}

// LoadRefusals implements store.Listener.
func (s *Store) LoadRefusals(ctx context.Context, connector string, limit int) ([]store.Refusal, error) {
	var found []store.Refusal
	err := s.read(ctx, "load refusals", func(t *tx) error {
		return t.query(`SELECT at, data FROM refusals WHERE connector = $1 ORDER BY id DESC LIMIT $2`, func(r row) error {
			var one store.Refusal
			err := r.Scan(clock{&one.At}, &one.Data)
			found = append(found, one)
			return err
		}, name(connector), limit)
	})
	return found, err
}

// SaveArrivals implements store.Listener. The statements come in this order: a post
// that arrived in the same moments as a task's end ends the silence.
func (s *Store) SaveArrivals(ctx context.Context, connector string, a store.Arrivals) error {
	var senders, tests texts
	var last moments
	var accepted, refused ints
	for _, p := range a.Posts {
		senders, last = append(senders, name(p.Sender)), append(last, p.LastAt)
		accepted, refused = append(accepted, int64(p.Accepted)), append(refused, int64(p.Refused))
		tests = append(tests, name(p.TestID))
	}
	return s.write(ctx, "save arrivals", func(t *tx) error {
		_, err := t.exec(`
			INSERT INTO senders (connector, sender, first_at, last_at, accepted, refused, test_id)
			SELECT $1, sender, last_at, last_at, accepted, refused, test_id
			FROM {rows sender:text last_at:bigint accepted:bigint refused:bigint test_id:text} AS r WHERE true
			ON CONFLICT (connector, sender) DO UPDATE SET
				first_at = COALESCE(senders.first_at, excluded.first_at),
				last_at = CASE WHEN senders.last_at > excluded.last_at OR excluded.last_at IS NULL
					THEN senders.last_at ELSE excluded.last_at END,
				accepted = senders.accepted + excluded.accepted,
				refused = senders.refused + excluded.refused,
				test_id = CASE WHEN excluded.test_id <> '' THEN excluded.test_id ELSE senders.test_id END`,
			name(connector), rows{senders, last, accepted, refused, tests})
		if err != nil {
			return err
		}
		_, err = t.exec(`
			UPDATE senders SET silent_since = NULL
			WHERE connector = $1 AND silent_since IS NOT NULL AND last_at >= silent_since`, name(connector))
		if err != nil || a.TaskEndedAt.IsZero() {
			return err
		}
		_, err = t.exec(`
			UPDATE senders SET silent_since = $2
			WHERE connector = $1 AND silent_since IS NULL AND last_at < $2`,
			name(connector), a.TaskEndedAt.UnixMilli())
		return err
	})
}

// LoadSenders implements store.Listener.
func (s *Store) LoadSenders(ctx context.Context, connector string) ([]store.Sender, error) {
	var found []store.Sender
	err := s.read(ctx, "load senders", func(t *tx) error {
		return t.query(`
			SELECT sender, first_at, last_at, accepted, refused, silent_since, test_id FROM senders
			WHERE connector = $1 ORDER BY sender`, func(r row) error {
			var one store.Sender
			err := r.Scan(&one.Name, clock{&one.FirstAt}, clock{&one.LastAt}, &one.Accepted, &one.Refused, clock{&one.SilentSince}, &one.TestID)
			found = append(found, one)
			return err
		}, name(connector))
	})
	return found, err
}

// LoadPluginPosts implements store.Listener. The way in is written out because the
// index holds this one only.
func (s *Store) LoadPluginPosts(ctx context.Context, connector string, from, until time.Time, limit int) ([]record.Record, error) {
	var found []record.Record
	var bodies arena
	err := s.read(ctx, "load plugin posts", func(t *tx) error {
		return t.query(`
			SELECT `+recordColumns+` FROM records
			WHERE connector = $1 AND via = 'plugin' AND captured_at >= $2 AND captured_at < $3
			ORDER BY captured_at DESC, id DESC LIMIT $4`, func(r row) error {
			rec, err := scanRecord(r, &bodies)
			found = append(found, rec)
			return err
		}, name(connector), from.UnixMilli(), until.UnixMilli(), limit)
	})
	return found, err
}

// LoadFacts implements store.Listener.
func (s *Store) LoadFacts(ctx context.Context, connector string, keys []fact.Key) ([]store.StoredFact, error) {
	var kinds, sids texts
	for _, k := range keys {
		kinds, sids = append(kinds, string(k.Kind)), append(sids, name(k.SID))
	}
	var found []store.StoredFact
	err := s.read(ctx, "load facts", func(t *tx) error {
		return t.query(`
			SELECT f.kind, f.sid, COALESCE(f.customer_id, 0), f.open, f.read_at, f.body
			FROM {rows kind:text sid:text} AS r CROSS JOIN facts f
			WHERE f.connector = $1 AND f.kind = r.kind AND f.sid = r.sid`, func(r row) error {
			one, err := scanFact(r)
			found = append(found, one)
			return err
		}, name(connector), rows{kinds, sids})
	})
	return found, err
}
