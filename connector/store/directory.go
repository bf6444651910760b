package store

import (
	"context"
	"time"

	"flexbrevo/connector/record"
)

// Linker joins waiting customers to contacts that the destination has already, so
// that their first write needs no search.
type Linker interface {
	// CountUnlinked counts the customers among the first sample of the account's queue
	// whose contact waits since a moment or later and of whom no contact in the
	// destination is known.
	CountUnlinked(ctx context.Context, account string, since time.Time, sample int) (int, error)
	// Link writes what the destination holds for the customers that its contacts
	// belong to: those of the connectors of whom a contact waits and none is known, by email, or by phone
	// where the contact has no email. It returns how many were linked, and the
	// contacts that only a phone leads to though their customer has an email, which
	// another contact may have: with final they are linked too. It writes under the lease
	// or returns ErrLeaseLost.
	Link(ctx context.Context, lease Lease, account string, connectors []string, entries []DirectoryEntry, final bool) (linked int, byPhone []DirectoryEntry, err error)
	// CountUnwritten counts, likewise, the customers that were linked and to whom nothing
	// was written yet.
	CountUnwritten(ctx context.Context, account string, sample int) (int, error)
	// Refresh writes what the destination holds now for customers of the connectors
	// that were linked, whose contact waits and to whom nothing was written yet, and
	// returns how many that were. Of others it knows more than a reading that lags
	// behind its writes. It writes under the lease or returns ErrLeaseLost.
	Refresh(ctx context.Context, lease Lease, account string, connectors []string, entries []DirectoryEntry) (int, error)
}

// DirectoryEntry is a contact of the destination as its directory tells it.
type DirectoryEntry struct {
	// Email in lower case and Phone in E.164, as tokens have them; empty for none.
	Email, Phone string
	Held         record.Held
	// ModifiedAt is when the destination last changed it, by its clock; zero where it
	// does not say.
	ModifiedAt time.Time
}
