package config

import (
	"fmt"
	"time"

	"flexbrevo/mapping"
)

// CRMRule writes a note or a task on a contact's timeline in Brevo's CRM.
type CRMRule struct {
	// Name tells the rule from all others for ever: what was written by it is not written again.
	Name string  `yaml:"-" validate:"connector_name"`
	On   string  `yaml:"on" desc:"source event type, such as task.abandoned or survey.completed"`
	When string  `yaml:"when" desc:"condition"`
	Note string  `yaml:"note" desc:"text of a note, with expressions in braces"`
	Task CRMTask `yaml:"task" desc:"a task for somebody"`
}

// CRMTask is a task that is made in Brevo's CRM.
type CRMTask struct {
	Name     string        `yaml:"name" desc:"name of the task, with expressions in braces"`
	Type     string        `yaml:"type" desc:"title of a task type of the account, such as Call"`
	Due      time.Duration `yaml:"due" validate:"min=0,max=9600h" desc:"how long after the event it is due"`
	AssignTo string        `yaml:"assign_to" validate:"omitempty,email" desc:"email of a user of the Brevo account"`
}

// preset gives a new rule its defaults.
func (r *CRMRule) preset(*Config) { r.Task = CRMTask{Type: "Call", Due: 24 * time.Hour} }

// caseSpecs are the CRM rules as they are compiled.
func (l *loader) caseSpecs(namespace string, c *Connector) []mapping.CaseSpec {
	var specs []mapping.CaseSpec
	for i, rule := range c.CRM {
		within := fmt.Sprintf("%s.CRM[%d]", namespace, i)
		at, keys := l.ruleKeys(within, map[string]string{"on": "On", "when": "When", "note": "Note", "task": "Task.Name"})
		specs = append(specs, mapping.CaseSpec{
			Name: rule.Name, On: rule.On, When: rule.When, Note: rule.Note, Task: rule.Task.Name, At: at, Keys: keys,
		})
		if _, given := l.places[within+".Task"]; given && rule.Task.Name == "" {
			l.fail(l.place(within+".Task").at, "a task without a name", "expected name")
		}
	}
	return specs
}
