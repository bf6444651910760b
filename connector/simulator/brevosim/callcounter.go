package brevosim

import (
	"maps"
	"net/http"
	"sync"
)

// callCounter counts calls by method, path template and status.
type callCounter struct {
	mu     sync.Mutex
	calls  map[Call]int
	faults int
}

func (c *callCounter) count(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[call]++
}

func (c *callCounter) fault() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults++
}

func (c *callCounter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls, c.faults = map[Call]int{}, 0
}

func (c *callCounter) snapshot() map[Call]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// totals returns the number of calls, of those answered with 429, and of faults met.
func (c *callCounter) totals() (calls, limited, faults int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for call, n := range c.calls {
		calls += n
		if call.Status == http.StatusTooManyRequests {
			limited += n
		}
	}
	return calls, limited, c.faults
}
