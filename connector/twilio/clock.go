package twilio

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// serverClock is Twilio's clock, as its answers tell it. The upper end of what is
// read is judged by it and never by the local clock (design 7).
type serverClock struct {
	local func() time.Time

	mu         sync.Mutex
	date       time.Time // of the last answer
	at         time.Time // local time of the last answer
	concurrent int
}

// observe notes the headers of an answer.
func (c *serverClock) observe(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	inFlight, concurrentErr := strconv.Atoi(h.Get("Twilio-Concurrent-Requests"))
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.date, c.at = date.UTC(), c.local()
	}
	if concurrentErr == nil {
		c.concurrent = inFlight
	}
}

// now is the date of the last answer and what has passed since. It only decides
// how far to ask: how far was read is told by the Date of that answer itself. It
// is zero before the first answer.
func (c *serverClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.date.IsZero() {
		return time.Time{}
	}
	return c.date.Add(max(c.local().Sub(c.at), 0))
}

func (c *serverClock) health() Health {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	h := Health{ServerTime: now, Concurrent: c.concurrent}
	if !c.date.IsZero() {
		h.Skew = c.at.Sub(c.date)
	}
	return h
}
