package webhook

import (
	"net/url"
	"time"

	"flexbrevo/connector/record"
)

// taskRouterRecords makes the record of a TaskRouter event callback
// (facts/twilio.md 1.5, 1.6). Its Sid is the one that polling and Event Streams
// know the event by.
func taskRouterRecords(_ Connector, r *request) ([]record.Record, error) {
	eventType := r.form.Get("EventType")
	if !isName(eventType) {
		return nil, invalid(`EventType: expected a name such as "task.completed"`)
	}
	return []record.Record{{
		Key:    taskRouterKey(r, eventType),
		Stream: "events",
		Type:   eventType,
		At:     taskRouterTime(r.form, r.at),
		Via:    record.Callback,
		Body:   r.body,
	}}, nil
}

// taskRouterKey is the event's SID; without one, what else tells it from others;
// without that, its bytes.
func taskRouterKey(r *request, eventType string) string {
	resource, at := r.form.Get("ResourceSid"), r.form.Get("TimestampMs")
	switch sid := r.form.Get("Sid"); {
	case isSID(sid, "EV"):
		return sid
	case resource == "" || at == "":
		return keyOf("callback", eventType, hashOf(r.body))
	}
	return keyOf("callback", eventType, resource, at)
}

// taskRouterTime reads the moment in milliseconds, else in seconds.
func taskRouterTime(form url.Values, fallback time.Time) time.Time {
	if t, ok := epoch(form.Get("TimestampMs"), time.Millisecond); ok {
		return t
	}
	if t, ok := epoch(form.Get("Timestamp"), time.Second); ok {
		return t
	}
	return fallback.UTC()
}
