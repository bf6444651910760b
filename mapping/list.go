package mapping

import "errors"

// ListSpec is one rule of list membership as it stands in the file.
type ListSpec struct {
	// List is a number or a name.
	List             string
	When, RemoveWhen string
	At               Position
	// Keys are the places of the rule's values, by key.
	Keys map[string]Position
}

// List is a compiled rule of list membership.
type List struct {
	List             string
	At               Position
	when, removeWhen *Condition
}

// Membership is what a list rule asks for.
type Membership int

// The memberships: neither changes nothing.
const (
	Neither Membership = iota
	Joins
	Leaves
)

// list compiles one rule.
func (c *ruleCompiler) list(spec ListSpec) {
	if spec.List == "" {
		c.report(spec.At, "no list", "expected list with the number or the name of one")
	}
	c.rules.Lists = append(c.rules.Lists, &List{
		List: spec.List, At: spec.At,
		when:       c.condition(spec.When, FieldScope, place(spec.At, spec.Keys, "when")),
		removeWhen: c.condition(spec.RemoveWhen, FieldScope, place(spec.At, spec.Keys, "remove_when")),
	})
}

// Apply says whether a customer joins or leaves the list. A rule that only says when
// to leave lets nobody join. A condition that gave an error changes nothing.
func (l *List) Apply(e *Env) (Membership, error) {
	if l.removeWhen != nil {
		leaves, err := holds(l.removeWhen, e)
		switch {
		case err != nil:
			return Neither, err
		case leaves:
			return Leaves, nil
		}
		if l.when == nil {
			return Neither, nil
		}
	}
	if l.when != nil {
		if joins, err := holds(l.when, e); err != nil || !joins {
			return Neither, err
		}
	}
	return Joins, nil
}

// holds evaluates a condition; one about something that a customer lacks does not
// hold.
func holds(c *Condition, e *Env) (bool, error) {
	yes, err := c.Eval(e)
	var absent *AbsentError
	if errors.As(err, &absent) {
		return false, nil
	}
	return yes, err
}
