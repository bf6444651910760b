package brevo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

const (
	opEvent = "POST /events"

	// maxName is the longest event name and property name (facts/brevo.md 4.1).
	maxName = 255
	// maxProperties is what the properties of one event may take as JSON: 50 KB,
	// read as the smaller of its two meanings.
	maxProperties = 50_000

	// sourceEventID is the property by which an event is known again.
	sourceEventID = "source_event_id"

	// eventDate is RFC 3339 with milliseconds, in UTC.
	eventDate = "2006-01-02T15:04:05.000Z"
)

// Reasons of omissions within an event.
const (
	reasonPropertyName  = "property name not allowed"
	reasonPropertyValue = "property value not allowed"
	reasonPropertySize  = "event properties too large"
)

// eventBody is an event as one item of POST /events, and of /events/batch too.
type eventBody struct {
	Name        string           `json:"event_name"`
	Date        string           `json:"event_date"`
	Identifiers eventIdentifiers `json:"identifiers"`
	Properties  map[string]any   `json:"event_properties"`
}

// eventIdentifiers names the contact by its id, which wins over all others.
// brevo-go's CreateEvent has no contact_id, and an email could by now belong to
// somebody else, so that events are posted by our own call (facts/brevo.md 9).
type eventIdentifiers struct {
	ContactID int64 `json:"contact_id"`
}

// deliverEvent makes one attempt at an event. An event of a customer without a
// contact is skipped: the caller settles the contact first, so that none means
// that there will be none.
func (d *Destination) deliverEvent(ctx context.Context, c record.Change) record.Outcome {
	if c.Held.ID == 0 {
		return record.Outcome{Skipped: skippedAbsent, Held: c.Held}
	}
	body, omissions, err := newEventBody(c.Event, c.Held.ID)
	w := &writing{d: d}
	var got answer
	if err == nil {
		got, err = w.postEvent(ctx, body)
	}
	out := record.Outcome{Omissions: omissions}
	switch {
	case err == nil:
		d.answers.noteTaken(c.Event.At)
	case got.api.gone():
		d.answers.note(QuestionEventMissing, fmt.Sprintf("refused with %d", got.status))
	}
	if err != nil {
		out = failed(err)
	}
	out.Held, out.Status, out.Call, out.Calls = c.Held, got.status, w.op, w.calls
	return out
}

// postEvent makes the call.
func (w *writing) postEvent(ctx context.Context, body *eventBody) (answer, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return answer{}, unencodable(opEvent, err)
	}
	return w.call(ctx, opEvent, write, http.MethodPost, "/events", raw)
}

// newEventBody checks an event against the rules of facts/brevo.md 4.1 and leaves
// out the properties that break them.
func newEventBody(e *record.Event, contact int64) (*eventBody, []record.Omission, error) {
	if err := checkEvent(e); err != nil {
		return nil, nil, &failure.Error{Op: opEvent, Reason: failure.Invalid, Err: err}
	}
	c := &cleaner{rule: e.Rule}
	properties := make(map[string]any, len(e.Properties)+1)
	for name, v := range e.Properties {
		c.add(properties, name, v)
	}
	c.fit(properties)
	properties[sourceEventID] = cleanText(e.ID)
	slices.SortFunc(c.omissions, func(a, b record.Omission) int { return cmp.Compare(a.What, b.What) })
	return &eventBody{
		Name: e.Name, Date: e.At.UTC().Truncate(time.Millisecond).Format(eventDate),
		Identifiers: eventIdentifiers{ContactID: contact}, Properties: properties,
	}, c.omissions, nil
}

// checkEvent says what makes an event impossible to send.
func checkEvent(e *record.Event) error {
	switch {
	case !isName(e.Name):
		return errors.New("the event's name may have letters, digits, - and _ only, at most 255")
	case e.ID == "":
		return errors.New("the event has no id")
	case e.At.IsZero():
		return errors.New("the event has no time")
	}
	return nil
}

// isName says whether Brevo takes a name for an event or a property.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return true
}

// cleaner brings property values into JSON that Brevo takes.
type cleaner struct {
	rule      string
	omissions []record.Omission
}

// omit notes a property that is left out.
func (c *cleaner) omit(name, reason string) {
	c.omissions = append(c.omissions, record.Omission{What: "property " + cleanText(name), Reason: reason, Rule: c.rule})
}

// add puts a property into a set, if its name and value are allowed.
func (c *cleaner) add(into map[string]any, name string, v any) {
	if v == nil {
		return
	}
	if !isName(name) {
		c.omit(name, reasonPropertyName)
		return
	}
	clean, ok := c.clean(v)
	if !ok {
		c.omit(name, reasonPropertyValue)
		return
	}
	into[name] = clean
}

// clean returns a value with clean texts and allowed names at every depth.
func (c *cleaner) clean(v any) (any, bool) {
	switch v := v.(type) {
	case string:
		return cleanText(v), true
	case bool:
		return v, true
	case time.Time:
		return v.UTC().Format(eventDate), true
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			clean, ok := c.clean(item)
			if !ok {
				return nil, false
			}
			out = append(out, clean)
		}
		return out, true
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, item := range v {
			c.add(out, name, item)
		}
		return out, true
	}
	f, ok := number(v)
	return f, ok
}

// fit leaves out the largest properties until the rest may be sent.
func (c *cleaner) fit(properties map[string]any) {
	type sized struct {
		name string
		size int
	}
	total, sizes := len(sourceEventID)+maxName+8, make([]sized, 0, len(properties))
	for name, v := range properties {
		raw, err := json.Marshal(v)
		if err != nil {
			delete(properties, name)
			c.omit(name, reasonPropertyValue)
			continue
		}
		size := len(raw) + len(name) + 4
		total += size
		sizes = append(sizes, sized{name, size})
	}
	if total <= maxProperties {
		return
	}
	slices.SortFunc(sizes, func(a, b sized) int { return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.name, b.name)) })
	for _, s := range sizes {
		if total <= maxProperties {
			return
		}
		delete(properties, s.name)
		c.omit(s.name, reasonPropertySize)
		total -= s.size
	}
}
