package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// Gap is a span of which Twilio had no TaskRouter events any more when it could
// have been read: it keeps them for 30 days.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Missed is about how many tasks were in it, by how many the connector sees
	// otherwise; 0 when it has seen too little to say.
	Missed int `json:"missed"`
}

// BackfillStatus is a backfill that is not done.
type BackfillStatus struct {
	RunID int64     `json:"run"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Owed  int       `json:"owed"` // customers of whom nothing was delivered yet
	// Held says that a canary waits to be looked at.
	Held bool `json:"held"`
	// Progress is what its run tells.
	Progress BackfillProgress `json:"progress"`
}

// readPast adds what of the past was lost, and what is being fetched.
func readPast(ctx context.Context, s store.Store, c *ConnectorStatus, sum *store.Summary) error {
	cp := sum.Checkpoints[twilio.EventsStream]
	gaps, err := twilio.Gaps(cp.Cursor)
	if err != nil {
		c.Problems = append(c.Problems, "the checkpoint of events cannot be read")
	}
	for _, g := range gaps {
		gap := Gap{From: g.From, To: g.To}
		if gap.Missed, err = missed(ctx, s, c.Name, g, sum); err != nil {
			return err
		}
		c.Gaps = append(c.Gaps, gap)
		c.Problems = append(c.Problems, fmt.Sprintf("no events from %s to %s: Twilio keeps them for 30 days; about %d tasks are missing",
			gap.From.Format(time.RFC3339), gap.To.Format(time.RFC3339), gap.Missed))
	}
	b, err := s.LoadBackfill(ctx, c.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	st := &BackfillStatus{RunID: b.RunID, Since: b.Since, Until: b.Until, Held: b.Held}
	if st.Owed, err = s.CountOwed(ctx, c.Name); err != nil {
		return err
	}
	run, err := s.LoadRun(ctx, b.RunID)
	if err == nil && len(run.Progress) > 0 {
		err = json.Unmarshal(run.Progress, &st.Progress)
	}
	c.Backfill = st
	return err
}

// missed estimates how many tasks began in a gap: as many an hour as on the day
// that followed it.
func missed(ctx context.Context, s store.Store, connector string, g twilio.Gap, sum *store.Summary) (int, error) {
	records := 0
	for _, n := range sum.Records {
		records += n
	}
	if records == 0 {
		return 0, nil
	}
	const after = 24 * time.Hour
	events, err := s.CountRecords(ctx, connector, twilio.EventsStream, g.To, g.To.Add(after))
	perHour := float64(events) * float64(sum.Facts[fact.Task]) / float64(records) / after.Hours()
	return int(math.Round(perHour * g.To.Sub(g.From).Hours())), err
}

// silence is how long the events may be silent before tasks are looked at
// themselves: less than the two minutes for which an ended one can be read.
const silence = 90 * time.Second

// guardJob looks at the tasks themselves when the daemon starts, and whenever their
// events could not be read for a while: an ended task can be read for a few minutes
// only (facts/twilio.md 1.7).
func (f *flow) guardJob() schedule.Job {
	began := f.clock()
	first := true
	return schedule.Job{Name: twilio.TasksStream, Spec: "@every 30s", Run: func(ctx context.Context) {
		if !first && !f.silent(began) {
			return
		}
		err := f.source.FetchTasks(ctx, f.keepPage(ctx))
		if err != nil && ctx.Err() == nil {
			f.logger.Warn("tasks under way cannot be looked at", "reason", failure.ReasonOf(err), "err", err)
		}
		first = first && err != nil
	}}
}

// silent says whether the events were not read for a while.
func (f *flow) silent(began time.Time) bool {
	p := f.pulls[twilio.EventsStream]
	p.mu.Lock()
	defer p.mu.Unlock()
	last := began
	if p.okAt.After(last) {
		last = p.okAt
	}
	return f.clock().Sub(last) > max(silence, 2*f.every())
}

// every is about how often events are pulled, where they are pulled by an interval.
func (f *flow) every() time.Duration {
	text, _ := strings.CutPrefix(f.cfg.Schedule.Events, "@every ")
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0 // a cron spec
	}
	return d
}
