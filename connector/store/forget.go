package store

import (
	"context"
	"errors"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// ErrOtherKey: people were forgotten under another key than the one at hand, so
// that nobody could be known again.
var ErrOtherKey = errors.New("people were forgotten under another key")

// EventToken is the kind of token that is an event's own key.
const EventToken TokenKind = "event"

// ForgottenReason is why a record of somebody who was forgotten tells nothing.
const ForgottenReason = "of someone who was forgotten"

// Tomb keeps those who were forgotten from coming back. It is a digest, under a key
// that the store never sees, of one token that led to them.
type Tomb struct {
	Kind   TokenKind
	Digest string
	// Until is when they were forgotten: what began before is theirs and is blocked,
	// what begins later is somebody new's.
	Until time.Time
}

// Forgetter lets people go. Reading methods may be called beside a running daemon;
// Erase, like SaveDigest, writes under the lease of the connector's digest.
type Forgetter interface {
	// ProveKey compares the proof of a key with the one that is kept. Where none is
	// kept it keeps this one if adopt is set. It returns ErrOtherKey for another proof,
	// and also for no proof ("") where one is kept.
	ProveKey(ctx context.Context, proof string, adopt bool) error
	// AnyTombs says whether somebody of the connector was forgotten.
	AnyTombs(ctx context.Context, connector string) (bool, error)
	// LoadTombs returns those of the tombs that exist, with their Until.
	LoadTombs(ctx context.Context, connector string, asked []Tomb) ([]Tomb, error)
	// SaveTombs adds tombs. Of one that exists the later Until stays.
	SaveTombs(ctx context.Context, connector string, tombs []Tomb) error
	// LoadPerson returns the customers that one of the tokens leads to, those that
	// were merged into them, and everything by which they could be known again. A
	// token that nobody has gives an empty Person.
	LoadPerson(ctx context.Context, connector string, tokens []Token) (*Person, error)
	// LoadPersonOf is LoadPerson for customers that are known by their ids.
	LoadPersonOf(ctx context.Context, connector string, customers []int64) (*Person, error)
	// LoadRecordsAfter returns kept records of any state in the order of their ids,
	// from after one on.
	LoadRecordsAfter(ctx context.Context, connector string, after int64, limit int) ([]record.Record, error)
	// HoldBack withdraws what waits to be sent of customers, or was given up on, and
	// returns how many of their deliveries are under way.
	HoldBack(ctx context.Context, lease Lease, connector string, customers []int64, now time.Time) (int, error)
	// Erase removes customers with everything that hangs on them, in one transaction
	// that overwrites what it removes as far as the database can, or returns ErrLeaseLost and
	// removes nothing. What is asked to be erased and is not there counts as erased.
	Erase(ctx context.Context, lease Lease, e *Erasure) (Erased, error)
	// Compact rewrites the database so that nothing that was erased is left in its
	// files. While it runs, nothing else can be written.
	Compact(ctx context.Context) error
	// Flush empties the write-ahead log into the database, where there is one that is
	// ours to empty.
	Flush(ctx context.Context) error
	// LoadAsked returns the connector's runs of a kind that were taken and have not
	// ended, oldest first: whoever digests the connector executes them.
	LoadAsked(ctx context.Context, connector, kind string) ([]Run, error)
	// EndAsked writes how such a run ended and erases its request.
	EndAsked(ctx context.Context, r Run) error
	// LoadAged returns customers who are to be looked at by now, those of whom LookAgain was
	// never told among them.
	LoadAged(ctx context.Context, connector string, now time.Time, limit int) ([]int64, error)
	// LookAgain notes when customers are to be looked at again.
	LookAgain(ctx context.Context, connector string, at map[int64]time.Time) error
}

// Person is everything that is known of somebody, for letting go of it.
type Person struct {
	// Customers are those asked for, Merged those that were merged into them.
	Customers, Merged []Customer
	Facts             []StoredFact
	Tokens            []StoredToken
	// Events are the keys of all events that were told of them or are owed.
	Events []string
}

// IDs are the ids of all customers, the merged ones included.
func (p *Person) IDs() []int64 {
	var ids []int64
	for _, list := range [...][]Customer{p.Customers, p.Merged} {
		for _, c := range list {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// Erasure says what to erase.
type Erasure struct {
	Connector string
	Customers []int64
	Facts     []fact.Key
	// Records are emptied and kept as ignored.
	Records []BuriedRecord
	// Sources renames what adds to figures, old names to new ones: the figures are the
	// agents' and queues' and stay.
	Sources map[string]string
	// Traces are texts; refused requests that hold one of them go.
	Traces []string
	Tombs  []Tomb
}

// BuriedRecord is a record of which only that it came is kept.
type BuriedRecord struct {
	ID int64
	// Key takes the place of the record's own, which may name somebody.
	Key string
}

// Erased counts what an Erasure removed.
type Erased struct {
	Customers  int `json:"customers"`
	Facts      int `json:"facts"`
	Records    int `json:"records"`
	Deliveries int `json:"deliveries"` // sent, owed and given up on
	Omissions  int `json:"omissions"`
	Events     int `json:"events"`   // marks of events that were told
	Refusals   int `json:"refusals"` // refused requests
}

// Add sums two counts up.
func (e *Erased) Add(o Erased) {
	e.Customers, e.Facts, e.Records = e.Customers+o.Customers, e.Facts+o.Facts, e.Records+o.Records
	e.Deliveries, e.Omissions = e.Deliveries+o.Deliveries, e.Omissions+o.Omissions
	e.Events, e.Refusals = e.Events+o.Events, e.Refusals+o.Refusals
}
