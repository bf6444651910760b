// Package schedule says when a stream is pulled and who holds which role. Cron
// specs become calls; two runs of one job never overlap; a role is held under a
// lease that is extended while its work lasts.
package schedule

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
)

// parser takes five fields and the descriptors, "@every 15s" among them.
var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// Check says whether a cron spec can be read.
func Check(spec string) error {
	if _, err := parser.Parse(spec); err != nil {
		return fmt.Errorf("schedule %q: %w", spec, err)
	}
	return nil
}

// Job is something that runs by a schedule.
type Job struct {
	Name string
	// Spec is a cron spec of five fields or a descriptor such as "@every 15s".
	Spec string
	// Run does one run. Its errors are its own business; it must end with ctx.
	Run func(ctx context.Context)
}

// Schedule runs jobs until its context ends.
type Schedule struct {
	// Location is the time zone of the specs; nil means UTC.
	Location *time.Location
	// Clock is the local clock; nil means time.Now.
	Clock func() time.Time

	jobs []*job
}

type job struct {
	Job
	schedule cron.Schedule
	// fixed: the spec names hours and minutes, and means each of them once a day.
	fixed bool
	wake  chan struct{}
}

// Add adds a job; it must be called before Run.
func (s *Schedule) Add(j Job) error {
	parsed, err := parser.Parse(j.Spec)
	if err != nil {
		return fmt.Errorf("schedule %q of %s: %w", j.Spec, j.Name, err)
	}
	s.jobs = append(s.jobs, &job{Job: j, schedule: parsed, fixed: fixed(j.Spec), wake: make(chan struct{}, 1)})
	return nil
}

// Trigger runs a job as soon as it is not running already.
func (s *Schedule) Trigger(name string) {
	for _, j := range s.jobs {
		if j.Name == name {
			select {
			case j.wake <- struct{}{}:
			default:
			}
		}
	}
}

// Run runs every job once at once and then by its schedule, until ctx ends, and
// waits for the runs under way.
func (s *Schedule) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, j := range s.jobs {
		running.Go(func() { s.loop(ctx, j) })
	}
	running.Wait()
}

func (s *Schedule) loop(ctx context.Context, j *job) {
	for ctx.Err() == nil {
		j.Run(ctx)
		// The next time is computed after the run, so that one that took longer than
		// its period is not followed by those it missed.
		t := time.NewTimer(s.until(j))
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-j.wake:
		}
		t.Stop()
	}
}

func (s *Schedule) until(j *job) time.Duration {
	now := time.Now()
	if s.Clock != nil {
		now = s.Clock()
	}
	location := s.Location
	if location == nil {
		location = time.UTC
	}
	now = now.In(location)
	at := next(j.schedule, now)
	for j.fixed && again(at) {
		at = next(j.schedule, at)
	}
	if at.IsZero() { // a spec that never comes again, such as 30 February
		return 24 * time.Hour
	}
	return at.Sub(now)
}

// next is the first time after now that the spec names. A time that is skipped
// because clocks are put forward is taken as if they had not been, where cron
// would wait for the next day that has it.
func next(c cron.Schedule, now time.Time) time.Time {
	at := c.Next(now)
	name, offset := now.Zone()
	unmoved := c.Next(now.In(time.FixedZone(name, offset))).In(now.Location())
	if _, later := unmoved.Zone(); later > offset && unmoved.Before(at) {
		return unmoved
	}
	return at
}

// fixed says that a spec names hours and minutes, as "30 2 * * *" does: where a star
// leaves one of them open it asks for a rhythm, which goes on while an hour comes
// twice.
func fixed(spec string) bool {
	fields := strings.Fields(spec)
	if len(fields) != 5 {
		return spec != "@hourly" && !strings.HasPrefix(spec, "@every")
	}
	return !strings.HasPrefix(fields[0], "*") && !strings.HasPrefix(fields[1], "*")
}

// again says that the clock shows a time for the second time that day, because it was
// put back.
func again(at time.Time) bool {
	if at.IsZero() {
		return false
	}
	start, _ := at.ZoneBounds()
	if start.IsZero() {
		return false
	}
	_, offset := at.Zone()
	_, before := start.Add(-time.Second).Zone()
	return at.Sub(start) < time.Duration(before-offset)*time.Second
}
