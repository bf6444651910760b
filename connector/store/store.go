// Package store is the contract of flexbrevo's durable state. One suite,
// storetest, says for every implementation whether it keeps it.
//
// All times are handed in by the caller, except those of leases, which are the
// database's. A method that fails has changed nothing, may be called again, and
// returns promptly when its context ends. All methods may be called from several
// goroutines at once.
package store

import (
	"context"
	"errors"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// States a caller branches on.
var (
	// ErrLeaseHeld: somebody else holds the role.
	ErrLeaseHeld = errors.New("role is held by another process")
	// ErrLeaseLost: the lease is not ours any more; nothing was changed.
	ErrLeaseLost = errors.New("lease lost")
	// ErrPipelineRunning: another pipeline works on the same SQLite file.
	ErrPipelineRunning = errors.New("another flexbrevo works on this store")
	// ErrNewerSchema: the database was made by a newer flexbrevo.
	ErrNewerSchema = errors.New("the store was made by a newer flexbrevo")
	// ErrNotFound: no such row.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable: the store cannot be reached, or cannot write (disk full,
	// read only, no connection). Trying later may help.
	ErrUnavailable = errors.New("store unavailable")
)

// Store is durable state: records, checkpoints, facts, customers, deliveries,
// omissions, leases and runs.
type Store interface {
	Capturer
	Digester
	Deliverer
	Leaser
	Runner
	Backfiller
	Replayer
	Figurer
	Rater
	Ager
	Snapshotter
	Undertaker
	Forgetter
	Reconciler
	Linker
	Merger
	Importer
	Learner
	Listener
	FactReader
	Chronicler
	Horizon
	Follower
	Publisher
	Reader

	// Prune removes at most limit old rows of each kind: records that are digested
	// or ignored, with the snapshots of that time, and deliveries that are delivered,
	// skipped or withdrawn. What failed or is dead stays. It returns how many rows went.
	Prune(ctx context.Context, p Retention, limit int) (int, error)
	// Ping says whether the store can be written to now.
	Ping(ctx context.Context) error
	// Close waits for calls under way and gives everything back.
	Close() error
}

// Retention says before which moment rows are old; a zero time keeps all.
type Retention struct {
	Records    time.Time
	Deliveries time.Time
}

// Capturer keeps records as they came.
type Capturer interface {
	// Capture stores, in one transaction, all records of all pages whose keys are
	// new, and then the pages' checkpoints. A record whose key is known is left as
	// it was. Captures of several connectors may share one transaction: a batch is
	// stored whole or not at all.
	Capture(ctx context.Context, batch []Batch) (Captured, error)
	// LoadCheckpoints returns the checkpoint of every stream of a connector.
	LoadCheckpoints(ctx context.Context, connector string) (map[string]Checkpoint, error)
}

// Batch is what one connector hands to Capture.
type Batch struct {
	Connector string
	// At is the local time of capture.
	At    time.Time
	Pages []record.Page
}

// Captured counts what Capture did.
type Captured struct {
	New, Known int
}

// Checkpoint is a cursor made durable.
type Checkpoint struct {
	Cursor record.Cursor
	// Through is how far the stream was read completely, by the source's clock.
	Through time.Time
	// At is when it was saved, by the local clock.
	At time.Time
}

// TokenKind is what kind of thing links facts to a customer.
type TokenKind string

// The kinds of token. Ref is a SID by which facts name each other: an
// interaction, a call, a conversation, a task.
const (
	Email    TokenKind = "email"
	Phone    TokenKind = "phone"
	Identity TokenKind = "identity"
	Ref      TokenKind = "ref"
)

// Token is a normalised identifier that links facts.
type Token struct {
	Kind  TokenKind
	Value string
}

// Digester turns records into facts, customers and owed changes. One process at
// a time digests a connector, under the lease that SaveDigest checks.
type Digester interface {
	// LoadUndigested returns records that wait, in order of lane and then capture,
	// without those whose ids are named as being digested already.
	LoadUndigested(ctx context.Context, connector string, limit int, beside ...int64) ([]record.Record, error)
	// EachUndigested calls each with what LoadUndigested returns, in its order, so that no
	// more than one body need be in memory: a record's Body is good until each returns, and
	// is another's after that. each must not use the store. After an error it was called
	// with some of them, or none.
	EachUndigested(ctx context.Context, connector string, limit int, beside []int64, each func(record.Record)) error
	// LoadRecords returns the connector's records of these ids, wherever they stand, in
	// the same order; one that is gone is left out.
	LoadRecords(ctx context.Context, connector string, ids []int64) ([]record.Record, error)
	// LoadNeighbours returns everything the given tokens and facts touch: the
	// customers that hold one of the tokens or own one of the facts, and of those
	// customers all facts, tokens and unsettled event deliveries. Facts without a
	// customer (workers, queues) are returned when named in keys.
	LoadNeighbours(ctx context.Context, connector string, tokens []Token, keys []fact.Key) (*Neighbours, error)
	// SaveDigest writes the result of one digest in one transaction, or
	// returns ErrLeaseLost and writes nothing.
	SaveDigest(ctx context.Context, lease Lease, d *Digest) error
	// LoadOpenConversations returns SIDs of conversations whose thread is not known
	// to be closed, the longest unread first: those not read since before.
	LoadOpenConversations(ctx context.Context, connector string, before time.Time, limit int) ([]string, error)
}

// Neighbours is what LoadNeighbours found.
type Neighbours struct {
	Customers []Customer
	Facts     []StoredFact
	// Tokens are those of the customers, and those asked for that lead to none.
	Tokens []StoredToken
	// Events are unsettled event deliveries of the customers: pending, sending,
	// unknown or dead.
	Events []Delivery
}

// Customer is one person or company as we know them.
type Customer struct {
	// ID is above zero, given by the digest, and unique among all connectors.
	ID        int64
	CreatedAt time.Time
	// Held is what the destination holds for them.
	Held record.Held
	// Desired is the fingerprint of the contact last put in the outbox; empty when
	// none ever was.
	Desired string
	// Conversations is how many contacts with the centre they had, for status.
	Conversations int
	// MergedInto is the customer that took this one's facts over; 0 for none. The events
	// of a merged customer that are not settled become that customer's when a digest
	// says so, in whatever state they are.
	MergedInto int64
}

// StoredFact is a fact with what the store adds.
type StoredFact struct {
	Fact       *fact.Fact
	CustomerID int64 // 0: belongs to no customer
	// Marks are the events already told of this fact, by mark name, with the moment
	// (Unix milliseconds) they were delivered, negative where they were rightly
	// skipped. They are never removed.
	Marks map[string]int64
	// Open says that more is expected: a conversation whose thread is not closed, a task
	// whose interaction is to be read.
	Open bool
	// ReadAt is when the source was last asked about it (for open facts).
	ReadAt time.Time
}

// StoredToken is a token with the customer it leads to.
type StoredToken struct {
	Token
	CustomerID int64
	// Shared marks a phone that is seen with several emails and links no more.
	Shared bool
}

// Digest is the result of digesting a batch of records.
type Digest struct {
	Connector string
	Account   string // the destination account its deliveries belong to
	At        time.Time
	Records   []RecordResult
	// Facts are written whole, except their marks, which only Settle writes.
	Facts []StoredFact
	// Customers are written whole, except Held, which only Settle writes.
	Customers []Customer
	// Tokens to put, and to take away.
	Tokens    []StoredToken
	Forgotten []StoredToken
	Contacts  []ContactChange
	Events    []EventChange
	// Owed are customers whose contact and events are left to the end of a backfill,
	// Unowed those of whom nothing is left to it any more.
	Owed   []int64
	Unowed []int64
	// Figured are sources of figures; what they added before is replaced by the parts
	// that are theirs.
	Figured    []string
	AgentParts []AgentPart
	QueueParts []QueuePart
	CSATParts  []CSATPart
	// Withdrawn are deliveries that are owed no more; only pending ones go.
	Withdrawn []int64
	// Omissions replace all earlier omissions of the customers named in Customers
	// that a digest noted.
	Omissions []CustomerOmission
	// Lasting are omissions that no later digest or delivery takes away.
	Lasting []CustomerOmission
	// Buried are records of somebody who was forgotten; they are emptied. Tombs block
	// what belongs to them.
	Buried []BuriedRecord
	Tombs  []Tomb
	// Feed puts the customers in the feed of those that changed; see Follower.
	Feed bool
}

// RecordState is where a record stands.
type RecordState string

// The states of a record. It starts as Waiting; the others are final until an
// operator asks for another digest.
const (
	Waiting  RecordState = "waiting"
	Digested RecordState = "digested"
	Ignored  RecordState = "ignored" // with a reason
	Failed   RecordState = "failed"  // with a reason, shown to the operator
)

// RecordResult is how a record's digest ended.
type RecordResult struct {
	ID     int64
	State  RecordState
	Reason string
}

// ContactChange puts a customer's contact in the outbox. A change that still
// waits is replaced: its payload, and its lane if the new one is more urgent. A dead one is revived with
// the new payload, together with the events that died with it.
type ContactChange struct {
	CustomerID int64
	Lane       record.Lane
	Contact    record.Contact
}

// EventChange puts an event in the outbox, once for ever: if a delivery under
// the key exists it is only changed while it is still pending, and not at all
// if it carries the same payload and customer; one that was withdrawn before it
// was sent is owed again.
type EventChange struct {
	// Key is the event's identity within the connector, for example
	// "task.completed:WT…".
	Key        string
	CustomerID int64
	// Fact carries the mark; Type is the mark's name.
	Fact fact.Key
	Type string
	Lane record.Lane
	// NotBefore is the earliest moment to send it; zero for now.
	NotBefore time.Time
	Event     record.Event
	// Replaces is the delivery this one takes the place of, when the event's key
	// itself has moved: it is renamed if it is still pending, otherwise nothing is
	// done at all. 0 for none.
	Replaces int64
	// AnyAge lets it be sent however old it is (a backfill asked for it).
	AnyAge bool
}

// CustomerOmission is an omission noted on a customer.
type CustomerOmission struct {
	CustomerID int64
	record.Omission
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery. docs/states.md has the drawing.
const (
	Pending   DeliveryState = "pending"   // waits for its time
	Sending   DeliveryState = "sending"   // claimed; its call may be under way
	Unknown   DeliveryState = "unknown"   // its call may have counted; to be looked up
	Delivered DeliveryState = "delivered" // final
	Skipped   DeliveryState = "skipped"   // final: rightly not sent, with the reason
	Dead      DeliveryState = "dead"      // given up, kept for an operator
	Withdrawn DeliveryState = "withdrawn" // final: superseded before it was sent
)

// DeliveryKind is what a delivery carries.
type DeliveryKind string

// The kinds of delivery.
const (
	ContactDelivery DeliveryKind = "contact"
	EventDelivery   DeliveryKind = "event"
)

// Delivery is one change's way to a final state.
type Delivery struct {
	ID         int64
	Connector  string
	Account    string
	CustomerID int64
	Kind       DeliveryKind
	Key        string // of an event; "" for contacts
	Fact       fact.Key
	Type       string // mark name of an event
	Lane       record.Lane
	State      DeliveryState
	// Contact or Event is set by Kind.
	Contact *record.Contact
	Event   *record.Event
	AnyAge  bool
	// Attempts counts the calls that ended; those we cut short do not count.
	Attempts      int
	NextAttemptAt time.Time
	CreatedAt     time.Time
	SettledAt     time.Time
	// UnknownSince is when the attempt with unknown outcome ended.
	UnknownSince time.Time
	Reason       string // of the last outcome
	Status       int    // HTTP status of the last outcome
	// Call is the last call that was made of it, Sent what that made the destination
	// take; see record.Outcome.
	Call string
	Sent []string
	// Held is what the destination holds for the customer, as of the claim.
	Held record.Held
}

// Deliverer hands out owed changes and keeps their outcomes. One process at a
// time delivers to an account, under the lease that each method checks.
type Deliverer interface {
	// Claim takes the deliveries that are due, by lane and age, moves them to
	// Sending and returns them grouped by customer, contact first and then events
	// in order of their time. For each of at most limit customers it returns the
	// run of deliveries that may go one after the other: nothing of a customer is
	// returned while something of theirs is Sending; events only when no contact
	// change of theirs waits for a later time, and none after one that waits for
	// a later time or is Unknown. At most perCustomer are returned for each.
	Claim(ctx context.Context, lease Lease, account string, now time.Time, limit, perCustomer int) ([]Delivery, error)
	// Settle writes outcomes in one transaction: the delivery's state, the
	// customer's Held, omissions, and for a delivered or skipped event the mark on its
	// fact.
	Settle(ctx context.Context, lease Lease, now time.Time, s []Settlement) error
	// Recover is called once by a new holder: what was left Sending by the last one
	// becomes Pending (contacts) or Unknown since now (events).
	Recover(ctx context.Context, lease Lease, account string, now time.Time) (int, error)
	// LoadUnknown returns deliveries whose outcome is unknown, oldest first.
	LoadUnknown(ctx context.Context, account string, limit int) ([]Delivery, error)
	// LoadContactOwner returns the customer of the connector (not merged away) that
	// holds the destination's contact id, or ErrNotFound. Where a customer who was
	// merged into another holds it, that is the survivor.
	LoadContactOwner(ctx context.Context, connector string, contactID int64) (int64, error)
	// NextDue returns when the earliest pending delivery of the account is due that
	// nothing else of its customer holds up; the zero time when none waits.
	NextDue(ctx context.Context, account string) (time.Time, error)
}

// Settlement is the outcome of one delivery.
type Settlement struct {
	Delivery Delivery
	// State is Delivered, Skipped, Dead, Unknown, or Pending for another try at
	// NextAttemptAt. A contact that goes back to Pending or dies while a newer change
	// of the same customer waits, or after its customer was merged into another,
	// becomes Withdrawn instead. A contact that dies takes the customer's pending
	// events with it (Dead, reason "contact dead"), and those that come while it is
	// dead. A delivery that is neither Sending nor Unknown any more is left as it is,
	// so that a settlement may be repeated.
	State         DeliveryState
	NextAttemptAt time.Time
	// Uncounted leaves Attempts as they were: we cut it short ourselves.
	Uncounted bool
	Reason    string
	Status    int
	// Call and Sent replace the delivery's where they are not empty.
	Call string
	Sent []string
	// Held replaces what the destination holds, when not nil; unless its contact
	// belongs to another customer of the connector: then it is not stored, and the
	// rest of the settlement is.
	Held      *record.Held
	Omissions []record.Omission
}

// Lease is a timed claim on a role.
type Lease struct {
	Role   string
	Holder string
	// Term grows with every change of holder; it fences late writers.
	Term int64
}

// Leaser hands out roles, by the database's clock.
type Leaser interface {
	Forward
	// Acquire takes a role that is free or expired, or ErrLeaseHeld.
	Acquire(ctx context.Context, role, holder string, ttl time.Duration) (Lease, error)
	// Extend prolongs a lease from now, or ErrLeaseLost.
	Extend(ctx context.Context, lease Lease, ttl time.Duration) error
	// Release gives a role back; it is no error if it was lost.
	Release(ctx context.Context, lease Lease) error
}

// RunState is where a run stands.
type RunState string

// The states of a run.
const (
	RunQueued  RunState = "queued"
	RunRunning RunState = "running"
	RunDone    RunState = "done"
	RunFailed  RunState = "failed"
)

// Run is one sync, backfill or replay, asked for by a command and executed by
// whoever has the pipeline.
type Run struct {
	ID        int64
	Kind      string // "sync", "backfill", "replay"
	Connector string // "" for all
	State     RunState
	Request   []byte // JSON, by kind
	Progress  []byte // JSON, by kind
	Error     string
	CreatedAt time.Time
	StartedAt time.Time
	EndedAt   time.Time
}

// Runner keeps runs. Any process may add one, beside a running daemon too.
type Runner interface {
	// AddRun stores a queued run and returns its id.
	AddRun(ctx context.Context, r Run) (int64, error)
	// NextRun takes the oldest queued run and marks it running; ErrNotFound if none.
	NextRun(ctx context.Context, now time.Time) (Run, error)
	// SaveRun writes state, progress, error and times of a run.
	SaveRun(ctx context.Context, r Run) error
	LoadRun(ctx context.Context, id int64) (Run, error)
	// LoadRuns returns the latest runs, newest first.
	LoadRuns(ctx context.Context, limit int) ([]Run, error)
}

// Reader answers questions; it works beside a running daemon.
type Reader interface {
	// LoadSummary counts what a connector holds.
	LoadSummary(ctx context.Context, connector string, now time.Time) (*Summary, error)
	// LoadCustomer returns a customer with everything known of them.
	LoadCustomer(ctx context.Context, connector string, id int64) (*Neighbours, error)
	// LoadHistory returns what is kept of a customer's deliveries, newest first and
	// at most limit, all omissions noted on them, and how they stand beside others.
	LoadHistory(ctx context.Context, connector string, customerID int64, limit int) (History, error)
	// LoadDeliveries returns deliveries in a state, newest first; state "" for all.
	LoadDeliveries(ctx context.Context, connector string, state DeliveryState, limit int) ([]Delivery, error)
	// LoadRecordsByKey returns the kept records that have the keys, of any state, each once, in
	// the order of their capture. Keys that none has are left out.
	LoadRecordsByKey(ctx context.Context, connector string, keys []string) ([]record.Record, error)
}

// History is what became of what was owed to one customer.
type History struct {
	Deliveries []Delivery
	Omissions  []NotedOmission
	// Absorbed are customers that were merged into this one.
	Absorbed []int64
	// Owed says that a backfill still owes the customer something.
	Owed bool
}

// NotedOmission is an omission with the moment it was last noted.
type NotedOmission struct {
	record.Omission
	At time.Time
}

// Summary counts what a connector holds, for status and metrics.
type Summary struct {
	Records    map[RecordState]int
	Deliveries map[DeliveryKind]map[DeliveryState]int
	Facts      map[fact.Kind]int
	Customers  int // not merged away
	Linked     int // customers with a contact in the destination
	// Conversations is the sum of the customers' contacts with the centre.
	Conversations int
	Omissions     []OmissionCount
	Checkpoints   map[string]Checkpoint
	// OldestWaiting is when the oldest undigested record was captured, OldestPending
	// when the oldest due delivery became due; zero for none.
	OldestWaiting time.Time
	OldestPending time.Time
	LastDelivered time.Time
}

// OmissionCount counts omissions of one reason.
type OmissionCount struct {
	Reason string
	What   string
	Count  int
}
