package mapping

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Env is what an expression sees (design section 3.2). One value serves one evaluation and is only read. Maps hold
// decoded JSON: string, float64, bool, nil, []any and map[string]any.
type Env struct {
	// Identity is the customer's Flex identity, FriendlyName a name that is no number, address or placeholder.
	Identity, FriendlyName string
	// Email and Phone are the resolved identifiers, Phone in E.164.
	Email, Phone string
	// Attributes are the task attributes, merged over the customer's contact tasks.
	Attributes map[string]any
	// Metrics are the values of KnownMetrics by name: numbers, texts, and dates as "2006-01-02" or time.Time. A missing
	// key means no value.
	Metrics map[string]any
	// Task to Event are the fact behind the event; nil for field rules.
	Task, Conversation, Survey, Worker, Queue, Event map[string]any
}

// The names that an expression knows besides the metrics. An ordinary name is looked up in the attributes instead.
const (
	rootIdentity     = "identity"
	rootFriendlyName = "friendly_name"
	rootEmail        = "email"
	rootPhone        = "phone"
	rootAttributes   = "attributes"
	rootTask         = "task"
	rootConversation = "conversation"
	rootSurvey       = "survey"
	rootWorker       = "worker"
	rootQueue        = "queue"
	rootEvent        = "event"
)

// path is a name followed by constant keys, such as attributes.customers.email or tags[0].
type path struct {
	text string // as the operator would write it
	root string
	keys []any // string or int
}

func newPath(root string, keys ...any) *path {
	var text strings.Builder
	text.WriteString(root)
	for _, key := range keys {
		switch key := key.(type) {
		case string:
			if isName(key) {
				text.WriteString("." + key)
			} else {
				fmt.Fprintf(&text, "[%q]", key)
			}
		default:
			fmt.Fprintf(&text, "[%v]", key)
		}
	}
	return &path{text: text.String(), root: root, keys: keys}
}

// fetch gives the path's value, or nil where any part of it is missing.
func (p *path) fetch(env *Env) any {
	value := env.root(p.root)
	for _, key := range p.keys {
		if value == nil {
			return nil
		}
		value = member(value, key)
	}
	return plain(value)
}

func (e *Env) root(name string) any {
	switch name {
	case rootIdentity:
		return e.Identity
	case rootFriendlyName:
		return e.FriendlyName
	case rootEmail:
		return e.Email
	case rootPhone:
		return e.Phone
	case rootAttributes:
		return e.Attributes
	case rootTask:
		return e.Task
	case rootConversation:
		return e.Conversation
	case rootSurvey:
		return e.Survey
	case rootWorker:
		return e.Worker
	case rootQueue:
		return e.Queue
	case rootEvent:
		return e.Event
	}
	if metricKinds[name] != "" {
		return e.metric(name)
	}
	return e.lookup(name)
}

func (e *Env) metric(name string) any {
	value := e.Metrics[name]
	if at, ok := value.(time.Time); ok {
		return at.Format(time.DateOnly)
	}
	return value
}

// lookup finds a name of the operator's own: in the attributes, then in what Flex calls customers, then in the custom
// Insights values. An empty text does not hide a fuller place.
func (e *Env) lookup(name string) any {
	if value := e.Attributes[name]; !isEmpty(value) {
		return value
	}
	for _, within := range []string{"customers", "conversations"} {
		if inner, ok := e.Attributes[within].(map[string]any); ok {
			if value := inner[name]; !isEmpty(value) {
				return value
			}
		}
	}
	return nil
}

// member gives one element of a map or a list, or nil where there is none. A negative index counts from the end.
func member(of, key any) any {
	switch of := of.(type) {
	case map[string]any:
		if name, ok := key.(string); ok {
			return of[name]
		}
	case map[any]any:
		if name, ok := key.(string); ok {
			return of[name]
		}
	case []any:
		index, ok := wholeNumber(key)
		if ok && index < 0 {
			index += len(of)
		}
		if ok && index >= 0 && index < len(of) {
			return of[index]
		}
	}
	return nil
}

func wholeNumber(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case float64:
		if v == float64(int(v)) {
			return int(v), true
		}
	}
	return 0, false
}

// plain makes a typed nil map absent and a json.Number a number, so that operators need not know either.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v == nil {
			return nil
		}
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	}
	return v
}

// isEmpty tells whether a value says nothing: absent, blank text, or a list or map without elements.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case []any:
		return len(v) == 0
	case []string:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
