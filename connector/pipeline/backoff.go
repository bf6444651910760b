package pipeline

import (
	"math/rand/v2"
	"time"
)

// Retry says how long a failed delivery waits before its next attempt.
type Retry struct {
	// First is the middle of the first wait; it doubles with each attempt up to Most.
	First, Most time.Duration
	// Attempts is how many failed attempts make a dead letter.
	Attempts int
}

// DefaultRetry gives up after about a day.
var defaultRetry = Retry{First: 2 * time.Second, Most: time.Hour, Attempts: 30}

// wait returns the pause before attempt n+1, n failed attempts having been made:
// a random time in [half, three halves) of the doubled base, but never less than
// the remote asked for.
func (r Retry) wait(n int, asked time.Duration) time.Duration {
	base := r.First << min(max(n-1, 0), 20)
	if base > r.Most || base <= 0 {
		base = r.Most
	}
	w := base/2 + rand.N(base)
	return max(w, asked+rand.N(asked/4+time.Millisecond))
}
