package connector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/figures"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// statisticsJob is the name of the job that reads Twilio's own statistics.
const statisticsJob = "statistics"

// hoursBack is how many closed hours that were missed are read at once; Twilio has them
// for 30 days, and what follows from events is there in any case.
const hoursBack = 24

// readsStatistics says whether the connector keeps figures that Twilio's statistics
// stand beside.
func (f *flow) readsStatistics() bool { return f.cfg.Sync.QueueAnalytics || f.cfg.Sync.AgentActivity }

// statisticsSchedule reads the statistics by the operator's schedule.
func (f *flow) statisticsSchedule() schedule.Job {
	return schedule.Job{Name: statisticsJob, Spec: f.cfg.Schedule.Statistics, Run: func(ctx context.Context) {
		// By default it runs on the hour, when the hour has been over for no minute yet.
		if closed := f.source.ClosedFor(); !closed.IsZero() {
			if early := closed.Truncate(time.Hour).Add(time.Hour).Sub(closed); early <= time.Minute && !schedule.Pause(ctx, early) {
				return
			}
		}
		f.statistics(ctx)
	}}
}

// statistics reads what is due. They are there to be compared with, so that what fails
// is logged and fails nothing else.
func (f *flow) statistics(ctx context.Context) {
	if err := f.fetchStatistics(ctx); err != nil && ctx.Err() == nil {
		f.logger.Warn("statistics will be read again", "reason", failure.ReasonOf(err), "err", err)
	}
}

// fetchStatistics keeps snapshots of the intervals that are closed by Twilio's clock.
func (f *flow) fetchStatistics(ctx context.Context) error {
	if _, err := f.source.Discover(ctx); err != nil { // the first proof of the credentials, and Twilio's clock
		return err
	}
	closed := f.source.ClosedFor()
	if closed.IsZero() {
		closed = f.clock().Add(-time.Minute)
	}
	var errs []error
	if f.cfg.Sync.QueueAnalytics {
		errs = append(errs, f.fetchQueueHours(ctx, closed))
	}
	if f.cfg.Sync.AgentActivity {
		errs = append(errs, f.fetchAgentsDay(ctx, closed))
	}
	return errors.Join(errs...)
}

// fetchQueueHours keeps the hours since the last one that is stored, and always the
// newest, for what the queues hold now comes with it.
func (f *flow) fetchQueueHours(ctx context.Context, closed time.Time) error {
	newest := closed.UTC().Truncate(time.Hour)
	last, err := f.store.LoadLastSnapshot(ctx, f.cfg.Name, store.QueueHourSnapshot)
	if err != nil {
		return err
	}
	hour := newest.Add(-time.Hour)
	if !last.IsZero() && last.Before(newest) {
		hour = last
		if oldest := newest.Add(-hoursBack * time.Hour); hour.Before(oldest) {
			hour = oldest
		}
	}
	for ; hour.Before(newest); hour = hour.Add(time.Hour) {
		if err := f.fetchQueueHour(ctx, hour); err != nil {
			return fmt.Errorf("queue statistics: %w", err)
		}
	}
	return nil
}

func (f *flow) fetchQueueHour(ctx context.Context, hour time.Time) error {
	rows, err := f.source.FetchQueueStatistics(ctx, hour, hour.Add(time.Hour))
	if err != nil {
		return err
	}
	var snapshots []store.Snapshot
	for _, r := range rows {
		snapshots = append(snapshots,
			store.Snapshot{Kind: store.QueueHourSnapshot, SID: r.Queue, Since: hour, Until: hour.Add(time.Hour), Body: r.Cumulative},
			store.Snapshot{Kind: store.QueueNowSnapshot, SID: r.Queue, Since: r.At, Until: r.At, Body: r.Realtime})
	}
	return f.store.SaveSnapshots(ctx, f.cfg.Name, snapshots)
}

// fetchAgentsDay keeps the last closed local day of all agents together, where the
// workspace is small enough for Twilio to give it.
func (f *flow) fetchAgentsDay(ctx context.Context, closed time.Time) error {
	until := figures.DayOf(closed, f.cfg.Location)
	since := figures.DayOf(until.Add(-time.Minute), f.cfg.Location)
	last, err := f.store.LoadLastSnapshot(ctx, f.cfg.Name, store.AgentsDaySnapshot)
	if err != nil || !last.Before(until) {
		return err
	}
	agents, err := f.store.LoadKind(ctx, f.cfg.Name, fact.Worker, "", twilio.ManyWorkers)
	if err != nil || len(agents) == 0 || len(agents) >= twilio.ManyWorkers {
		return err
	}
	body, err := f.source.FetchWorkerStatistics(ctx, since, until)
	if err != nil {
		return fmt.Errorf("worker statistics: %w", err)
	}
	return f.store.SaveSnapshots(ctx, f.cfg.Name, []store.Snapshot{{
		Kind: store.AgentsDaySnapshot, SID: since.In(f.cfg.Location).Format(time.DateOnly), Since: since, Until: until, Body: body,
	}})
}

