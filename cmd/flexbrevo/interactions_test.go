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

// TestInteractionsAreReadGently syncs in the middle of a day, twice, and at its end: each interaction is read while
// its task goes on and when it has ended since, and never without need: not those of tasks that are over already.
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
	open := map[string]bool{} // interactions with a task under way
	for i := range l.world.Tasks {
		task := &l.world.Tasks[i]
		if sid := l.world.InteractionSID(task.Contact); sid != "" && !task.CreatedAt.After(noon) && task.EndedAt.After(noon) {
			open[sid] = true
		}
	}
	if len(open) == 0 {
		t.Fatal("no task of an interaction is under way: the test tells nothing")
	}
	const channels, members = "/{interaction}/Channels", "/Channels/{channel}/Participants"
	l.must(0, "sync")
	if n := l.callsTo(channels); n != len(open) {
		t.Errorf("%d interactions were read for %d that go on", n, len(open))
	}
	l.mustSendNothing()
	if n := l.callsTo(channels); n != len(open) {
		t.Errorf("a second pass read %d interactions again", n-len(open))
	}
	end := today()
	now.Store(&end)
	l.must(0, "sync")
	if n := l.callsTo(channels); n != 2*len(open) {
		t.Errorf("%d interactions were read since, of %d that ended", n-len(open), len(open))
	}
	if c, m := l.callsTo(channels), l.callsTo(members); c != m {
		t.Errorf("%d lists of channels, %d of participants", c, m)
	}
	l.mustEqual(settings(today().Add(-10 * time.Second)))
}
