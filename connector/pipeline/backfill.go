package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// reasonNotAsked is why an event of a past range is rightly not sent.
const reasonNotAsked = "backfill without events"

// backfill returns the connector's backfill, nil for none.
func (d *Digest) backfill(ctx context.Context) (*store.Backfill, error) {
	b, err := d.o.Store.LoadBackfill(ctx, d.o.Connector)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &b, nil
}

// Sweep says what to put in the outbox of what a backfill owes.
type Sweep struct {
	// Customers is how many are taken at once; 0 means 50.
	Customers int
	// Channels restricts it to customers who came by one of them in the range; empty
	// means all. The others are owed nothing: they are told of with their next
	// contact.
	Channels []string
}

// Swept says what one sweep did.
type Swept struct {
	// Customers is how many are owed nothing more, Left how many of them had no
	// contact by the channels that were asked for.
	Customers, Left int
	// Contacts and Events are what was put in the outbox.
	Contacts, Events int
}

// SweepOwed puts in the outbox what the next customers are owed, under the digest's
// lease. It returns no customers when none is owed anything.
func (d *Digest) SweepOwed(ctx context.Context, lease store.Lease, s Sweep) (Swept, error) {
	if s.Customers == 0 {
		s.Customers = 50
	}
	ids, keys, err := d.o.Store.LoadOwed(ctx, d.o.Connector, s.Customers)
	if err != nil || len(ids) == 0 {
		return Swept{}, err
	}
	b := &batch{at: d.o.Clock(), deltas: map[fact.Key]*fact.Fact{}, lanes: map[fact.Key]record.Lane{}, sweep: &s}
	for _, key := range keys { // nothing new is told of a fact, so it comes as it is
		b.add(&fact.Fact{Kind: key.Kind, SID: key.SID}, record.Backfill)
	}
	out, err := d.compute(ctx, b, nil)
	switch {
	case poisonous(ctx, err) && len(ids) > 1:
		s.Customers = 1
		return d.SweepOwed(ctx, lease, s)
	case poisonous(ctx, err):
		b.left++
		out = d.leftOut(b.at, ids[0])
	case err != nil:
		return Swept{}, err
	}
	out.Unowed = append(out.Unowed, ids...)
	if err := d.withoutTold(ctx, out); err != nil {
		return Swept{}, err
	}
	if err := d.o.Store.SaveDigest(ctx, lease, out); err != nil {
		return Swept{}, fmt.Errorf("save sweep: %w", err)
	}
	return Swept{Customers: len(ids), Left: b.left, Contacts: len(out.Contacts), Events: len(out.Events)}, nil
}

// leftOut notes that nothing can be computed of a customer: the others go on.
func (d *Digest) leftOut(at time.Time, id int64) *store.Digest {
	return &store.Digest{Connector: d.o.Connector, Account: d.o.Account, At: at, Lasting: []store.CustomerOmission{
		{CustomerID: id, Omission: record.Omission{What: "contact", Reason: reasonNotComputed}},
	}}
}

// owes leaves a customer of whom only the past is told to the end of the backfill:
// a later record of the range may show them in another light. It says whether it
// did.
func (w *worker) owes(p *person) bool {
	if w.b.backfill == nil {
		return false
	}
	if w.b.sweep != nil || p.lane != record.Backfill {
		w.out.Unowed = append(w.out.Unowed, p.row.ID)
		return false
	}
	w.out.Owed = append(w.out.Owed, p.row.ID)
	for i := range w.b.known.Events {
		if e := &w.b.known.Events[i]; p.has(e.CustomerID) {
			w.want(e.ID) // what waits is looked at again with the rest
		}
	}
	return true
}

// has says whether deliveries of a customer are this person's now.
func (p *person) has(customer int64) bool {
	if p.row.ID == customer {
		return true
	}
	for _, c := range p.absorbed {
		if c.ID == customer {
			return true
		}
	}
	return false
}

// leaves says whether a sweep leaves a person out: they did not come by a channel
// that was asked for.
func (w *worker) leaves(profiled *profile.Profile) bool {
	s, b := w.b.sweep, w.b.backfill
	if s == nil || b == nil || len(s.Channels) == 0 {
		return false
	}
	for _, g := range profiled.Groups {
		if b.Covers(g.StartedAt) && contains(s.Channels, g.Channel) {
			return false
		}
	}
	w.b.left++
	return true
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

// past applies the backfill's wish to an event of its range: whether it may be sent
// however old it is, or not at all. What a live record has just told is no part of
// the past.
func (w *worker) past(m *profile.Moment, change *store.EventChange) {
	b := w.b.backfill
	if b == nil || !b.Covers(m.At) || w.fresh(m) {
		return
	}
	change.Lane = record.Backfill
	switch b.Events {
	case store.EventsAll:
		change.AnyAge = true
	case store.EventsNone:
		change.Event.Withheld = reasonNotAsked
	}
}

// fresh says whether a record that is no backfill's told of what a moment is about.
func (w *worker) fresh(m *profile.Moment) bool {
	for _, key := range append(m.Members, m.Fact) {
		if lane, told := w.b.lanes[key]; told && lane < record.Backfill {
			return true
		}
	}
	return false
}
