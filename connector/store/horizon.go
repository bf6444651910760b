package store

import (
	"context"
	"time"
)

// OldSnapshot is the oldest state of the database that somebody still reads. Rows that
// were deleted or replaced since are kept for them, and each claim walks over those
// (facts/stack.md 2).
type OldSnapshot struct {
	// Since is when it was taken, by the database's clock; Age is how long ago that was.
	Since time.Time
	Age   time.Duration
	// Holder says who it is, for an operator: an application's name and a process.
	Holder string
}

// Horizon says what keeps the database from clearing away.
type Horizon interface {
	// LoadOldSnapshot returns the oldest snapshot that anybody but the caller holds, as far
	// as the database's user may see it, or ErrNotFound. On SQLite, where readers only let the
	// log beside the file grow, there is none.
	LoadOldSnapshot(ctx context.Context) (OldSnapshot, error)
}
