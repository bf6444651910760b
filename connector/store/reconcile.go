package store

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// Reconciler brings the store in step with what both sides were found to hold.
type Reconciler interface {
	// LoadLife returns when the account was last noted to be alive, the zero time for
	// never.
	LoadLife(ctx context.Context, account string) (time.Time, error)
	// SaveLife notes that the account is alive.
	SaveLife(ctx context.Context, account string, at time.Time) error
	// LoadMarked returns those of the event keys that are marked as told, with the
	// moment (Unix milliseconds; negative for those rightly skipped).
	LoadMarked(ctx context.Context, connector string, keys []string) (map[string]int64, error)
	// MarkFound notes events of the connector that the destination was found to have:
	// none of them is told again. Deliveries that wait, are unknown or dead become
	// Delivered. It writes under the lease, and returns how many were not known to be told.
	MarkFound(ctx context.Context, lease Lease, connector string, events []FoundEvent, now time.Time) (int, error)
	// Retell makes delivered events, which the destination was found not to have, be
	// told once more: they become Unknown, so that they are looked up first, and lose
	// their marks. It returns the keys for which a delivery is still kept; of the others
	// nothing is changed.
	Retell(ctx context.Context, lease Lease, connector string, keys []string, now time.Time) ([]string, error)
	// CorrectHeld replaces what the destination holds for customers by what was read from
	// it, unless something of theirs is under way, and returns of how many. The next digest of
	// them compares with that.
	CorrectHeld(ctx context.Context, lease Lease, connector string, held map[int64]record.Held) (int, error)
	// LoadKnownRecords returns those of the keys under which a record is kept.
	LoadKnownRecords(ctx context.Context, connector string, keys []string) (map[string]bool, error)
	// DigestAgain makes kept records wait for another digest and returns how many.
	DigestAgain(ctx context.Context, connector string, keys []string) (int, error)
	// EarliestOwed returns the moment of the account's earliest event that waits or is unknown, the
	// zero time for none.
	EarliestOwed(ctx context.Context, account string) (time.Time, error)
}

// FoundEvent is an event that the destination has.
type FoundEvent struct {
	Key string
	At  time.Time
	// Fact carries the mark and Type is its name, where they are known; else those of the
	// delivery count, and without one the key alone keeps it from being told.
	Fact fact.Key
	Type string
}
