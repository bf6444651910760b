package brevosim

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// window counts the requests since its first one; the next window starts with the first request after its end.
type window struct {
	limit int
	span  time.Duration
	start time.Time
	used  int
}

func (w *window) roll(now time.Time) {
	if now.Sub(w.start) >= w.span || now.Before(w.start) {
		w.start, w.used = now, 0
	}
}

func (w *window) remaining() int { return max(0, w.limit-w.used) }

// report is what the limit headers of one answer say.
type report struct {
	limit, remaining int
	reset            time.Duration
}

// limiter keeps the windows of every bucket of one tier.
type limiter struct {
	mu      sync.Mutex
	buckets map[Bucket][]*window
}

// newLimiter makes the windows of facts/brevo.md 6: per second and per hour for contacts and events, where no hourly
// figure is published for the extended tier, and per hour for everything else.
func newLimiter(tier Tier) *limiter {
	perSecond, perHour, other := 10, 36_000, 100
	switch tier {
	case TierNone:
		return &limiter{}
	case TierAdvanced:
		perSecond, perHour, other = 20, 72_000, 200
	case TierExtended:
		perSecond, perHour, other = 60, 0, 600
	}
	both := func() []*window {
		windows := []*window{{limit: perSecond, span: time.Second}}
		if perHour > 0 {
			windows = append(windows, &window{limit: perHour, span: time.Hour})
		}
		return windows
	}
	return &limiter{buckets: map[Bucket][]*window{
		BucketContacts: both(),
		BucketEvents:   both(),
		BucketOther:    {{limit: other, span: time.Hour}},
	}}
}

// take spends n requests of a bucket and says what the headers should tell; ok is false, and nothing is spent, if any
// window is used up. limited is false for buckets without limits.
func (l *limiter) take(bucket Bucket, n int, now time.Time, hour bool) (r report, limited, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	windows := l.buckets[bucket]
	if len(windows) == 0 {
		return report{}, false, true
	}
	for _, w := range windows {
		w.roll(now)
	}
	for _, w := range windows {
		if w.remaining() == 0 {
			return w.report(now), true, false
		}
	}
	for _, w := range windows {
		w.used += n
	}
	return reported(windows, hour).report(now), true, true
}

// reported chooses the window that the headers show: the tighter one, or always the longest.
func reported(windows []*window, hour bool) *window {
	shown := windows[0]
	for _, w := range windows[1:] {
		if hour || w.remaining() < shown.remaining() {
			shown = w
		}
	}
	return shown
}

func (w *window) report(now time.Time) report {
	return report{limit: w.limit, remaining: w.remaining(), reset: w.start.Add(w.span).Sub(now)}
}

// write puts the report into x-sib-ratelimit-*; the reset is a relative count of seconds, never a timestamp.
func (r report) write(header http.Header, floor bool) {
	seconds := math.Ceil(r.reset.Seconds())
	if floor {
		seconds = math.Floor(r.reset.Seconds())
	}
	header.Set("X-Sib-Ratelimit-Limit", strconv.Itoa(r.limit))
	header.Set("X-Sib-Ratelimit-Remaining", strconv.Itoa(r.remaining))
	header.Set("X-Sib-Ratelimit-Reset", strconv.Itoa(int(max(0, seconds))))
}

// tooMany is the answer to a request over the limit. There is no Retry-After (facts/brevo.md 0).
func tooMany() answer {
	return reply(http.StatusTooManyRequests, struct {
		Message string `json:"message"`
	}{"The expected rate limit is exceeded."})
}