// QueueNumbers is what Twilio's own statistics say of a queue: of the moment At, and of
// the hour that began at Hour.
type QueueNumbers struct {
	Queue string `json:"queue"`
	Name  string `json:"name"`

	At        time.Time `json:"at"`
	Tasks     int64     `json:"tasks"`
	Waiting   int64     `json:"waiting"`
	Longest   int64     `json:"longestWaitSeconds"`
	Available int64     `json:"availableAgents"`

	Hour     time.Time `json:"hour"`
	Entered  int64     `json:"entered"`
	Accepted int64     `json:"accepted"`
	Canceled int64     `json:"canceled"`
}

// AgentsCheck holds what follows from events about all agents' reservations on a local
// day against Twilio's worker statistics. It corrects nothing. Reservations that were
// made before midnight and answered after it count on two days there and on one here.
type AgentsCheck struct {
	Day    string       `json:"day"`
	Twilio Reservations `json:"twilio"`
	Events Reservations `json:"events"`
	// Difference is the events' less Twilio's.
	Difference Reservations `json:"difference"`
}

// Reservations are counts of offers to agents.
type Reservations struct {
	Offered  int64 `json:"offered"`
	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"`
	TimedOut int64 `json:"timedOut"`
}

// shownStatistics is how old the statistics may be that status shows.
const shownStatistics = 72 * time.Hour

// readStatistics adds the newest snapshots to a status.
func readStatistics(ctx context.Context, s store.Store, c *ConnectorStatus, now time.Time) error {
	var err error
	if c.QueueNumbers, err = readQueueNumbers(ctx, s, c.Name, now); err != nil {
		return err
	}
	c.AgentsCheck, err = readAgentsCheck(ctx, s, c.Name, now)
	return err
}

func readQueueNumbers(ctx context.Context, s store.Store, connector string, now time.Time) ([]QueueNumbers, error) {
	at, err := s.LoadLastSnapshot(ctx, connector, store.QueueNowSnapshot)
	if err != nil || at.IsZero() || now.Sub(at) > shownStatistics {
		return nil, err
	}
	present, err := s.LoadSnapshots(ctx, connector, store.QueueNowSnapshot, at.Add(-time.Minute), at)
	if err != nil {
		return nil, err
	}
	hours, err := s.LoadSnapshots(ctx, connector, store.QueueHourSnapshot, at.Add(-2*time.Hour), at)
	if err != nil {
		return nil, err
	}
	newest := map[string]store.Snapshot{}
	for _, h := range hours { // in order of their end
		newest[h.SID] = h
	}
	byQueue := map[string]int{}
	var out []QueueNumbers
	for _, p := range present {
		n := twilio.ReadCounts(p.Body, "total_tasks", "longest_task_waiting_age", "total_available_workers")
		h := newest[p.SID]
		c := twilio.ReadCounts(h.Body, "tasks_entered", "reservations_accepted", "tasks_canceled")
		q := QueueNumbers{
			Queue: p.SID, At: p.Until, Tasks: n[0], Waiting: twilio.ReadWaiting(p.Body), Longest: n[1], Available: n[2],
			Hour: h.Since, Entered: c[0], Accepted: c[1], Canceled: c[2],
		}
		if i, twice := byQueue[p.SID]; twice {
			out[i] = q
			continue
		}
		byQueue[p.SID] = len(out)
		out = append(out, q)
	}
	names, err := figures.NamesOf(ctx, s, connector, fact.Queue, len(out), func(i int) string { return out[i].Queue })
	for i := range out {
		out[i].Name = names[out[i].Queue]
	}
	slices.SortFunc(out, func(a, b QueueNumbers) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Queue, b.Queue))
	})
	return out, err
}

func readAgentsCheck(ctx context.Context, s store.Store, connector string, now time.Time) (*AgentsCheck, error) {
	found, err := s.LoadSnapshots(ctx, connector, store.AgentsDaySnapshot, now.Add(-shownStatistics), now)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	last := found[len(found)-1]
	n := twilio.ReadCounts(last.Body, "reservations_created", "reservations_accepted", "reservations_rejected", "reservations_timed_out")
	check := &AgentsCheck{Day: last.SID, Twilio: Reservations{n[0], n[1], n[2], n[3]}}
	next, err := time.Parse(time.DateOnly, check.Day)
	if err != nil {
		return nil, fmt.Errorf("snapshot of agents' day %q: %w", check.Day, err)
	}
	parts, err := s.LoadAgentDays(ctx, connector, check.Day, next.AddDate(0, 0, 1).Format(time.DateOnly))
	if err != nil {
		return nil, err
	}
	e := &check.Events
	for _, p := range parts {
		e.Offered, e.Accepted, e.Rejected, e.TimedOut = e.Offered+p.Offered, e.Accepted+p.Accepted, e.Rejected+p.Rejected, e.TimedOut+p.TimedOut
	}
	t := check.Twilio
	check.Difference = Reservations{e.Offered - t.Offered, e.Accepted - t.Accepted, e.Rejected - t.Rejected, e.TimedOut - t.TimedOut}
	return check, nil
}
