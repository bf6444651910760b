package pipeline

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/mapping"
)

// mostOlder is how many outdated values of an attribute are told, mostWrites how many
// deliveries of a contact.
const (
	mostOlder  = 3
	mostWrites = 5
)

// sources says which fact gave a task attribute, and which other facts gave older
// values that are not sent.
func sources(f *mapping.Field, p *profile.Profile) (from *SourceLine, older []SourceLine) {
	key, ok := f.AttributeKey()
	if !ok {
		return nil, nil
	}
	var lines []SourceLine
	for _, t := range p.Tasks {
		v, err := f.SourceValue(&mapping.Env{Attributes: fact.Newest(t.Fact)})
		if err == nil && !fact.Empty(v) {
			lines = append(lines, SourceLine{SID: t.SID, At: t.Fact.Said(key), Value: v})
		}
	}
	slices.SortStableFunc(lines, func(a, b SourceLine) int { return b.At.Compare(a.At) })
	current, err := f.SourceValue(env(p))
	if err != nil {
		return nil, nil
	}
	for _, l := range lines {
		switch {
		case reflect.DeepEqual(l.Value, current):
			if from == nil {
				from = &SourceLine{SID: l.SID, At: l.At}
			}
		case len(older) < mostOlder && !slices.ContainsFunc(older, func(o SourceLine) bool { return reflect.DeepEqual(o.Value, l.Value) }):
			older = append(older, l)
		}
	}
	return from, older
}

// sending finds the call that made Brevo take a value or a list last.
func (e *explainer) sending(name string) Sending {
	for _, d := range e.history.Deliveries { // newest first
		if d.Kind != store.ContactDelivery || !slices.ContainsFunc(d.Sent, func(s string) bool { return strings.EqualFold(s, name) }) {
			continue
		}
		s := Sending{Call: d.Call, Status: d.Status}
		if !d.SettledAt.IsZero() {
			s.SentAt = &d.SettledAt
		}
		return s
	}
	return Sending{}
}

// writes tells of the latest deliveries of the contact.
func (e *explainer) writes() []WriteLine {
	var out []WriteLine
	for _, d := range e.history.Deliveries {
		if d.Kind != store.ContactDelivery || len(out) == mostWrites {
			continue
		}
		l := WriteLine{At: d.SettledAt, State: string(d.State), Why: words(d), Call: d.Call, Status: d.Status, Sent: d.Sent, Attempts: d.Attempts}
		switch d.State {
		case store.Pending, store.Sending:
			l.State, l.At = stateWaiting, d.NextAttemptAt
		case store.Dead:
			l.State = stateDead
		}
		out = append(out, l)
	}
	return out
}

// words says the reason of a delivery's last outcome in words.
func words(d store.Delivery) string {
	due := d.NextAttemptAt.UTC().Format(time.RFC3339)
	waits := d.State == store.Pending || d.State == store.Sending
	switch failure.Reason(d.Reason) {
	case failure.RateLimited:
		if waits {
			return "waiting for the rate budget until " + due
		}
	case failure.Unauthorized, failure.Forbidden:
		if waits {
			return "Brevo refuses the credential; it goes on when that is mended"
		}
	case failure.Invalid:
		return "Brevo refuses it as invalid"
	case failure.Unknown:
		if d.State == store.Unknown {
			return "Brevo may have taken it: it is looked up before it is sent again"
		}
	}
	switch {
	case d.Reason == reasonUnchanged:
		return whyUnchanged
	case waits && d.Reason != "" && d.Attempts > 0:
		return "tried " + times(d.Attempts) + ", the last time " + d.Reason + "; again at " + due
	case waits && d.Reason == "":
		return "waits for its turn"
	}
	return d.Reason
}

// reasonUnchanged is why a contact whose values Brevo holds is not sent; the
// destination says so.
const reasonUnchanged = "unchanged"

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// identifiers are the tokens that lead to the customer, references among facts aside,
// with the phones that are theirs and lead nowhere.
func (e *explainer) identifiers(p *profile.Profile) []IdentifierLine {
	var out []IdentifierLine
	for _, t := range e.tokens {
		if t.CustomerID == e.customer.ID && t.Kind != store.Ref {
			out = append(out, IdentifierLine{string(t.Kind), t.Value, t.Shared || p.SharedPhones[t.Value]})
		}
	}
	for phone := range p.SharedPhones {
		if !slices.ContainsFunc(out, func(l IdentifierLine) bool { return l.Value == phone }) {
			out = append(out, IdentifierLine{string(store.Phone), phone, true})
		}
	}
	slices.SortFunc(out, func(a, b IdentifierLine) int { return strings.Compare(a.Kind+a.Value, b.Kind+b.Value) })
	return out
}

// note says why a task does not count as a contact with the centre; empty for one that
// does.
func note(t *profile.Task) string {
	switch {
	case !t.InScope:
		return fmt.Sprintf("channel %s is not among channels: it does not count", t.Channel)
	case t.Survey:
		return "a survey, and no contact"
	case t.Abandoned:
		return "abandoned"
	}
	return ""
}

// omission finds what was left out under a name.
func (e *explainer) omission(name string) (record.Omission, bool) {
	for _, o := range e.history.Omissions {
		if strings.EqualFold(o.What, name) {
			return o.Omission, true
		}
	}
	return record.Omission{}, false
}

// attributeOf returns what a contact's delivery carries under a name.
func attributeOf(d store.Delivery, name string) (record.Attribute, bool) {
	if d.Contact != nil {
		for _, a := range d.Contact.Attributes {
			if strings.EqualFold(a.Name, name) {
				return a, true
			}
		}
	}
	return record.Attribute{}, false
}

// took says whether a delivery that ended well carried a value that Brevo takes
// whatever it held.
func took(d store.Delivery, name string, value any) bool {
	a, ok := attributeOf(d, name)
	return ok && a.Overwrite != record.Never && sameValue(a.Value, value)
}

// keeps says whether a delivery was to fill a value in only where there is none.
func keeps(d store.Delivery, name string) bool {
	a, ok := attributeOf(d, name)
	return ok && a.Overwrite == record.Never
}
