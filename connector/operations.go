package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// The events that tell figures on the operations contact.
const (
	agentDayEvent  = "FLEX_AGENT_DAY"
	queueHourEvent = "FLEX_QUEUE_HOUR"
)

const (
	// figuresStream names the checkpoint of what was told of figures.
	figuresStream = "figures"
	// figuresGrace is how long after its end a day or hour is told: what it counts may
	// be known late, and what was told is not told again.
	figuresGrace = time.Hour
	// figuresPast is how far back the first telling goes.
	figuresPast = 72 * time.Hour
)

// figuresTold is how far figures were told: days and hours before these.
type figuresTold struct {
	Agents string    `json:"agents"` // the first day not told
	Queues time.Time `json:"queues"` // the first hour not told
}

// operationsRole tells figures by the statistics schedule while the digest's role
// is held.
func (f *flow) operationsRole(ctx context.Context, lease store.Lease) {
	if f.cfg.OperationsContact == "" {
		return
	}
	jobs := &schedule.Schedule{Location: f.cfg.Location, Clock: f.clock}
	err := jobs.Add(schedule.Job{Name: figuresStream, Spec: f.cfg.Schedule.Statistics, Run: func(ctx context.Context) {
		for done := false; !done; {
			var err error
			if done, err = f.tellFigures(ctx, lease); err != nil && ctx.Err() == nil {
				f.logger.Warn("figures cannot be told yet", "err", err)
			}
			if !done && !pause(ctx, time.Minute) {
				return
			}
		}
	}})
	if err != nil {
		f.logger.Error("figures are not told", "err", err) // config has checked the spec
		return
	}
	jobs.Run(ctx)
}

// tellFigures puts the figures of ended days and hours in the outbox, each once. It
// returns false while records of that time are still to be digested. It may be
// repeated after any error.
func (f *flow) tellFigures(ctx context.Context, lease store.Lease) (done bool, err error) {
	if f.cfg.OperationsContact == "" || !f.cfg.Sync.AgentActivity && !f.cfg.Sync.QueueAnalytics {
		return true, nil
	}
	checkpoints, err := f.store.LoadCheckpoints(ctx, f.cfg.Name)
	if err != nil {
		return false, err
	}
	until := f.clock().Add(-figuresGrace)
	if read := checkpoints[twilio.EventsStream].Through; read.IsZero() {
		return false, nil
	} else if read.Before(until) {
		until = read
	}
	waiting, err := f.store.LoadUndigested(ctx, f.cfg.Name, 1)
	if err != nil || len(waiting) > 0 && waiting[0].At.Before(until) {
		return false, err
	}
	told, err := f.figuresTold(checkpoints[figuresStream].Cursor)
	if err != nil {
		return false, err
	}
	next := figuresTold{Agents: until.In(f.location()).Format(time.DateOnly), Queues: until.UTC().Truncate(time.Hour)}
	events, err := f.figureEvents(ctx, told, next)
	if err != nil {
		return false, err
	}
	if err := f.oweFigures(ctx, lease, events); err != nil {
		return false, err
	}
	// Only now, so that what is cut short here is owed again, which changes nothing.
	_, err = f.store.Capture(ctx, []store.Batch{{Connector: f.cfg.Name, At: f.clock(), Pages: []record.Page{
		{Stream: figuresStream, Cursor: record.Cursor(marshal(next))},
	}}})
	return err == nil, err
}

func (f *flow) location() *time.Location {
	if f.cfg.Location == nil {
		return time.UTC
	}
	return f.cfg.Location
}

// figuresTold reads how far was told; at first some days back.
func (f *flow) figuresTold(c record.Cursor) (figuresTold, error) {
	if c == "" {
		from := f.clock().Add(-figuresPast)
		return figuresTold{Agents: from.In(f.location()).Format(time.DateOnly), Queues: from.UTC().Truncate(time.Hour)}, nil
	}
	var told figuresTold
	if err := json.Unmarshal([]byte(c), &told); err != nil {
		return told, errors.New("the checkpoint of figures cannot be read")
	}
	return told, nil
}

// figureEvents makes one event of each agent's day and of each queue's hour.
func (f *flow) figureEvents(ctx context.Context, from, until figuresTold) ([]store.EventChange, error) {
	var out []store.EventChange
	if f.cfg.Sync.AgentActivity {
		days, err := LoadAgentDays(ctx, f.store, f.cfg.Name, from.Agents, until.Agents)
		if err != nil {
			return nil, err
		}
		for _, d := range days {
			out = append(out, f.agentDayEvent(d))
		}
	}
	if f.cfg.Sync.QueueAnalytics {
		hours, err := LoadQueueHours(ctx, f.store, f.cfg.Name, from.Queues, until.Queues)
		if err != nil {
			return nil, err
		}
		for _, h := range hours {
			out = append(out, f.queueHourEvent(h))
		}
	}
	return out, nil
}

