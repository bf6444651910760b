package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
)

// SaveSnapshots implements store.Snapshotter.
func (s *Store) SaveSnapshots(ctx context.Context, connector string, snapshots []store.Snapshot) error {
	if len(snapshots) == 0 {
		return nil
	}
	newest := map[[4]any]store.Snapshot{} // one statement must not meet a row twice
	for _, p := range snapshots {
		newest[[4]any{p.Kind, p.SID, p.Since.UnixMilli(), p.Until.UnixMilli()}] = p
	}
	var kinds, sids texts
	var since, until moments
	var bodies blobs
	for _, p := range newest {
		kinds, sids = append(kinds, name(string(p.Kind))), append(sids, name(p.SID))
		since, until, bodies = append(since, p.Since), append(until, p.Until), append(bodies, bytesOf(p.Body))
	}
	return s.write(ctx, "save snapshots", func(t *tx) error {
		_, err := t.exec(`
			INSERT INTO snapshots (connector, kind, sid, since, until, body)
			SELECT $1, kind, sid, since, until, body
			FROM {rows kind:text sid:text since:bigint until:bigint body:bytea} AS r
			WHERE true ON CONFLICT (connector, kind, until, since, sid) DO UPDATE SET body = excluded.body`,
			name(connector), rows{kinds, sids, since, until, bodies})
		return err
	})
}

// LoadSnapshots implements store.Snapshotter.
func (s *Store) LoadSnapshots(ctx context.Context, connector string, kind store.SnapshotKind, after, through time.Time) ([]store.Snapshot, error) {
	var found []store.Snapshot
	err := s.read(ctx, "load snapshots", func(t *tx) error {
		return t.query(`
			SELECT sid, since, until, body FROM snapshots
			WHERE connector = $1 AND kind = $2 AND until > $3 AND until <= $4 ORDER BY until, sid, since`, func(r row) error {
			p := store.Snapshot{Kind: kind}
			err := r.Scan(&p.SID, clock{&p.Since}, clock{&p.Until}, &p.Body)
			found = append(found, p)
			return err
		}, name(connector), name(string(kind)), after.UnixMilli(), through.UnixMilli())
	})
	return found, err
}

// LoadLastSnapshot implements store.Snapshotter.
func (s *Store) LoadLastSnapshot(ctx context.Context, connector string, kind store.SnapshotKind) (time.Time, error) {
	var last time.Time
	err := s.read(ctx, "load last snapshot", func(t *tx) error {
		err := t.one(`SELECT until FROM snapshots WHERE connector = $1 AND kind = $2 ORDER BY until DESC LIMIT 1`,
			[]any{clock{&last}}, name(connector), name(string(kind)))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return last, err
}

// LoadKind implements store.Snapshotter.
func (s *Store) LoadKind(ctx context.Context, connector string, kind fact.Kind, after string, limit int) ([]*fact.Fact, error) {
	var found []*fact.Fact
	err := s.read(ctx, "load facts of a kind", func(t *tx) error {
		return t.query(`SELECT sid, body FROM facts WHERE connector = $1 AND kind = $2 AND sid > $3 ORDER BY sid LIMIT $4`, func(r row) error {
			f := &fact.Fact{Kind: kind}
			var body []byte
			if err := r.Scan(&f.SID, &body); err != nil {
				return err
			}
			if err := json.Unmarshal(body, f); err != nil {
				return fmt.Errorf("fact of %s: %w", kind, err)
			}
			found = append(found, f)
			return nil
		}, name(connector), string(kind), name(after), limit)
	})
	return found, err
}
