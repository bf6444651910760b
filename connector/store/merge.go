package store

import (
	"context"
	"time"

	"flexbrevo/connector/record"
)

// Merger finds customers whose contact stands against another one in the
// destination, and has merges made that the operator agreed to. Any process may
// call it, beside a running daemon too.
type Merger interface {
	// LoadNoted returns the customers of a connector, not merged away, on whom a
	// delivery noted an omission for a reason: those with ids above after, in order of
	// id, at most limit.
	LoadNoted(ctx context.Context, connector, reason string, after int64, limit int) ([]Customer, error)
	// AskMerges puts the contacts of customers in the outbox once more, as they were
	// last wanted, with the merges agreed to: into the delivery that waits, where one
	// does. It may be repeated; a change that a later digest makes replaces it, and the
	// agreement with it.
	AskMerges(ctx context.Context, connector, account string, asks []MergeAsk, now time.Time) error
}

// MergeAsk is what the operator agreed to for one customer.
type MergeAsk struct {
	CustomerID int64
	// Merge is agreed to, by identifier.
	Merge map[string]record.Merge
	// Contact is sent where nothing is kept of what was last wanted.
	Contact record.Contact
}
