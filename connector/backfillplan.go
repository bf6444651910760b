package connector

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// BackfillPlan says what a backfill would do, as far as a few dozen samples of the
// range tell. Its numbers are estimates.
type BackfillPlan struct {
	Connector string             `json:"connector"`
	Since     time.Time          `json:"since"`
	Until     time.Time          `json:"until"`
	Events    store.EventsPolicy `json:"events"`
	// LostUntil is set where the range begins before what Twilio still has of
	// TaskRouter: the events before it cannot be read any more.
	LostUntil *time.Time `json:"lost_until,omitempty"`
	// Goes says that an unfinished backfill of the same range is gone on with.
	GoesOn bool `json:"goes_on"`

	Records       int `json:"records"`
	Tasks         int `json:"tasks"`
	Conversations int `json:"conversations"`
	// Contacts is how many contacts are written; so many are created at most.
	Contacts int `json:"contacts"`
	// EventsSent are sent, EventsTooOld and EventsWithheld are not.
	EventsSent     int `json:"events_sent"`
	EventsTooOld   int `json:"events_too_old"`
	EventsWithheld int `json:"events_withheld"`
	// Automations says that events, or being put on a list, may start automations in
	// Brevo.
	Automations bool `json:"automations"`

	// Terms are what the operator must agree to before contacts are brought in another
	// way than by single writes; empty where there is no other.
	Terms string `json:"terms,omitempty"`

	TwilioCalls   int     `json:"twilio_calls"`
	TwilioSeconds float64 `json:"twilio_seconds"`
	BrevoCalls    int     `json:"brevo_calls"`
	BrevoSeconds  float64 `json:"brevo_seconds"`
}

// PlanBackfill estimates a backfill by reading up to 48 samples of its range. It
// changes nothing.
func (s *Service) PlanBackfill(ctx context.Context, r BackfillRequest) (BackfillPlan, error) {
	f, err := s.flowOf(r.Connector)
	if err != nil {
		return BackfillPlan{}, err
	}
	streams, err := f.resources(r.Resources)
	if err != nil {
		return BackfillPlan{}, err
	}
	p := BackfillPlan{Connector: r.Connector, Since: r.Since, Until: r.Until, Events: r.Events}
	if p.Events == "" {
		p.Events = store.EventsRecent
	}
	if p.Until.IsZero() {
		p.Until = s.o.Clock().Add(-behindNow)
	}
	before, err := s.o.Store.LoadBackfill(ctx, r.Connector)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return p, err
	case err == nil && before.Since.Equal(r.Since.UTC().Truncate(time.Second)) && (r.Until.IsZero() || r.Until.Equal(before.Until)):
		p.GoesOn, p.Until = true, before.Until
	}
	if !p.Until.After(p.Since) {
		return p, errors.New("the range is empty: --until must be after --since")
	}
	readable, any, err := f.readable(ctx, twilio.EventsStream, twilio.Range{From: p.Since, To: p.Until})
	if err != nil {
		return p, err
	}
	if readable.From.After(p.Since.Add(time.Second)) {
		p.LostUntil = &readable.From
	}
	e := &estimate{f: f, plan: &p, now: s.o.Clock(), options: profileOptions(f.cfg), byType: map[string]float64{}, people: map[string]bool{}, threads: map[string]bool{}}
	if any {
		if _, err := f.source.ProbeEvents(ctx, readable, e.take); err != nil {
			return p, err
		}
	}
	e.finish(streams)
	for _, l := range f.loaders() {
		p.Terms += l.Terms()
	}
	return p, nil
}

// estimate sums samples up to a plan.
type estimate struct {
	f    *flow
	plan *BackfillPlan
	now  time.Time
	// options say what identifies a customer.
	options profile.Options
	// Weighted numbers: of records, of each event type, and of the events that are
	// young enough and too old.
	records     float64
	byType      map[string]float64
	young, aged float64
	// Plain numbers of the samples.
	tasks   int
	people  map[string]bool
	threads map[string]bool
}

