// Package record holds the values that flow through flexbrevo: records on their
// way in, changes on their way out, and the small things both carry. Of ours it
// imports only failure, so that every other package may speak of the same values.
package record

import "time"

// Via says which way a record came in. The same fact may come in several ways;
// the first to be stored under its key is kept.
type Via string

// The ways in.
const (
	Poll         Via = "poll"          // our own reading of the source's API
	Callback     Via = "callback"      // a TaskRouter or Conversations webhook
	EventStreams Via = "event_streams" // an Event Streams sink
	Plugin       Via = "plugin"        // the Flex UI plugin's post
	Post         Via = "post"          // a survey tool's post
)

// DamagedBody is the Damage of a record whose body nobody can read any more.
const DamagedBody = "the body in the store is damaged"

// Record is one captured item, exactly as the source gave it.
type Record struct {
	// ID is the store's own number, in order of capture; 0 before it is stored.
	ID int64
	// Key is the record's stable identity within its connector. All idempotency
	// rests on it: a second record under the same key is the same record.
	Key string
	// Stream names the stream it belongs to, for example "events".
	Stream string
	// Type is the source's own word for it, for example "task.completed".
	Type string
	// At is when it happened, by the source's clock, in UTC.
	At time.Time
	// CapturedAt is when it was stored, by our clock; zero before that.
	CapturedAt time.Time
	// Via is the way it came in.
	Via Via
	// Body is the source's own bytes. They may hold anything, invalid UTF-8 too.
	Body []byte
	// Damage says why the store could not read Body again, which is then as it lies there;
	// empty of every other record.
	Damage string
	// Lane is the priority of what follows from it.
	Lane Lane
}

// Cursor is a place in a stream in the source's own terms, opaque to all others.
// The empty cursor is the beginning.
type Cursor string

// Page is what a source hands over at once: records, and the cursor that may be
// kept once these records are stored. An empty Cursor leaves the kept one alone.
type Page struct {
	Stream  string
	Records []Record
	Cursor  Cursor
	// Through is how far the stream has been read completely, by the source's
	// clock; zero when the page says nothing of it.
	Through time.Time
}

// Lane is the priority of a delivery: lower goes first.
type Lane int

// The lanes, in their order (promise 5 of the design).
const (
	Live     Lane = 0
	Retry    Lane = 1
	Backfill Lane = 2
)

// Omission is something that was left out on purpose, with the reason, so that
// nothing is dropped in silence.
type Omission struct {
	// What was left out: an attribute, an identifier, a field, an event.
	What string
	// Value is masked, see Mask.
	Value string
	// Reason is constant text, so that omissions can be counted by it.
	Reason string
	// Rule is the place in the configuration that asked for it, if one did.
	Rule string
}
