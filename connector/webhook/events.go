package webhook

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"flexbrevo/connector/record"
)

const (
	taskRouterTypes   = "com.twilio.taskrouter."
	conversationTypes = "com.twilio.conversations."
	testEventType     = "com.twilio.eventstreams.test-event"
	// unknownType is the type of a record whose event names none.
	unknownType = "unknown"
)

// cloudEvent is what is read of an event's envelope and data (facts/twilio.md
// 6.2). Everything may be missing or of another type.
type cloudEvent struct {
	ID   text            `json:"id"`
	Type text            `json:"type"`
	Time text            `json:"time"`
	Data json.RawMessage `json:"data"`

	data struct {
		SID       text            `json:"sid"`
		TestID    text            `json:"test_id"`
		Timestamp text            `json:"timestamp"`
		Payload   json.RawMessage `json:"payload"`
	}
	payload struct {
		SID       text `json:"sid"`
		Timestamp text `json:"timestamp"`
	}
}

// eventRecords makes a record of every CloudEvent of an Event Streams post. An
// answer 4xx would throw the whole batch away, so an element that is not an event
// is kept too, for the operator to see, and does not stop the others. The sink's
// test event is not kept.
func eventRecords(c Connector, r *request) ([]record.Record, error) {
	elements, err := splitEvents(r.body)
	if err != nil {
		return nil, err
	}
	records := make([]record.Record, 0, len(elements))
	for _, body := range elements {
		e := readCloudEvent(body)
		if e.Type == testEventType {
			if c.Tested != nil && e.data.TestID != "" {
				c.Tested(string(e.data.TestID))
			}
			continue
		}
		records = append(records, e.record(c, body, r.at))
	}
	return records, nil
}

// splitEvents accepts both shapes of a body, as batch_events chooses between them.
func splitEvents(body []byte) ([]json.RawMessage, error) {
	if isObject(body) && json.Valid(body) {
		return []json.RawMessage{bytes.TrimSpace(body)}, nil
	}
	var elements []json.RawMessage
	if json.Unmarshal(body, &elements) != nil || elements == nil {
		return nil, invalid("body: expected a CloudEvent, or an array of them, as JSON")
	}
	return elements, nil
}

// readCloudEvent reads as much as there is.
func readCloudEvent(body []byte) cloudEvent {
	var e cloudEvent
	_ = json.Unmarshal(body, &e)
	if isObject(e.Data) {
		_ = json.Unmarshal(e.Data, &e.data)
	}
	if isObject(e.data.Payload) {
		_ = json.Unmarshal(e.data.Payload, &e.payload)
	}
	return e
}

func (e cloudEvent) record(c Connector, body []byte, at time.Time) record.Record {
	stream := "events"
	if strings.HasPrefix(string(e.Type), conversationTypes) {
		stream = "conversations"
		if !c.KeepText {
			body = withoutText(body)
		}
	}
	return record.Record{
		Key:    e.key(body),
		Stream: stream,
		Type:   e.recordType(),
		At:     firstTime(at, string(e.Time), string(e.data.Timestamp), string(e.payload.Timestamp)),
		Via:    record.EventStreams,
		Body:   body,
	}
}

// key is the TaskRouter event's SID, which polling and callbacks share; for all
// else the envelope's id, the official key against repeats.
func (e cloudEvent) key(body []byte) string {
	if strings.HasPrefix(string(e.Type), taskRouterTypes) {
		for _, sid := range []text{e.payload.SID, e.data.SID} {
			if isSID(string(sid), "EV") {
				return string(sid)
			}
		}
	}
	if e.ID == "" {
		return keyOf("stream", hashOf(body))
	}
	return keyOf("stream", string(e.ID))
}

// recordType is TaskRouter's own word, as in the other ways in; other types stay
// whole.
func (e cloudEvent) recordType() string {
	name := strings.TrimPrefix(string(e.Type), taskRouterTypes)
	if !isName(name) {
		return unknownType
	}
	return name
}
