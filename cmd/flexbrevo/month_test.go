package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store/sqlstore"
)

// smallMonth is how many contacts the month has where FLEXBREVO_MONTH says nothing else;
// 171,000 make 200,000 tasks.
const smallMonth = 500

// mostResident is how much memory a backfill may have, in MB, whatever its size: a
// quarter of it is the program itself, which the kernel can take back. A month of 200,000
// tasks had 99 on a busy machine.
const mostResident = 112

// TestAMonth back-fills a month in which the clocks change, killed five times on its
// way, and compares everything with calculations from the world.
func TestAMonth(t *testing.T) {
	t.Parallel()
	contacts := smallMonth
	if text := os.Getenv("FLEXBREVO_MONTH"); text != "" {
		var err error
		if contacts, err = strconv.Atoi(text); err != nil {
			t.Fatalf("FLEXBREVO_MONTH=%s: want a number of contacts", text)
		}
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
	began := time.Now()
	for kill := range 5 {
		limit := max(time.Second, time.Duration(contacts)*time.Millisecond/2) * time.Duration(2+kill) / 4
		l.killed(limit, args)
	}
	sizes := l.measured(args)
	l.mustEqual(settings(now))
	l.mustHaveFigures(start, now)
	s := l.world.Summary()
	t.Logf("%d tasks, %d events in %s; MB resident at most, by tenths of the last process: %v",
		s.Tasks, s.Events, time.Since(began).Round(time.Second), tenths(sizes))
	if most := slices.Max(append(sizes, 0)) >> 10; most > mostResident && len(raceFlags) == 0 {
		t.Errorf("%d MB were resident", most)
	}
}

// killed runs a command and kills it after a while, as a power cut does.
func (l *lab) killed(after time.Duration, args []string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), after)
	defer cancel()
	cmd := l.command(ctx, args...) // killed when its context ends
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		l.t.Fatalf("%v: %v", args, err)
	}
}

// measured runs a command to its end and returns how much memory it had, in KB, every
// half second.
func (l *lab) measured(args []string) (sizes []int) {
	l.t.Helper()
	cmd := l.command(l.t.Context(), args...)
	var stderr output
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			if err != nil {
				l.t.Fatalf("%v: %v\n%s", args, err, stderr.String())
			}
			l.t.Log(tail(stderr.String(), 2000))
			return sizes
		case <-time.After(500 * time.Millisecond):
			if kb := resident(cmd.Process.Pid); kb > 0 {
				sizes = append(sizes, kb)
			}
		}
	}
}

// tenths are the most, in MB, of each tenth of what was measured.
func tenths(sizes []int) (out []int) {
	for i := range 10 {
		part := sizes[len(sizes)*i/10 : len(sizes)*(i+1)/10]
		out = append(out, slices.Max(append([]int{0}, part...))>>10)
	}
	return out
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
