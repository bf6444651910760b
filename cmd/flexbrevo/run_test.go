package main_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// handClock is a clock that a test moves.
type handClock struct{ at atomic.Int64 }

func (c *handClock) set(at time.Time) { c.at.Store(at.UnixNano()) }
func (c *handClock) now() time.Time   { return time.Unix(0, c.at.Load()).UTC() }

// status asks a running daemon.
func (d *daemon) status() (records int, problems []string) {
	d.t.Helper()
	response, err := http.Get("http://" + d.admin + "/api/v1/status")
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	var status struct {
		Connectors []struct {
			Records  map[string]int
			Problems []string
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		d.t.Fatal(err)
	}
	for _, c := range status.Connectors {
		for _, n := range c.Records {
			records += n
		}
		problems = append(problems, c.Problems...)
	}
	return records, problems
}

// TestStop asks a daemon that has its hands full to end.
func TestStop(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(8, 120, false), brevo: brevosim.Options{Faults: brevosim.Faults{Latency: 20 * time.Millisecond}}})
	d := l.run()
	eventually(t, 30*time.Second, "deliveries are under way", func() bool { return l.writes() > 20 })
	code, took := d.stop()
	if code != 0 || took > 27*time.Second {
		t.Errorf("exit code %d after %s, want 0 within the grace period\n%s", code, took, d.stderr.String())
	}
	d = l.run()
	l.eventuallyEqual(liveSettings(today().Add(-10*time.Second)), time.Minute, d)
}

// TestSecondPipeline starts a daemon beside a daemon.
func TestSecondPipeline(t *testing.T) {
	t.Parallel()
	l := smallLab(t)
	l.run()
	mustSay(t, l.must(1, "run").stderr, "another flexbrevo")
	l.must(0, "status")
}

// TestSyncBesideDaemon lets a sync ask a daemon that would not have looked for hours.
func TestSyncBesideDaemon(t *testing.T) {
	t.Parallel()
	options := aDay(9, 100, false)
	var clock handClock
	half := quiet(world.New(options), today().Add(-15*time.Hour))
	clock.set(half)
	l := newLab(t, setup{world: options, clock: clock.now, env: map[string]string{"EVENTS": "@every 5h", "CONVERSATIONS": "@every 5h"}})
	d := l.run()
	mustSay(t, l.must(0, "sync").stderr, "daemon")
	l.mustEqual(liveSettings(half.Add(-10 * time.Second)))
	clock.set(today())
	l.must(0, "sync")
	l.eventuallyEqual(liveSettings(today().Add(-10*time.Second)), 30*time.Second, d)
}

// TestBadBrevoKey lets Brevo refuse the key for a while. Reading goes on, and nothing is lost.
func TestBadBrevoKey(t *testing.T) {
	t.Parallel()
	options := aDay(10, 60, false)
	var clock handClock
	half := quiet(world.New(options), today().Add(-15*time.Hour))
	clock.set(half)
	l := newLab(t, setup{world: options, clock: clock.now})
	d := l.run()
	l.eventuallyEqual(liveSettings(half.Add(-10*time.Second)), time.Minute, d)
	l.brevo.SetFaults(brevosim.Faults{BadKey: 1})
	before, _ := d.status()
	clock.set(today())
	eventually(t, 30*time.Second, "reading goes on while Brevo refuses", func() bool {
		records, problems := d.status()
		return records > before+100 && strings.Contains(strings.Join(problems, "\n"), "Brevo")
	})
	if left := len(l.differences(liveSettings(today().Add(-10 * time.Second)))); left == 0 {
		t.Error("Brevo holds everything although it refused every call")
	}
	l.brevo.SetFaults(brevosim.Faults{})
	l.eventuallyEqual(liveSettings(today().Add(-10*time.Second)), 2*time.Minute, d)
	if n := l.deadLetters(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// TestBadTwilioKey is the other side of it: what was captured is delivered, and pulls resume.
func TestBadTwilioKey(t *testing.T) {
	t.Parallel()
	options := aDay(11, 60, false)
	var clock handClock
	w := world.New(options)
	half := quiet(w, today().Add(-15*time.Hour))
	for lonelyThreadOpen(w, half) {
		half = quiet(w, half.Add(time.Minute))
	}
	clock.set(half)
	l := newLab(t, setup{
		world: options, clock: clock.now,
		brevo: brevosim.Options{Faults: brevosim.Faults{Latency: 20 * time.Millisecond}},
	})
	d := l.run()
	eventually(t, 30*time.Second, "something is captured", func() bool { records, _ := d.status(); return records > 100 && l.writes() > 0 })
	l.twilio.SetFaults(twiliosim.Faults{StrayUnauthorized: 1})
	clock.set(today())
	eventually(t, 30*time.Second, "the operator is told", func() bool {
		_, problems := d.status()
		return strings.Contains(strings.Join(problems, "\n"), "Twilio")
	})
	at := l.writes()
	eventually(t, 30*time.Second, "deliveries go on", func() bool { return l.writes() > at })
	l.twilio.SetFaults(twiliosim.Faults{})
	l.eventuallyEqual(liveSettings(today().Add(-10*time.Second)), 2*time.Minute, d)
}

// lonelyThreadOpen says whether a thread that no task was made of is open at a moment and closed later. Nothing
// tells of its closing but the next reading of open conversations, a quarter of an hour away.
func lonelyThreadOpen(w *world.World, at time.Time) bool {
	for i := range w.Contacts {
		c := &w.Contacts[i]
		if c.Kind != world.ThreadOnly || c.Conversation < 0 {
			continue
		}
		if th := &w.Conversations[c.Conversation]; !th.CreatedAt.After(at) && th.ClosedAt.After(at) {
			return true
		}
	}
	return false
}

// deadLetters reads them from the store.
func (l *lab) deadLetters() int {
	l.t.Helper()
	var status struct{ Connectors []struct{ DeadLetters int } }
	if err := json.Unmarshal([]byte(l.must(0, "status", "--json").stdout), &status); err != nil {
		l.t.Fatal(err)
	}
	return status.Connectors[0].DeadLetters
}
