package twiliosim

import (
	"sync"
	"time"
)

// limiter is a token bucket for each API, which holds one second's worth.
type limiter struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	filled time.Time
}

// allow takes a token of an API's bucket, and tells whether there was one. An API without a rate is free.
func (l *limiter) allow(name string, rates map[string]float64, now time.Time) bool {
	rate := rates[name]
	if rate <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[name]
	if b == nil {
		b = &bucket{tokens: max(rate, 1), filled: now}
		l.buckets[name] = b
	}
	b.tokens = min(b.tokens+rate*now.Sub(b.filled).Seconds(), max(rate, 1))
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
