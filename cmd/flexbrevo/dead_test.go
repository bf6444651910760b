package main_test

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
)

// bury has events of the first linked customer given up on.
func (l *lab) bury(keys ...string) {
	l.t.Helper()
	ctx := l.t.Context()
	st, err := sqlstore.Open(ctx, "sqlite://"+filepath.Join(l.dir, "flexbrevo.db"), sqlstore.Options{Pipeline: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			l.t.Error(err)
		}
	}()
	must := func(err error) {
		l.t.Helper()
		if err != nil {
			l.t.Fatal(err)
		}
	}
	delivered, err := st.LoadDeliveries(ctx, "twilio_flex", store.Delivered, 1)
	must(err)
	if len(delivered) == 0 {
		l.t.Fatal("nothing was delivered")
	}
	digest, err := st.Acquire(ctx, "digest:twilio_flex", "test", time.Minute)
	must(err)
	deliver, err := st.Acquire(ctx, "deliver:brevo", "test", time.Minute)
	must(err)
	d := &store.Digest{Connector: "twilio_flex", Account: delivered[0].Account, At: time.Now()}
	for _, key := range keys {
		d.Events = append(d.Events, store.EventChange{
			CustomerID: delivered[0].CustomerID, Key: key, Fact: fact.Key{Kind: fact.Task, SID: key}, Type: "task.completed",
			Event: record.Event{Name: "SUPPORT_RESOLVED", ID: key, At: time.Now(), Properties: map[string]any{"agent": "Zoe Secret"}},
		})
	}
	must(st.SaveDigest(ctx, digest, d))
	claimed, err := st.Claim(ctx, deliver, delivered[0].Account, time.Now(), 10, 10)
	must(err)
	var settled []store.Settlement
	for _, c := range claimed {
		settled = append(settled, store.Settlement{Delivery: c, State: store.Dead, Reason: "refused " + c.Key, Status: 400})
	}
	must(st.Settle(ctx, deliver, time.Now(), settled))
	must(st.Release(ctx, digest))
	must(st.Release(ctx, deliver))
}

// dead lists what was given up on.
func (l *lab) dead(args ...string) (rows []struct{ ID, Kind, Reason string }) {
	l.t.Helper()
	out := l.must(0, append([]string{"dead", "list", "--json"}, args...)...).stdout
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		l.t.Fatalf("%v\n%s", err, out)
	}
	return rows
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(3, 30, false)})
	l.must(0, "sync")
	if rows := l.dead(); len(rows) != 0 {
		t.Fatalf("dead before anything died: %v", rows)
	}
	l.bury("lost-1", "lost-2", "lost-3")
	rows := l.dead()
	if len(rows) != 3 || rows[0].Kind != "event" {
		t.Fatalf("dead letters %v", rows)
	}
	one := l.dead("--reason", "lost-2")
	if len(one) != 1 {
		t.Fatalf("by reason: %v", one)
	}
	shown := l.must(0, "dead", "show", one[0].ID).stdout
	if !strings.Contains(shown, "lost-2") || strings.Contains(shown, "Zoe Secret") {
		t.Errorf("shown:\n%s", shown)
	}
	l.must(1, "dead", "show", "d999999")
	l.must(2, "dead", "show", "x")
	l.must(2, "dead", "requeue")
	l.must(2, "dead", "drop", "--all") // nobody can be asked here
	l.must(2, "dead", "list", "--kind", "nothing")
	if n := len(l.dead("--since", "1d")) + len(l.dead("--until", "30d")); n != 3 {
		t.Errorf("by time: %d", n)
	}
	l.must(0, "dead", "requeue", "--reason", "lost-2")
	l.must(0, "dead", "drop", "--yes", "--reason", "LOST-3")
	l.must(0, "sync")
	if rows := l.dead(); len(rows) != 1 || rows[0].Reason != "refused lost-1" {
		t.Errorf("left: %v", rows)
	}
	l.must(0, "dead", "requeue", "--all")
	l.must(0, "dead", "requeue", "--all")
	l.must(0, "sync")
	sent := map[string]int{}
	for _, e := range l.brevo.Events() {
		if id, _ := e.Property("source_event_id").(string); strings.HasPrefix(id, "lost-") {
			sent[id]++
		}
	}
	if len(sent) != 2 || sent["lost-1"] != 1 || sent["lost-2"] != 1 {
		t.Errorf("sent %v, want lost-1 and lost-2 once each", sent)
	}
}
