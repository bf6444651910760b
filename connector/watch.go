package connector

import (
	"context"
	"sync"
	"time"
)

// statusCache keeps the last status for a moment, so that scrapers, open pages and
// impatient people together cost the store no more than one of them.
type statusCache struct {
	read func(context.Context) (*Status, error)

	mu     sync.Mutex
	asking chan struct{} // closed when the answer under way is there
	status *Status
	err    error
	until  time.Time
}

// A status is believed for twenty times as long as it took to read, at least a
// second and at most a minute: the store spends a twentieth of its time on it.
const (
	statusAge    = time.Second
	mostStatus   = time.Minute
	statusEffort = 20
)

// get returns the status, at most a moment old. The reading goes on when the one
// who began it leaves: others may wait for it.
func (c *statusCache) get(ctx context.Context) (*Status, error) {
	c.mu.Lock()
	if c.status != nil && time.Now().Before(c.until) {
		defer c.mu.Unlock()
		return c.status, nil
	}
	if c.asking == nil {
		c.asking = make(chan struct{})
		go c.ask(context.WithoutCancel(ctx), c.asking)
	}
	asking := c.asking
	c.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-asking:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	return c.status, nil
}

func (c *statusCache) ask(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, 25*time.Second)
	defer cancel()
	began := time.Now()
	status, err := c.read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(done)
	c.asking, c.err = nil, err
	if err == nil {
		c.status = status
		c.until = time.Now().Add(min(max(statusAge, statusEffort*time.Since(began)), mostStatus))
	}
}
