package main_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// callsTo counts the answers 200 of the simulated Twilio to a path, by the end of its pattern.
func (l *lab) callsTo(part string) (n int) {
	for call, count := range l.twilio.Calls() {
		if call.Status == 200 && strings.HasSuffix(call.Path, part) {
			n += count
		}
	}
	return n
}

// TestInteractionsAreReadGently syncs in the middle of a day, twice, and at its end: each interaction is read when its
// task is new and when it has ended, and never without need.
func TestInteractionsAreReadGently(t *testing.T) {
	t.Parallel()
	options := aDay(62, 150, false)
	noon := quiet(world.New(options), today().Add(-15*time.Hour))
	var now atomic.Pointer[time.Time]
	now.Store(&noon)
	l := newLab(t, setup{
		world: options, clock: func() time.Time { return *now.Load() },
		twilio: twiliosim.Options{Faults: twiliosim.Faults{TooManyRequests: 0.05, BadGateway: 0.05, Redirect: 0.05, Only: "flex-api"}},
	})
	began, open, all := 0, 0, 0
	for i := range l.world.Tasks {
		task := &l.world.Tasks[i]
		if l.world.InteractionSID(task.Contact) == "" {
			continue
		}
		all++
		if !task.CreatedAt.After(noon) {
			began++
		}
		if !task.CreatedAt.After(noon) && task.EndedAt.After(noon) {
			open++
		}
	}
	if began < 20 || open == 0 {
		t.Fatalf("%d tasks of interactions began, %d are open: the test tells nothing", began, open)
	}
	const channels, members = "/Channels", "/Channels/{channel}/Participants"
	l.must(0, "sync")
	first := l.callsTo(channels)
	if first == 0 || first > began {
		t.Errorf("%d interactions were read for %d tasks", first, began)
	}
	l.mustSendNothing()
	if n := l.callsTo(channels); n != first {
		t.Errorf("a second pass read %d interactions again", n-first)
	}
	end := today()
	now.Store(&end)
	l.must(0, "sync")
	if n := l.callsTo(channels) - first; n == 0 || n > all-began+open {
		t.Errorf("%d interactions were read for %d new tasks and %d that ended", n, all-began, open)
	}
	if c, m := l.callsTo(channels), l.callsTo(members); c != m {
		t.Errorf("%d lists of channels, %d of participants", c, m)
	}
	l.mustEqual(settings(today().Add(-10 * time.Second)))
}
