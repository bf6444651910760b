package brevo_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

// answerTo is what was found out about a question, "" for nothing.
func answerTo(d *brevo.Destination, q brevo.Question) string {
	for _, a := range d.Answers() {
		if a.Question == q && !a.SeenAt.IsZero() {
			return a.Answer
		}
	}
	return ""
}

// What the documentation leaves open is learnt from what the account does.
func TestAnswersAreFoundOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{Tier: brevosim.TierGeneral, Quirks: brevosim.Quirks{BatchInEvents: true}}, func(o *brevo.Options) { o.Tier = "general" })
	if found := w.Answers(); len(found) != 0 {
		t.Fatalf("before any call: %+v", found)
	}
	hers := w.add(brevosim.Contact{Email: "zoe@example.com"})
	w.add(brevosim.Contact{Email: "zara@example.com", SMS: "33612345678"})
	expect(t, w.deliver(zoe(number(1)), record.Held{ID: hers}), "", "SMS: conflicting identifier")
	events := make([]record.Change, 3)
	for i := range events {
		events[i] = record.Change{Held: record.Held{ID: hers}, Event: &record.Event{Name: "SUPPORT", ID: fmt.Sprint("e", i), At: time.Now().Add(-50 * time.Hour)}}
	}
	w.DeliverBatch(t.Context(), events)
	w.Deliver(t.Context(), record.Change{Held: record.Held{ID: hers}, Event: &record.Event{Name: "SUPPORT", ID: "single", At: time.Now().Add(-50 * time.Hour)}})
	w.sim.SetFaults(brevosim.Faults{TooEarly: 1, Only: []string{"PUT "}})
	w.deliver(zoe(number(2)), record.Held{ID: hers})
	for q, want := range map[brevo.Question]string{
		brevo.QuestionLimits: "10 calls a second for contacts", brevo.QuestionBatch: "counted in the bucket events",
		brevo.QuestionEventAge: "up to 50 h", brevo.QuestionConflict: "code ", brevo.QuestionTooEarly: "on PUT /contacts/{identifier}",
	} {
		if got := answerTo(w.Destination, q); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", q, got, want)
		}
	}
	if got := answerTo(w.Destination, brevo.QuestionConflict); !strings.Contains(strings.ToLower(got), "named sms") {
		t.Errorf("conflict: %q", got)
	}
	for _, q := range brevo.Questions() {
		if q.Text == "" || q.Meanwhile == "" {
			t.Errorf("%s: nothing is said of it", q.Question)
		}
	}
}

// The canary finds out what empties an attribute, and that is what is sent then.
func TestClearingIsFoundOut(t *testing.T) {
	t.Parallel()
	for clear, want := range map[brevosim.ClearBy]string{
		brevosim.ClearByEmpty: `"" empties it`, brevosim.ClearByNull: "null empties it", brevosim.ClearByEither: `"" empties it`, brevosim.ClearByNone: "neither",
	} {
		synctest.Test(t, func(t *testing.T) {
			d, sim := bubble(t, brevosim.Options{Quirks: brevosim.Quirks{Clear: clear}})
			sim.AddAttribute(brevosim.Attribute{Name: "TICKETS", Type: "float"})
			report, err := d.Canary(t.Context(), []brevo.AttributeSpec{{Name: "TICKETS", Type: "float"}})
			if err != nil || !strings.Contains(report.Clears, want) || answerTo(d, brevo.QuestionClear) != report.Clears {
				t.Fatalf("%s: %+v, %v", clear, report, err)
			}
			later, err := brevo.New(brevo.Options{APIKey: testKey, Tier: "none", HTTP: sim.Transport()})
			if err != nil {
				t.Fatal(err)
			}
			later.Remember(d.Answers())
			id, err := sim.AddContact(brevosim.Contact{Email: "zoe@example.com", Attributes: map[string]any{"TICKETS": 3.0}})
			if err != nil {
				t.Fatal(err)
			}
			c := record.Contact{Email: "zoe@example.com", Attributes: []record.Attribute{{Name: "TICKETS", Type: "float", Clear: true}}}
			held := record.Held{ID: id, Identifiers: map[string]string{"email": "zoe@example.com"}, Attributes: map[string]any{"TICKETS": 3.0}}
			out := later.Deliver(t.Context(), record.Change{Contact: &c, Held: held})
			got, _ := sim.Contact(id)
			if out.Err != nil || (got.Attributes["TICKETS"] == nil) != (clear != brevosim.ClearByNone) {
				t.Errorf("%s: %+v, contact %+v", clear, out, got)
			}
		})
	}
}
