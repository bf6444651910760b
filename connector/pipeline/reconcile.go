package pipeline

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// Expected is what the destination should hold of one customer, and be told of them,
// by today's rules and the stored facts.
type Expected struct {
	CustomerID int64
	Held       record.Held
	// Contact is nil for a customer that makes none.
	Contact *record.Contact
	Events  []ExpectedEvent
}

// ExpectedEvent is an event that the rules give, and where it stands.
type ExpectedEvent struct {
	record.Event
	// Fact carries its mark, Mark is the mark's name.
	Fact fact.Key
	Mark string
	// Told is when it was delivered; zero where it was not. Skipped says that it was
	// rightly not sent.
	Told    time.Time
	Skipped bool
	// State is that of its delivery while it is not settled; "" otherwise.
	State store.DeliveryState
}

// Expect computes what is expected of the next customers after an id, of whom
// something happened since a moment. It returns the last one's id, and 0 customers
// at the end. It writes nothing.
func (d *Digest) Expect(ctx context.Context, after int64, since time.Time) (expected []Expected, last int64, n int, err error) {
	ids, keys, err := d.o.Store.LoadCustomersAgain(ctx, d.o.Connector, after, replayCustomers)
	if err != nil || len(ids) == 0 {
		return nil, after, 0, err
	}
	last = ids[len(ids)-1]
	if keys, err = d.ofRecent(ctx, &Replaying{Since: since}, keys); err != nil || len(keys) == 0 {
		return nil, last, len(ids), err
	}
	known, err := d.o.Store.LoadNeighbours(ctx, d.o.Connector, nil, keys)
	if err != nil {
		return nil, last, len(ids), err
	}
	facts := map[int64][]store.StoredFact{}
	for _, s := range known.Facts {
		facts[s.CustomerID] = append(facts[s.CustomerID], s)
	}
	shared := map[string]bool{}
	for _, t := range known.Tokens {
		if t.Shared {
			shared[t.Value] = true
		}
	}
	for _, c := range known.Customers {
		if c.MergedInto == 0 {
			expected = append(expected, d.expect(c, facts[c.ID], shared, known.Events))
		}
	}
	return expected, last, len(ids), nil
}

func (d *Digest) expect(c store.Customer, stored []store.StoredFact, shared map[string]bool, open []store.Delivery) Expected {
	b := &batch{facts: map[fact.Key]*state{}}
	facts := make([]*fact.Fact, len(stored))
	for i, s := range stored {
		facts[i], b.facts[s.Fact.Key()] = s.Fact, &state{StoredFact: s}
	}
	own := map[string]bool{}
	for phone := range shared {
		own[phone] = true
	}
	profiled := profile.Build(facts, own, &d.o.Profile)
	out := Expected{CustomerID: c.ID, Held: c.Held}
	if out.Contact, _ = d.contact(profiled); out.Contact == nil {
		return out
	}
	e := env(profiled)
	for _, m := range profiled.MomentsOf(&d.o.Profile, d.wantsEvent) {
		if event, err := d.event(e, &m); err == nil && event != nil {
			out.Events = append(out.Events, standing(*event, &m, b, open))
		}
	}
	return out
}

// standing says where an event stands: its marks may be on another fact of what it is
// about, and its delivery have another name.
func standing(event record.Event, m *profile.Moment, b *batch, open []store.Delivery) ExpectedEvent {
	out := ExpectedEvent{Event: event, Fact: m.Fact, Mark: m.Mark}
	for _, key := range append(m.Members, m.Fact) {
		s, ok := b.facts[key]
		if !ok {
			continue
		}
		at, marked := s.Marks[m.Mark]
		switch {
		case marked && at > 0:
			out.Told = time.UnixMilli(at).UTC()
		case marked:
			out.Skipped = true
		}
	}
	for _, e := range open {
		if e.Key == event.ID {
			out.State = e.State
		}
	}
	return out
}

// Untold is what the store does not know of what the source lists.
type Untold struct {
	// Records are those that are not kept.
	Records []record.Record
	// Missing and Stale are facts that are not stored, or say less than the records do,
	// with the keys of the records that tell of them.
	Missing, Stale map[fact.Key][]string
}

// Compare says what the store lacks of records that the source lists: records
// themselves as known says, and facts. Those of people who were forgotten are left
// out. It writes nothing.
func (d *Digest) Compare(ctx context.Context, records []record.Record, known map[string]bool) (Untold, error) {
	out := Untold{Missing: map[fact.Key][]string{}, Stale: map[fact.Key][]string{}}
	b := d.newBatch()
	for _, r := range records {
		decoded, err := d.decode(r)
		if err != nil {
			decoded = Decoded{} // it is among the failed records, where an operator sees it
		}
		b.tell(r, store.RecordResult{}, decoded)
	}
	if err := d.bury(ctx, b); err != nil {
		return out, err
	}
	stored, err := d.o.Store.LoadFacts(ctx, d.o.Connector, sortedKeys(b.deltas))
	if err != nil {
		return out, err
	}
	complete := map[fact.Key]*fact.Fact{}
	for _, s := range stored {
		complete[s.Fact.Key()] = s.Fact
	}
	lacking := map[fact.Key]map[fact.Key][]string{}
	for key, delta := range b.deltas {
		f, is := complete[key]
		switch {
		case key.Kind == fact.Worker || key.Kind == fact.Queue: // read again all the time
		case !is:
			lacking[key] = out.Missing
		case f.Merge(delta):
			lacking[key] = out.Stale
		}
	}
	for _, t := range b.tellers {
		if t.buried {
			continue
		}
		if !known[t.record.Key] {
			out.Records = append(out.Records, t.record)
		}
		for _, key := range t.facts {
			if of, lacks := lacking[key]; lacks {
				of[key] = append(of[key], t.record.Key)
			}
		}
	}
	return out, nil
}

// Recompute computes customers anew and puts what changes in the outbox, under the
// digest's lease. It returns how many contacts and events that were.
func (d *Digest) Recompute(ctx context.Context, lease store.Lease, preview func(record.Change) record.Preview, customers []int64) (contacts, events int, err error) {
	for _, id := range customers {
		_, keys, err := d.o.Store.LoadCustomersAgain(ctx, d.o.Connector, id-1, 1)
		if err != nil || len(keys) == 0 {
			return contacts, events, err
		}
		r := &Replaying{Preview: preview, MaxAge: 0}
		done, err := d.replay(ctx, &lease, r, keys, []int64{id})
		contacts, events = contacts+done.Contacts, events+done.Events
		if err != nil {
			return contacts, events, err
		}
	}
	return contacts, events, nil
}
