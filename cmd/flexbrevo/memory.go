package main

import (
	"os"
	"runtime/debug"
)

// How the collector is set where the environment does not say. What is alive at once is
// a few pages and one batch, 5 to 10 MB: with the runtime's own setting a burst
// leaves three times as much resident (docs/scale.md). The limit is soft: where more
// is needed, the collector works harder and nothing fails.
const (
	collectAt   = 50       // per cent of what is alive
	memoryLimit = 40 << 20 // bytes, the runtime's own included
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
