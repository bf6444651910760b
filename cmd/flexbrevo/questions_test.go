package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"flexbrevo/connector/simulator/brevosim"
)

// TestOpenQuestions lets `test` tell what runs found out about the account: nothing before one, then what a sync
// met, and what the canary tried.
func TestOpenQuestions(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{
		world: aDay(2, 40, false),
		brevo: brevosim.Options{Tier: brevosim.TierExtended},
		env:   map[string]string{"TIER": "auto"},
	})
	both := l.world.Customers[0]
	if _, err := l.brevo.AddContact(brevosim.Contact{SMS: both.Phone, Email: "somebody@example.org"}); err != nil {
		t.Fatal(err)
	}
	found := func() map[string]string {
		t.Helper()
		var rows []struct{ Question, Verdict, Detail string }
		out := l.must(0, "test", "--json").stdout
		if err := json.Unmarshal([]byte(out), &rows); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		details := map[string]string{}
		for _, r := range rows {
			if r.Question != "" && r.Verdict == "ok" {
				details[r.Question] = r.Detail
			}
		}
		return details
	}
	before := found()
	if before["conflict"]+before["batch_price"]+before["clear"] != "" || !strings.HasPrefix(before["limits"], "60 calls a second") {
		t.Errorf("before any run: %v", before)
	}
	l.must(0, "sync")
	l.must(0, "provision", "--canary", "--patience", "10ms")
	after := found()
	for question, want := range map[string]string{
		"limits": "60 calls a second", "conflict": "named", "event_age": "taken, dated up to", "clear": `"" empties it`,
	} {
		if !strings.Contains(after[question], want) {
			t.Errorf("%s: %q, want %q", question, after[question], want)
		}
	}
	shown := l.must(0, "test").stdout
	mustSay(t, shown, "What Brevo's documentation leaves open", "not met yet")
}
