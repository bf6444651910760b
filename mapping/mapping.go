// Package mapping turns the rules of connector.yaml into functions.
//
// A rule says which value of a customer goes into which Brevo attribute, or which Twilio event becomes which
// Brevo event. Its key, its condition and its property values are all expressions of one language, expr-lang; a
// plain name or path is the simplest of them. [Compile] parses and type-checks every expression once and reports
// all problems together; what it returns is pure: the same [Env] gives the same answer, whatever the clock, the
// network or the store hold, and from any number of goroutines.
//
// What is absent never fails. A path through a missing map gives no value, and a comparison, a calculation or a
// function call on an absent value has no answer: it makes a condition false and a value empty. "and", "or" and
// "not" treat a missing answer as SQL treats NULL, so that `vip == "yes" or tier == "gold"` holds for a customer
// with a tier and no vip. Only `x == nil`, `x != nil` and `x ?? y` look at absence itself.
package mapping

import (
	"fmt"
	"strings"
	"time"
)

// Position is a place in a configuration file. Line and Column count from 1; a zero Line means the place is unknown.
type Position struct {
	// File is the name of the file as it was given.
	File string
	// Line and Column locate the first character, both from 1.
	Line, Column int
	// Path names the value by its keys, as in connectors.twilio_flex.field_mapping.customer_tier.
	Path string
}

// String gives file:line:column, as editors and terminals understand it.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Severity tells a mistake that must stop the start from one that an operator should look at.
type Severity int

// The severities of a Problem.
const (
	Error Severity = iota
	Warning
)

// String gives the lower-case word.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Problem is one mistake in a rule.
type Problem struct {
	// At is where the faulty value begins.
	At Position
	// Offset is how many characters after At the mistake is, inside an expression; 0 where that says nothing.
	Offset int
	// Message says what is wrong, Expected what would be right and what to do. Neither ends in a full stop.
	Message, Expected string
	// Severity is Error or Warning.
	Severity Severity
}

// Error gives the problem on one line.
func (p Problem) Error() string {
	text := p.Message
	if p.Expected != "" {
		text += "; " + p.Expected
	}
	if p.At.Path != "" {
		text = p.At.Path + ": " + text
	}
	if p.At.Line != 0 {
		text = p.At.String() + ": " + text
	}
	return text
}

// Problems are all the mistakes found in one pass, in the order of the rules.
type Problems []Problem

// Failed tells whether any of the problems is an error.
func (p Problems) Failed() bool {
	for _, one := range p {
		if one.Severity == Error {
			return true
		}
	}
	return false
}

// Error gives one problem per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Spec is what connector.yaml says about the rules of one connector.
type Spec struct {
	// Fields are the field rules in file order. When two with the same target give a value, the later one counts.
	Fields []FieldSpec
	// Events are the event rules in file order; at most one for each source event type.
	Events []EventSpec
	// Lists are the rules of list membership in file order.
	Lists []ListSpec
	// AbandonedWhen is the condition of a task.abandoned; empty means DefaultAbandonedWhen.
	AbandonedWhen string
	// AbandonedAt is where AbandonedWhen stands.
	AbandonedAt Position
	// CSAT are the places of satisfaction scores, tried in order.
	CSAT []CSATSpec
	// Cases are the rules of what is written on contacts' timelines, in file order.
	Cases []CaseSpec
	// Location is the zone in which a moment becomes a date; nil means UTC.
	Location *time.Location
}

// DefaultAbandonedWhen is the condition that counts where abandoned_when is not given (design section 3.1).
const DefaultAbandonedWhen = `task.canceled_reason == "hangup" or attributes.conversations.abandoned == "Yes"`

// FieldSpec is one field rule. Only Source and To are needed.
type FieldSpec struct {
	// Source is the expression whose value is written.
	Source string
	// To is the Brevo attribute in upper case, or "email" or "ext_id".
	To string
	// Overwrite false writes only where Brevo has no value. Nil means true for an attribute, false for an identifier.
	Overwrite *bool
	// Type is one of Types, or empty: inferred from the source.
	Type string
	// Default stands in when the source is empty or When does not hold; nil means none.
	Default any
	// When is a condition; empty means always.
	When string
	// Clear empties the attribute in Brevo when the rule gives no value, which is otherwise left alone.
	Clear bool
	// Shared is "newest" where several connectors may write the same attribute, else empty.
	Shared string
	// At is where the rule's key stands; Keys has the places of the long form's values by their key ("to", "when").
	At   Position
	Keys map[string]Position
}

// EventSpec is one event rule.
type EventSpec struct {
	// On is the source event type, one of EventTypes.
	On string
	// Event is the name of the event in Brevo.
	Event string
	// When is a condition; empty means always.
	When string
	// Properties replace the default set; nil keeps it, and an empty list sends none.
	Properties []PropertySpec
	// At is where the rule's key stands; Keys has the places of the long form's values by their key ("event", "when").
	At   Position
	Keys map[string]Position
}

// PropertySpec is one property of an event.
type PropertySpec struct {
	// Name is the property's name in Brevo, Value the expression that gives it.
	Name, Value string
	// At is where Value stands.
	At Position
}

// CSATSpec is one place where satisfaction scores are found.
type CSATSpec struct {
	// From is the expression of the score, When a condition; empty means always.
	From, When string
	// Scale is the highest score that can be given there; 0 means unknown.
	Scale float64
	// At is where the entry stands; Keys has the places of its values by their key ("from", "when").
	At   Position
	Keys map[string]Position
}

func place(at Position, keys map[string]Position, key string) Position {
	if p, ok := keys[key]; ok {
		return p
	}
	return at
}
