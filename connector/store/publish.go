package store

import (
	"context"
	"time"
)

// Publisher keeps what was put where agents look customers up, each customer at a place
// of their own. One process at a time writes there, under a role of the connector; methods
// that take its lease return ErrLeaseLost, and change nothing, when it is lost. Any process
// may call the others.
type Publisher interface {
	// AskPublished makes customers of the connector due, whatever they were, save those who
	// are let go. Customers that do not exist any more are left out.
	AskPublished(ctx context.Context, lease Lease, connector string, customers []int64, now time.Time) error
	// LoadDuePublished returns those whose time has come, those who are let go before
	// others, then the longest due first.
	LoadDuePublished(ctx context.Context, connector string, now time.Time, limit int) ([]Published, error)
	// LoadPublished returns those of the customers of whom something is known.
	LoadPublished(ctx context.Context, connector string, customers []int64) ([]Published, error)
	// LoadPublishedAt returns whoever has a key, or ErrNotFound.
	LoadPublishedAt(ctx context.Context, connector, key string) (Published, error)
	// SavePublished writes how a customer stands. Somebody who is let go can only become
	// gone, and whoever was erased meanwhile stays so: then nothing is changed, and there is no error. takenFrom is who
	// has the key until now, 0 for nobody: they lose it and become due.
	SavePublished(ctx context.Context, lease Lease, connector string, p Published, takenFrom int64, now time.Time) error
	// LetGo has what stands of customers taken away for good: they are due at once, and
	// nothing is put there again. It may be repeated.
	LetGo(ctx context.Context, connector string, customers []int64, now time.Time) error
	// CountPublished counts customers by state and reason.
	CountPublished(ctx context.Context, connector string) ([]PublishedCount, error)
}

// PublishedState is how a customer stands. docs/states.md has the drawing.
type PublishedState string

// The states.
const (
	PublishedWaiting PublishedState = "waiting"  // something may stand at the key: nobody knows what
	PublishedWritten PublishedState = "written"  // what Hash is of stands at the key
	PublishedLeftOut PublishedState = "left out" // nothing stands there, for the reason
	PublishedLeaving PublishedState = "leaving"  // to be taken away for good
	PublishedGone    PublishedState = "gone"     // taken away for good
)

// Published is what was put of one customer where agents look.
type Published struct {
	CustomerID int64
	State      PublishedState
	// Key is where; empty for nowhere. No two customers have the same.
	Key string
	// Revision is that of what stands there, as far as is known; Hash is of what it says.
	Revision, Hash string
	// Reason is why nothing stands there, or why the last try failed.
	Reason string
	// DueAt is when to look at them; zero for no time.
	DueAt time.Time
	// Attempts counts the tries that failed since the last that did not.
	Attempts int
	// ExpiresAt is when what stands there goes by itself; zero for never.
	ExpiresAt time.Time
}

// PublishedCount counts customers.
type PublishedCount struct {
	State  PublishedState
	Reason string
	Count  int
}
