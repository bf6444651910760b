package config

import (
	"regexp"
	"time"
)

// CustomObjects are the types of custom objects in Brevo that are told figures; an
// empty one is told none.
type CustomObjects struct {
	AgentDays  string        `yaml:"agent_days" validate:"omitempty,object_type" desc:"type of custom object that is told agents' days, such as flex_agent_day"`
	QueueHours string        `yaml:"queue_hours" validate:"omitempty,object_type" desc:"type of custom object that is told queues' hours, such as flex_queue_hour"`
	Since      time.Duration `yaml:"since" validate:"min=0,max=9600h" desc:"how far back the first telling goes"`
}

// IsSet tells whether anything is told.
func (o CustomObjects) IsSet() bool { return o.AgentDays != "" || o.QueueHours != "" }

// objectTypePattern is what names a custom object in the API (facts/brevo.md 5).
var objectTypePattern = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

func (l *loader) checkCustomObjects(namespace string, c *Connector) {
	o := c.CustomObjects
	within := namespace + ".CustomObjects"
	if o.AgentDays != "" && o.AgentDays == o.QueueHours {
		l.fail(l.place(within+".QueueHours").at, "days and hours go to one type of custom object", "expected two types")
	}
	if o.AgentDays != "" && !c.Sync.AgentActivity {
		l.warn(l.place(within+".AgentDays").at, "no figures of agents are kept that it could be told", "switch on sync.agent_activity")
	}
	if o.QueueHours != "" && !c.Sync.QueueAnalytics {
		l.warn(l.place(within+".QueueHours").at, "no figures of queues are kept that it could be told", "switch on sync.queue_analytics")
	}
}

// FurtherScopes are those of Brevo that an OAuth client needs beside the usual ones
// (facts/brevo.md 7).
func (c *Connector) FurtherScopes() []string {
	var scopes []string
	if c.CustomObjects.IsSet() {
		scopes = append(scopes, "objects:write")
	}
	if len(c.CRM) > 0 {
		scopes = append(scopes, "crm:read", "crm:write")
	}
	return scopes
}
