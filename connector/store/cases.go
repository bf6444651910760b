package store

import (
	"context"
	"time"
)

// CaseState is where a case stands.
type CaseState string

// The states of a case. The last two are final.
const (
	CaseWaiting CaseState = "waiting"
	CaseSending CaseState = "sending" // its call may be under way
	CaseUnknown CaseState = "unknown" // its call may have counted; to be looked up
	CaseWritten CaseState = "written"
	CaseLeftOut CaseState = "left_out" // with a reason
)

// Case is a note or a task that a rule has written, or is to write, on a customer's
// timeline in the destination.
type Case struct {
	// Key is made of the rule, the fact and the kind: what is written under it is
	// written once for ever.
	Key        string
	CustomerID int64
	State      CaseState
	// Body is what to write, JSON; it is emptied once the case is final.
	Body []byte
	// EventAt is when what it is about happened, DueAt the earliest moment to write it,
	// TriedAt when the last call began.
	EventAt, DueAt, TriedAt time.Time
	// WrittenID is the destination's id of what was written, where it told one.
	WrittenID string
	// Reason says why it was left out, and of no other case anything.
	Reason string
	// ContactID is the customer's contact as of the load.
	ContactID int64
}

// CaseCounts are the cases of a connector in numbers.
type CaseCounts struct {
	States  map[CaseState]int
	LeftOut map[string]int // by reason
}

// Chronicler keeps what is written on timelines.
type Chronicler interface {
	// AddCases stores cases whose keys are new, in the state they have, and gives those
	// that still wait another customer, body and due moment. All others stay as they are.
	// It returns how many were new.
	AddCases(ctx context.Context, connector string, cases []Case) (int, error)
	// LoadKnownCases returns which of the keys there are, in whatever state.
	LoadKnownCases(ctx context.Context, connector string, keys []string) (map[string]bool, error)
	// LoadCases returns cases in a state that are due and whose customer has a contact,
	// by due moment; those of customers without one wait beside. A customer who was merged
	// into another counts where the case does not wait: its contact was written to.
	LoadCases(ctx context.Context, connector string, state CaseState, now time.Time, limit int) ([]Case, error)
	// LoadOldCases returns waiting cases that are about something before a moment, also
	// of customers without a contact.
	LoadOldCases(ctx context.Context, connector string, before time.Time, limit int) ([]Case, error)
	// TakeCase moves a waiting case to Sending and says whether it was there: of several
	// that try one succeeds.
	TakeCase(ctx context.Context, connector, key string, now time.Time) (bool, error)
	// RecoverCases makes Unknown of what a holder that died left Sending.
	RecoverCases(ctx context.Context, connector string) error
	// SaveCase writes the state, due moment, id and reason of a case that is not final;
	// of a final one it changes nothing.
	SaveCase(ctx context.Context, connector string, c Case) error
	// LoadWritten returns the ids of what was written for a customer.
	LoadWritten(ctx context.Context, connector string, customerID int64) ([]string, error)
	// CountCases counts.
	CountCases(ctx context.Context, connector string) (CaseCounts, error)
}
