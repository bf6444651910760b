// Package fact holds what all records about one thing together tell of it. A
// fact is a join-semilattice: Merge is commutative, associative and idempotent,
// so that the order and the repetition of records cannot show in it.
//
//	Times    the earliest moment of each kind     min
//	Values   the newest non-empty value           max by (time, encoding)
//	Parts    reservations, participants, …        merged one by one
//
// The package imports only rawjson of ours and knows no source: the names of times,
// values and parts below are the shared vocabulary.
package fact

import "time"

// Kind is the kind of thing a fact is about.
type Kind string

// The kinds of fact.
const (
	Task         Kind = "task"
	Conversation Kind = "conversation"
	Survey       Kind = "survey"
	Worker       Kind = "worker" // an agent; belongs to no customer
	Queue        Kind = "queue"  // a task queue; belongs to no customer
)

// Key identifies a fact within its connector.
type Key struct {
	Kind Kind
	// SID is Twilio's SID, or for a posted survey the key of its record.
	SID string
}

// Names of times (Fact.Times, Part.Times).
const (
	Created   = "created"
	Queued    = "queued"   // first entry into a queue
	Assigned  = "assigned" // first acceptance
	Wrapup    = "wrapup"
	Completed = "completed"
	Canceled  = "canceled"
	Deleted   = "deleted"
	Closed    = "closed" // a conversation's thread was closed
	Updated   = "updated"
	Accepted  = "accepted"
	Rejected  = "rejected"
	TimedOut  = "timeout"
	Rescinded = "rescinded"
	Failed    = "failed"
	Submitted = "submitted" // a survey answer
)

// Names of values (Fact.Values, Part.Values).
const (
	Channel         = "channel" // as the source calls it, not normalised
	ChannelType     = "channel_type"
	ChannelSID      = "channel_sid"
	QueueName       = "queue_name"
	QueueSID        = "queue_sid"
	Workflow        = "workflow_name"
	WorkflowSID     = "workflow_sid"
	WorkerName      = "worker_name" // friendly name, or full_name where known
	WorkerSID       = "worker_sid"
	CompletedReason = "completed_reason"
	CanceledReason  = "canceled_reason"
	Priority        = "priority"
	State           = "state"
	FriendlyName    = "friendly_name"
	UniqueName      = "unique_name"
	Identity        = "identity" // of a participant
	Address         = "address"  // of a participant, prefix kept
	AddressType     = "address_type"
	Score           = "score"
	Scale           = "scale"
	Comment         = "comment"
	TaskSID         = "task_sid"
	ConversationSID = "conversation_sid"
	InteractionSID  = "interaction_sid"
	// InteractionRead is set, on a task, when its interaction was read from the source.
	InteractionRead    = "interaction_read"
	InteractionChannel = "interaction_channel" // the channel's type
	InteractionState   = "interaction_state"   // the channel's status
	MemberType         = "type"                // of a participant of an interaction
	ReservationSID     = "reservation_sid"     // of the same, where it is an agent
	Index              = "index"               // of a message in its conversation
	Author             = "author"              // of a message: an address, an identity, or "system"
	ParticipantSID     = "participant_sid"     // who wrote a message
	Body               = "body"                // of a message, where a rule reads it
	// PolledIndex is the index up to which a conversation's messages were read from the
	// source without a gap. What a webhook brings says nothing of those before it.
	PolledIndex = "polled_index"
)

// Prefixes of part names: a part is named prefix + SID.
const (
	Reservation = "reservation:"
	Participant = "participant:"
	Transfer    = "transfer:"
	Message     = "message:"
	// Member is a participant of a task's interaction.
	Member = "member:"
	// Entry is an entry into a queue, which has no SID: it is named prefix + the queue's
	// SID + "@" + its moment in Unix milliseconds.
	Entry = "entry:"
)

// Value is a value with the moment its record happened, in Unix milliseconds.
// V is what DecodeJSON gives: string, bool, int, float64, []any, map[string]any.
type Value struct {
	V any   `json:"v"`
	T int64 `json:"t"`
}

