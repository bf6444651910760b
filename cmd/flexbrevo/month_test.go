package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store/sqlstore"
)

// TestAMonth back-fills a month in which the clocks change, killed five times on its
// way, and compares everything with calculations from the world. It is as large as
// FLEXBREVO_MONTH says, in contacts: 150,000 make about 200,000 tasks.
func TestAMonth(t *testing.T) {
	contacts, err := strconv.Atoi(os.Getenv("FLEXBREVO_MONTH"))
	if err != nil {
		t.Skip("FLEXBREVO_MONTH says no number of contacts")
	}
	start := time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC)
	now := start.AddDate(0, 0, 28)
	l := newLab(t, setup{
		world: world.Options{Seed: 21, Start: start, End: now.Add(-6 * time.Hour), Contacts: contacts, Customers: contacts / 3, Agents: 60},
		clock: func() time.Time { return now },
	})
	text := strings.Replace(l.configuration("connector.yaml"), "    region: FR\n",
		"    region: FR\n    sync: {agent_activity: true, queue_analytics: true}\n", 1)
	l.write("connector.yaml", text)
	args := []string{
		"backfill", "--since", start.Add(-time.Hour).Format(time.RFC3339), "--until", now.Add(-time.Minute).Format(time.RFC3339),
		"--events", "all",
	}
	began, highest := time.Now(), 0
	for kill := range 6 {
		limit := time.Duration(contacts) * time.Millisecond * time.Duration(2+kill) / 4
		if kill == 5 {
			limit = 2 * time.Hour
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		cmd := l.command(ctx, args...) // killed when its context ends
		var stderr output
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		for running := true; running; {
			select {
			case err := <-done:
				running = false
				if err != nil && ctx.Err() == nil {
					t.Fatalf("backfill: %v\n%s", err, stderr.String())
				}
			case <-time.After(500 * time.Millisecond):
				highest = max(highest, resident(cmd.Process.Pid))
			}
		}
		cancel()
		t.Logf("process %d after %s, most resident %d MB:\n%s", kill+1, time.Since(began).Round(time.Second), highest>>10, stderr.String())
	}
	l.mustEqual(settings(now))
	l.mustHaveFigures(start, now)
	s := l.world.Summary()
	t.Logf("%d tasks, %d events in %s; at most %d MB resident", s.Tasks, s.Events, time.Since(began).Round(time.Second), highest>>10)
	if highest>>10 > 256 {
		t.Errorf("%d MB were resident", highest>>10)
	}
}

// resident is the memory of a process in KB; 0 when it has ended.
func resident(pid int) (kb int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err == nil {
			return kb
		}
	}
	return 0
}

// mustHaveFigures compares the figures of agents and queues, and that every event
// is stored once.
func (l *lab) mustHaveFigures(from, until time.Time) {
	l.t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		l.t.Fatal(err)
	}
	s, err := sqlstore.Open(l.t.Context(), "sqlite://"+filepath.Join(l.dir, "flexbrevo.db"), sqlstore.Options{ReadOnly: true})
	if err != nil {
		l.t.Fatal(err)
	}
	defer s.Close()
	const name = "twilio_flex"
	agents, err := s.LoadAgentDays(l.t.Context(), name, "2026-01-01", "2027-01-01")
	if err != nil {
		l.t.Fatal(err)
	}
	got := map[string]string{}
	for _, a := range agents {
		got[a.Day+" "+a.Worker+" "+a.Activity] = fmt.Sprint(a.Offered, a.Accepted, a.Rejected, a.TimedOut, a.Handled, a.Talk, a.Wrap, a.CSATCount, a.CSATSum, a.Lasted/1000)
	}
	l.mustBeFigures("agent days", got, oracle.AgentDays(l.world, paris))
	queues, err := s.LoadQueueHours(l.t.Context(), name, from.Add(-time.Hour), until)
	if err != nil {
		l.t.Fatal(err)
	}
	got = map[string]string{}
	for _, q := range queues {
		got[q.Hour.Format(time.RFC3339)+" "+q.Queue+" "+q.Channel] = fmt.Sprint(q.Offered, q.Accepted, q.Abandoned, q.ShortAbandoned, q.InService, q.Waited, q.Longest)
	}
	l.mustBeFigures("queue hours", got, oracle.QueueHours(l.world))
	kept, err := s.CountRecords(l.t.Context(), name, "events", from.Add(-time.Hour), until)
	if err != nil || kept != l.world.EventCount() {
		l.t.Errorf("%d events are stored of %d, %v", kept, l.world.EventCount(), err)
	}
}

func (l *lab) mustBeFigures(what string, got, want map[string]string) {
	l.t.Helper()
	wrong := 0
	for key, value := range want {
		if got[key] != value {
			if wrong++; wrong <= 5 {
				l.t.Errorf("%s %s: %q, want %q", what, key, got[key], value)
			}
		}
	}
	if len(got) != len(want) || wrong > 5 {
		l.t.Errorf("%d %s, want %d; %d are wrong", len(got), what, len(want), wrong)
	}
}
