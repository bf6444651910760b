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
	"flexbrevo/connector/figures"
	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// The events that tell figures on the operations contact.
const (
	agentDayEvent  = "FLEX_AGENT_DAY"
	queueHourEvent = "FLEX_QUEUE_HOUR"
)

// figuresStream names the checkpoint of what was told of figures.
const figuresStream = "figures"

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
			if !done && !schedule.Pause(ctx, time.Minute) {
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
	until, ready, err := figures.Complete(ctx, f.store, f.cfg.Name, f.clock())
	if err != nil || !ready {
		return false, err
	}
	told, err := f.figuresTold(ctx)
	if err != nil {
		return false, err
	}
	others, err := f.figuresElsewhere(ctx)
	if err != nil {
		return false, err
	}
	from, next := others.bounds(told, figures.MarkAt(until, f.cfg.Location))
	events, err := f.figureEvents(ctx, from, next)
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
func (f *flow) figuresTold(ctx context.Context) (figures.Mark, error) {
	checkpoints, err := f.store.LoadCheckpoints(ctx, f.cfg.Name)
	if err != nil {
		return figures.Mark{}, err
	}
	c := checkpoints[figuresStream].Cursor
	if c == "" {
		return figures.MarkAt(f.clock().Add(-figures.Past), f.cfg.Location), nil
	}
	var told figures.Mark
	if err := json.Unmarshal([]byte(c), &told); err != nil {
		return told, errors.New("the checkpoint of figures cannot be read")
	}
	return told, nil
}

// figureEvents makes one event of each agent's day and of each queue's hour.
func (f *flow) figureEvents(ctx context.Context, from, until figures.Mark) ([]store.EventChange, error) {
	var out []store.EventChange
	if f.cfg.Sync.AgentActivity {
		days, err := figures.LoadAgentDays(ctx, f.store, f.cfg.Name, from.Agents, until.Agents)
		if err != nil {
			return nil, err
		}
		for _, d := range days {
			out = append(out, f.agentDayEvent(d))
		}
	}
	if f.cfg.Sync.QueueAnalytics {
		hours, err := figures.LoadQueueHours(ctx, f.store, f.cfg.Name, from.Queues, until.Queues)
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
func (f *flow) agentDayEvent(d figures.AgentDay) store.EventChange {
	p := d.Properties()
	activities := map[string]any{}
	for name, seconds := range d.Activities {
		activities[figures.PropertyName(name)] = seconds
	}
	if len(activities) > 0 {
		p["activities"] = activities
	}
	day, _ := time.ParseInLocation(time.DateOnly, d.Day, f.location()) // the store keeps no other days
	return f.figureEvent(fact.Worker, d.Worker, agentDayEvent, "agent.day:"+d.Worker+":"+d.Day, day.AddDate(0, 0, 1), p)
}

// queueHourEvent dates a queue's hour at its end.
func (f *flow) queueHourEvent(h figures.QueueHour) store.EventChange {
	hour := h.Hour.UTC().Format("2006-01-02T15")
	return f.figureEvent(fact.Queue, h.Queue, queueHourEvent, "queue.hour:"+h.Queue+":"+h.Channel+":"+hour, h.Hour.Add(time.Hour), h.Properties())
}

func (f *flow) figureEvent(kind fact.Kind, sid, name, key string, at time.Time, properties map[string]any) store.EventChange {
	return store.EventChange{
		Key: key, CustomerID: f.operationsCustomer(), Fact: fact.Key{Kind: kind, SID: sid}, Type: key, Lane: record.Backfill,
		Event: record.Event{Name: name, ID: key, At: at.UTC(), Properties: properties, Rule: "operations_contact"},
	}
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
