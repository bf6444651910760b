package pipeline

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/mapping"
)

// Explain explains the customers among what was loaded. history is what the store
// kept of each customer's deliveries and omissions.
func (d *Digest) Explain(n *store.Neighbours, history map[int64]store.History) []Explanation {
	b := &batch{at: d.o.Clock(), deltas: map[fact.Key]*fact.Fact{}, lanes: map[fact.Key]record.Lane{}}
	b.merge(n, &d.o.Profile)
	byID := map[int64]store.Customer{}
	for _, c := range n.Customers {
		byID[c.ID] = c
	}
	owned := map[int64][]*state{}
	for _, s := range b.ordered() {
		owned[s.CustomerID] = append(owned[s.CustomerID], s)
	}
	var out []Explanation
	for _, id := range sortedIDs(byID) {
		e := &explainer{d: d, b: b, customer: byID[id], history: history[id], states: owned[id], tokens: n.Tokens}
		out = append(out, e.explain(sharedOf(n)))
	}
	return out
}

func sortedIDs(m map[int64]store.Customer) []int64 {
	var out []int64
	for id := range m {
		out = append(out, id)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}

func sharedOf(n *store.Neighbours) map[string]bool {
	shared := map[string]bool{}
	for _, t := range n.Tokens {
		if t.Shared {
			shared[t.Value] = true
		}
	}
	return shared
}

type explainer struct {
	d        *Digest
	b        *batch
	customer store.Customer
	history  store.History
	states   []*state
	tokens   []store.StoredToken
}

func (e *explainer) explain(shared map[string]bool) Explanation {
	for _, p := range e.d.o.Profile.SharedPhones {
		shared[p] = true
	}
	facts := make([]*fact.Fact, len(e.states))
	for i, s := range e.states {
		facts[i] = s.Fact
	}
	p := profile.Build(facts, shared, &e.d.o.Profile)
	contact, _ := e.d.contact(p)
	out := Explanation{
		CustomerID: e.customer.ID, Since: e.customer.CreatedAt, ContactID: e.customer.Held.ID,
		Email: p.Email, Phone: p.Phone, Identity: p.Identity, Name: p.FriendlyName,
		Identifiers: e.identifiers(p), Absorbed: e.history.Absorbed, Writes: e.writes(),
		Facts: factLines(p, facts), Standing: e.standing(p, contact),
		Attributes: e.attributes(p, contact), Lists: e.lists(contact), Events: e.events(p, contact),
	}
	for _, o := range e.history.Omissions {
		out.Omissions = append(out.Omissions, OmissionLine{What: o.What, Value: o.Value, Reason: o.Reason, Rule: o.Rule, At: o.At})
	}
	return out
}

// standing says how the contact as a whole stands.
func (e *explainer) standing(p *profile.Profile, contact *record.Contact) string {
	held := e.customer.Held
	last, known := e.lastContact()
	switch {
	case held.Deleted:
		return "deleted in Brevo; it is not made again"
	case e.history.Owed:
		return "waiting: " + whyOwed
	case contact == nil && p.Contacts == 0 && !p.Surveyed:
		return "no contact: nothing in the connector's scope happened"
	case contact == nil:
		return "no contact: neither an email nor a phone is known; the facts wait until one is"
	case known && last.State == store.Dead:
		return "given up after " + times(last.Attempts) + ": " + words(last)
	case known && (last.State == store.Pending || last.State == store.Sending):
		return "a change waits: " + words(last)
	case known && last.State == store.Skipped && held.ID == 0:
		return "not written: " + words(last)
	case held.ID != 0:
		return fmt.Sprintf("contact %d in Brevo", held.ID)
	}
	return "not written yet"
}

func (e *explainer) lastContact() (store.Delivery, bool) {
	for _, d := range e.history.Deliveries { // newest first
		if d.Kind == store.ContactDelivery && d.State != store.Withdrawn {
			return d, true
		}
	}
	return store.Delivery{}, false
}

func factLines(p *profile.Profile, facts []*fact.Fact) []FactLine {
	tasks := map[string]*profile.Task{}
	for _, t := range p.AllTasks() {
		tasks[t.SID] = t
	}
	out := make([]FactLine, 0, len(facts))
	for _, f := range facts {
		l := FactLine{Kind: f.Kind, SID: f.SID, At: firstMoment(f), State: f.Text(fact.State)}
		if t := tasks[f.SID]; t != nil {
			l.Channel, l.Queue, l.Agent = t.Channel, t.Queue, t.Worker
			l.State, _ = t.Env()["state"].(string)
			l.Note = note(t)
		}
		out = append(out, l)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].At.Before(out[j].At) })
	return out
}

