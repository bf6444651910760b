package store

import (
	"context"
	"time"

	"flexbrevo/connector/record"
)

// Undertaker shows what was given up on, and gives it another chance or lets it
// go. Any process may call it, beside a running daemon too: nobody else touches
// what is dead.
type Undertaker interface {
	// LoadDead returns the dead letters that a filter lets through, the latest
	// first, deliveries before records.
	LoadDead(ctx context.Context, f DeadFilter, limit int) ([]DeadLetter, error)
	// RequeueDead makes at most limit of them wait again, as if they had never been
	// tried, and returns how many; what is asked for again until that is 0 is
	// requeued whole. A contact comes back with the events that died with it, such an
	// event with its contact. An event that was told after all becomes Withdrawn,
	// and one whose last outcome was unknown is looked up first (Unknown), so
	// that none is told twice.
	RequeueDead(ctx context.Context, f DeadFilter, now time.Time, limit int) (int, error)
	// DropDead lets at most limit of them go for good and returns how many: deliveries
	// become Skipped, records Ignored, both with the reason DroppedReason. Events that
	// died with a contact go with it.
	DropDead(ctx context.Context, f DeadFilter, now time.Time, limit int) (int, error)
}

// DroppedReason is why an operator's drop ended something.
const DroppedReason = "dropped by the operator"

// DeadKind is what a dead letter is.
type DeadKind string

// The kinds of dead letter.
const (
	DeadContact DeadKind = "contact"
	DeadEvent   DeadKind = "event"
	DeadRecord  DeadKind = "record"
)

// DeadFilter chooses dead letters of one connector; zero fields choose all.
type DeadFilter struct {
	Connector string
	// Deliveries and Records are ids. Where one of them is set, only those named are
	// chosen.
	Deliveries, Records []int64
	Kind                DeadKind
	// Reason is a part of the reason, without regard to case.
	Reason string
	// Since and Until are about the moment of death, Until exclusive.
	Since, Until time.Time
}

// DeadLetter is a delivery given up on, or a record that could not be digested.
type DeadLetter struct {
	Kind DeadKind
	// ID is the delivery's or the record's.
	ID     int64
	Reason string
	DiedAt time.Time
	// Delivery is set for contacts and events, Record for records.
	Delivery *Delivery
	Record   *record.Record
}
