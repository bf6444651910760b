package brevo

import (
	"math"
	"sync"
	"time"
)

// hourly is a bucket of so few calls that nobody waits for one: a call is allowed
// at once or refused with the time until the next hour.
type hourly struct {
	clock     func() time.Time
	share     float64
	unlimited bool

	mu        sync.Mutex
	limit     int
	used      int // by us, until ends
	sweptAt   time.Time
	ends      time.Time
	blocked   time.Time
	refusals  int
	remaining int
}

// take spends a call or says when there will be one. With keepReserve the last
// tenth is left to others.
func (h *hourly) take(keepReserve bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock()
	if now.Before(h.blocked) {
		return rateLimited(h.blocked.Sub(now))
	}
	h.roll(now)
	allowed := float64(h.limit) * h.share
	if keepReserve {
		allowed *= 1 - reserved
	}
	if !h.unlimited && float64(h.used+1) > math.Max(allowed, 1) {
		return rateLimited(h.ends.Sub(now))
	}
	h.used++
	return nil
}

// ration says how long a sweep of events must wait so that the calls left for
// sweeps last until the hour is over; with 0 it counts as begun. The first one after
// a quiet time never waits.
func (h *hourly) ration() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock()
	h.roll(now)
	left := float64(h.limit)*h.share*(1-reserved) - float64(h.used)
	if !h.unlimited && left >= 1 {
		gap := time.Duration(float64(h.ends.Sub(now)) / left)
		if wait := h.sweptAt.Add(gap).Sub(now); wait > 0 {
			return wait
		}
	}
	h.sweptAt = now
	return 0
}

// spare says whether a call of the given part of the hour is left, spread over the
// hour so that there is always something for a burst.
func (h *hourly) spare(part float64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock()
	h.roll(now)
	if h.unlimited {
		return true
	}
	if now.Before(h.blocked) {
		return false
	}
	gone := 1 - float64(h.ends.Sub(now))/float64(time.Hour)
	return float64(h.used) < part*float64(h.limit)*h.share*max(gone, 0.1)
}

// roll begins a new hour when the present one is over. The caller holds mu.
func (h *hourly) roll(now time.Time) {
	if now.Before(h.ends) {
		return
	}
	h.used, h.remaining, h.ends = 0, -1, now.Add(time.Hour)
}

// learn takes in what an answer told. The hour is Brevo's: it ends at its reset.
func (h *hourly) learn(told limits) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock()
	if told.limit > 0 {
		h.limit = told.limit
	}
	if told.reset > 0 {
		h.ends = now.Add(told.reset)
	}
	if told.remaining >= 0 {
		h.remaining = told.remaining
	}
	switch {
	case told.refused && !now.Before(h.blocked):
		h.blocked = now.Add(told.wait(h.refusals))
		h.refusals++
	case told.refused:
	case told.remaining == 0 && told.reset > 0 && !h.unlimited:
		h.blocked = now.Add(told.reset)
	default:
		h.refusals = 0
	}
}

// snapshot returns how the bucket stands.
func (h *hourly) snapshot() Budget {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock()
	b := Budget{Bucket: string(bucketOther), Share: h.share, Used: h.used, Remaining: h.remaining}
	if !now.Before(h.ends) {
		b.Used, b.Remaining = 0, -1
	}
	if now.Before(h.blocked) {
		b.BlockedUntil = h.blocked
	}
	if !h.unlimited {
		b.Limit, b.Window = h.limit, time.Hour
		b.Allowed = float64(h.limit) * h.share
		b.PerSecond = b.Allowed / 3600
	}
	return b
}
