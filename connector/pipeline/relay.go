package pipeline

import (
	"context"
	"errors"
	"slices"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// turns is how many batches Once takes at most: whoever waits for it waits no longer
// than these take, a second or two. At its end nothing is computed while the last is saved.
const turns = 24

// Once digests the next batches of waiting records under the lease: while one is saved,
// the next is computed, and the one after it is read. It returns zero Records when none
// waits, and beside an error what was done before it.
func (d *Digest) Once(ctx context.Context, lease store.Lease) (Digested, error) {
	r := &relay{Digest: d, lease: lease}
	next := r.take(ctx, d.o.Batch, nil)
	var err error
	for turn := 1; next != nil && err == nil; turn++ {
		next, err = r.turn(ctx, <-next, turn < turns)
	}
	if next != nil {
		<-next // nothing is left running
	}
	_, unsaved := r.settle(ctx)
	return r.sum, errors.Join(err, unsaved)
}

// relay is Once on its way. What it reads ahead is forgotten where it ends with an
// error: it still waits in the store.
type relay struct {
	*Digest
	lease  store.Lease
	sum    Digested
	saving *saving // nil for none
}

// saving is a batch that is being saved.
type saving struct {
	batch *batch
	reach *reach
	done  chan outcome
}

type outcome struct {
	digested Digested
	err      error
}

// taking is a batch that is being read, with what was put off of the one before.
type taking chan taken

type taken struct {
	batch *batch
	// asked says that the store was asked for more than what was put off, found how many
	// it had: where these are a whole batch, more may wait.
	asked bool
	found int
	err   error
}

// turn digests what was taken, and takes what comes next: what has to wait, and, where
// more is wanted, what the store has. It returns nil when that is nothing.
func (r *relay) turn(ctx context.Context, t taken, more bool) (next taking, err error) {
	if t.err != nil || len(t.batch.tellers) == 0 {
		return nil, t.err
	}
	now, later, err := r.split(ctx, t.batch)
	if err != nil {
		return nil, err
	}
	if t.asked {
		r.sum.More = t.found == r.o.Batch
		if r.sum.More && r.o.Busy != nil {
			r.o.Busy()
		}
	}
	limit := 0
	if more && (!t.asked || t.found > 0) && (later == nil || len(later.tellers) < r.o.Batch) {
		limit = r.o.Batch
	}
	if limit > 0 || later != nil {
		next = r.take(ctx, limit, later, now)
	}
	return next, r.digest(ctx, now)
}

// take loads and decodes the next records that wait, as many as limit says, into a
// batch (a new one where it is nil), without those of batches under way.
func (r *relay) take(ctx context.Context, limit int, into *batch, underWay ...*batch) taking {
	if into == nil {
		into = r.newBatch()
	}
	underWay = append(underWay, into)
	if r.saving != nil {
		underWay = append(underWay, r.saving.batch)
	}
	var ids []int64
	for _, b := range underWay {
		for i := range b.tellers {
			ids = append(ids, b.tellers[i].record.ID)
		}
	}
	out := make(taking, 1)
	go func() {
		t := taken{batch: into, asked: limit > 0}
		if t.asked {
			into.tellers = slices.Grow(into.tellers, limit)
			t.err = r.o.Store.EachUndigested(ctx, r.o.Connector, limit, ids, func(rec record.Record) {
				t.found++
				r.readOne(rec, into)
			})
		}
		out <- t
	}()
	return out
}

// digest computes a batch beside the one that is being saved, and begins to save it
// once that one is.
func (r *relay) digest(ctx context.Context, b *batch) error {
	var beside *reach
	if r.saving != nil {
		beside = r.saving.reach
	}
	out, err := r.compute(ctx, b, beside)
	apart, unsaved := r.settle(ctx)
	if unsaved != nil {
		return unsaved
	}
	if errors.Is(err, errMeets) || apart { // parts of a batch may reach further than the whole
		var again *batch
		if again, err = r.again(ctx, b.records()); err == nil {
			b = again
			out, err = r.compute(ctx, b, nil)
		}
	}
	if err != nil {
		return r.rescue(ctx, b, err)
	}
	s := &saving{batch: b, reach: reachOf(b, out), done: make(chan outcome, 1)}
	r.saving = s
	go func() {
		digested, err := r.save(ctx, r.lease, b, out)
		s.done <- outcome{digested, err}
	}()
	if len(out.Tombs) > 0 { // which say what of the next is of somebody who was forgotten
		_, err = r.settle(ctx)
	}
	return err
}

// settle waits until what is being saved is saved, and says whether it had to be digested
// apart.
func (r *relay) settle(ctx context.Context) (apart bool, err error) {
	if r.saving == nil {
		return false, nil
	}
	s, saved := r.saving, <-r.saving.done
	r.saving = nil
	if saved.err != nil {
		return true, r.rescue(ctx, s.batch, saved.err)
	}
	r.sum.add(saved.digested)
	return false, nil
}

// rescue digests apart what could not be digested together.
func (r *relay) rescue(ctx context.Context, b *batch, err error) error {
	if !poisonous(ctx, err) {
		return err
	}
	r.o.Logger.Warn("a batch cannot be digested whole", "connector", r.o.Connector, "count", len(b.tellers), "err", err)
	done, err := r.apart(ctx, r.lease, b.records())
	r.sum.add(done)
	return err
}

// split divides a batch into what can be digested beside the one being saved, and what
// has to wait until that is done, nil for nothing. Where hardly anything can be, it
// waits itself.
func (r *relay) split(ctx context.Context, b *batch) (now, later *batch, err error) {
	if r.saving == nil {
		return b, nil, nil
	}
	var held map[fact.Key]bool
	n := 0
	panicked := r.guarded(func() error {
		r.readDeltas(b)
		held, n = r.saving.reach.holdsOf(b)
		return nil
	})
	switch {
	case panicked != nil, 4*(len(b.tellers)-n) < len(b.tellers): // compute meets a panic again, and knows what to do
		_, err = r.settle(ctx)
		return b, nil, err
	case n == 0:
		return b, nil, nil
	}
	later = r.newBatch()
	b.move(held, later)
	return b, later, nil
}

// move moves what is told of facts to another batch. Of the facts of one record all are
// named, or none.
func (b *batch) move(facts map[fact.Key]bool, to *batch) {
	b.tellers = slices.DeleteFunc(b.tellers, func(t teller) bool {
		moves := len(t.facts) > 0 && facts[t.facts[0]]
		if moves {
			to.tellers = append(to.tellers, t)
		}
		return moves
	})
	to.told = make(map[fact.Key]*profile.Reading, len(facts))
	for key := range facts {
		to.deltas[key], to.lanes[key], to.told[key] = b.deltas[key], b.lanes[key], b.told[key]
		delete(b.deltas, key)
		delete(b.lanes, key)
		delete(b.told, key)
	}
}

// errMeets says that a batch touches what is being saved beside it.
var errMeets = errors.New("the batch touches what is being saved")

// reach is what a digest may write: a batch that asks for nothing of it reads the same
// before and after it is saved.
type reach struct {
	facts     map[fact.Key]*state
	tokens    map[store.Token]bool
	customers map[int64]bool
	// events are the keys of events: one may be with another customer than its fact.
	events map[string]bool
}

// reachOf is the reach of a batch that was computed.
func reachOf(b *batch, out *store.Digest) *reach {
	r := &reach{facts: b.facts, tokens: make(map[store.Token]bool, len(b.touched)+len(b.known.Tokens)), customers: make(map[int64]bool, len(out.Customers)), events: make(map[string]bool, len(out.Events))}
	for i := range out.Events {
		r.events[out.Events[i].Key] = true
	}
	for t := range b.touched {
		r.tokens[t] = true
	}
	for _, list := range [...][]store.StoredToken{b.known.Tokens, out.Tokens} {
		for _, t := range list {
			r.tokens[t.Token] = true
		}
	}
	for _, list := range [...][]store.Customer{b.known.Customers, out.Customers} {
		for _, c := range list {
			r.customers[c.ID] = true
		}
	}
	return r
}

// meets says whether a batch that was loaded touches what is in reach. Nothing is in
// the reach of nil.
func (r *reach) meets(b *batch) bool {
	if r == nil {
		return false
	}
	for _, c := range b.known.Customers {
		if r.customers[c.ID] {
			return true
		}
	}
	for i := range b.known.Events {
		if r.events[b.known.Events[i].Key] {
			return true
		}
	}
	return r.holds(b.touched, b.asked)
}

func (r *reach) holds(tokens map[store.Token]bool, keys map[fact.Key]bool) bool {
	for t := range tokens {
		if r.tokens[t] {
			return true
		}
	}
	for k := range keys {
		if _, is := r.facts[k]; is {
			return true
		}
	}
	return false
}

// holdsOf returns the facts that a batch tells of and that are in reach, or told of by
// a record that tells of one in reach too, and how many records tell of them.
func (r *reach) holdsOf(b *batch) (held map[fact.Key]bool, records int) {
	held = map[fact.Key]bool{}
	tokens, keys := map[store.Token]bool{}, map[fact.Key]bool{}
	for key := range b.deltas {
		clear(tokens)
		clear(keys)
		keys[key] = true
		touch(tokens, keys, b.told[key].Links)
		if r.holds(tokens, keys) {
			held[key] = true
		}
	}
	for before := -1; len(held) != before; {
		before, records = len(held), 0
		for i := range b.tellers {
			facts := b.tellers[i].facts
			if !slices.ContainsFunc(facts, func(k fact.Key) bool { return held[k] }) {
				continue
			}
			records++
			for _, k := range facts {
				held[k] = true
			}
		}
	}
	return held, records
}
