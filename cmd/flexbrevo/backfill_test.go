package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/world"
)

// someWeeks is a world whose last contacts came to their end before midnight.
func someWeeks(seed uint64, days, contacts int) world.Options {
	return world.Options{
		Seed: seed, Start: today().AddDate(0, 0, -days), End: today().Add(-6 * time.Hour),
		Contacts: contacts, Customers: max(5, contacts*2/5),
	}
}

// pastEnd is when the past ends: a little before the labs' clock, which stands still.
func pastEnd() time.Time { return today().Add(-time.Minute) }

// past are the arguments of a backfill of a lab's whole world.
func (l *lab) past(args ...string) []string {
	since := l.world.Options().Start.Add(-time.Hour).Format(time.RFC3339)
	return append([]string{"backfill", "--since", since, "--until", pastEnd().Format(time.RFC3339)}, args...)
}

func TestBackfill(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2} {
		l := newLab(t, setup{world: someWeeks(seed, 12, 300)})
		r := l.must(0, l.past("--events", "all")...)
		if !strings.Contains(r.stdout, "done, verified") {
			t.Errorf("it does not say that it verified what it read:\n%s", r.stdout)
		}
		l.mustEqual(settings(today()))
		l.mustSendNothing()
		l.brevo.ResetCalls()
		l.must(0, l.past("--events", "all")...)
		if n := l.writes(); n != 0 {
			t.Errorf("a second backfill of the range wrote %d times to Brevo: %v", n, l.brevo.Calls())
		}
	}
}

// TestBackfillGoesOn kills the command at random instants.
func TestBackfillGoesOn(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: someWeeks(3, 20, 900)})
	random := rand.New(rand.NewPCG(3, 3))
	killed := 0
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond+time.Duration(random.IntN(1500))*time.Millisecond)
		cmd := l.command(ctx, l.past("--events", "all")...) // killed when its context ends
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil && ctx.Err() != nil {
			killed++
		} else if err != nil {
			t.Fatalf("backfill: %v\n%s", err, stderr.String())
		}
		cancel()
	}
	t.Logf("killed %d times", killed)
	l.must(0, l.past("--events", "all")...)
	l.mustEqual(settings(today()))
	l.mustSendNothing()
}

func TestBackfillSendsTheEventsThatWereAskedFor(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"recent", "none"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, setup{world: someWeeks(4, 8, 200)})
			r := l.must(0, l.past("--events", policy, "--json")...)
			var plan struct {
				Sent     int `json:"events_sent"`
				TooOld   int `json:"events_too_old"`
				Withheld int `json:"events_withheld"`
				Contacts int `json:"contacts"`
			}
			if err := json.NewDecoder(strings.NewReader(r.stdout)).Decode(&plan); err != nil {
				t.Fatal(err)
			}
			l.must(0, "sync") // must not send what the backfill was to leave out
			oldest := time.Now().Add(-72 * time.Hour)
			sent := 0
			for _, e := range l.brevo.Events() {
				sent++
				if e.Date.Before(oldest.Add(-time.Minute)) {
					t.Errorf("an event of %s was sent", e.Date)
				}
			}
			switch policy {
			case "none":
				if sent > 0 || plan.Sent > 0 || plan.Withheld == 0 {
					t.Errorf("%d events were sent, the plan is %+v", sent, plan)
				}
			case "recent":
				if sent == 0 || plan.Sent == 0 || plan.TooOld == 0 || plan.Withheld != 0 {
					t.Errorf("%d events were sent, the plan is %+v", sent, plan)
				}
			}
			if contacts := len(l.brevo.Contacts()); contacts == 0 || plan.Contacts == 0 {
				t.Errorf("%d contacts; the plan is %+v", contacts, plan)
			}
		})
	}
}

func TestBackfillDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: someWeeks(5, 6, 150)})
	r := l.must(0, l.past("--dry-run")...)
	for _, want := range []string{"records of", "calls to Twilio", "contacts written", "automations"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the plan says nothing of %q:\n%s", want, r.stdout)
		}
	}
	if n := l.writes(); n != 0 {
		t.Errorf("%d writes to Brevo", n)
	}
}

func TestBackfillCanary(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: someWeeks(6, 8, 300)})
	r := l.must(0, l.past("--events", "all", "--canary=20")...)
	if n := len(l.brevo.Contacts()); n == 0 || n > 25 {
		t.Errorf("the canary made %d contacts, want about 20", n)
	}
	if !strings.Contains(r.stdout, "canary") {
		t.Errorf("it does not say how to go on:\n%s", r.stdout)
	}
	l.must(0, "sync") // does not deliver what the canary left
	l.must(0, l.past("--events", "all")...)
	l.mustEqual(settings(today()))
}

func TestBackfillBesideTheDaemon(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: someWeeks(7, 15, 400), env: map[string]string{"LOOKBACK": "1h"}})
	d := l.run()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := l.command(ctx, l.past("--events", "all")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond) // any instant will do
	d.kill()
	d = l.run() // goes on with it by itself
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the command that follows: %v\n%s", err, d.stderr.String())
	}
	l.mustEqual(settings(today()))
	if code, _ := d.stop(); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
}

func TestBackfillUsage(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: someWeeks(8, 1, 5)})
	for _, args := range [][]string{
		{"backfill"}, {"backfill", "--since", "soon"}, {"backfill", "--since", "30d", "--events", "some"},
		{"backfill", "--since", "30d", "--resources", "calls"}, {"backfill", "--since", "2d", "--until", "3d"},
	} {
		l.must(2, args...)
	}
}

// TestSecondSyncCalls counts what another pass over the same month asks of Twilio:
// docs/streams.md states the number.
func TestSecondSyncCalls(t *testing.T) {
	t.Parallel()
	const overlaps = 7
	l := newLab(t, setup{world: someWeeks(9, 28, 1000), env: map[string]string{"LOOKBACK": "696h"}})
	l.must(0, "sync")
	first := l.twilioCalls()
	l.must(0, "sync")
	total, threads := 0, 0
	for path, n := range l.twilioCalls() {
		again := n - first[path]
		if again > 0 {
			t.Logf("%d %s", again, path)
		}
		if strings.Contains(path, "/Conversations/") {
			threads += again
		} else {
			total += again
		}
	}
	if total != overlaps {
		t.Errorf("%d calls, want %d", total, overlaps)
	}
	if open := l.openConversations(); threads > min(open, 50) {
		t.Errorf("%d reads of %d open conversations, want one of each and at most 50", threads, open)
	}
}

// twilioCalls counts the calls to Twilio by path.
func (l *lab) twilioCalls() map[string]int {
	out := map[string]int{}
	for call, n := range l.twilio.Calls() {
		out[call.Path] += n
	}
	return out
}

// openConversations counts those that are not closed at the labs' present.
func (l *lab) openConversations() (n int) {
	for i := range l.world.Conversations {
		if closed := l.world.Conversations[i].ClosedAt; closed.IsZero() || closed.After(today()) {
			n++
		}
	}
	return n
}