// agentDayEvent dates an agent's day at its end.
func (f *flow) agentDayEvent(d AgentDay) store.EventChange {
	p := map[string]any{
		"day": d.Day, "agent": d.Agent, "worker_sid": d.Worker, "offered": d.Offered, "accepted": d.Accepted,
		"rejected": d.Rejected, "timed_out": d.TimedOut, "handled": d.Handled,
		"talk_time": d.Talk, "wrapup_time": d.Wrap, "handle_time": d.Handle,
	}
	if d.CSAT != nil {
		p["csat"] = *d.CSAT
	}
	activities := map[string]any{}
	for name, seconds := range d.Activities {
		activities[propertyName(name)] = seconds
	}
	if len(activities) > 0 {
		p["activities"] = activities
	}
	day, _ := time.ParseInLocation(time.DateOnly, d.Day, f.location()) // the store keeps no other days
	return f.figureEvent(fact.Worker, d.Worker, agentDayEvent, "agent.day:"+d.Worker+":"+d.Day, day.AddDate(0, 0, 1), p)
}

// queueHourEvent dates a queue's hour at its end.
func (f *flow) queueHourEvent(h QueueHour) store.EventChange {
	hour := h.Hour.UTC().Format("2006-01-02T15")
	p := map[string]any{
		"hour": h.Hour.UTC().Format(time.RFC3339), "queue": h.Name, "queue_sid": h.Queue, "channel": h.Channel,
		"offered": h.Offered, "accepted": h.Accepted, "abandoned": h.Abandoned, "short_abandoned": h.ShortAbandoned,
		"average_wait": h.AverageWait, "longest_wait": h.LongestWait,
	}
	if h.ServiceLevel != nil {
		p["service_level"] = *h.ServiceLevel
	}
	return f.figureEvent(fact.Queue, h.Queue, queueHourEvent, "queue.hour:"+h.Queue+":"+h.Channel+":"+hour, h.Hour.Add(time.Hour), p)
}

func (f *flow) figureEvent(kind fact.Kind, sid, name, key string, at time.Time, properties map[string]any) store.EventChange {
	return store.EventChange{
		Key: key, CustomerID: f.operationsCustomer(), Fact: fact.Key{Kind: kind, SID: sid}, Type: key, Lane: record.Backfill,
		Event: record.Event{Name: name, ID: key, At: at.UTC(), Properties: properties, Rule: "operations_contact"},
	}
}

// propertyName makes a name of an activity that Brevo takes (facts/brevo.md 4.1).
func propertyName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, s)
}

// operationsCustomer is the customer that stands for the operations contact: the
// same for the same address for ever, and below all that a digest gives, which
// count milliseconds.
func (f *flow) operationsCustomer() int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(f.cfg.Name + "\x00" + f.operationsEmail())) // never fails
	return 1 + int64(h.Sum32())
}

func (f *flow) operationsEmail() string { return strings.ToLower(f.cfg.OperationsContact) }

// oweFigures puts the events in the outbox, after the contact that takes them.
func (f *flow) oweFigures(ctx context.Context, lease store.Lease, events []store.EventChange) error {
	if len(events) == 0 {
		return nil
	}
	d := &store.Digest{Connector: f.cfg.Name, Account: f.account.name, At: f.clock(), Events: events}
	customer := store.Customer{ID: f.operationsCustomer(), CreatedAt: f.clock(), Desired: figuresStream}
	known, err := f.store.LoadCustomer(ctx, f.cfg.Name, customer.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		d.Contacts = []store.ContactChange{{CustomerID: customer.ID, Lane: record.Backfill, Contact: record.Contact{
			Email: f.operationsEmail(), Create: f.cfg.Identity.Create == config.CreateAll,
		}}}
	case err != nil:
		return fmt.Errorf("load the operations contact: %w", err)
	default:
		customer.CreatedAt = known.Customers[0].CreatedAt
	}
	d.Customers = []store.Customer{customer}
	f.digests.Lock()
	defer f.digests.Unlock()
	if err := f.store.SaveDigest(ctx, lease, d); err != nil {
		return fmt.Errorf("owe figures: %w", err)
	}
	f.account.deliver.Wake()
	return nil
}
