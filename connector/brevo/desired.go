package brevo

import (
	"slices"
	"strings"

	"flexbrevo/connector/record"
)

const (
	reasonUnknownList    = "list unknown in Brevo"
	reasonRefusedBefore  = "refused before"
	reasonNeverCleared   = "identifiers are not cleared"
	reasonNotIdentifier  = "not an identifier"
	maxIdentifier        = 255
	reasonOverlongHandle = "identifier too long"
)

// desired is a contact as it should be, in the terms of one account: values
// converted, lists by id. What cannot be said in these terms is an omission.
type desired struct {
	identifiers map[string]wish
	attributes  []wish
	lists       []membership
	leave       []membership
	omissions   []record.Omission
}

// wish is one value that the contact should have.
type wish struct {
	name      string
	value     any // as it goes on the wire; "" clears
	overwrite record.Overwrite
	def       definition
	rule      string
}

// membership is a list to be on, by the id it has and the word the rule used.
type membership struct {
	id  int64
	ref string
}

// newDesired brings a contact into the terms of an account.
func newDesired(c *record.Contact, a *account) *desired {
	w := &desired{identifiers: map[string]wish{}}
	for _, attr := range c.Attributes {
		name := strings.ToUpper(attr.Name)
		if id, ok := identifierRule(name); ok {
			w.wantIdentifier(id, attr, c.Phone)
			continue
		}
		w.wantAttribute(name, attr, a)
	}
	if c.Email != "" {
		w.wantIdentifier(email, record.Attribute{Name: email, Value: c.Email, Rule: w.identifiers[email].rule}, "")
	}
	for _, ref := range c.Lists {
		w.lists = w.withList(w.lists, ref, a)
	}
	for _, ref := range c.Leave {
		w.leave = w.withList(w.leave, ref, a)
	}
	return w
}

// omit notes what is left out.
func (w *desired) omit(what string, value any, reason, rule string) {
	w.omissions = append(w.omissions, omitted(what, value, reason, rule))
}

// wantIdentifier adds an identifier. The first rule that gives a value wins, save
// that the resolved email replaces what a rule gave.
func (w *desired) wantIdentifier(name string, attr record.Attribute, phone string) {
	if attr.Value == nil || attr.Value == "" {
		if attr.Clear {
			w.omit(name, nil, reasonNeverCleared, attr.Rule)
		}
		return
	}
	text, ok := scalar(attr.Value)
	text = strings.TrimSpace(cleanText(text))
	reason := ""
	switch {
	case !ok || text == "":
		reason = reasonNotIdentifier
	case isPhone(name):
		text, reason = phoneNumber(text, phone)
	case len(text) > maxIdentifier:
		reason = reasonOverlongHandle
	}
	if reason != "" {
		w.omit(name, attr.Value, reason, attr.Rule)
		return
	}
	w.identifiers[name] = wish{name: name, value: text, overwrite: attr.Overwrite, rule: attr.Rule}
}

// wantAttribute adds an attribute when the account has it in the rule's type.
func (w *desired) wantAttribute(name string, attr record.Attribute, a *account) {
	empty := attr.Value == nil || attr.Value == ""
	if empty && !attr.Clear {
		return
	}
	def, ok := a.attributes[name]
	if reason := unfit(def, ok, attr.Type); reason != "" {
		w.omit(name, attr.Value, reason, attr.Rule)
		return
	}
	want := wish{name: name, value: "", overwrite: attr.Overwrite, def: def, rule: attr.Rule}
	if !empty {
		value, reason := convert(attr.Value, def)
		if reason != "" {
			w.omit(name, attr.Value, reason, attr.Rule)
		}
		if value == nil {
			return
		}
		want.value = value
	}
	w.attributes = append(w.attributes, want)
}

// unfit says why an attribute of the account cannot take a rule's values: a type
// that drifted switches off that one attribute (promise 7 of the design).
func unfit(def definition, known bool, kind string) string {
	switch {
	case !known:
		return reasonUnknownAttribute
	case !def.writable():
		return reasonReadOnly
	case kind != "" && kind != def.kind:
		return reasonOtherType
	}
	return ""
}

// withList adds a list that the account has.
func (w *desired) withList(to []membership, ref string, a *account) []membership {
	id, ok := a.list(ref)
	if !ok {
		w.omissions = append(w.omissions, record.Omission{What: "list " + ref, Reason: reasonUnknownList})
		return to
	}
	if !slices.ContainsFunc(to, func(m membership) bool { return m.id == id }) {
		to = append(to, membership{id: id, ref: ref})
	}
	return to
}

// withoutRefused leaves out what Brevo refused before and what has not changed
// since, save the identifiers that a merge was agreed for.
func (w *desired) withoutRefused(h *record.Held, agreed map[string]record.Merge) {
	for _, name := range identifierNames() {
		want, wanted := w.identifiers[name]
		before, refused := h.Refused[name].(string)
		if _, merges := agreed[name]; !wanted || !refused || merges || !sameIdentifier(name, before, want.value.(string)) {
			continue
		}
		delete(w.identifiers, name)
		if other, taken := h.Taken[name]; taken {
			w.omissions = append(w.omissions, conflicting(want, other))
			continue
		}
		w.omit(name, want.value, reasonRefusedBefore, want.rule)
	}
}

// text returns an identifier's wanted value, or "".
func (w *desired) text(name string) string {
	s, _ := w.identifiers[name].value.(string)
	return s
}

// names returns every attribute that the contact speaks of.
func (w *desired) names() []string {
	out := make([]string, len(w.attributes))
	for i, a := range w.attributes {
		out[i] = a.name
	}
	return out
}
