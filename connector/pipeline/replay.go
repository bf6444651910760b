package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// Replaying says how customers are computed anew with today's rules.
type Replaying struct {
	// Run is whose staged facts are used: a run's id, or store.DryRun.
	Run int64
	// Since leaves out customers of whom nothing happened since then, and records of
	// before; the zero time leaves out nothing.
	Since time.Time
	// Preview says what delivering a contact would change.
	Preview func(record.Change) record.Preview
	// MaxAge is how old an event may be when it is sent; 0 means any age.
	MaxAge time.Duration
}

// replayCustomers is how many customers, with all their facts, are in memory at once.
const replayCustomers = 50

// Difference is what today's rules change for one customer.
type Difference struct {
	CustomerID int64 `json:"customer_id"`
	ContactID  int64 `json:"contact_id,omitempty"` // in Brevo, where it is known
	// Address is the customer's email, or else the phone.
	Address string `json:"address,omitempty"`
	// Absorbs are customers that turn out to be the same.
	Absorbs []int64 `json:"absorbs,omitempty"`
	record.Preview
	// Events are those that were not told of yet.
	Events []EventDifference `json:"events,omitempty"`
}

// EventDifference is an event that today's rules give and that was not told of yet,
// or one that waits and that they do not give any more.
type EventDifference struct {
	Name string    `json:"name"`
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	Rule string    `json:"rule,omitempty"`
	// Becomes is what becomes of it: "sent", "withdrawn", or why it is not sent.
	Becomes string `json:"becomes"`
}

// What becomes of an event in a replay, beside the reasons of skipped ones.
const (
	EventSent      = "sent"
	EventWithdrawn = "withdrawn"
)

// Changes says whether there is anything to tell.
func (f *Difference) Changes() bool {
	return f.Preview.Changes() || len(f.Absorbs)+len(f.Events) > 0
}

// Masked returns the difference with its texts masked. Numbers, dates and names of
// lists and rules stay.
func (f Difference) Masked() Difference {
	f.Address = record.Mask(f.Address)
	values := make([]record.ValueChange, len(f.Values))
	for i, v := range f.Values {
		v.Old, v.New = masked(v.Old), masked(v.New)
		values[i] = v
	}
	f.Values = values
	return f
}

func masked(v any) any {
	switch v := v.(type) {
	case string:
		if _, err := time.Parse(time.DateOnly, v); err == nil {
			return v
		}
		return record.Mask(v)
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = masked(one)
		}
		return out
	}
	return v
}

// Replayed says what one step of a replay looked at.
type Replayed struct {
	// Customers is how many were computed anew; 0 at the end. Last is the id of the
	// last of them.
	Customers int
	Last      int64
	// Differences are of the customers that change.
	Differences []Difference
	// Contacts and Events are how many deliveries were put in the outbox.
	Contacts, Events int
}

// StageRecords decodes the next records after an id again, with today's rules, and
// stages what they tell beyond the facts. It returns the last one's id and how many
// there were, 0 at the end. It may be repeated from any id.
func (d *Digest) StageRecords(ctx context.Context, r *Replaying, after int64) (last int64, n int, err error) {
	records, err := d.o.Store.LoadRecordsAgain(ctx, d.o.Connector, after, r.Since, d.o.Batch)
	if err != nil || len(records) == 0 {
		return after, 0, err
	}
	b := d.read(records, d.newBatch())
	if err := d.bury(ctx, b); err != nil {
		return after, 0, fmt.Errorf("load the forgotten: %w", err)
	}
	fresh, err := d.unknown(ctx, r, b)
	if err != nil {
		return after, 0, err
	}
	if err := d.o.Store.StageFacts(ctx, d.o.Connector, r.Run, fresh); err != nil {
		return after, 0, err
	}
	return records[len(records)-1].ID, len(records), nil
}

// unknown returns those of a batch's facts that say more than the stored and staged
// ones do, joined to what is staged.
func (d *Digest) unknown(ctx context.Context, r *Replaying, b *batch) ([]*fact.Fact, error) {
	keys := sortedKeys(b.deltas)
	stored, err := d.o.Store.LoadFacts(ctx, d.o.Connector, keys)
	if err != nil {
		return nil, err
	}
	before, err := d.o.Store.LoadStaged(ctx, d.o.Connector, r.Run, keys)
	if err != nil {
		return nil, err
	}
	known, staged := map[fact.Key]*fact.Fact{}, map[fact.Key]*fact.Fact{}
	for _, s := range stored {
		known[s.Fact.Key()] = s.Fact
	}
	for _, f := range before {
		staged[f.Key()] = f
	}
	var out []*fact.Fact
	for _, key := range keys {
		if key.Kind == fact.Worker || key.Kind == fact.Queue {
			continue // they say nothing of customers
		}
		delta, stands := b.deltas[key], staged[key]
		if f, ok := known[key]; ok && !f.Merge(delta) {
			continue
		}
		if stands != nil {
			if !stands.Merge(delta) {
				continue
			}
			delta = stands
		}
		out = append(out, delta)
	}
	return out, nil
}