func (e *estimate) take(s twilio.Sample) {
	weight := s.Weight()
	e.records += weight * float64(len(s.Records))
	for _, r := range s.Records {
		e.byType[r.Type] += weight
		e.moments(r.Type, r.At, weight)
		if r.Type != "task.created" {
			continue
		}
		e.tasks++
		decoded, err := source{e.f.source}.Decode(r)
		if err != nil {
			continue // such a record makes no contact
		}
		for _, fact := range decoded.Facts {
			e.person(profile.LinksOf(fact, &e.options))
		}
	}
}

// person notes by whom a task is: its first address, which is forgotten with the
// plan.
func (e *estimate) person(l profile.Links) {
	seen := false
	for _, t := range l.Now {
		switch {
		case t.Kind == profile.RefToken && strings.HasPrefix(t.Value, "CH"):
			e.threads[t.Value] = true
		case t.Kind != profile.RefToken && !seen:
			e.people[string(t.Kind)+t.Value] = true
			seen = true
		}
	}
}

// moments counts the events that rules make of an event of Twilio's.
func (e *estimate) moments(kind string, at time.Time, weight float64) {
	n := 0.0
	for _, name := range raisedBy(kind) {
		if e.f.cfg.Rules.Events[name] != nil {
			n += weight
		}
	}
	if maxAge := e.f.cfg.Events.MaxAge; maxAge > 0 && e.now.Sub(at) > maxAge {
		e.aged += n
		return
	}
	e.young += n
}

// raisedBy are the event types of rules that one of Twilio's stands for; survey
// answers cannot be told from it and are left out.
func raisedBy(kind string) []string {
	switch kind {
	case "task.created":
		return []string{"task.created", "conversation.started", "conversation.ended"}
	case "reservation.accepted":
		return []string{"task.assigned", kind}
	case "task.canceled":
		return []string{"task.canceled", "task.abandoned"}
	case "task.transfer-completed":
		return []string{"interaction.transferred", kind}
	}
	return []string{kind}
}

// finish turns sums into a plan.
func (e *estimate) finish(streams []string) {
	p := e.plan
	p.Records, p.Tasks = round(e.records), round(e.byType["task.created"])
	if e.tasks > 0 {
		perTask := float64(p.Tasks) / float64(e.tasks)
		p.Contacts = min(round(perTask*float64(len(e.people))), p.Tasks)
		p.Conversations = min(round(perTask*float64(len(e.threads))), p.Tasks)
	}
	switch p.Events {
	case store.EventsAll:
		p.EventsSent = round(e.young + e.aged)
	case store.EventsNone:
		p.EventsWithheld = round(e.young + e.aged)
	default:
		p.EventsSent, p.EventsTooOld = round(e.young), round(e.aged)
	}
	lists := e.f.cfg.Lists
	p.Automations = p.EventsSent > 0 || p.Contacts > 0 && (lists.SupportContacts.IsSet() || lists.CSATRespondents.IsSet())
	e.calls(streams)
}

// The number of rows that windows of the Events list hold on average.
const rowsPerCall = 500

func (e *estimate) calls(streams []string) {
	p := e.plan
	budgets := e.f.source.Health().Budgets
	for _, stream := range streams {
		switch stream {
		case twilio.EventsStream:
			calls := p.Records/rowsPerCall + 6
			p.TwilioCalls += calls
			p.TwilioSeconds += seconds(calls, budgets["taskrouter-events"])
		case twilio.ConversationsStream:
			p.Conversations = max(p.Conversations, 0)
			days := int(p.Until.Sub(p.Since)/(24*time.Hour)) + 1
			calls := 2*days + p.Conversations + p.Conversations/100 // and the participants of each
			if needsMessages(e.f.cfg) {
				calls += p.Conversations
			}
			p.TwilioCalls += calls
			p.TwilioSeconds += seconds(calls, budgets["conversations"])
		}
	}
	p.BrevoCalls = p.Contacts + p.EventsSent
	var contacts, events float64
	for _, b := range e.f.account.destination.Budgets() {
		switch b.Bucket {
		case "contacts":
			contacts = seconds(p.Contacts, b.PerSecond)
		case "events":
			events = seconds(p.EventsSent, b.PerSecond)
		}
	}
	p.BrevoSeconds = math.Max(contacts, events) // they have budgets of their own
}

func seconds(calls int, perSecond float64) float64 {
	if perSecond <= 0 {
		return 0
	}
	return float64(calls) / perSecond
}

func round(f float64) int { return int(math.Round(f)) }
