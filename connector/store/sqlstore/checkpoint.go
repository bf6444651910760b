package sqlstore

import (
	"context"
	"database/sql"
	"log/slog"
	"time"
)

const (
	// besidePages is from how many pages of SQLite's log on they are moved into the
	// database beside the connection that writes.
	besidePages = 500
	// inlinePages is from how many on that connection moves what is left itself, so that
	// the log begins anew: under writing that never rests it would grow for ever.
	inlinePages = 4000
	// logRest is how long at least one look at the log comes after another.
	logRest = 20 * time.Millisecond
)

// checkpointer moves what was committed from SQLite's log into the database file, so
// that whoever commits does not wait for it. Where it cannot, nothing is lost: the
// connection that writes does it later.
type checkpointer struct {
	db      *sql.DB
	flusher *flusher
	logger  *slog.Logger
	grew    chan struct{}
	cancel  context.CancelFunc
	done    chan struct{}
}

// newCheckpointer begins to look after the log of the file at path, until close.
func newCheckpointer(path string, flusher *flusher, logger *slog.Logger) *checkpointer {
	ctx, cancel := context.WithCancel(context.Background())
	c := &checkpointer{
		db: openFileDB(path, "rw", "deferred", checkpointCache), flusher: flusher, logger: logger,
		grew: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}),
	}
	c.db.SetMaxOpenConns(1)
	go c.run(ctx)
	return c
}

// committed says that the log has grown. A nil checkpointer takes no note of it.
func (c *checkpointer) committed() {
	if c == nil {
		return
	}
	select {
	case c.grew <- struct{}{}:
	default:
	}
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.done)
	failed := false
	for {
		select {
		case <-c.grew:
		case <-ctx.Done():
			return
		}
		if c.flusher.ready() != nil {
			return // what the disk lost of the log must not come into the file
		}
		pages, err := c.look(ctx, `PRAGMA wal_checkpoint(NOOP)`)
		if err == nil && pages >= besidePages {
			_, err = c.look(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
		}
		if err != nil && !failed && ctx.Err() == nil {
			c.logger.Warn("the log of the store cannot be moved into its file beside the writing; whoever writes does it", "err", wrap(ctx, "checkpoint", err))
		}
		failed = err != nil
		select {
		case <-time.After(logRest):
		case <-ctx.Done():
			return
		}
	}
}

// look returns how many pages of the log are not in the database after a pragma that
// tells.
func (c *checkpointer) look(ctx context.Context, pragma string) (int, error) {
	var busy, pages, moved int
	err := c.db.QueryRowContext(ctx, pragma).Scan(&busy, &pages, &moved)
	return pages - moved, err
}

// close ends what is under way. A nil checkpointer has nothing to end.
func (c *checkpointer) close() error {
	if c == nil {
		return nil
	}
	c.cancel()
	<-c.done
	return c.db.Close()
}
