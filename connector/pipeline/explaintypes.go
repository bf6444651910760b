package pipeline

import (
	"time"

	"flexbrevo/connector/fact"
)

// Explanation says of one customer what is known, what the destination holds and
// why, and what was not sent and why. It is computed by the same rules and the
// same profile that decide what is sent. It is full of personal data.
type Explanation struct {
	CustomerID int64     `json:"customerId"`
	Since      time.Time `json:"since"`
	ContactID  int64     `json:"contactId,omitempty"`
	Standing   string    `json:"standing"` // of the contact as a whole
	Email      string    `json:"email,omitempty"`
	Phone      string    `json:"phone,omitempty"`
	Identity   string    `json:"identity,omitempty"`
	Name       string    `json:"name,omitempty"`
	// Identifiers are all by which the customer is found.
	Identifiers []IdentifierLine `json:"identifiers"`
	// Absorbed are customers that turned out to be the same.
	Absorbed []int64    `json:"absorbed,omitempty"`
	Facts    []FactLine `json:"facts"`
	// Attributes are those that rules may write, in the order of the rules.
	Attributes []AttributeLine `json:"attributes"`
	Lists      []ListLine      `json:"lists"`
	Events     []EventLine     `json:"events"`
	// Writes are the latest deliveries of the contact, newest first.
	Writes    []WriteLine    `json:"writes"`
	Omissions []OmissionLine `json:"omissions"`
}

// IdentifierLine is one thing by which the customer is found.
type IdentifierLine struct {
	Kind  string `json:"kind"` // email, phone or identity
	Value string `json:"value"`
	// Shared marks a phone that several customers have, so that it links nobody.
	Shared bool `json:"shared,omitempty"`
}

// FactLine is one task, conversation or survey answer.
type FactLine struct {
	Kind    fact.Kind `json:"kind"`
	SID     string    `json:"sid"`
	At      time.Time `json:"at"`
	Channel string    `json:"channel,omitempty"`
	State   string    `json:"state,omitempty"`
	Queue   string    `json:"queue,omitempty"`
	Agent   string    `json:"agent,omitempty"`
	// Note says why it does not count, or as what.
	Note string `json:"note,omitempty"`
}

// Sending is by which call something was sent, and how that ended.
type Sending struct {
	Call string `json:"call,omitempty"` // for example "PUT /contacts/{identifier}"
	// SentAt is when the answer was settled, Status its HTTP status.
	SentAt *time.Time `json:"sentAt,omitempty"`
	Status int        `json:"status,omitempty"`
}

// AttributeLine is one attribute: where its value comes from and where it stands.
type AttributeLine struct {
	Name   string `json:"name"`
	Value  any    `json:"value,omitempty"`  // as the rules give it now
	Held   any    `json:"held,omitempty"`   // as Brevo is known to hold it
	Source string `json:"source,omitempty"` // the source field
	Rule   string `json:"rule,omitempty"`   // file:line:column
	// From is the fact that gave a task attribute; nil for what is computed.
	From *SourceLine `json:"from,omitempty"`
	// Older are values that other facts gave and that are not sent, because they are
	// older than what is there.
	Older []SourceLine `json:"older,omitempty"`
	// State is one of "in Brevo", "waiting", "not sent", "nothing to send".
	State string `json:"state"`
	// Why says the reason of what was not sent.
	Why string `json:"why,omitempty"`
	Sending
}

// SourceLine is a value that one fact gave.
type SourceLine struct {
	SID   string    `json:"sid"`
	At    time.Time `json:"at"`
	Value any       `json:"value,omitempty"`
}

// ListLine is one list the customer belongs to.
type ListLine struct {
	List  string `json:"list"`
	State string `json:"state"`
	Sending
}

// EventLine is one thing that happened and what became of it.
type EventLine struct {
	Type string    `json:"type"`
	Name string    `json:"name,omitempty"` // in Brevo
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	Rule string    `json:"rule,omitempty"`
	// State is "delivered", "skipped", "waiting", "unknown", "given up" or "not sent".
	State string `json:"state"`
	Why   string `json:"why,omitempty"`
	// SettledAt is when it came to its final state; nil while it has none.
	SettledAt *time.Time `json:"settledAt,omitempty"`
	// NextAttemptAt is when a waiting one is due.
	NextAttemptAt *time.Time `json:"nextAttemptAt,omitempty"`
	Attempts      int        `json:"attempts,omitempty"`
	Call          string     `json:"call,omitempty"`
	Status        int        `json:"status,omitempty"` // HTTP status of the last answer
}

// WriteLine is one delivery of the contact.
type WriteLine struct {
	// At is when it was settled, or else when it is due.
	At    time.Time `json:"at"`
	State string    `json:"state"`
	Why   string    `json:"why,omitempty"`
	Call  string    `json:"call,omitempty"`
	// Status is the HTTP status of the last answer, Sent what Brevo took.
	Status   int      `json:"status,omitempty"`
	Sent     []string `json:"sent,omitempty"`
	Attempts int      `json:"attempts,omitempty"`
}

// OmissionLine is something that was left out.
type OmissionLine struct {
	What   string    `json:"what"`
	Value  string    `json:"value,omitempty"` // masked
	Reason string    `json:"reason"`
	Rule   string    `json:"rule,omitempty"`
	At     time.Time `json:"at"`
}

// States that explanations speak of.
const (
	stateHeld    = "in Brevo"
	stateWaiting = "waiting"
	stateNotSent = "not sent"
	stateNothing = "nothing to send"
	stateDead    = "given up"
)

// Words that explanations use for reasons.
const (
	whyOwed      = "a backfill is under way: nothing of its range is sent before all of it is digested"
	whyUnchanged = "unchanged: Brevo holds it already"
)