// Fact is one task, conversation or survey answer as all its records together
// tell it. The zero maps are valid. Attributes change by the methods alone, which
// remember what was made of them; nothing of a fact may be used by two goroutines at once.
type Fact struct {
	Kind  Kind             `json:"-"`
	SID   string           `json:"-"`
	Times map[string]int64 `json:"times,omitempty"`
	// Values are scalars the source gives beside the attributes.
	Values map[string]Value `json:"values,omitempty"`
	// Attributes are the decoded task (or conversation) attributes, one entry a
	// key; keys inside "conversations" and "customers" are entries of their own,
	// named by Nested.
	Attributes map[string]Value `json:"attrs,omitempty"`
	Parts      map[string]Part  `json:"parts,omitempty"`
	// Undecodable is set when attributes came that were no JSON object, so that
	// it can be noted once.
	Undecodable bool `json:"undecodable,omitempty"`

	// only is set where Attributes are these and no others; newest is what Newest gave,
	// nil where it must be made anew.
	only   *Attributes
	newest map[string]any

	// home is the pool that the fact came from, if any; times and values are empty maps
	// of parts that it had before.
	home   *Pool
	times  []map[string]int64
	values []map[string]Value
}

// Part is something that belongs to a fact and has a life of its own: a
// reservation, a participant, a transfer.
type Part struct {
	Times  map[string]int64 `json:"times,omitempty"`
	Values map[string]Value `json:"values,omitempty"`
}

// Key returns the fact's key.
func (f *Fact) Key() Key { return Key{f.Kind, f.SID} }

// SetTime notes that a moment of this kind was at t, keeping the earliest. The
// zero time is no moment: it would be the earliest for ever.
func (f *Fact) SetTime(name string, t time.Time) {
	if !t.IsZero() {
		setTime(&f.Times, name, t.UnixMilli())
	}
}

// SetValue notes a value as of t, keeping the newest; empty values are ignored.
func (f *Fact) SetValue(name string, v any, t time.Time) {
	setValue(&f.Values, name, Value{v, t.UnixMilli()})
}

// SetPartTime notes a moment of a part, as SetTime does.
func (f *Fact) SetPartTime(part, name string, t time.Time) {
	p := f.part(part)
	if !t.IsZero() {
		setTime(&p.Times, name, t.UnixMilli())
	}
	f.SetPart(part, p)
}

// SetPartValue notes a value of a part.
func (f *Fact) SetPartValue(part, name string, v any, t time.Time) {
	p := f.part(part)
	setValue(&p.Values, name, Value{v, t.UnixMilli()})
	f.SetPart(part, p)
}

// SetPart puts a part in place of one of that name.
func (f *Fact) SetPart(name string, p Part) {
	if f.Parts == nil {
		f.Parts = map[string]Part{}
	}
	f.Parts[name] = p
}

// nests are the attributes whose keys are merged one by one (design 3.2).
var nests = [...]string{"conversations", "customers"}

// Said returns when the newest attribute of a bare key was said, inside a nest or
// not; the zero time where there is none.
func (f *Fact) Said(key string) time.Time {
	newest := int64(0)
	for name, v := range f.Attributes {
		_, inner, nested := split(name)
		if name == key || nested && inner == key {
			newest = max(newest, v.T)
		}
	}
	if newest == 0 {
		return time.Time{}
	}
	return time.UnixMilli(newest).UTC()
}

// Nested returns the entry name of a key inside a nest: Nested("conversations",
// "outcome"). A NUL byte separates them, which no key of JSON from Twilio needs,
// and which keeps a literal "conversations.outcome" key apart.
func Nested(nest, key string) string { return nest + "\x00" + key }

// SetAttributes notes decoded attributes as of t.
func (f *Fact) SetAttributes(attributes map[string]any, t time.Time) {
	f.forget()
	at := t.UnixMilli()
	if f.Attributes == nil && len(attributes) > 0 {
		f.Attributes = make(map[string]Value, len(attributes)+8) // nests count more than once
	}
	for k, v := range attributes {
		if inner, ok := v.(map[string]any); ok && isNest(k) {
			for ik, iv := range inner {
				setValue(&f.Attributes, Nested(k, ik), Value{iv, at})
			}
			continue
		}
		setValue(&f.Attributes, k, Value{v, at})
	}
}

func isNest(k string) bool { return k == nests[0] || k == nests[1] }

// Time returns a moment, zero when unknown.
func (f *Fact) Time(name string) time.Time { return timeOf(f.Times, name) }

// Time returns a moment of the part, zero when unknown.
func (p Part) Time(name string) time.Time { return timeOf(p.Times, name) }

func timeOf(times map[string]int64, name string) time.Time {
	ms, ok := times[name]
	if !ok {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Text returns a value as text, empty when unknown or not text.
func (f *Fact) Text(name string) string { return text(f.Values, name) }

// Text returns a value of the part as text.
func (p Part) Text(name string) string { return text(p.Values, name) }

func text(values map[string]Value, name string) string {
	s, _ := values[name].V.(string)
	return s
}
