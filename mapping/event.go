package mapping

import (
	"errors"
	"fmt"
)

// Event is one compiled event rule. It is safe for use from several goroutines.
type Event struct {
	// On is the source event type, Name the event in Brevo, At the rule's place in the file.
	On, Name string
	At       Position

	when       *Condition
	properties []property
	own        bool // the properties replace the default set
}

type property struct {
	name  string
	value *Expression
}

// Outcome is what one event rule gives for one fact.
type Outcome struct {
	// Name is the event in Brevo.
	Name string
	// When is false when the rule's condition does not hold; nothing is sent then.
	When bool
	// Properties are the rule's own, those without a value left out; nil means the default set.
	Properties map[string]any
	// Note says which value was absent, where that made the condition false. It never holds a value.
	Note string
}

// OwnProperties tells whether the rule replaces the default set of properties.
func (e *Event) OwnProperties() bool { return e.own }

// Reads tells whether the rule reads anything of the Env at all.
func (e *Event) Reads() bool { return e.when != nil || e.own }

// Apply decides whether the event is sent and with which properties. An error joins what could not be evaluated, says
// nothing of the values themselves, and leaves a usable Outcome: a failed condition is false, a failed property absent.
func (e *Event) Apply(env *Env) (Outcome, error) {
	outcome := Outcome{Name: e.Name, When: true}
	if e.when != nil {
		holds, err := e.when.Eval(env)
		if !holds {
			outcome.When = false
			if err != nil {
				outcome.Note = err.Error()
			}
			return outcome, unlessAbsent(err)
		}
	}
	if !e.own {
		return outcome, nil
	}
	var failures []error
	outcome.Properties = make(map[string]any, len(e.properties))
	for _, p := range e.properties {
		value, err := p.value.Eval(env)
		if err = unlessAbsent(err); err != nil {
			failures = append(failures, fmt.Errorf("property %s: %w", p.name, err))
		}
		if value = jsonForm(value); value != nil {
			outcome.Properties[p.name] = value
		}
	}
	return outcome, errors.Join(failures...)
}

// unlessAbsent drops the error that only says a value is absent.
func unlessAbsent(err error) error {
	if errors.Is(err, ErrAbsent) {
		return nil
	}
	return err
}

// CSAT is one compiled place of satisfaction scores.
type CSAT struct {
	// Scale is the highest score that can be given there; 0 means unknown.
	Scale float64
	// At is the entry's place in the file.
	At Position

	from *Expression
	when *Condition
}

// OfConversation tells whether the score is one of a thread: it is read below conversation.
func (c *CSAT) OfConversation() bool {
	for _, p := range c.from.paths {
		if p.root == rootConversation {
			return true
		}
	}
	return false
}

// Score gives the score as a number; found is false where the place holds none or its condition does not hold. The
// error is an *EvalError, or an *WrongTypeError for a score that is no number.
func (c *CSAT) Score(env *Env) (score float64, found bool, err error) {
	if c.when != nil {
		holds, err := c.when.Eval(env)
		if !holds {
			return 0, false, unlessAbsent(err)
		}
	}
	value, err := c.from.Eval(env)
	if err != nil || isEmpty(value) {
		return 0, false, unlessAbsent(err)
	}
	number, err := Coerce(value, TypeFloat, nil)
	if err != nil {
		return 0, false, err
	}
	score, found = number.(float64)
	return score, found, nil
}
