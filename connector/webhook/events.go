package webhook

import (
	"strings"
	"time"

	"flexbrevo/connector/rawjson"
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
// 6.2). Everything may be missing or of another type, and is empty then. The texts
// are parts of the post's body.
type cloudEvent struct {
	id, kind, time string
	data           struct{ sid, testID, timestamp string }
	payload        struct{ sid, timestamp string }
}

// eventRecords makes a record of every CloudEvent of an Event Streams post.
func eventRecords(c Connector, r *request) ([]record.Record, error) {
	records, tests, err := DecodeEvents(r.body, r.at, c.KeepText)
	for _, id := range tests {
		if c.Tested != nil {
			c.Tested(id)
		}
	}
	return records, err
}

// DecodeEvents makes a record of every CloudEvent that Event Streams sent at once, one
// alone or an array, whichever sink they came by; at is their moment where they name
// none, and keepText keeps the text of messages. An answer 4xx would throw the whole
// batch away, so an element that is not an event is kept too, for the operator to see,
// and does not stop the others; the error is for what is no JSON at all. The sink's
// test events are not kept: their ids are returned.
func DecodeEvents(body []byte, at time.Time, keepText bool) (records []record.Record, testIDs []string, err error) {
	elements, err := splitEvents(body)
	if err != nil {
		return nil, nil, err
	}
	records = make([]record.Record, 0, len(elements))
	for _, text := range elements {
		e := readCloudEvent(text)
		if e.kind != testEventType {
			records = append(records, e.record([]byte(text), at, keepText))
		} else if e.data.testID != "" {
			testIDs = append(testIDs, strings.Clone(e.data.testID))
		}
	}
	return records, testIDs, nil
}

// splitEvents accepts both shapes of a body, as batch_events chooses between them,
// and returns each event as the JSON text that it is.
func splitEvents(body []byte) ([]string, error) {
	text := string(body)
	r := rawjson.Read(text)
	var elements []string
	if r.IsObject() {
		elements = append(elements, r.Raw())
	} else {
		r.Array(func() { elements = append(elements, r.Raw()) })
	}
	if r.End() != nil {
		return nil, invalid("body: expected a CloudEvent, or an array of them, as JSON")
	}
	return elements, nil
}

// readCloudEvent reads as much as there is, in one walk over the text.
func readCloudEvent(text string) (e cloudEvent) {
	r := rawjson.Read(text)
	object(r, func(name string) {
		switch name {
		case "id":
			e.id = scalar(r)
		case "type":
			e.kind = scalar(r)
		case "time":
			e.time = scalar(r)
		case "data":
			object(r, func(name string) { e.readData(r, name) })
		}
	})
	return e
}

func (e *cloudEvent) readData(r *rawjson.Reader, name string) {
	switch name {
	case "sid":
		e.data.sid = scalar(r)
	case "test_id":
		e.data.testID = scalar(r)
	case "timestamp":
		e.data.timestamp = scalar(r)
	case "payload":
		object(r, func(name string) {
			switch name {
			case "sid":
				e.payload.sid = scalar(r)
			case "timestamp":
				e.payload.timestamp = scalar(r)
			}
		})
	}
}

// object reads the members of an object; any other value is left to be skipped.
func object(r *rawjson.Reader, member func(name string)) {
	if r.IsObject() {
		r.Object(member)
	}
}

// scalar reads a value, which counts where it is a text or a number.
func scalar(r *rawjson.Reader) string {
	raw := r.Raw()
	if s, ok := rawjson.Text(raw); ok {
		return s
	}
	if raw != "" && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
		return raw
	}
	return ""
}

func (e cloudEvent) record(body []byte, at time.Time, keepText bool) record.Record {
	stream := "events"
	if strings.HasPrefix(e.kind, conversationTypes) {
		stream = "conversations"
		if !keepText {
			body = withoutText(body)
		}
	}
	return record.Record{
		Key:    e.key(body),
		Stream: stream,
		Type:   e.recordType(),
		At:     firstTime(at, e.time, e.data.timestamp, e.payload.timestamp),
		Via:    record.EventStreams,
		Body:   body,
	}
}

// key is the TaskRouter event's SID, which polling and callbacks share; for all
// else the envelope's id, the official key against repeats.
func (e cloudEvent) key(body []byte) string {
	if strings.HasPrefix(e.kind, taskRouterTypes) {
		for _, sid := range [...]string{e.payload.sid, e.data.sid} {
			if isSID(sid, "EV") {
				return sid
			}
		}
	}
	if e.id == "" {
		return keyOf("stream", hashOf(body))
	}
	return keyOf("stream", e.id)
}

// recordType is TaskRouter's own word, as in the other ways in; other types stay
// whole.
func (e cloudEvent) recordType() string {
	name := strings.TrimPrefix(e.kind, taskRouterTypes)
	if !isName(name) {
		return unknownType
	}
	return strings.Clone(name) // types are counted, and would hold on to the body
}
