package config

import (
	"fmt"
	"slices"
	"time"

	"flexbrevo/mapping"
)

// SyncPublish says what is written to Twilio Sync for the agents' screens, and about the
// connector itself (docs/publish.md).
type SyncPublish struct {
	Service   string `yaml:"service" validate:"required" desc:"Sync service SID, or default: the one that agents' tokens reach"`
	Map       string `yaml:"map" validate:"max=320" desc:"unique name of the map with one item for each customer; made where it is missing"`
	Documents string `yaml:"documents" validate:"max=200" desc:"instead of a map, what the names of the customers' documents begin with, such as flexbrevo.customer."`
	Key       string `yaml:"key" validate:"oneof=phone identity" desc:"what an item is found by: phone (E.164) or identity (of Flex)"`
	// TTL is at most what Sync takes (facts/twilio.md 5).
	TTL    time.Duration `yaml:"ttl" validate:"min=0,max=8760h" desc:"how long an item lives after it was written; 0 for ever"`
	Events float64       `yaml:"events" validate:"min=0,max=100" desc:"how many of the last events are shown"`
	Types  []string      `yaml:"event_types" desc:"which events are shown"`
	Fields []SyncField   `yaml:"fields" keyed:"Name" desc:"what else is shown: a label with an expression of the customer"`
	Status string        `yaml:"status" validate:"max=320" desc:"unique name of the document that says how the connector stands; empty for none"`
	Runs   string        `yaml:"runs" validate:"max=320" desc:"unique name of the stream that is told of every finished run; empty for none"`
}

// SyncField is one more value on the agents' screens.
type SyncField struct {
	Name  string              `yaml:"-"`
	Value string              `yaml:"value" short:"true" desc:"expression of the customer, such as customer_tier"`
	Read  *mapping.Expression `yaml:"-" validate:"-"`
}

// defaultSyncPublish publishes nothing, because no name is given.
func defaultSyncPublish() SyncPublish {
	return SyncPublish{
		Service: "default", Key: "phone", TTL: 30 * 24 * time.Hour, Events: 10,
		Types: []string{"task.completed", "task.abandoned", "interaction.transferred", "survey.completed"},
	}
}

// Customers says whether customers are published.
func (p *SyncPublish) Customers() bool { return p.Map != "" || p.Documents != "" }

// Asked says whether anything is published.
func (p *SyncPublish) Asked() bool { return p.Customers() || p.Status != "" || p.Runs != "" }

// checkSyncPublish compiles the fields and finds what cannot be meant.
func (l *loader) checkSyncPublish(namespace string, c *Connector) {
	p, within := &c.SyncPublish, namespace+".SyncPublish"
	if p.Map != "" && p.Documents != "" {
		l.fail(l.place(within+".Documents").at, "both a map and documents", "expected one of the two")
	}
	if len(p.Fields) > 0 && !p.Customers() {
		l.warn(l.place(within+".Fields").at, "no customer is published", "set map or documents")
	}
	for i, name := range p.Types {
		if !slices.Contains(mapping.EventTypes(), name) {
			expected := "expected a type of events, such as task.completed"
			if near := mapping.Nearest(name, mapping.EventTypes()); near != "" {
				expected = "is " + near + " meant?"
			}
			l.fail(l.place(fmt.Sprintf("%s.Types[%d]", within, i)).at, fmt.Sprintf("%q is no type of events", name), expected)
		}
	}
	for i := range p.Fields {
		f := &p.Fields[i]
		value, problems := mapping.CompileValue(f.Value, mapping.FieldScope, l.place(fmt.Sprintf("%s.Fields[%d].Value", within, i)).at)
		f.Read = value
		for _, problem := range problems {
			l.locate(problem)
		}
	}
}

// checkPublishedTwice finds two connectors that would write to the same object: each would take the
// other's customers away.
func (l *loader) checkPublishedTwice() {
	type object struct{ account, service, kind, name string }
	taken := map[object]string{}
	for i, c := range l.root.Connectors {
		if !c.Enabled {
			continue
		}
		p := &c.SyncPublish
		for _, o := range [...]struct{ field, kind, name string }{
			{"Map", "map", p.Map}, {"Documents", "document", p.Documents}, {"Status", "document", p.Status},
		} {
			key := object{c.AccountSID, p.Service, o.kind, o.name}
			if other, ok := taken[key]; ok && o.name != "" {
				l.fail(l.place(fmt.Sprintf("Config.Connectors[%d].SyncPublish.%s", i, o.field)).at,
					fmt.Sprintf("the same %s is written by connector %s", o.kind, other), "expected another name for each connector")
			}
			taken[key] = c.Name
		}
	}
}
