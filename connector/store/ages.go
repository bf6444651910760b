package store

import (
	"context"
	"time"
)

// Ager tells how old the outbox is.
type Ager interface {
	// LoadOutboxAges counts what is owed – pending, sending and unknown – by kind and
	// by the moment it was put into the outbox: after bounds[0], after bounds[1] and so
	// on, and last what is older than all. The bounds are in order, the latest first.
	LoadOutboxAges(ctx context.Context, connector string, bounds [4]time.Time) (map[DeliveryKind][5]int, error)
}
