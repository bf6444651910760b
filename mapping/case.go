package mapping

import (
	"errors"
	"slices"
)

// CaseSpec is one rule of what is written on a contact's timeline, as it stands in the file.
type CaseSpec struct {
	// Name tells the rule from all others for ever.
	Name string
	// On is the source event type, one of EventTypes; When a condition, empty for always.
	On, When string
	// Note and Task are texts with expressions in braces, empty for none: a note, and the name of a task.
	Note, Task string
	At         Position
	// Keys are the places of the rule's values, by key ("on", "when", "note", "task").
	Keys map[string]Position
}

// Case is a compiled rule of what is written on a contact's timeline. It is safe for use from several goroutines.
type Case struct {
	Name, On string
	At       Position

	when       *Condition
	note, task *Template
}

// Writing is what a Case has to write.
type Writing struct {
	// Note and Task are the texts, empty for none.
	Note, Task string
}

// crmCase compiles one rule.
func (c *ruleCompiler) crmCase(spec CaseSpec) {
	on := place(spec.At, spec.Keys, "on")
	switch types := EventTypes(); {
	case spec.On == "":
		c.report(spec.At, "no event type", "expected on with a type such as task.abandoned or survey.completed")
	case !slices.Contains(types, spec.On):
		expected := "expected a type such as task.abandoned or survey.completed"
		if near := Nearest(spec.On, types); near != "" {
			expected = "is " + near + " meant?"
		}
		c.report(on, "unknown event type "+spec.On, expected)
	}
	if spec.Note == "" && spec.Task == "" {
		c.report(spec.At, "nothing to write", "expected a note, or a task with a name, or both")
	}
	c.rules.Cases = append(c.rules.Cases, &Case{
		Name: spec.Name, On: spec.On, At: spec.At,
		when: c.condition(spec.When, EventScope, place(spec.At, spec.Keys, "when")),
		note: c.template(spec.Note, place(spec.At, spec.Keys, "note")),
		task: c.template(spec.Task, place(spec.At, spec.Keys, "task")),
	})
}

// template gives nil for an empty text.
func (c *ruleCompiler) template(text string, at Position) *Template {
	if text == "" {
		return nil
	}
	template, problems := CompileTemplate(text, EventScope, at)
	c.problems = append(c.problems, problems...)
	return template
}

// Apply says what is to be written of one event; false where the condition does not hold. An error joins what could not
// be evaluated and says nothing of the values: a failed condition is false, a failed value is left out of its text.
func (c *Case) Apply(env *Env) (Writing, bool, error) {
	if c.when != nil {
		if yes, err := holds(c.when, env); !yes {
			return Writing{}, false, err
		}
	}
	var w Writing
	var failures [2]error
	if c.note != nil {
		w.Note, failures[0] = c.note.Render(env)
	}
	if c.task != nil {
		w.Task, failures[1] = c.task.Render(env)
	}
	return w, true, errors.Join(failures[:]...)
}

// Reads tells whether any rule is about events of a type.
func (r *Rules) Reads(eventType string) bool {
	return r.Events[eventType] != nil || slices.ContainsFunc(r.Cases, func(c *Case) bool { return c.On == eventType })
}
