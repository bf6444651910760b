package main_test

import (
	"fmt"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/twiliosim"
)

// twilioFaults and brevoFaults are a bad day on both sides, all of which passes.
func twilioFaults() twiliosim.Faults {
	return twiliosim.Faults{
		TooManyRequests: 0.02, RetryAfterSeconds: 1, BadGateway: 0.02, Redirect: 0.01, StrayUnauthorized: 0.01, Reset: 0.02, UnknownFields: 0.2,
		SkewSeconds: -45, // our own clock is fast
	}
}

func brevoFaults() brevosim.Faults {
	return brevosim.Faults{
		TooMany: 0.01, TooEarly: 0.01, ServerError: 0.01, BadGateway: 0.01, BadGatewayApplied: 0.02, Dropped: 0.01, DroppedApplied: 0.02,
		HTMLSuccess: 0.01, BrokenJSON: 0.01, EmptySuccess: 0.01,
		Only: []string{"POST", "PUT", "GET /contacts"}, // a lookup refused for its rate waits longer than a test may
	}
}

// TestFaults lets both sides fail in every way that passes. In the end each event is there once.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{5, 6} {
		t.Run(fmt.Sprintf("world %d", seed), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, setup{
				world:  aDay(seed, 60, seed%2 == 0),
				shared: true,
				twilio: twiliosim.Options{Faults: twilioFaults()},
				brevo:  brevosim.Options{Faults: brevoFaults(), ReadLag: 400 * time.Millisecond},
				env:    map[string]string{"LOOKUP_AFTER": "1s"},
			})
			s := liveSettings(today().Add(-10 * time.Second))
			d := l.run()
			l.eventuallyEqual(s, 90*time.Second, d)
			if code, _ := d.stop(); code != 0 {
				t.Errorf("exit code %d\n%s", code, d.stderr.String())
			}
			l.twilio.SetFaults(twiliosim.Faults{})
			l.brevo.SetFaults(brevosim.Faults{})
			l.mustSendNothing()
			l.mustEqual(s)
		})
	}
}

// eventuallyEqual waits until Brevo holds what it must. It gives up, and shows how it differs, after a limit, or
// when nothing has changed for so long that nothing will.
func (l *lab) eventuallyEqual(s oracle.Settings, limit time.Duration, d *daemon) {
	l.t.Helper()
	const patience = 30 * time.Second
	began, moved, before := time.Now(), time.Now(), -1
	for {
		left := len(l.differences(s))
		if left == 0 {
			return
		}
		if writes := l.writes(); writes != before {
			before, moved = writes, time.Now()
		}
		if time.Since(began) > limit || time.Since(moved) > patience {
			l.mustEqual(s)
			l.t.Fatalf("Brevo did not come to hold this within %s; the daemon's last lines:\n%s", time.Since(began), tail(d.stderr.String(), 2000))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func tail(text string, length int) string { return text[max(0, len(text)-length):] }