func firstMoment(f *fact.Fact) time.Time {
	var at time.Time
	for name := range f.Times {
		if t := f.Time(name); at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at
}

// attributes explains each field rule.
func (e *explainer) attributes(p *profile.Profile, contact *record.Contact) []AttributeLine {
	var out []AttributeLine
	environment := env(p)
	for _, f := range e.d.o.Rules.Fields {
		v, err := f.Apply(environment)
		l := AttributeLine{Name: v.To, Source: v.Source, Rule: v.Rule.String(), Held: e.held(v.To), Sending: e.sending(v.To)}
		l.From, l.Older = sources(f, p)
		switch sent, ok := sentAs(contact, v); {
		case err != nil:
			l.State, l.Why = stateNotSent, "the rule gave an error: "+err.Error()
		case contact == nil:
			l.State, l.Why, l.Value = stateNotSent, "there is no contact to write it to", v.Data
		case !ok:
			l.State, l.Why = stateNothing, why(v)
		default:
			l.Value = sent
			l.State, l.Why = e.where(v.To, sent)
			if !reflect.DeepEqual(sent, v.Data) && v.Empty {
				l.Source = "the resolved identifier"
			}
		}
		out = append(out, l)
	}
	return out
}

// sentAs returns the value that a contact carries for a rule.
func sentAs(c *record.Contact, v mapping.Value) (any, bool) {
	if c == nil {
		return nil, false
	}
	if v.To == "email" {
		return c.Email, c.Email != ""
	}
	for _, a := range c.Attributes {
		if a.Name == v.To && a.Rule == v.Rule.String() {
			return a.Value, true
		}
	}
	return nil, false
}

// why says why a rule gave nothing.
func why(v mapping.Value) string {
	if v.Note != "" {
		return string(v.Why) + ": " + v.Note
	}
	return string(v.Why)
}

func (e *explainer) held(name string) any {
	h := e.customer.Held
	if v, ok := h.Identifiers[name]; ok {
		return v
	}
	if v, ok := h.Identifiers[strings.ToUpper(name)]; ok {
		return v
	}
	return h.Attributes[name]
}

// where says whether Brevo holds a value, and if not why.
func (e *explainer) where(name string, value any) (state, why string) {
	if sameValue(e.held(name), value) {
		return stateHeld, ""
	}
	if o, left := e.omission(name); left {
		return stateNotSent, o.Reason
	}
	last, known := e.lastContact()
	switch {
	case e.history.Owed:
		return stateWaiting, whyOwed
	case e.customer.Held.Deleted:
		return stateNotSent, reasonDeleted
	case known && (last.State == store.Pending || last.State == store.Sending):
		return stateWaiting, words(last)
	case known && last.State == store.Dead:
		return stateNotSent, "the contact was given up: " + words(last)
	case known && last.State == store.Skipped && e.customer.Held.ID == 0:
		return stateNotSent, words(last)
	case known && last.State != store.Unknown && took(last, name, value):
		return stateHeld, "" // in the account's own terms, such as the number of a category
	case known && keeps(last, name):
		return stateNotSent, "Brevo holds another value, which the rule does not replace (overwrite: false)"
	case e.held(name) != nil:
		return stateNotSent, "Brevo holds another value, which is not replaced"
	}
	return stateNotSent, "not written yet"
}

// sameValue compares as Brevo would: 5 and 5.0 are one, and the date of a text is.
func sameValue(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && a != nil && string(x) == string(y)
}

// lists says of each list whether membership was begun. What the destination calls
// a list may differ from what the rules call it, so a contact that was accepted with
// the list counts too.
func (e *explainer) lists(contact *record.Contact) []ListLine {
	if contact == nil {
		return nil
	}
	begun := map[string]bool{}
	for _, l := range e.customer.Held.Lists {
		begun[l] = true
	}
	for _, d := range e.history.Deliveries {
		if d.Contact != nil && d.State == store.Delivered {
			for _, l := range d.Contact.Lists {
				begun[l] = true
			}
		}
	}
	var out []ListLine
	for _, l := range contact.Lists {
		state := stateWaiting
		if begun[l] {
			state = "membership was begun; what marketing took away since stays so"
		}
		for _, o := range e.history.Omissions {
			if o.What == "list "+l {
				state = stateNotSent + ": " + o.Reason
			}
		}
		out = append(out, ListLine{l, state, e.sending("list " + l)})
	}
	return out
}

// events explains every moment: those that a rule sends, and those of types that
// a rule names but that did not pass it.
func (e *explainer) events(p *profile.Profile, contact *record.Contact) []EventLine {
	known := map[string]store.Delivery{}
	for i := len(e.history.Deliveries) - 1; i >= 0; i-- { // the newest wins
		if d := e.history.Deliveries[i]; d.Kind == store.EventDelivery {
			known[d.Key] = d
		}
	}
	var out []EventLine
	environment := env(p)
	for _, m := range p.Moments(&e.d.o.Profile) {
		rule := e.d.o.Rules.Events[m.Type]
		if rule == nil {
			continue
		}
		l := EventLine{Type: m.Type, Name: rule.Name, ID: m.Key, At: m.At, Rule: rule.At.String()}
		if d, ok := known[m.Key]; ok {
			e.fromDelivery(&l, d)
		} else {
			e.withoutDelivery(&l, environment, &m, contact)
		}
		out = append(out, l)
	}
	return out
}

func (e *explainer) fromDelivery(l *EventLine, d store.Delivery) {
	l.Attempts, l.Status, l.Call, l.Why = d.Attempts, d.Status, d.Call, words(d)
	if !d.SettledAt.IsZero() {
		l.SettledAt = &d.SettledAt
	}
	switch d.State {
	case store.Pending, store.Sending:
		l.State, l.NextAttemptAt = stateWaiting, &d.NextAttemptAt
		if last, known := e.lastContact(); d.Reason == "" && known && last.State == store.Pending {
			l.Why = "goes after the contact, which waits: " + words(last)
		}
	case store.Dead:
		l.State = stateDead
	case store.Withdrawn:
		l.State, l.Why = stateNotSent, "a later record showed it in another light before it was sent"
	default:
		l.State = string(d.State)
	}
}

// withoutDelivery explains a moment of which no delivery is kept: it was told
// long ago, or it never was to be.
func (e *explainer) withoutDelivery(l *EventLine, environment *mapping.Env, m *profile.Moment, contact *record.Contact) {
	if at, ok := e.mark(m); ok {
		l.State = string(store.Delivered)
		if at < 0 {
			l.State, at = string(store.Skipped), -at
		}
		settled := time.UnixMilli(at).UTC()
		l.SettledAt = &settled
		return
	}
	l.State = stateNotSent
	outcome, err := e.d.o.Rules.Events[m.Type].Apply(envOf(environment, m))
	switch {
	case e.history.Owed:
		l.State, l.Why = stateWaiting, whyOwed
	case e.d.o.Wants != nil && !e.d.o.Wants(m.Type):
		l.Why = "switched off under sync"
	case !outcome.When && outcome.Note != "":
		l.Why = "condition false: " + outcome.Note
	case !outcome.When:
		l.Why = "condition false"
	case err != nil:
		l.Why = "the rule gave an error: " + err.Error()
	case contact == nil:
		l.Why = "there is no contact to tell it of"
	default:
		l.Why = "not digested with today's rules yet; a change or a replay sends it"
	}
}

func (e *explainer) mark(m *profile.Moment) (int64, bool) {
	for _, key := range append(m.Members, m.Fact) {
		if s, ok := e.b.facts[key]; ok {
			if at, marked := s.Marks[m.Mark]; marked {
				return at, true
			}
		}
	}
	return 0, false
}
