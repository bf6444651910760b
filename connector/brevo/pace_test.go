package brevo_test

import (
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/simulator/brevosim"
)

// A 429 halves the pace, another one halves it again, and it comes back by itself.
func TestPaceIsHalvedAndRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, sim := bubble(t, brevosim.Options{Tier: brevosim.TierGeneral})
		pace := func() float64 { return d.Budgets()[1].PerSecond }
		expect(t, d.Deliver(t.Context(), anEvent()), "")
		full := pace()
		refuse := func() {
			sim.SetFaults(brevosim.Faults{TooMany: 1, AtMost: 1})
			if out := d.Deliver(t.Context(), anEvent()); out.Reason != failure.RateLimited {
				t.Fatalf("outcome %+v", out)
			}
		}
		refuse()
		if got := pace(); got > 0.51*full || got < 0.49*full {
			t.Errorf("after a 429: %v of %v a second", got, full)
		}
		time.Sleep(2 * time.Second)
		refuse()
		if got := pace(); got > 0.3*full {
			t.Errorf("after another: %v of %v a second", got, full)
		}
		time.Sleep(2 * time.Minute)
		if got := pace(); got < 0.99*full {
			t.Errorf("it did not come back: %v of %v a second", got, full)
		}
	})
}
