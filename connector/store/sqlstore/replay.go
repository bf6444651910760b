package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// stagedFor is how long a dry run's staged facts may stay when nobody removes them.
const stagedFor = 24 * time.Hour

// SaveReplay implements store.Replayer.
func (s *Store) SaveReplay(ctx context.Context, r store.Replay) error {
	return s.write(ctx, "save replay", func(t *tx) error {
		_, err := t.exec(`DELETE FROM staged_facts WHERE connector = $1 AND run_id > 0 AND run_id <> $2`, name(r.Connector), r.RunID)
		if err != nil {
			return err
		}
		_, err = t.exec(`
			INSERT INTO replays (connector, run_id, request, position) VALUES ($1, $2, $3, $4)
			ON CONFLICT (connector) DO UPDATE SET run_id = excluded.run_id, request = excluded.request, position = excluded.position`,
			name(r.Connector), r.RunID, bytesOf(r.Request), bytesOf(r.Position))
		return err
	})
}

// LoadReplay implements store.Replayer.
func (s *Store) LoadReplay(ctx context.Context, connector string) (store.Replay, error) {
	r := store.Replay{Connector: connector}
	err := s.read(ctx, "load replay", func(t *tx) error {
		return t.one(`SELECT run_id, request, position FROM replays WHERE connector = $1`,
			[]any{&r.RunID, &r.Request, &r.Position}, name(connector))
	})
	return r, err
}

// EndReplay implements store.Replayer.
func (s *Store) EndReplay(ctx context.Context, connector string, run int64, now time.Time) error {
	return s.write(ctx, "end replay", func(t *tx) error {
		_, err := t.exec(`DELETE FROM replays WHERE connector = $1 AND run_id = $2`, name(connector), run)
		if err != nil {
			return err
		}
		_, err = t.exec(`DELETE FROM staged_facts WHERE connector = $1 AND (run_id = $2 OR (run_id < 0 AND run_id > $3))`,
			name(connector), run, store.DryRun(now.Add(-stagedFor)))
		return err
	})
}

// LoadRecordsAgain implements store.Replayer.
func (s *Store) LoadRecordsAgain(ctx context.Context, connector string, after int64, since time.Time, limit int) ([]record.Record, error) {
	from := int64(0)
	if !since.IsZero() {
		from = since.UnixMilli()
	}
	var found []record.Record
	var bodies arena
	err := s.read(ctx, "load records again", func(t *tx) error {
		return t.query(`
			SELECT `+recordColumns+` FROM records
			WHERE id > $1 AND connector = $2 AND state IN ('digested', 'ignored') AND COALESCE(at, captured_at) >= $3
				AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.connector = records.connector AND w.lane = records.lane AND w.id = records.id)
			ORDER BY id LIMIT $4`, func(r row) error {
			rec, err := scanRecord(r, &bodies)
			found = append(found, rec)
			return err
		}, after, name(connector), from, limit)
	})
	return found, err
}

// LoadCustomersAgain implements store.Replayer.
func (s *Store) LoadCustomersAgain(ctx context.Context, connector string, after int64, limit int) ([]int64, []fact.Key, error) {
	var customers ints
	var keys []fact.Key
	err := s.read(ctx, "load customers again", func(t *tx) error {
		err := t.query(`
			SELECT id FROM customers WHERE id > $1 AND connector = $2 AND merged_into IS NULL ORDER BY id LIMIT $3`, func(r row) error {
			var id int64
			err := r.Scan(&id)
			customers = append(customers, id)
			return err
		}, after, name(connector), limit)
		if err != nil {
			return err
		}
		keys, err = t.factsOf(customers)
		return err
	})
	return customers, keys, err
}

// StageFacts implements store.Replayer.
func (s *Store) StageFacts(ctx context.Context, connector string, run int64, facts []*fact.Fact) error {
	var kinds, sids, bodies texts
	for _, f := range facts {
		body, err := encode("fact", f)
		if err != nil {
			return err
		}
		kinds, sids, bodies = append(kinds, name(string(f.Kind))), append(sids, name(f.SID)), append(bodies, body)
	}
	return s.write(ctx, "stage facts", func(t *tx) error {
		_, err := t.exec(`
			INSERT INTO staged_facts (connector, run_id, kind, sid, body)
			SELECT $1, CAST($2 AS BIGINT), kind, sid, body FROM {rows kind:text sid:text body:text} AS r WHERE true
			ON CONFLICT (connector, run_id, kind, sid) DO UPDATE SET body = excluded.body`,
			name(connector), run, rows{kinds, sids, bodies})
		return err
	})
}

// LoadStaged implements store.Replayer.
func (s *Store) LoadStaged(ctx context.Context, connector string, run int64, keys []fact.Key) ([]*fact.Fact, error) {
	var found []*fact.Fact
	err := s.read(ctx, "load staged facts", func(t *tx) error {
		return t.query(`
			SELECT s.kind, s.sid, s.body FROM {rows kind:text sid:text} AS r CROSS JOIN staged_facts s
			WHERE s.connector = $1 AND s.run_id = $2 AND s.kind = r.kind AND s.sid = r.sid`, func(r row) error {
			var kind, sid string
			var body []byte
			if err := r.Scan(&kind, &sid, &body); err != nil {
				return err
			}
			f := &fact.Fact{}
			if json.Unmarshal(body, f) != nil {
				return fmt.Errorf("decode staged %s %s: not the JSON it was stored as", kind, sid)
			}
			f.Kind, f.SID = fact.Kind(kind), sid
			found = append(found, f)
			return nil
		}, name(connector), run, keyRows(keys))
	})
	return found, err
}

// LoadStagedNew implements store.Replayer.
func (s *Store) LoadStagedNew(ctx context.Context, connector string, run int64, after fact.Key, limit int) ([]fact.Key, error) {
	var found []fact.Key
	err := s.read(ctx, "load new staged facts", func(t *tx) error {
		return t.query(`
			SELECT s.kind, s.sid FROM staged_facts s
			WHERE s.connector = $1 AND s.run_id = $2 AND (s.kind, s.sid) > ($3, $4)
				AND NOT EXISTS (SELECT 1 FROM facts f WHERE f.connector = s.connector AND f.kind = s.kind AND f.sid = s.sid)
			ORDER BY s.kind, s.sid LIMIT $5`, func(r row) error {
			var key fact.Key
			err := r.Scan(&key.Kind, &key.SID)
			found = append(found, key)
			return err
		}, name(connector), run, name(string(after.Kind)), name(after.SID), limit)
	})
	return found, err
}
