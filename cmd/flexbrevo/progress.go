package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"flexbrevo/connector"
)

// progress tells a person what a pass is doing: one line that is rewritten in a
// terminal, and elsewhere a plain line when the step changes.
type progress struct {
	w        io.Writer
	terminal bool

	mu   sync.Mutex
	step string
	at   time.Time
}

func (c *cli) progress() *progress { return &progress{w: c.err, terminal: isTerminal(c.err)} }

func (p *progress) told(step string, r connector.Report) {
	p.say(step, fmt.Sprintf("%d records digested", r.Digested))
}

// say shows a step, in a terminal with what it has done so far.
func (p *progress) say(step, done string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case p.terminal && (step != p.step || now.Sub(p.at) > 100*time.Millisecond):
		fmt.Fprintf(p.w, "\r\x1b[K%s: %s", step, done)
	case !p.terminal && step != p.step:
		fmt.Fprintln(p.w, step)
	default:
		return
	}
	p.step, p.at = step, now
}

// end leaves the terminal as it was.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && p.step != "" {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
