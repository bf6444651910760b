// Package pipeline moves records: capture stores them as they came, digest turns
// them into facts, customers and owed changes, deliver makes the destination hold
// them. Each step can be restarted on its own; only tables join them.
//
// The pipeline is handed its source, its destination and its store, and names
// none of them.
package pipeline

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// Source is the side that is read.
type Source interface {
	// Fetch reads a stream from a cursor and hands over pages, oldest first, by
	// calling keep. A page's cursor is valid once keep has returned nil; an error
	// of keep ends the fetch and is returned. Errors carry a failure.Reason. What
	// was kept before an error stays kept: the next Fetch goes on from there.
	Fetch(ctx context.Context, stream string, from record.Cursor, keep func(record.Page) error) error
	// FetchHint reads at once what a hint names, through the same keep.
	FetchHint(ctx context.Context, hint Hint, keep func(record.Page) error) error
	// Decode turns one record into what it tells of facts. It knows every way a
	// record can come in. A record that tells nothing gives no facts and a reason;
	// an error means it can never be decoded. What it returns is no part of the record's Body.
	Decode(r record.Record) (Decoded, error)
}

// Decoded is what one record tells.
type Decoded struct {
	// Facts to merge; several may have the same key.
	Facts []*fact.Fact
	// Ignored says why the record tells nothing; empty otherwise.
	Ignored string
	// Omissions are parts that could not be read.
	Omissions []record.Omission
	// Hints are things worth reading at once because of this record.
	Hints []Hint
	// Raw are raw event types that rules may want, such as "reservation.rejected",
	// with the fact they belong to.
	Raw []RawEvent
	// Spells are stretches of an agent's activity that have ended.
	Spells []Spell
}

// Spell is a stretch of an agent's activity.
type Spell struct {
	Worker, Activity string
	From, To         time.Time
}

// RawEvent is a source event that no fact state stands for.
type RawEvent struct {
	Fact fact.Key
	Type string
	Key  string
}

// Hint names something in the source that is worth reading at once.
type Hint struct {
	// Task is a task's SID; Reservation one of its reservations' when the task's
	// is not known. Conversation is a conversation's SID.
	Task, Reservation, Conversation string
	// Began says that a task begins in the conversation: a thread that was closed is
	// open again then, and nothing else tells of it.
	Began bool
}

// Destination is the side that is written.
type Destination interface {
	// Deliver makes one attempt at one change; trying again is the pipeline's job.
	// The outcome of a call that an ended context cut short before it was written
	// to the network is failure.Interrupted, after that failure.Unknown.
	Deliver(ctx context.Context, c record.Change) record.Outcome
	// Lookup says which of the given events the destination has, by their IDs. It
	// is complete for events that were visible at the moment of the call.
	Lookup(ctx context.Context, events []record.Event) (Found, error)
}

// Batcher is a Destination that takes many events in one call.
type Batcher interface {
	// BatchSize says how many events one call may have now, and from how many on a
	// call is cheaper than single ones; most is 0 where single calls are.
	BatchSize() (least, most int)
	// DeliverBatch makes one attempt at several events in one call and returns one
	// outcome for each, in their order. An event that found no room, or that is to go
	// by itself, is failure.Interrupted.
	DeliverBatch(ctx context.Context, changes []record.Change) []record.Outcome
}

// Pacer is a Destination that knows how many changes a second it takes.
type Pacer interface {
	// Pace is how many calls a second its busiest bucket allows now; 0 when there is
	// no limit.
	Pace() float64
}

// Found is what Lookup saw.
type Found struct {
	// IDs are the source_event_ids present.
	IDs map[string]bool
}
