package brevo_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 123_456_789, time.FixedZone("", 3600))

// tell delivers an event of a contact.
func (w *world) tell(e record.Event, contact int64) record.Outcome {
	w.t.Helper()
	return w.Deliver(w.t.Context(), record.Change{Key: e.ID, Event: &e, Held: record.Held{ID: contact}})
}

func TestEventIsToldTrueToTheSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	id := w.add(brevosim.Contact{Email: "zoe@example.com"})
	out := w.tell(record.Event{Name: "SUPPORT_RESOLVED", ID: "EV1", At: noon, Properties: map[string]any{
		"queue": "a\x00b\xff", "wait_time": 12.5, "transfer": false, "agent": map[string]any{"name": "Max", "bad key": 1},
		"tags": []any{"x", 1}, "nothing": nil, "not allowed": "x", "nan": math.NaN(), "source_event_id": "forged",
	}}, id)
	expect(t, out, "", "property bad key: property name not allowed", "property nan: property value not allowed", "property not allowed: property name not allowed")
	events := w.sim.Events()
	if len(events) != 1 || out.Calls != 1 || out.Status != 204 {
		t.Fatalf("events %d after %d calls, status %d", len(events), out.Calls, out.Status)
	}
	e := events[0]
	if e.ContactID != id || e.Name != "SUPPORT_RESOLVED" || !e.Date.Equal(noon.Truncate(time.Millisecond)) {
		t.Errorf("event: %+v", e)
	}
	want := map[string]any{"source_event_id": "EV1", "queue": "ab\uFFFD", "wait_time": 12.5, "transfer": false}
	for name, v := range want {
		if got := e.Property(name); got != v {
			t.Errorf("%s: got %v, want %v", name, got, v)
		}
	}
}

func TestEventsThatAreNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	good := record.Event{Name: "X", ID: "1", At: noon}
	expect(t, w.tell(good, 0), "not in Brevo")
	for name, change := range map[string]func(*record.Event){
		"no name":    func(e *record.Event) { e.Name = "" },
		"a dot":      func(e *record.Event) { e.Name = "task.completed" },
		"a long one": func(e *record.Event) { e.Name = strings.Repeat("X", 256) },
		"no id":      func(e *record.Event) { e.ID = "" },
		"no time":    func(e *record.Event) { e.At = time.Time{} },
	} {
		e := good
		change(&e)
		if out := w.tell(e, 1); out.Reason != failure.Invalid || out.Err == nil || out.Calls != 0 {
			t.Errorf("%s: %+v", name, out)
		}
	}
	if out := w.Deliver(t.Context(), record.Change{}); out.Reason != failure.Invalid {
		t.Errorf("empty change: %+v", out)
	}
	if n := w.sim.Summary().Calls; n != 0 {
		t.Errorf("calls: %d", n)
	}
}

func TestLargestPropertiesGiveWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	id := w.add(brevosim.Contact{Email: "zoe@example.com"})
	out := w.tell(record.Event{Name: "X", ID: "EV1", At: noon, Properties: map[string]any{
		"transcript": strings.Repeat("é", 30_000), "queue": "Support", "notes": strings.Repeat("x", 30_000),
	}}, id)
	expect(t, out, "", "property transcript: event properties too large")
	e := w.sim.Events()[0]
	if e.Property("queue") != "Support" || e.Property("notes") == nil || e.Property("source_event_id") != "EV1" {
		t.Errorf("event: %.200s", e.Properties)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	id := w.add(brevosim.Contact{Email: "zoe@example.com"})
	var wanted []record.Event
	for n := range 40 {
		e := record.Event{Name: fmt.Sprintf("EVENT_%d", n%3), ID: fmt.Sprintf("EV%d", n), At: noon.Add(time.Duration(n) * time.Hour * 2)}
		wanted = append(wanted, e)
		if n%2 == 0 {
			expect(t, w.tell(e, id), "")
		}
	}
	w.sim.ResetCalls()
	found, err := w.Lookup(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	for n, e := range wanted {
		if found[e.ID] != (n%2 == 0) {
			t.Errorf("%s: found %v", e.ID, found[e.ID])
		}
	}
	if n := w.sim.CallsTo("GET /events"); n != 1 {
		t.Errorf("calls: %d, want one sweep", n)
	}
	if found, err := w.Lookup(t.Context(), nil); err != nil || len(found) != 0 {
		t.Errorf("nothing looked up: %v, %v", found, err)
	}
}

func TestLookupReadsEveryPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	id := w.add(brevosim.Contact{Email: "zoe@example.com"})
	first := record.Event{Name: "X", ID: "first", At: noon}
	expect(t, w.tell(first, id), "")
	last := record.Event{Name: "X", ID: "last", At: noon.Add(time.Minute)}
	for n := range 10_000 {
		expect(t, w.tell(record.Event{Name: "X", ID: fmt.Sprint(n), At: noon.Add(time.Second)}, id), "")
	}
	found, err := w.Lookup(t.Context(), []record.Event{first, last})
	if err != nil || !found["first"] || found["last"] {
		t.Errorf("found %v, %v", found, err)
	}
	if n := w.sim.CallsTo("GET /events"); n != 2 {
		t.Errorf("calls: %d, want 2 pages", n)
	}
}
