package connector

import (
	"context"
	"sync"
	"time"
)

// readingCache keeps what was read last, such as the status, for a moment, so that
// scrapers, open pages and impatient people together cost the store no more than one of
// them.
type readingCache[T any] struct {
	read func(context.Context) (T, error)
	// age is for how long a reading is believed at least.
	age time.Duration

	mu      sync.Mutex
	asking  chan struct{} // closed when the answer under way is there
	reading T
	err     error
	until   time.Time // zero before the first
}

// A reading is believed for twenty times as long as it took, at least for its age and
// at most for a minute: the store spends a twentieth of its time on it.
const (
	statusAge     = time.Second
	figuresAge    = 5 * time.Second
	mostReading   = time.Minute
	readingEffort = 20
)

// get returns a reading, at most a moment old. The reading goes on when the one
// who began it leaves: others may wait for it.
func (c *readingCache[T]) get(ctx context.Context) (T, error) {
	var none T
	c.mu.Lock()
	if time.Now().Before(c.until) {
		defer c.mu.Unlock()
		return c.reading, nil
	}
	if c.asking == nil {
		c.asking = make(chan struct{})
		go c.ask(context.WithoutCancel(ctx), c.asking)
	}
	asking := c.asking
	c.mu.Unlock()
	select {
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-asking:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return none, c.err
	}
	return c.reading, nil
}

func (c *readingCache[T]) ask(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, 25*time.Second)
	defer cancel()
	began := time.Now()
	reading, err := c.read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(done)
	c.asking, c.err = nil, err
	if err == nil {
		c.reading = reading
		c.until = time.Now().Add(min(max(c.age, readingEffort*time.Since(began)), mostReading))
	}
}