// ReplayNew computes the customers of facts that were staged and are not stored: of
// records that told nothing when they came. It returns the last key and how many
// there were, 0 at the end. With a nil lease nothing is written.
func (d *Digest) ReplayNew(ctx context.Context, lease *store.Lease, r *Replaying, after fact.Key) (fact.Key, Replayed, error) {
	keys, err := d.o.Store.LoadStagedNew(ctx, d.o.Connector, r.Run, after, replayCustomers)
	if err != nil || len(keys) == 0 {
		return after, Replayed{}, err
	}
	out, err := d.replay(ctx, lease, r, keys, nil)
	out.Customers = len(keys)
	return keys[len(keys)-1], out, err
}

// ReplayCustomers computes the next customers after an id anew and, under a lease,
// puts what changes in the outbox. With a nil lease nothing is written: it only says
// what would. It may be repeated from any id.
func (d *Digest) ReplayCustomers(ctx context.Context, lease *store.Lease, r *Replaying, after int64) (Replayed, error) {
	ids, keys, err := d.o.Store.LoadCustomersAgain(ctx, d.o.Connector, after, replayCustomers)
	if err != nil || len(ids) == 0 {
		return Replayed{Last: after}, err
	}
	if keys, err = d.ofRecent(ctx, r, keys); err != nil {
		return Replayed{Last: after}, err
	}
	var out Replayed
	if len(keys) > 0 {
		if out, err = d.replay(ctx, lease, r, keys, ids); err != nil {
			return Replayed{Last: after}, err
		}
	}
	out.Customers, out.Last = len(ids), ids[len(ids)-1]
	return out, nil
}

// ofRecent keeps the facts of customers of whom something happened since the replay's
// beginning.
func (d *Digest) ofRecent(ctx context.Context, r *Replaying, keys []fact.Key) ([]fact.Key, error) {
	if r.Since.IsZero() {
		return keys, nil
	}
	stored, err := d.o.Store.LoadFacts(ctx, d.o.Connector, keys)
	if err != nil {
		return nil, err
	}
	recent := map[int64]bool{}
	for _, s := range stored {
		if r.recent(s.Fact) {
			recent[s.CustomerID] = true
		}
	}
	var out []fact.Key
	for _, s := range stored {
		if recent[s.CustomerID] {
			out = append(out, s.Fact.Key())
		}
	}
	return out, nil
}

func (r *Replaying) recent(f *fact.Fact) bool {
	for name := range f.Times {
		if !f.Time(name).Before(r.Since) {
			return true
		}
	}
	return r.Since.IsZero()
}

// replay computes the customers of facts anew. Those whose ids are among the given
// ones are told of; without ids, those that nobody was yet.
func (d *Digest) replay(ctx context.Context, lease *store.Lease, r *Replaying, keys []fact.Key, ids []int64) (Replayed, error) {
	b := &batch{at: d.o.Clock(), deltas: map[fact.Key]*fact.Fact{}, lanes: map[fact.Key]record.Lane{}, foresight: newForesight(r, ids)}
	for _, key := range keys { // as it is, but for what is staged
		b.add(&fact.Fact{Kind: key.Kind, SID: key.SID}, record.Backfill)
	}
	var err error
	if b.backfill, err = d.backfill(ctx); err != nil {
		return Replayed{}, fmt.Errorf("load backfill: %w", err)
	}
	if err := d.loadStaged(ctx, r, b); err != nil {
		return Replayed{}, err
	}
	work := d.work(b)
	if err := d.withoutTold(ctx, work); err != nil {
		return Replayed{}, err
	}
	out := Replayed{Differences: b.foresight.differences(b, work.Withdrawn), Contacts: len(work.Contacts), Events: len(work.Events)}
	if lease == nil {
		return out, nil
	}
	if err := d.o.Store.SaveDigest(ctx, *lease, work); err != nil {
		return Replayed{}, fmt.Errorf("save replay: %w", err)
	}
	return out, nil
}

