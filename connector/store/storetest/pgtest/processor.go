package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of processor time in /proc, the same on every Linux.
const ticksPerSecond = 100

// Processor returns the processor time that the server and all its processes have taken
// since it was started, those that have ended included. It is false where that cannot
// be read: no Linux, or a server that the environment names.
func (s *Server) Processor() (time.Duration, bool) {
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	server, err := processOf(first)
	if err != nil {
		return 0, false
	}
	ticks := server.own + server.reaped
	found, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, false
	}
	for _, dir := range found {
		// One that has ended since the list was made is among those reaped the next time.
		if p, err := processOf(filepath.Base(dir)); err == nil && p.parent == first {
			ticks += p.own
		}
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, true
}

// process is what /proc/PID/stat says of a process, times in ticks.
type process struct {
	parent string
	// own is what it took itself, reaped what its children took that have ended.
	own, reaped int64
}

func processOf(pid string) (process, error) {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return process{}, err
	}
	// The name, in parentheses, may hold anything; what follows it is fixed: state,
	// parent, nine more, and four times (proc_pid_stat(5)).
	_, after, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')'):]), " ")
	fields := strings.Fields(after)
	if len(fields) < 15 {
		return process{}, fmt.Errorf("/proc/%s/stat has %d fields", pid, len(fields))
	}
	var times [4]int64
	for i := range times {
		if times[i], err = strconv.ParseInt(fields[11+i], 10, 64); err != nil {
			return process{}, fmt.Errorf("/proc/%s/stat: %w", pid, err)
		}
	}
	return process{parent: fields[1], own: times[0] + times[1], reaped: times[2] + times[3]}, nil
}
