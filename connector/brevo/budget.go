package brevo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"flexbrevo/connector/failure"
)

// bucketName names what Brevo counts together (facts/brevo.md 6).
type bucketName string

// The buckets.
const (
	bucketContacts bucketName = "contacts" // everything under /contacts
	bucketEvents   bucketName = "events"   // POST /events
	bucketOther    bucketName = "other"    // all else, by the hour
)

const (
	// maxBlock is the longest block that a call waits out; beyond it the call
	// returns failure.RateLimited, so that nobody holds a lease for an hour.
	maxBlock = 10 * time.Second
	// headroom keeps the pace a little under the allowed rate. Evenly spaced calls
	// that the network delays unequally would else now and then put one call too
	// many into one of Brevo's seconds.
	headroom = 0.99
	// recovery is how long it takes to come back to the full pace after a 429.
	recovery = time.Minute
	// slowest is the smallest part of the pace that repeated 429s lead to.
	slowest = 1.0 / 16
	// reserved is the part of an hourly bucket that only short calls such as a
	// ping may use, never a sweep of events.
	reserved = 0.1
)

// Budget is one bucket's standing, for status.
type Budget struct {
	// Bucket is contacts, events or other.
	Bucket string
	// Window is what Limit counts: a second or an hour. It is 0 without limits.
	Window time.Duration
	// Limit is what Brevo allows the account in one Window, Allowed our share of it.
	Limit   int
	Allowed float64
	// Share is the configured part of the limits.
	Share float64
	// Used is how many calls we made in the present hour (other) or ever.
	Used int
	// Remaining is what Brevo said is left of its window, or -1 before it said.
	Remaining int
	// PerSecond is the pace now, less than Allowed after a 429.
	PerSecond float64
	// BlockedUntil is set while Brevo asked us to wait.
	BlockedUntil time.Time
}

// budget holds the buckets of one account.
type budget struct {
	contacts, events paced
	other            hourly
}

// newBudget starts with the limits of a tier: requests per second on contacts and
// events, and per hour on everything else (facts/brevo.md 6).
func newBudget(tier string, share float64, clock func() time.Time) (*budget, error) {
	if share == 0 {
		share = 0.8
	}
	if !(share > 0 && share <= 1) {
		return nil, fmt.Errorf("share of Brevo's limits: %v is not above 0 and up to 1", share)
	}
	perSecond, perHour := 10, 100
	switch tier {
	case "", "auto", "general", "none":
	case "advanced":
		perSecond, perHour = 20, 200
	case "extended":
		perSecond, perHour = 60, 600
	default:
		return nil, fmt.Errorf("tier of Brevo: %q is not one of auto, general, advanced, extended, none", tier)
	}
	none := tier == "none"
	newPaced := func() paced {
		return paced{clock: clock, share: share, limit: perSecond, window: time.Second, factor: 1, unlimited: none, remaining: -1}
	}
	return &budget{
		contacts: newPaced(),
		events:   newPaced(),
		other:    hourly{clock: clock, share: share, limit: perHour, unlimited: none, remaining: -1},
	}, nil
}

// pacedBucket returns a bucket that is spent by the second, or nil.
func (b *budget) pacedBucket(name bucketName) *paced {
	switch name {
	case bucketContacts:
		return &b.contacts
	case bucketEvents:
		return &b.events
	}
	return nil
}

// take waits for one call's place, or returns why there is none.
func (b *budget) take(ctx context.Context, r route) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if p := b.pacedBucket(r.bucket); p != nil {
		return p.take(ctx)
	}
	return b.other.take(r.keepReserve)
}

// learn reads the headers of an answer.
func (b *budget) learn(name bucketName, status int, h http.Header) {
	told := readLimits(status, h)
	if p := b.pacedBucket(name); p != nil {
		p.learn(told)
		return
	}
	b.other.learn(told)
}

// left is what Brevo said is left of a bucket, or -1.
func (b *budget) left(name bucketName) int {
	if p := b.pacedBucket(name); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.remaining
	}
	b.other.mu.Lock()
	defer b.other.mu.Unlock()
	return b.other.remaining
}

// snapshot returns all buckets.
func (b *budget) snapshot() []Budget {
	return []Budget{b.contacts.snapshot(bucketContacts), b.events.snapshot(bucketEvents), b.other.snapshot()}
}

// limits is what the headers of one answer tell. Fields are -1 where absent.
type limits struct {
	limit, remaining int
	reset            time.Duration
	refused          bool
}

// readLimits reads x-sib-ratelimit-*. Reset is relative, in seconds, and may be 0
// (facts/brevo.md 6); there is no Retry-After.
func readLimits(status int, h http.Header) limits {
	return limits{
		limit:     headerInt(h, "X-Sib-Ratelimit-Limit"),
		remaining: headerInt(h, "X-Sib-Ratelimit-Remaining"),
		reset:     time.Duration(min(headerInt(h, "X-Sib-Ratelimit-Reset"), 3600)) * time.Second,
		refused:   status == http.StatusTooManyRequests,
	}
}

// headerInt returns a header's whole number, or -1.
func headerInt(h http.Header, name string) int {
	v := h[name]
	if len(v) == 0 {
		return -1
	}
	n, err := strconv.Atoi(v[0])
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// wait is how long a 429 asks us to wait: what it says, at least a second, or
// else a second doubled by each one before it; with some jitter, so that several
// processes do not come back together.
func (l limits) wait(before int) time.Duration {
	d := l.reset
	if d < 0 {
		d = time.Second << min(before, 8)
	}
	d = max(d, time.Second)
	return d + rand.N(d/10+1)
}

// rateLimited is the answer to a call that was not made for want of budget.
func rateLimited(wait time.Duration) error {
	return &failure.Error{
		Op: "wait for the rate budget of Brevo", Reason: failure.RateLimited, RetryAfter: wait,
		Err: errors.New("the allowed calls are used up"),
	}
}
