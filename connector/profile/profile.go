// Package profile turns facts into customers: who belongs together, what is
// known of them, and what happened to them. Everything in it is a pure function
// of facts and options, so the order and the repetition of records cannot show.
package profile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// Options are the settings that change what facts mean. The zero value is
// usable: UTC, every channel, no default region.
type Options struct {
	// Region is the default region of phone numbers, for example "FR".
	Region string
	// Location is the time zone of dates; nil means UTC.
	Location *time.Location
	// Channels are the normalised channels in scope; empty means all.
	Channels []string
	// SharedPhones are E.164 numbers that never link customers.
	SharedPhones []string
	// Settle is how long after its last task a group must stay quiet to have
	// ended; 0 means 5 s.
	Settle time.Duration
	// CaptureLag is how much later than it happened a record usually arrives; an
	// event that waits for quiet waits this much longer. 0 means none.
	CaptureLag time.Duration
	// EmailFrom and PhoneFrom read identifiers from one fact's attributes, as the
	// rules whose targets are identifiers do; they come before the known places.
	EmailFrom, PhoneFrom []func(attributes map[string]any) string
	// Abandoned decides whether a canceled task that nobody accepted was abandoned.
	// nil means: the reason is "hangup", or conversations.abandoned is "Yes".
	Abandoned func(t *Task) bool
	// CSAT are the places of scores; nil means the usual ones (design 3.2). Empty
	// but not nil means that surveys do not count at all, posted ones neither.
	CSAT []CSATPlace
	// SurveyQueues and SurveyWorkflows are names or SIDs of those that only survey tasks
	// go through.
	SurveyQueues, SurveyWorkflows []string
	// CSATScale brings all scores to one scale; 0 leaves them as given.
	CSATScale float64
	// ScoreWait is how long the end of a contact waits for a survey answer that
	// belongs to it, after it ended; 0 means not at all.
	ScoreWait time.Duration
	// Link makes the address under which people look a contact up, "" for none; nil
	// means that only the source's own links are told.
	Link func(taskSID, conversationSID string) string
	// Memo remembers what phone numbers and attributes were read as, nil for nothing.
	Memo *Memo
}

// CSATPlace reads a score from a task, or from a thread; one of the two is set. They
// return false where there is none.
type CSATPlace struct {
	Read       func(t *Task) (float64, bool)
	ReadThread func(t *Thread) (float64, bool)
	Scale      float64 // 0 when not known
}

// Profile is what we know of one customer.
type Profile struct {
	// Email, Phone (E.164) and Identity are the newest of each; FriendlyName is
	// empty where only numbers, addresses or SIDs were given as a name.
	Email, Phone, Identity, FriendlyName string
	// Attributes of contact tasks, newest non-empty per key.
	Attributes map[string]any
	// Metrics by the names of design 3.2; a metric without a value is absent.
	Metrics map[string]any
	// Contacts is how many contacts with the centre there were, in scope.
	Contacts int
	// Supported and Surveyed say which of the two lists the customer belongs to.
	Supported, Surveyed bool
	// SharedPhones are the customer's phones that others have too, by E.164.
	SharedPhones map[string]bool
	// Tasks, Threads and Answers in order of their time.
	Tasks   []*Task
	Threads []*Thread
	Answers []*Answer
	all     []*Task
	// Groups are the contacts with the centre, in order of their time.
	Groups []*Group
	// Omissions are identifiers that were given and could not be used.
	Omissions []record.Omission
}

// Build computes the profile of one customer from all its facts. shared says
// which phones do not count as the customer's own.
func Build(facts []*fact.Fact, shared map[string]bool, o *Options) *Profile {
	read := make([]*Reading, len(facts))
	for i, f := range facts {
		read[i] = Read(f, o)
	}
	return BuildRead(read, shared, o)
}

// BuildRead is Build of facts that were read with the same options. It puts them in
// another order.
func BuildRead(facts []*Reading, shared map[string]bool, o *Options) *Profile {
	slices.SortFunc(facts, func(a, b *Reading) int {
		return cmp.Or(cmp.Compare(b.at, a.at), strings.Compare(b.SID, a.SID))
	})
	b := &builder{
		Profile:  &Profile{Metrics: map[string]any{}, SharedPhones: map[string]bool{}},
		o:        o,
		readings: facts,
	}
	b.sort()
	b.group()
	b.messages()
	b.answers()
	b.identify(shared)
	b.measure()
	b.Profile.all = b.tasks
	return b.Profile
}

// AllTasks are all tasks in order of their time, surveys and those of channels out
// of scope included.
func (p *Profile) AllTasks() []*Task { return p.all }

type builder struct {
	*Profile
	o *Options
	// readings are the facts with what was read from each once, newest first.
	readings []*Reading
	// tasks and threads are all, in scope or not; Profile holds those in scope.
	tasks   []*Task
	threads []*Thread
}

// Reading is a fact with what was read from it once: its attributes, its identifiers
// and where they lead. It is good until the fact changes.
type Reading struct {
	*fact.Fact
	// Links are the tokens of the fact; of agents and queues there are none.
	Links      Links
	attributes map[string]any
	given      Given
	at         int64 // of its newest attribute or moment
}

// Read reads a fact.
func Read(f *fact.Fact, o *Options) *Reading {
	r := &Reading{Fact: f}
	if f.Kind == fact.Worker || f.Kind == fact.Queue {
		return r
	}
	r.attributes, r.at = fact.Newest(f), newestAt(f)
	r.given = identifiers(f, r.attributes, o)
	r.Links = r.links()
	return r
}

func newestAt(f *fact.Fact) int64 {
	var at int64
	if f.Kind != fact.Conversation { // whose closing shows nothing new of its customer
		for _, v := range f.Attributes {
			at = max(at, v.T)
		}
	}
	if at == 0 {
		for _, ms := range f.Times {
			if at == 0 || ms < at {
				at = ms
			}
		}
	}
	return at
}

func (o *Options) location() *time.Location {
	if o.Location == nil {
		return time.UTC
	}
	return o.Location
}

func (o *Options) settle() time.Duration {
	if o.Settle == 0 {
		return 5 * time.Second
	}
	return o.Settle
}

func (o *Options) inScope(channel string) bool {
	return len(o.Channels) == 0 || slices.Contains(o.Channels, channel)
}
