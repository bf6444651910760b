package main

import (
	"os"
	"runtime/debug"
)

// How the collector is set where the environment does not say. What is alive at once is
// a few pages and two batches, 10 to 15 MB. The limit is soft: where more is needed,
// the collector works harder and nothing fails. A smaller percentage than the runtime's own
// saved as much memory for a third more processor time (docs/scale.md).
const (
	collectAt   = 100      // per cent of what is alive
	memoryLimit = 32 << 20 // bytes, the runtime's own included
)

// keepSmall sets the collector; GOGC and GOMEMLIMIT, where they are set, have the last
// word.
func keepSmall() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
