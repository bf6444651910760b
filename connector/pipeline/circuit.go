package pipeline

import (
	"log/slog"
	"sync"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// circuit pauses an account whose credential or plan is refused. Everything owed
// is kept; one customer at a time probes, more and more rarely, and the first
// success opens it again.
type circuit struct {
	clock  func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	since   time.Time // zero: not paused
	probeAt time.Time
	pause   time.Duration
	remedy  string
}

// Pauses between probes.
const (
	firstProbe = 15 * time.Second
	mostProbe  = 5 * time.Minute
)

// admits says whether a call may be made now: always while nothing is refused,
// and for a probe when its time has come.
func (c *circuit) admits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since.IsZero() || !c.clock().Before(c.probeAt)
}

// limit is how many customers may be served: one for a probe.
func (c *circuit) limit(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		return n
	}
	return 1
}

// note learns from an outcome. The remedy is logged once.
func (c *circuit) note(account string, o record.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case o.Reason.Stops():
		c.refused(account, o)
	case o.Status != 0 && !c.since.IsZero():
		c.logger.Info("destination accepts us again", "account", account)
		c.since, c.probeAt, c.pause, c.remedy = time.Time{}, time.Time{}, 0, ""
	}
}

func (c *circuit) refused(account string, o record.Outcome) {
	now := c.clock()
	if c.since.IsZero() {
		c.since, c.pause = now, firstProbe
		c.remedy = remedyOf(o.Err)
		c.logger.Error("destination refuses us; everything owed is kept", "account", account,
			"reason", o.Reason, "status", o.Status, "remedy", c.remedy)
	} else if !now.Before(c.probeAt) {
		c.pause = min(2*c.pause, mostProbe)
	}
	c.probeAt = now.Add(c.pause)
}

func (c *circuit) state() (time.Time, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since, c.remedy
}

func remedyOf(err error) string {
	if e := failure.As(err); e != nil && e.Remedy != "" {
		return e.Remedy
	}
	return "check the credential and the account's plan"
}
