package store

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
)

// FactReader reads single facts, without the customer they belong to.
type FactReader interface {
	// LoadFact returns a fact without its marks, or ErrNotFound.
	LoadFact(ctx context.Context, connector string, key fact.Key) (StoredFact, error)
	// LoadOpenFacts returns open facts of a kind without their marks, the longest unread
	// first: those not read since before.
	LoadOpenFacts(ctx context.Context, connector string, kind fact.Kind, before time.Time, limit int) ([]StoredFact, error)
}