// loadStaged loads everything that the facts touch, joined to what is staged of it,
// until neither leads further.
func (d *Digest) loadStaged(ctx context.Context, r *Replaying, b *batch) error {
	looked := map[fact.Key]bool{}
	for {
		if err := d.load(ctx, b); err != nil {
			return fmt.Errorf("load neighbours: %w", err)
		}
		next := map[fact.Key]bool{}
		for key := range b.facts {
			if !looked[key] {
				next[key], looked[key] = true, true
			}
		}
		staged, err := d.o.Store.LoadStaged(ctx, d.o.Connector, r.Run, sortedKeys(next))
		if err != nil {
			return fmt.Errorf("load staged facts: %w", err)
		}
		if len(staged) == 0 {
			return nil
		}
		for _, f := range staged {
			b.add(f, record.Backfill)
		}
	}
}

// foresight collects what a replay changes.
type foresight struct {
	r   *Replaying
	ids map[int64]bool // whom to tell of; nil: whom nobody has
	by  map[*person]*Difference
	// order is that of the customers, as far as they are told of.
	order []*person
}

func newForesight(r *Replaying, ids []int64) *foresight {
	f := &foresight{r: r, by: map[*person]*Difference{}}
	if ids != nil {
		f.ids = map[int64]bool{}
	}
	for _, id := range ids {
		f.ids[id] = true
	}
	return f
}

// tells says whether a person is told of by this step: by that of the first customer
// whose facts they have, so that whom new rules join is told of once.
func (f *foresight) tells(p *person) bool {
	first := int64(0)
	for _, s := range p.states {
		if s.CustomerID != 0 && f.r.recent(s.Fact) && (first == 0 || s.CustomerID < first) {
			first = s.CustomerID
		}
	}
	if f.ids == nil {
		return first == 0
	}
	return f.ids[first]
}

// foresee notes who a person is, before their facts become theirs.
func (w *worker) foresee(p *person) {
	f := w.b.foresight
	if f == nil || !f.tells(p) {
		return
	}
	d := &Difference{CustomerID: p.row.ID, ContactID: p.row.Held.ID, Preview: record.Preview{Action: record.ActionNone}}
	for _, c := range p.absorbed {
		if c.MergedInto == 0 {
			d.Absorbs = append(d.Absorbs, c.ID)
		}
	}
	f.by[p], f.order = d, append(f.order, p)
}

// foreseeAddress notes how a person is known.
func (w *worker) foreseeAddress(p *person, profiled *profile.Profile) {
	if w.b.foresight == nil {
		return
	}
	if d := w.b.foresight.by[p]; d != nil {
		d.Address = cmp.Or(profiled.Email, profiled.Phone)
	}
}

// foreseeContact notes what delivering a person's contact would change, and says
// whether it is to be delivered though it was put in the outbox before as it is: where
// the destination's contact is known to differ. Of whom no contact is known there is
// nothing new to try.
func (w *worker) foreseeContact(p *person, contact *record.Contact, changed bool) bool {
	f := w.b.foresight
	known := p.row.Held.ID != 0
	if f == nil || !known && !changed {
		return false
	}
	preview := f.r.Preview(record.Change{Contact: contact, Held: p.row.Held})
	if d := f.by[p]; d != nil {
		d.Preview = preview
	}
	return known && preview.Changes()
}

// foreseeEvent notes an event that is put in the outbox.
func (w *worker) foreseeEvent(p *person, change *store.EventChange) {
	if w.b.foresight == nil {
		return
	}
	d := w.b.foresight.by[p]
	if d == nil {
		return
	}
	e := EventDifference{Name: change.Event.Name, ID: change.Key, At: change.Event.At, Rule: change.Event.Rule, Becomes: EventSent}
	age := w.b.foresight.r.MaxAge
	switch {
	case change.Event.Withheld != "":
		e.Becomes = change.Event.Withheld
	case p.row.Held.Deleted:
		e.Becomes = reasonDeleted
	case age > 0 && !change.AnyAge && w.b.at.Sub(change.Event.At) > age:
		e.Becomes = reasonTooOld
	}
	d.Events = append(d.Events, e)
}

// differences returns what changes, with the events that are withdrawn.
func (f *foresight) differences(b *batch, withdrawn []int64) []Difference {
	gone := map[int64]bool{}
	for _, id := range withdrawn {
		gone[id] = true
	}
	var out []Difference
	for _, p := range f.order {
		d := f.by[p]
		for _, e := range b.known.Events {
			if gone[e.ID] && p.has(e.CustomerID) {
				d.Events = append(d.Events, EventDifference{Name: e.Event.Name, ID: e.Key, At: e.Event.At, Rule: e.Event.Rule, Becomes: EventWithdrawn})
			}
		}
		if d.Changes() {
			out = append(out, *d)
		}
	}
	return out
}
