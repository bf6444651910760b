//go:build crashtest

package sqlstore

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// crash is the place at which this process ends, and how often it has been passed.
// Only the crash tests build this file; a process ends once, so that it may be
// the program's own.
var crash struct{ passed atomic.Int64 }

// step ends the process without a goodbye, as a power cut does, at the place that
// FLEXBREVO_CRASH_AT names: "save digest/commit#2" is the second commit of a digest.
//
// The places of a transaction are begin (before it begins), statement (before each
// of its statements), commit (when nothing is kept; on PostgreSQL some of it may not be sent
// yet) and committed (when it is kept and nobody knows).
func step(op, place string) {
	name, pass, _ := strings.Cut(os.Getenv("FLEXBREVO_CRASH_AT"), "#")
	if name != op+"/"+place {
		return
	}
	n, err := strconv.ParseInt(pass, 10, 64)
	if err != nil {
		panic("sqlstore: FLEXBREVO_CRASH_AT is not PLACE#PASS")
	}
	if crash.passed.Add(1) != n {
		return
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic("sqlstore: cannot end the process: " + err.Error())
	}
	select {} // the signal is on its way
}
