package store

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// Backfiller keeps what backfills are under way, and whom they still owe. Any
// process may call it, beside a running daemon too.
type Backfiller interface {
	// SaveBackfill writes the connector's backfill; there is at most one, and
	// another range takes the place of the one before.
	SaveBackfill(ctx context.Context, b Backfill) error
	// LoadBackfill returns the connector's backfill, or ErrNotFound.
	LoadBackfill(ctx context.Context, connector string) (Backfill, error)
	// EndBackfill forgets it; it is no error if there was none.
	EndBackfill(ctx context.Context, connector string) error
	// LoadOwed returns the first customers, by id, that a backfill still owes
	// something, and the keys of all their facts.
	LoadOwed(ctx context.Context, connector string, limit int) ([]int64, []fact.Key, error)
	// CountOwed counts those customers.
	CountOwed(ctx context.Context, connector string) (int, error)
	// CountRecords counts the records of a stream that happened from a moment up to,
	// not including, another. It walks the records, so it is not for every day.
	CountRecords(ctx context.Context, connector, stream string, from, until time.Time) (int, error)
	// LoadWaiting says whether anything of a lane waits: records for their digest,
	// deliveries for their settlement (pending, sending or unknown).
	LoadWaiting(ctx context.Context, connector string, lane record.Lane) (Waits, error)
}

// Waits says what is not done yet.
type Waits struct {
	Records, Deliveries bool
}

// EventsPolicy says which events of a past range may be sent.
type EventsPolicy string

// The policies: recent sends what is younger than the connector's max_age, all
// sends everything, none sends nothing.
const (
	EventsRecent EventsPolicy = "recent"
	EventsAll    EventsPolicy = "all"
	EventsNone   EventsPolicy = "none"
)

// Backfill is a past range that is being read. While it exists, what its records
// change is owed and not put in the outbox, until the whole range is digested
// (design section 1, promise 2).
type Backfill struct {
	Connector string
	// RunID is the run that shows its progress.
	RunID int64
	// Since is its beginning, Until its end, which is not part of it.
	Since, Until time.Time
	Events       EventsPolicy
	// Held says that nobody goes on with it until it is asked for again: a canary
	// has been delivered.
	Held bool
	// Request is what was asked for, JSON.
	Request []byte
}

// Covers says whether a moment is in the range.
func (b *Backfill) Covers(at time.Time) bool { return !at.Before(b.Since) && at.Before(b.Until) }
