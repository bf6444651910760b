package main

import (
	"os"
	"runtime/debug"
)

// How the collector is set where the environment does not say. What is alive at once is
// a few pages and two batches, about 10 MB, so that it is the limit that counts under
// load. It is soft: where more is needed, the collector works harder and nothing fails. A
// smaller percentage saves nothing then, and took up to a third more processor time
// (docs/scale.md).
const (
	collectAt   = 200      // per cent of what is alive
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
