package brevo

import (
	"context"
	"math"
	"sync"
	"time"
)

// paced is a bucket that is spent evenly: each call gets the next place on a line
// of evenly spaced places, so that a backlog uses the whole share and a burst
// never exceeds it.
type paced struct {
	clock     func() time.Time
	share     float64
	unlimited bool

	mu sync.Mutex
	// limit is what Brevo allows in window.
	limit  int
	window time.Duration
	// ceiling is the calls per second that are left in Brevo's present hour when an
	// hourly window was told of; it counts until ceilingEnds.
	ceiling     float64
	ceilingEnds time.Time
	next        time.Time // the first free place
	blocked     time.Time
	refusals    int // 429s in a row
	factor      float64
	factorAt    time.Time
	used        int
	remaining   int
}

// take waits for the next place.
func (p *paced) take(ctx context.Context) error {
	for {
		wait, err := p.reserve()
		if err != nil {
			return err
		}
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		if !p.isBlocked() {
			return nil
		}
	}
}

// reserve takes the next place and returns the time until it comes. A place
// behind a block is only as far ahead as the block asks; one further than
// maxBlock behind it is not waited for.
func (p *paced) reserve() (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	if wait := p.blocked.Sub(now); wait > maxBlock {
		return 0, rateLimited(wait)
	}
	p.used++
	if p.unlimited {
		return p.blocked.Sub(now), nil
	}
	place := p.next
	if place.Before(now) {
		place = now
	}
	if place.Before(p.blocked) {
		place = p.blocked
	}
	p.next = place.Add(time.Duration(float64(time.Second) / p.pace(now)))
	return place.Sub(now), nil
}

// isBlocked says whether a 429 came while a place was waited for.
func (p *paced) isBlocked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	blocked := p.clock().Before(p.blocked)
	if blocked {
		p.used--
	}
	return blocked
}

// allowed is our share of what Brevo allows, in calls per second.
func (p *paced) allowed() float64 { return float64(p.limit) * p.share / p.window.Seconds() }

// pace is how many calls a second go out now. The caller holds mu.
func (p *paced) pace(now time.Time) float64 {
	if p.factor < 1 && now.After(p.factorAt) {
		p.factor = math.Min(1, p.factor+float64(now.Sub(p.factorAt))/float64(recovery))
		p.factorAt = now
	}
	rate := p.allowed()
	if now.Before(p.ceilingEnds) {
		rate = math.Min(rate, p.ceiling)
	}
	return math.Max(rate*p.factor*headroom, 1.0/3600)
}

// learn takes in what an answer told.
func (p *paced) learn(told limits) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	if told.remaining >= 0 {
		p.remaining = told.remaining
	}
	if told.limit > 0 {
		p.learnLimit(now, told)
	}
	if !told.refused {
		p.refusals = 0
		return
	}
	// Calls that were in flight together are refused together: one lesson, not ten.
	if now.Before(p.blocked) {
		return
	}
	p.pace(now)
	p.factor, p.factorAt = math.Max(p.factor/2, slowest), now
	p.blocked = now.Add(told.wait(p.refusals))
	p.refusals++
}

// learnLimit takes a limit for what it counts. Which of two windows is reported
// is not documented; a second's limits are 10 to 60, an hour's 36,000 and more,
// and only an hour's reset is ever far away (facts/brevo.md 6 and 10).
func (p *paced) learnLimit(now time.Time, told limits) {
	if told.limit < 1000 && told.reset <= time.Minute {
		p.limit, p.window = told.limit, time.Second
		return
	}
	p.limit, p.window = told.limit, time.Hour
	if told.reset <= 0 || told.remaining < 0 {
		return
	}
	if told.remaining == 0 {
		p.blocked = now.Add(told.reset)
		return
	}
	p.ceiling, p.ceilingEnds = float64(told.remaining)/told.reset.Seconds(), now.Add(told.reset)
}

// snapshot returns how the bucket stands.
func (p *paced) snapshot(name bucketName) Budget {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := Budget{Bucket: string(name), Share: p.share, Used: p.used, Remaining: p.remaining}
	now := p.clock()
	if now.Before(p.blocked) {
		b.BlockedUntil = p.blocked
	}
	if !p.unlimited {
		b.Limit, b.Window = p.limit, p.window
		b.Allowed, b.PerSecond = float64(p.limit)*p.share, p.pace(now)
	}
	return b
}
