package store

import (
	"context"
	"time"
)

// Ahead is a lease that lasts longer, by the database's clock, than whoever asks gives
// one: the clock was put back since the lease was last extended.
type Ahead struct {
	Lease
	ExpiresAt time.Time
}

// Forward finds leases that the database's clock left ahead of itself, and takes them
// over. A holder that lives puts its lease right when it extends it next; one that died
// would keep its role until the clock has caught up.
type Forward interface {
	// LoadAhead returns the lease of a role if it ends more than ttl after now, or
	// ErrNotFound. It changes nothing.
	LoadAhead(ctx context.Context, role string, ttl time.Duration) (Ahead, error)
	// AcquireAhead takes a role whose lease still is what it was seen to be, to the
	// millisecond, or gives ErrLeaseHeld. The caller must have seen it unchanged for
	// longer than its holder may trust it.
	AcquireAhead(ctx context.Context, seen Ahead, holder string, ttl time.Duration) (Lease, error)
}
