package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/mapping"
)

// reasonBothWritten is noted when two contacts turned out to be one person after
// both had been written: the profile goes to the older, the other is left alone.
const reasonBothWritten = "linked after both contacts were written"

// env is what expressions see of a customer.
func env(p *profile.Profile) *mapping.Env {
	return &mapping.Env{
		Identity: p.Identity, FriendlyName: p.FriendlyName, Email: p.Email, Phone: p.Phone,
		Attributes: p.Attributes, Metrics: p.Metrics,
	}
}

func envOf(e *mapping.Env, m *profile.Moment) *mapping.Env {
	out, scene := *e, m.Scene()
	out.Task, out.Conversation, out.Survey = scene.Task, scene.Conversation, scene.Survey
	out.Worker, out.Queue, out.Event = scene.Worker, scene.Queue, scene.Event
	return &out
}

// contact applies the field rules to a profile: what the destination should hold
// of this customer now. It returns nil for a customer that makes no contact,
// because nothing in scope happened or because no address is known.
func (d *Digest) contact(p *profile.Profile) (*record.Contact, []record.Omission) {
	if p.Contacts == 0 && !p.Surveyed {
		return nil, nil
	}
	c := &record.Contact{Email: p.Email, Phone: p.Phone, Create: d.o.Create}
	omissions := p.Omissions
	e := env(p)
	for _, f := range d.o.Rules.Fields {
		v, err := f.Apply(e)
		if err != nil {
			omissions = append(omissions, record.Omission{What: f.To, Reason: "rule gave an error", Rule: f.At.String()})
			continue
		}
		omissions = append(omissions, d.put(c, p, v)...)
	}
	if c.Email == "" && c.Phone == "" {
		if !d.o.ByIdentity || p.Identity == "" {
			return nil, omissions
		}
		if !c.Has("ext_id") {
			c.Attributes = append(c.Attributes, record.Attribute{Name: "ext_id", Value: p.Identity, Type: "text", Source: "identity"})
		}
	}
	if p.Supported && d.o.SupportList != "" {
		c.Lists = append(c.Lists, d.o.SupportList)
	}
	if p.Surveyed && d.o.SurveyList != "" {
		c.Lists = append(c.Lists, d.o.SurveyList)
	}
	return c, append(omissions, d.lists(c, e)...)
}

// lists applies the rules of list membership; of two for one list the later counts.
func (d *Digest) lists(c *record.Contact, e *mapping.Env) (omissions []record.Omission) {
	for _, rule := range d.o.Rules.Lists {
		membership, err := rule.Apply(e)
		if err != nil {
			omissions = append(omissions, record.Omission{What: "list " + rule.List, Reason: "rule gave an error", Rule: rule.At.String()})
		}
		if membership == mapping.Neither {
			continue
		}
		same := func(list string) bool { return list == rule.List }
		c.Lists, c.Leave = slices.DeleteFunc(c.Lists, same), slices.DeleteFunc(c.Leave, same)
		if membership == mapping.Joins {
			c.Lists = append(c.Lists, rule.List)
		} else {
			c.Leave = append(c.Leave, rule.List)
		}
	}
	return omissions
}

// put adds one rule's value to a contact. An identifier is normalised; where the
// rule has none that is one, the resolved identifier takes its place.
func (d *Digest) put(c *record.Contact, p *profile.Profile, v mapping.Value) []record.Omission {
	a := record.Attribute{
		Name: v.To, Value: v.Data, Type: v.Type, Clear: v.Clear && v.Empty,
		Rule: v.Rule.String(), Source: v.Source, Overwrite: overwrite(v),
	}
	var omissions []record.Omission
	switch v.To {
	case "email":
		a.Value, omissions = d.identifier(v, p.Email, profile.Email)
		if s, ok := a.Value.(string); ok {
			c.Email = s
		}
		return omissions
	case "SMS", "WHATSAPP", "LANDLINE_NUMBER":
		a.Clear = false
		a.Value, omissions = d.identifier(v, p.Phone, func(s string) (string, bool) {
			return profile.Phone(s, d.o.Profile.Region)
		})
		if s, ok := a.Value.(string); ok && p.SharedPhones[s] { // noted with the profile
			if a.Value = nil; p.Phone != "" {
				a.Value = p.Phone
			}
		}
	}
	if a.Value == nil && !a.Clear {
		return omissions
	}
	c.Put(a) // of two rules with one target the later counts
	return omissions
}

// identifier returns the rule's value if it is one of its kind, else the
// resolved one, else nil.
func (d *Digest) identifier(v mapping.Value, resolved string, normal func(string) (string, bool)) (any, []record.Omission) {
	var omissions []record.Omission
	if !v.Empty {
		s := fmt.Sprint(v.Data)
		if n, ok := normal(s); ok {
			return n, nil
		}
		omissions = []record.Omission{{What: v.To, Value: record.Mask(s), Reason: "not usable as this identifier", Rule: v.Rule.String()}}
	}
	if resolved == "" || v.Why == mapping.WhyCondition {
		return nil, omissions
	}
	return resolved, omissions
}

func overwrite(v mapping.Value) record.Overwrite {
	identifier := false
	switch v.To {
	case "email", "SMS", "WHATSAPP", "LANDLINE_NUMBER", "ext_id":
		identifier = true
	}
	switch {
	case v.Overwrite == mapping.OverwriteAlways && identifier:
		return record.Always
	case v.Overwrite == mapping.OverwriteEmpty && !identifier:
		return record.Never
	}
	return record.Default
}

// event applies the rule of a moment; it returns nil when none wants it.
func (d *Digest) event(e *mapping.Env, m *profile.Moment) (*record.Event, error) {
	if !d.wantsEvent(m.Type) {
		return nil, nil
	}
	rule, seen := d.o.Rules.Events[m.Type], e
	if rule.Reads() {
		seen = envOf(e, m)
	}
	outcome, err := rule.Apply(seen)
	if !outcome.When {
		return nil, err
	}
	properties := outcome.Properties
	if !rule.OwnProperties() {
		properties = m.Usual()
	}
	return &record.Event{Name: outcome.Name, ID: m.Key, At: m.At, Properties: properties, Rule: rule.At.String()}, err
}

// wantsEvent says whether a rule wants the moments of a type.
func (d *Digest) wantsEvent(eventType string) bool {
	return d.o.Rules.Events[eventType] != nil && (d.o.Wants == nil || d.o.Wants(eventType))
}

// fingerprint tells whether a contact is the one last put in the outbox. Where in the
// file its rules stand does not count: a comment above them changes nothing.
func fingerprint(c *record.Contact) string {
	bare := *c
	bare.Attributes = slices.Clone(c.Attributes)
	for i := range bare.Attributes {
		bare.Attributes[i].Rule = ""
	}
	b, err := json.Marshal(bare)
	if err != nil {
		panic("pipeline: contact is not JSON: " + err.Error()) // mapping gives JSON values only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
