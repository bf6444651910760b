package main_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestSeedIsTheOriginal keeps the copy in testdata the configuration that users already have.
func TestSeedIsTheOriginal(t *testing.T) {
	t.Parallel()
	original, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "seed", "connector.yaml"))
	if err != nil {
		t.Skip("../shared/seed is not here, nothing to compare with")
	}
	if string(original) != readFile(t, filepath.Join("..", "..", "testdata", "e2e", "seed.yaml")) {
		t.Error("testdata/e2e/seed.yaml is not ../shared/seed/connector.yaml")
	}
}

func TestSync(t *testing.T) {
	t.Parallel()
	for _, config := range []struct {
		file     string
		settings func(time.Time) oracle.Settings
	}{{"seed.yaml", seedSettings}, {"connector.yaml", settings}} {
		for _, seed := range []uint64{1, 2, 3, 4} {
			for _, odd := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s of world %d, odd %t", config.file, seed, odd), func(t *testing.T) {
					t.Parallel()
					l := newLab(t, setup{world: aDay(seed, 200, odd), config: config.file})
					l.must(0, "sync")
					l.mustEqual(config.settings(today().Add(-10 * time.Second)))
					l.mustSendNothing()
				})
			}
		}
	}
}

// mustSendNothing makes another pass, which has nothing to do.
func (l *lab) mustSendNothing() {
	l.t.Helper()
	l.brevo.ResetCalls()
	l.must(0, "sync")
	if n := l.writes(); n != 0 {
		l.t.Errorf("a second sync wrote %d times to Brevo: %v", n, l.brevo.Calls())
	}
}

// TestSyncInTheMiddle cuts the day where tasks are under way, syncs, and syncs again at its end.
func TestSyncInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprintf("world %d", seed), func(t *testing.T) {
			t.Parallel()
			options := aDay(seed, 200, false)
			now := quiet(world.New(options), today().Add(-15*time.Hour))
			l := newLab(t, setup{world: options, clock: func() time.Time { return now }})
			l.must(0, "sync")
			l.mustEqual(settings(now.Add(-10 * time.Second)))
			l.mustSendNothing()
		})
	}
}

// quiet finds a moment from at on, so that nothing happened in the seconds before it of which it is unclear
// whether it can be known yet.
func quiet(w *world.World, at time.Time) time.Time {
	busy := map[int64]bool{}
	mark := func(at time.Time) {
		for s := range int64(20) {
			busy[at.Unix()+s] = true
		}
	}
	for e := range w.Events(at.Add(-time.Hour), at.Add(time.Hour)) {
		mark(e.At)
	}
	for i := range w.Conversations {
		mark(w.Conversations[i].CreatedAt)
		mark(w.Conversations[i].ClosedAt)
	}
	for busy[at.Unix()] {
		at = at.Add(time.Second)
	}
	return at
}

// TestExistingOnly gives Brevo half of the customers beforehand, with values of its own, and lets it have no others.
func TestExistingOnly(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(5, 150, false), env: map[string]string{"CREATE": "existing_only"}})
	s := settings(today().Add(-10 * time.Second))
	s.ExistingOnly = true
	l.brevo.AddAttribute(brevosim.Attribute{Name: "CITY", Type: "text"})
	for i := range l.world.Customers {
		c := &l.world.Customers[i]
		held := brevosim.Contact{SMS: c.Phone, Attributes: map[string]any{"FIRSTNAME": "Of before", "CITY": "Lyon"}}
		if c.Phone == "" {
			held.Email = c.Email
		}
		if i%2 == 0 || held.SMS == "" && held.Email == "" {
			continue
		}
		if _, err := l.brevo.AddContact(held); err != nil {
			t.Fatal(err)
		}
	}
	s.Held, _ = l.inBrevo()
	l.must(0, "sync")
	l.mustEqual(s)
	l.mustSendNothing()
}

// TestWithinLimits syncs with both sides as strict as real ones: the budget is kept, so that nobody refuses a call.
func TestWithinLimits(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{
		world: aDay(6, 60, false),
		brevo: brevosim.Options{Tier: brevosim.TierAdvanced},
		twilio: twiliosim.Options{Faults: twiliosim.Faults{
			RequestsPerSecond: map[string]float64{"taskrouter": 30, "conversations": 100, "flex-api": 100}, Concurrent: 10,
		}},
		env: map[string]string{"TIER": "auto"},
	})
	l.must(0, "sync")
	l.mustEqual(settings(today().Add(-10 * time.Second)))
	if n := l.refused(http.StatusTooManyRequests); n != 0 {
		t.Errorf("%d calls were refused for their rate", n)
	}
}

// TestSyncBearsABadBeginning lets Brevo refuse the first calls for their rate, break down, or do what is asked
// and break down then: a pass has that much patience, and makes nothing twice.
func TestSyncBearsABadBeginning(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults brevosim.Faults
		status int
	}{
		"too many":     {brevosim.Faults{TooMany: 1, Only: []string{"GET /contacts/attributes"}, AtMost: 2}, http.StatusTooManyRequests},
		"broken":       {brevosim.Faults{ServerError: 1, Only: []string{"GET /contacts/attributes"}, AtMost: 2}, http.StatusInternalServerError},
		"done, broken": {brevosim.Faults{BadGatewayApplied: 1, Only: []string{"POST /contacts/attributes"}, AtMost: 1}, http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, setup{world: aDay(3, 10, false), brevo: brevosim.Options{Faults: test.faults}})
			l.must(0, "sync")
			if n := l.refused(test.status); n != test.faults.AtMost {
				t.Errorf("%d calls were refused, expected %d", n, test.faults.AtMost)
			}
			l.mustEqual(settings(today().Add(-10 * time.Second)))
		})
	}
}
