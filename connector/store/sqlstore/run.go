package sqlstore

import (
	"context"
	"time"

	"flexbrevo/connector/store"
)

const runColumns = `id, kind, connector, state, request, progress, error, created_at, started_at, ended_at`

// AddRun implements store.Runner.
func (s *Store) AddRun(ctx context.Context, r store.Run) (int64, error) {
	var id int64
	err := s.write(ctx, "add run", func(t *tx) error {
		return t.one(`
			INSERT INTO runs (kind, connector, state, request, progress, error, created_at)
			VALUES ($1, $2, 'queued', $3, $4, $5, $6) RETURNING id`, []any{&id},
			name(r.Kind), name(r.Connector), bytesOf(r.Request), bytesOf(r.Progress), name(r.Error), moment(r.CreatedAt))
	})
	return id, err
}

// NextRun implements store.Runner.
func (s *Store) NextRun(ctx context.Context, now time.Time) (store.Run, error) {
	var next store.Run
	err := s.write(ctx, "take next run", func(t *tx) error {
		return t.one(`
			UPDATE runs SET state = 'running', started_at = $1
			WHERE id = (SELECT c.id FROM runs c WHERE c.state = 'queued' ORDER BY c.id LIMIT 1 {skip})
			RETURNING `+runColumns, runFields(&next), moment(now))
	})
	return next, err
}

// SaveRun implements store.Runner.
func (s *Store) SaveRun(ctx context.Context, r store.Run) error {
	return s.write(ctx, "save run", func(t *tx) error {
		n, err := t.exec(`
			UPDATE runs SET state = $2, progress = $3, error = $4, started_at = $5, ended_at = $6 WHERE id = $1`,
			r.ID, string(r.State), bytesOf(r.Progress), name(r.Error), moment(r.StartedAt), moment(r.EndedAt))
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

// LoadRun implements store.Runner.
func (s *Store) LoadRun(ctx context.Context, id int64) (store.Run, error) {
	var found store.Run
	err := s.read(ctx, "load run", func(t *tx) error {
		return t.one(`SELECT `+runColumns+` FROM runs WHERE id = $1`, runFields(&found), id)
	})
	return found, err
}

// LoadRuns implements store.Runner.
func (s *Store) LoadRuns(ctx context.Context, limit int) ([]store.Run, error) {
	var found []store.Run
	err := s.read(ctx, "load runs", func(t *tx) error {
		return t.query(`SELECT `+runColumns+` FROM runs ORDER BY id DESC LIMIT $1`, func(r row) error {
			var run store.Run
			err := r.Scan(runFields(&run)...)
			found = append(found, run)
			return err
		}, limit)
	})
	return found, err
}

func runFields(r *store.Run) []any {
	return []any{
		&r.ID, &r.Kind, &r.Connector, &r.State, &r.Request, &r.Progress, &r.Error,
		clock{&r.CreatedAt}, clock{&r.StartedAt}, clock{&r.EndedAt},
	}
}
