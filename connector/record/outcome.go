package record

import (
	"time"

	"flexbrevo/connector/failure"
)

// Outcome is how one attempt at one change ended, classified by the package that
// knows the remote API.
type Outcome struct {
	// Reason is failure.None when the destination now holds the change.
	Reason failure.Reason
	// Skipped is set, with Reason failure.None, when nothing was sent because
	// nothing should be: "unchanged", "not in Brevo", "deleted in Brevo".
	Skipped string
	// Held is what the destination holds now; meaningful for contacts, and valid
	// after a failure too (it then carries what was learnt on the way).
	Held Held
	// Adopt is set when the contact exists already under Held.ID: the caller
	// decides whether this customer may have it, stores Held and tries again at
	// once. Nothing was written.
	Adopt bool
	// RetryAfter is how long the destination asked us to wait; 0 when it did not.
	RetryAfter time.Duration
	// Status is the last HTTP status, 0 when none came.
	Status int
	// Call is the last writing call that was made, for example "POST /events"; empty
	// where none was. Sent names what a contact's call made the destination take:
	// identifiers, attributes, and lists as "list 32" or "off list 32".
	Call string
	Sent []string
	// Calls is how many requests it took.
	Calls int
	// Omissions are what was left out of what was sent.
	Omissions []Omission
	// Err says what went wrong, without private values; nil on success.
	Err error
}
