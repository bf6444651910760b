package twilio

import (
	"net/url"

	"golang.org/x/time/rate"
)

// left tells, for the call log, what a call leaves of its budgets: how many more may be
// under way beside those that are, and how many a second the tightest of its rates
// allows now; 0 where none of them has a limit.
func (b *budgets) left(u *url.URL) (calls int, perSecond float64) {
	lowest := rate.Inf
	for _, one := range b.of(u) {
		if _, now := one.rates(); now < lowest {
			lowest = now
		}
	}
	if lowest != rate.Inf {
		perSecond = float64(lowest)
	}
	return b.gate.left(), perSecond
}

// left is how many more calls may go through at once.
func (g *gate) left() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(g.limit-g.through, 0)
}
