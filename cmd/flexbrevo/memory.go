package main

import (
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// How the collector is set where the environment does not say. What is alive at once is
// a few pages and three batches, 10 to 15 MB, so that it is the limit that counts under
// load. It is soft: where more is needed, the collector works harder and nothing fails. A
// smaller percentage saves nothing then, and took up to a third more processor time
// (docs/scale.md). SQLite has its caches beside, which with PostgreSQL are the server's.
const (
	collectAt     = 200      // per cent of what is alive
	limitSQLite   = 36 << 20 // bytes, the runtime's own included
	limitNoCaches = 44 << 20
)

// keepSmall sets the collector for a program whose store has caches of its own in it, or
// has none; GOGC and GOMEMLIMIT, where they are set, have the last word.
func keepSmall(caches bool) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := int64(limitNoCaches)
	if caches {
		limit = limitSQLite
	}
	debug.SetMemoryLimit(limit)
}

// dropEvery is how often the program's own pages are given back, see dropProgram. Those that are
// in use are mapped again within a millisecond.
const dropEvery = time.Minute

// keepDropping gives them back at once and from then on, until stop is called.
func keepDropping() (stop func()) {
	dropProgram()
	ticker, done := time.NewTicker(dropEvery), make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				dropProgram()
			case <-done:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		ticker.Stop()
		close(done)
	})
}
