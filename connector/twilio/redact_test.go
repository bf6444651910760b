package twilio

import (
	"net/url"
	"strings"
	"testing"

	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	paths := []string{"attributes.customers.email", `attributes["Card-Number"]`, "pin", "source_ip_address"}
	tests := map[string]struct {
		paths    []string
		keepText bool
		record   record.Record
		want     string
	}{
		"nothing to take out keeps the bytes": {nil, false,
			record.Record{Via: record.Poll, Type: "task.updated", Body: []byte("{ \"body\" :\"\xff\"}")}, "{ \"body\" :\"\xff\"}"},
		"attributes that are a string": {paths, false,
			record.Record{Via: record.Poll, Type: "task.updated", Body: []byte(`{"source_ip_address":"::1","event_data":{"task_attributes":"{\"pin\":1,\"Card-Number\":2,\"customers\":{\"email\":\"a@b.c\",\"name\":\"<Z>\"}}"}}`)},
			`{"event_data":{"task_attributes":"{\"customers\":{\"name\":\"<Z>\"}}"}}`},
		"attributes that are an object": {paths, false,
			record.Record{Via: record.Plugin, Body: []byte(`{"TaskAttributes":{"pin":1,"n":12345678901234567890}}`)},
			`{"TaskAttributes":{"n":12345678901234567890}}`},
		"attributes that cannot be read": {paths, false,
			record.Record{Via: record.Poll, Body: []byte(`{"attributes":"pin=1"}`)}, `{"attributes":""}`},
		"a form": {paths, false,
			record.Record{Via: record.Callback, Type: "task.updated", Body: []byte(url.Values{"TaskAttributes": {`{"pin":1,"a":2}`}, "Sid": {"EV1"}}.Encode())},
			url.Values{"TaskAttributes": {`{"a":2}`}, "Sid": {"EV1"}}.Encode()},
		"a message": {nil, false,
			record.Record{Via: record.Callback, Type: "onMessageAdded", Body: []byte("Body=hello&Media=%5B%5D&Index=3&EventType=onMessageAdded")},
			"EventType=onMessageAdded&Index=3"},
		"a message that a rule reads": {nil, true,
			record.Record{Via: record.Callback, Type: "onMessageAdded", Body: []byte("Body=hello&Index=3")}, "Body=hello&Index=3"},
		"a message in Event Streams": {nil, false,
			record.Record{Via: record.EventStreams, Type: "com.twilio.conversations.message.added", Body: []byte(`{"data":{"payload":{"Body":"hello","media":[],"Index":3}}}`)},
			`{"data":{"payload":{"Index":3}}}`},
		"a body that cannot be read": {paths, false, record.Record{Via: record.Poll, Body: []byte(`{"pin":`)}, `{}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := NewRedactor(test.paths, test.keepText).Redact(test.record)
			if string(got.Body) != test.want {
				t.Errorf("%s, want %s", got.Body, test.want)
			}
		})
	}
}

// What is redacted must not reach the store by any stream.
func TestStreamsAreRedacted(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 6}, twiliosim.Options{Seed: 6, LegacyChat: true}, Options{SyncObjects: []SyncObject{{Service: "default", Map: world.SyncMap, Type: SyncDisposition}}, Redact: []string{"attributes.customerAddress", "attributes.from", "attributes.caller", "attributes.customers.phone", "attributes.phone"}})
	k := newKept()
	c.source.o.DueInteractions = c.dueOf(t, newKept())
	for _, stream := range c.source.Streams() {
		k.fetch(t, c.source, stream)
	}
	seen := map[string]bool{}
	for _, r := range k.order {
		seen[r.Stream] = true
		for _, key := range []string{`\"customerAddress\"`, `\"from\"`, `\"caller\"`} {
			if r.Stream == EventsStream && strings.Contains(string(r.Body), key) {
				t.Fatalf("%s holds %s", r.Type, key)
			}
		}
	}
	if len(seen) != len(c.source.Streams()) {
		t.Errorf("records of %v only", seen)
	}
}
