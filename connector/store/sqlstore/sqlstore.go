// Package sqlstore keeps flexbrevo's state in SQLite or in PostgreSQL: one SQL
// text for both, with the few holes that Dialect fills. The schema is in package
// migrations, the contract in package store.
package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"flexbrevo/connector/store"
)

// Options say how a store is opened. The zero value opens it for writing, beside
// whoever else does.
type Options struct {
	// Pipeline claims the store for a pipeline: a SQLite file has at most one, a
	// second is refused with store.ErrPipelineRunning. PostgreSQL has leases for
	// that and ignores it.
	Pipeline bool
	// ReadOnly opens an existing store for questions only; it creates nothing.
	ReadOnly bool
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// Clock measures how long writing takes; nil is time.Now. It decides no lease.
	Clock func() time.Time
}

// Store is durable state in one database. It is made by Open.
type Store struct {
	dialect dialect
	options Options
	writers pool
	readers pool
	log     *checkpointer // nil where the database looks after its log itself
	flusher *flusher      // nil where COMMIT makes durable
	path    string        // of the file
	// unmeasured is how many records were digested since tables were looked at, see measure.
	unmeasured atomic.Int64
	// unmeasurable tells once that tables cannot be measured.
	unmeasurable sync.Once
	// release gives back what the operating system holds for us.
	release func() error
	// writing is held for reading by whoever writes, until what was committed is durable.
	writing sync.RWMutex
	closing sync.Once
	closed  error
}

var _ store.Store = (*Store)(nil)

// Open opens the store behind a URL, sqlite://PATH or postgres://…, and brings
// its schema up to date. It returns store.ErrNewerSchema for a database that a newer
// flexbrevo has touched, store.ErrPipelineRunning where Options.Pipeline asks for a
// SQLite file that has one, and store.ErrUnavailable where the database cannot be
// reached or written.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	opts.Logger = cmp.Or(opts.Logger, slog.New(slog.DiscardHandler))
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok && path != "" {
		return openSQLite(ctx, path, opts)
	}
	if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		return openPostgres(ctx, url, opts)
	}
	return nil, errors.New("store url is neither sqlite://PATH nor postgres://")
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	if s.options.ReadOnly {
		return s.read(ctx, "ping store", func(t *tx) error {
			_, err := t.exec(`SELECT 1`)
			return err
		})
	}
	return s.write(ctx, "ping store", func(t *tx) error {
		_, err := t.exec(`
			INSERT INTO leases (role, holder, term, expires_at) VALUES ($1, '', 1, 0)
			ON CONFLICT (role) DO UPDATE SET expires_at = 0`, pingRole)
		return err
	})
}

// pingRole is a lease nobody takes: rewriting it shows that the store can be
// written to, down to the disk.
const pingRole = "ping"

// Close implements store.Store. It may be called twice.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.writing.Lock()
		defer s.writing.Unlock()
		untouched := s.flusher.ready() != nil
		s.closed = errors.Join(s.log.close(), s.readers.close(untouched), s.flusher.close(), s.writers.close(untouched), s.release())
		if s.closed != nil {
			s.closed = fmt.Errorf("close store: %w", s.closed)
		}
	})
	return s.closed
}
