package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"flexbrevo/connector"
)

// backfillShow shows how far a backfill is: a bar that is rewritten in a terminal,
// and elsewhere a plain line every ten seconds and with every stage.
type backfillShow struct {
	w        io.Writer
	terminal bool
	plan     connector.BackfillPlan
	now      func() time.Time

	stage string
	began time.Time // the stage, in this process
	first float64   // the part of the stage that was done then
	said  time.Time
}

func (c *cli) backfillProgress(plan connector.BackfillPlan) *backfillShow {
	return &backfillShow{w: c.err, terminal: isTerminal(c.err), plan: plan, now: time.Now}
}

// told shows a progress. It is called by one goroutine at a time.
func (s *backfillShow) told(p connector.BackfillProgress) {
	now := s.now()
	done, text := s.part(p)
	changed := p.Stage != s.stage
	if changed {
		s.stage, s.began, s.first = p.Stage, now, done
	}
	line := text + s.eta(done, now)
	if p.Problem != "" {
		line += "; waits: " + p.Problem
	}
	switch {
	case s.terminal:
		fmt.Fprintf(s.w, "\r\x1b[K%-7s %s %3.0f%%  %s", p.Stage, progressBar(done), 100*done, line)
	case changed || now.Sub(s.said) >= 10*time.Second:
		fmt.Fprintf(s.w, "%s %.0f%% %s\n", p.Stage, 100*done, line)
		s.said = now
	}
}

// part is how much of the stage is done, and its numbers.
func (s *backfillShow) part(p connector.BackfillProgress) (float64, string) {
	switch p.Stage {
	case connector.StageRead:
		sum, found := 0.0, 0
		for stream, done := range p.Read {
			sum, found = sum+done, found+p.Found[stream]
		}
		rate := ""
		if took := s.now().Sub(s.began).Seconds(); took >= 1 && s.stage == p.Stage {
			rate = fmt.Sprintf(", %.0f/s digested", float64(p.Digested)/took)
		}
		return sum / float64(max(2, len(p.Read))), fmt.Sprintf("%s rows found of about %s%s",
			thousands(found), thousands(s.plan.Records+s.plan.Conversations), rate)
	case connector.StageDigest:
		return 0, thousands(p.Digested) + " records digested"
	case connector.StageSettle:
		whole := p.Owed + p.Contacts + p.LeftOut
		return float64(p.Contacts+p.LeftOut) / float64(max(1, whole)), fmt.Sprintf("%s customers left", thousands(p.Owed))
	case connector.StageLoad:
		return 0, p.Step
	case connector.StageDeliver:
		whole := max(1, p.Contacts+p.Events)
		return 1 - min(1, float64(p.Waiting)/float64(whole)), fmt.Sprintf("%s deliveries left", thousands(p.Waiting))
	}
	return 1, ""
}

func (s *backfillShow) eta(done float64, now time.Time) string {
	took, part := now.Sub(s.began), done-s.first
	if took < 3*time.Second || part < 0.005 || done >= 1 {
		return ""
	}
	left := time.Duration(float64(took) * (1 - done) / part)
	return fmt.Sprintf(", %s left", left.Round(time.Second))
}

func progressBar(done float64) string {
	const width = 24
	n := int(done*width + 0.5)
	n = max(0, min(width, n))
	return "[" + strings.Repeat("█", n) + strings.Repeat("·", width-n) + "]"
}

// end leaves the terminal as it was.
func (s *backfillShow) end() {
	if s.terminal && s.stage != "" {
		fmt.Fprintln(s.w)
	}
}

// backfillStands says in a few words where a backfill that is not done stands.
func backfillStands(b *connector.BackfillStatus) string {
	if b.Held {
		return fmt.Sprintf("the canary was delivered, %s customers wait; run it again without --canary", thousands(b.Owed))
	}
	text := fmt.Sprintf("%s, %s customers wait for its end", b.Progress.Stage, thousands(b.Owed))
	if b.Progress.Problem != "" {
		text += "; " + b.Progress.Problem
	}
	return text
}
