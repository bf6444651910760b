package publish

import (
	"encoding/json"
	"time"

	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/twilio"
)

// Screen is what an agent is shown of a customer: the data of their item or document.
type Screen struct {
	V    int    `json:"v"` // 1
	Name string `json:"name,omitempty"`
	// Metrics are those of the rules, by name; one without a value is absent.
	Metrics map[string]any `json:"metrics"`
	// Fields are those of the configuration that have a value, in its order.
	Fields []Field `json:"fields,omitempty"`
	// Events are the last ones, the newest first.
	Events []map[string]any `json:"events"`
	// EventsLeftOut is how many of them are not shown because Sync takes no more.
	EventsLeftOut int `json:"events_left_out,omitempty"`
}

// Field is one labelled value.
type Field struct {
	Label string `json:"label"`
	Value any    `json:"value"`
}

// screen makes what is shown of a customer, or says why it cannot be. Where it is too
// large for Sync the oldest events go first.
func (s *shift) screen(c *pipeline.Customer) (data []byte, why string) {
	out := Screen{V: 1, Name: c.Profile.FriendlyName, Metrics: c.Profile.Metrics, Fields: s.fields(c), Events: s.events(c)}
	for {
		data, err := json.Marshal(out)
		switch {
		case err != nil:
			return nil, reasonRefused // a value that no JSON can say
		case len(data) <= twilio.MaxSyncData:
			return data, ""
		case len(out.Events) == 0:
			return nil, reasonTooLarge
		}
		out.Events = out.Events[:len(out.Events)-1]
		out.EventsLeftOut++
	}
}

// fields are the configured values; an expression that has none, or fails, gives nothing.
func (s *shift) fields(c *pipeline.Customer) []Field {
	var out []Field
	for _, f := range s.cfg.Fields {
		value, err := f.Read.Eval(c.Env)
		if at, ok := value.(time.Time); ok {
			value = at.UTC().Format(time.RFC3339)
		}
		if err == nil && value != nil && value != "" {
			out = append(out, Field{f.Name, value})
		}
	}
	return out
}

// events are the last moments of the configured types, the newest first.
func (s *shift) events(c *pipeline.Customer) []map[string]any {
	out := []map[string]any{}
	for i := len(c.Moments) - 1; i >= 0 && len(out) < int(s.cfg.Events); i-- {
		if m := &c.Moments[i]; s.shows(m) {
			out = append(out, event(m))
		}
	}
	return out
}

func (s *shift) shows(m *profile.Moment) bool {
	for _, t := range s.cfg.Types {
		if t == m.Type {
			return true
		}
	}
	return false
}

// event has the properties that a rule sends by default, with its type, identity and time.
func event(m *profile.Moment) map[string]any {
	out := map[string]any{}
	for key, value := range m.Usual() {
		out[key] = value
	}
	out["type"], out["id"], out["at"] = m.Type, m.Key, m.At.UTC().Format(time.RFC3339)
	return out
}
