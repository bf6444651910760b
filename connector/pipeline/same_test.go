package pipeline

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// TestSameIsSameAsJSON: what waits is the same as what is owed where its JSON is, however
// that was found out.
func TestSameIsSameAsJSON(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	event := func(change func(*record.Event)) record.Event {
		e := record.Event{Name: "DONE", ID: "task.completed:WT1", At: at, Rule: "c.yaml:3", Properties: map[string]any{"v": 5}}
		change(&e)
		return e
	}
	events := []record.Event{
		event(func(e *record.Event) { e.Name = "GONE" }),
		event(func(e *record.Event) { e.ID = "x" }),
		event(func(e *record.Event) { e.Rule = "c.yaml:4" }),
		event(func(e *record.Event) { e.Withheld = "old" }),
		event(func(e *record.Event) { e.At = at.Add(time.Nanosecond) }),
		event(func(e *record.Event) { e.At = at.In(time.FixedZone("", 3600)) }),
		event(func(e *record.Event) { e.At = at.In(time.FixedZone("", 0)) }),
		event(func(e *record.Event) { e.Properties = nil }),
		event(func(e *record.Event) { e.Properties = map[string]any{} }),
		event(func(e *record.Event) { e.Properties["w"] = nil }),
		event(func(e *record.Event) { e.Properties = map[string]any{"w": 5} }),
	}
	for _, v := range []any{
		nil, "5", "", "\xff", "\uFFFD", true, false, 5, 5.0, 5.5, 0, 0.0, math.Copysign(0, -1), 1 << 53, float64(1 << 53), 1<<53 + 1,
		1e21, math.MaxInt, float64(math.MaxInt), math.NaN(), math.Inf(1), []any{1}, []any{1.0}, []string{"a"}, []any{"a"}, map[string]any{"n": 1}, map[string]any{"n": 1.0},
	} {
		events = append(events, event(func(e *record.Event) { e.Properties["v"] = v }))
	}
	plain := 0
	for i := range events {
		for j := range events {
			a, errA := json.Marshal(&events[i])
			b, errB := json.Marshal(&events[j])
			want := errA == nil && errB == nil && bytes.Equal(a, b)
			open := &store.Delivery{Key: "k", CustomerID: 1, Event: &events[i]}
			if got := same(open, &store.EventChange{Key: "k", CustomerID: 1, Event: events[j]}); got != want {
				t.Errorf("%s and %s: same %t, want %t", a, b, got, want)
			}
			if plainlySame(&events[i], &events[j]) {
				plain++
			}
		}
	}
	if plain < 20 {
		t.Errorf("%d were plainly the same: the test tells nothing", plain)
	}
}

func TestSameIsOfOneCustomerAndKey(t *testing.T) {
	t.Parallel()
	e := record.Event{Name: "DONE"}
	for _, open := range []store.Delivery{{Key: "k", CustomerID: 1}, {Key: "l", CustomerID: 1, Event: &e}, {Key: "k", CustomerID: 2, Event: &e}} {
		if same(&open, &store.EventChange{Key: "k", CustomerID: 1, Event: e}) {
			t.Errorf("%+v is taken for what is owed", open)
		}
	}
}
