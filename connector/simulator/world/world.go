// Package world generates a contact centre's days: who got in touch, when, how, who answered, how long
// it took and what came of it. That is the ground truth; everything Twilio would tell about it (TaskRouter
// events, task attributes, conversations, messages, interactions) is derived from it, in the shapes of
// facts/twilio.md 1.4, 1.5, 2.3, 3.5 and 4. A test can therefore calculate from the same values, without
// reading a single record, what has to come out at the other end.
//
// A world is the same for the same Options, is never changed once New has returned, and may be used by
// any number of goroutines. It holds the truth and sixteen bytes for each event; events themselves are made
// when asked for, so that a month of 200,000 contacts fits in a few hundred megabytes.
//
// A world knows no clock. It may reach into the future; what is not yet visible is its user's affair.
package world

import (
	"time"
)

// Options says how large a world is. Zero fields mean the defaults that the fields name.
type Options struct {
	// Seed decides everything that is random.
	Seed uint64
	// Start is when the first contact may begin. Default: 24 hours before End, or 2026-11-20 00:00 UTC.
	Start time.Time
	// End is after the last beginning of a contact; its tasks and surveys may go on beyond it. Default: 24
	// hours after Start.
	End time.Time
	// Contacts is how many contacts begin between Start and End. Default 300; negative means none.
	Contacts int
	// Customers is how many people there are, at least 5. Default 120.
	Customers int
	// Agents is how many workers there are. Default 12.
	Agents int
	// Queues is how many queues take contacts; one more takes surveys. Default 4.
	Queues int
	// Odd adds the records that go wrong in real life: one contact in twelve is one of Oddities.
	Odd bool
}

func (o Options) withDefaults() Options {
	if o.Start.IsZero() && o.End.IsZero() {
		o.Start = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	}
	if o.Start.IsZero() {
		o.Start = o.End.Add(-24 * time.Hour)
	}
	if o.End.IsZero() {
		o.End = o.Start.Add(24 * time.Hour)
	}
	o.Start, o.End = o.Start.UTC(), o.End.UTC()
	if o.Contacts == 0 {
		o.Contacts = 300
	}
	if o.Customers == 0 {
		o.Customers = 120
	}
	if o.Agents == 0 {
		o.Agents = 12
	}
	if o.Queues == 0 {
		o.Queues = 4
	}
	o.Contacts, o.Customers = max(o.Contacts, 0), max(o.Customers, 5)
	o.Agents, o.Queues = max(o.Agents, 1), max(o.Queues, 1)
	return o
}

// World is one contact centre and all that happens in it. Its slices are indexed by the ID or index
// fields of the others and must not be changed.
type World struct {
	AccountSID          string
	AuthToken           string // signs webhooks, too
	APIKeySID           string
	APIKeySecret        string
	WorkspaceSID        string
	WorkspaceName       string
	ChatServiceSID      string // the Conversations service of Flex
	DefaultServiceSID   string // the account's default Conversations service; empty of conversations
	FlexServiceSID      string
	SyncServiceSID      string // also known as "default"
	MessagingServiceSID string
	FlexInstanceSID     string
	CentreNumber        string // E.164: what customers call and write to

	Queues        []Queue
	Workflows     []Workflow
	TaskChannels  []TaskChannel
	Activities    []Activity
	Agents        []Agent
	Customers     []Customer
	Contacts      []Contact
	Conversations []Conversation
	Tasks         []Task

	options          Options
	sids             sids
	marks            []mark
	operatingUnitSID string
}

// New generates a world.
func New(options Options) *World {
	options = options.withDefaults()
	w := &World{options: options, sids: sids{seed: options.Seed}}
	w.found()
	w.hireStaff(options)
	people := w.moveIn(options.Customers)
	w.live(people)
	w.buildIndex()
	return w
}

// Options returns what the world was made of, defaults filled in.
func (w *World) Options() Options { return w.options }

func (w *World) found() {
	w.AccountSID = w.sids.of(prefixAccount, 0)
	w.AuthToken = w.sids.of(prefixAccount, 1)[2:]
	w.APIKeySID = w.sids.of(prefixKey, 0)
	w.APIKeySecret = w.sids.of(prefixKey, 1)[2:]
	w.WorkspaceSID = w.sids.of(prefixWorkspace, 0)
	w.WorkspaceName = "Flex Task Assignment"
	w.ChatServiceSID = w.sids.of(prefixService, 0)
	w.DefaultServiceSID = w.sids.of(prefixService, 1)
	w.FlexServiceSID = w.sids.of(prefixService, 2)
	w.SyncServiceSID = w.sids.of(prefixService, 3)
	w.MessagingServiceSID = w.sids.of(prefixMessaging, 0)
	w.FlexInstanceSID = w.sids.of(prefixFlex, 0)
	w.operatingUnitSID = w.sids.of(prefixUnit, 0)
	w.CentreNumber = "+33187000000"
}

// Summary is how much there is of everything, for people.
type Summary struct {
	AccountSID      string    `json:"account_sid"`
	WorkspaceSID    string    `json:"workspace_sid"`
	ChatServiceSID  string    `json:"chat_service_sid"`
	FlexInstanceSID string    `json:"flex_instance_sid"`
	APIKeySID       string    `json:"api_key_sid"`
	Start           time.Time `json:"start"`
	End             time.Time `json:"end"`
	Customers       int       `json:"customers"`
	Agents          int       `json:"agents"`
	Queues          int       `json:"queues"`
	Contacts        int       `json:"contacts"`
	Conversations   int       `json:"conversations"`
	Tasks           int       `json:"tasks"`
	SurveyTasks     int       `json:"survey_tasks"`
	Events          int       `json:"events"`
}

// Summary counts the world.
func (w *World) Summary() Summary {
	surveys := 0
	for i := range w.Tasks {
		if w.Tasks[i].Survey {
			surveys++
		}
	}
	return Summary{
		AccountSID: w.AccountSID, WorkspaceSID: w.WorkspaceSID, ChatServiceSID: w.ChatServiceSID,
		FlexInstanceSID: w.FlexInstanceSID, APIKeySID: w.APIKeySID, Start: w.options.Start, End: w.options.End,
		Customers: len(w.Customers), Agents: len(w.Agents), Queues: len(w.Queues), Contacts: len(w.Contacts),
		Conversations: len(w.Conversations), Tasks: len(w.Tasks), SurveyTasks: surveys, Events: len(w.marks),
	}
}
