package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// DeliverOptions are the settings of delivery to one destination account.
type DeliverOptions struct {
	Account     string
	Store       store.Deliverer
	Destination Destination
	// Directory links customers to contacts that the destination has already; nil
	// for none.
	Directory *Directory
	// MaxAge is how old an event may be when it is sent; 0 means any age.
	MaxAge map[string]time.Duration
	// Merges says, for every connector of the account, whether merges that were agreed
	// to are made.
	Merges map[string]bool
	// Recreates says, by connector, whether contacts that were deleted in the
	// destination are made again.
	Recreates map[string]bool
	// LookupAfter is how long after an attempt with unknown outcome the
	// destination's answer counts as complete; 0 means 10 s.
	LookupAfter time.Duration
	// Workers is how many customers are served at once; 0 means 64.
	Workers int
	Retry   Retry
	Clock   func() time.Time
	Logger  *slog.Logger
}

// Deliver makes a destination hold what is owed to it. One process at a time
// delivers to an account, under a lease.
type Deliver struct {
	o       DeliverOptions
	wake    chan struct{}
	circuit circuit
	stats   stats
	held    atomic.Int64 // customers claimed and not settled
	// deferred is since when a digest has more at hand, in Unix nanoseconds; 0 for no.
	deferred atomic.Int64
	// holders is how many hold deliveries back, heldUntil how long they may, likewise.
	holders   atomic.Int32
	heldUntil atomic.Int64
	moves     atomic.Int64 // how often held changed
	begun     atomic.Bool  // what the last process left has been recovered
}

// NewDeliver makes the delivery to one account.
func NewDeliver(o DeliverOptions) *Deliver {
	if o.LookupAfter == 0 {
		o.LookupAfter = 10 * time.Second
	}
	if o.Workers == 0 {
		o.Workers = 64
	}
	if o.Retry == (Retry{}) {
		o.Retry = defaultRetry
	}
	return &Deliver{o: o, wake: make(chan struct{}, 1), circuit: circuit{clock: o.Clock, logger: o.Logger}}
}

// Wake says that something may be due. It never blocks.
func (d *Deliver) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// mostDeferred is how long deliveries wait for a digest that goes on.
const mostDeferred = 2 * time.Second

// Defer says that a digest has more records of the same burst at hand, or no
// more. What it changes again is then one call instead of two; nothing waits for it
// longer than a moment.
func (d *Deliver) Defer(more bool) {
	if more {
		d.deferred.CompareAndSwap(0, d.o.Clock().UnixNano())
	} else if d.deferred.Swap(0) != 0 {
		d.Wake()
	}
}

// mostHeld is how long deliveries wait for a reading of what was missed.
const mostHeld = time.Minute

// Hold keeps deliveries back until everybody who holds them has released them, but no
// longer than a minute: what is read of the past belongs together, and is known only when
// all of it is there. release may be called twice.
func (d *Deliver) Hold() (release func()) {
	d.heldUntil.Store(d.o.Clock().Add(mostHeld).UnixNano())
	d.holders.Add(1)
	return sync.OnceFunc(func() {
		if d.holders.Add(-1) == 0 {
			d.Wake()
		}
	})
}

func (d *Deliver) isDeferred() bool {
	if d.holders.Load() > 0 && d.o.Clock().Before(time.Unix(0, d.heldUntil.Load())) {
		return true
	}
	since := d.deferred.Load()
	return since != 0 && d.o.Clock().Sub(time.Unix(0, since)) < mostDeferred
}

// Circuit returns since when the account is paused and what the operator must
// do; the zero time when it is not.
func (d *Deliver) Circuit() (since time.Time, remedy string) { return d.circuit.state() }

// InHand is how many customers have been claimed and are not settled.
func (d *Deliver) InHand() int { return int(d.held.Load()) }

// hold counts customers that come in hand, or leave it.
func (d *Deliver) hold(customers int) {
	d.held.Add(int64(customers))
	d.moves.Add(1)
}

// Moves counts claims and settlements as they begin and end. Where it is the same
// before and after a look at the outbox, and nothing is in hand after it, then
// nothing was on its way from one place to another meanwhile.
func (d *Deliver) Moves() int64 { return d.moves.Load() }

// Begun says that Run is at work and has recovered what the last process left.
func (d *Deliver) Begun() bool { return d.begun.Load() }

// poll is how often the outbox is looked at when nothing wakes us.
const poll = time.Second

// Run delivers until ctx ends. Then nothing new is claimed, and calls under way
// have until hard ends; what was claimed and not begun is given back.
func (d *Deliver) Run(ctx, hard context.Context, lease store.Lease) error {
	if n, err := d.o.Store.Recover(hard, lease, d.o.Account, d.o.Clock()); err != nil {
		return err
	} else if n > 0 {
		d.o.Logger.Warn("deliveries were under way when the last process ended", "account", d.o.Account, "count", n)
	}
	d.held.Store(0)
	d.begun.Store(true)
	defer d.begun.Store(false)
	s := newSession(d, ctx, hard, lease)
	return s.run()
}

// session is one holder's time with the lease.
type session struct {
	*Deliver
	ctx, hard context.Context
	lease     store.Lease

	jobs    chan job
	settled chan done
	// single is how many deliveries wait for or are in calls of their own, batches how
	// many batches are under way.
	single, batches atomic.Int64
	more            atomic.Bool  // the last claim took as many as it could
	reading         atomic.Int64 // since when the directory is read, in Unix nanoseconds; 0 for no
	pool            pool
	freshness       freshness

	mu     sync.Mutex
	failed error
	cancel context.CancelCauseFunc
}

func newSession(d *Deliver, ctx, hard context.Context, lease store.Lease) *session {
	s := &session{Deliver: d, hard: store.ShareTrust(hard, ctx), lease: lease}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.jobs = make(chan job, 4*d.o.Workers+mostBatches)
	s.settled = make(chan done, 4*d.o.Workers)
	return s
}

func (s *session) run() error {
	defer s.cancel(nil)
	var workers, settler, lookups sync.WaitGroup
	for range s.o.Workers {
		workers.Go(func() {
			for j := range s.jobs {
				s.settled <- s.work(j)
				s.made(j)
			}
		})
	}
	settler.Go(s.settle)
	lookups.Go(s.lookup)
	looked := make(chan struct{})
	lookups.Go(func() { s.directory(sync.OnceFunc(func() { close(looked) })) })
	select {
	case <-looked:
	case <-time.After(directoryPatience):
	case <-s.ctx.Done():
	}
	s.claim()
	close(s.jobs)
	lookups.Wait()
	workers.Wait()
	close(s.settled)
	settler.Wait()
	return s.failed
}

// fail ends the session with its first error: a lost lease, a store that fails.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	s.cancel(err)
}

// claim hands due deliveries to the workers until ctx ends.
func (s *session) claim() {
	for s.ctx.Err() == nil {
		n, err := s.fill()
		if err != nil {
			s.fail(err)
			break
		}
		if n == 0 {
			s.sleep()
		}
	}
	s.flush() // the workers give back what they are not to begin
}

// aheadOfPace is how many seconds of work are claimed at once from a destination
// that is paced. What is claimed goes before what comes later, however urgent.
const aheadOfPace = 4

// appetite says how many deliveries may be in hand and how many of each customer:
// enough to keep the destination busy, and no more, so that live traffic never
// waits behind much of a backlog.
func (s *session) appetite() (most, each int) {
	if p, ok := s.o.Destination.(Pacer); ok && p.Pace() > 0 {
		return min(max(24, int(aheadOfPace*p.Pace())), 4*s.o.Workers), 2
	}
	return 4 * s.o.Workers, 32
}

// fill claims what there is room for and returns how many customers that were.
func (s *session) fill() (int, error) {
	most, each := s.appetite()
	room := most - int(s.single.Load())
	if 4*room < most || s.busyBatches() || s.waitsForDirectory() || s.isDeferred() {
		return 0, nil
	}
	if !s.circuit.admits() {
		s.flush()
		return 0, nil
	}
	customers := max(room/min(each, 2), 1)
	limit := s.circuit.limit(customers)
	s.open(limit == customers)
	n, err := s.take(limit, each)
	s.more.Store(n == limit)
	if err != nil || n < limit {
		s.flush()
	}
	return n, err
}

// take claims up to limit customers and queues their runs.
func (s *session) take(limit, each int) (int, error) {
	s.hold(1) // while the claim is on its way something is in hand
	defer s.hold(-1)
	claimed, err := s.o.Store.Claim(s.ctx, s.lease, s.o.Account, s.o.Clock(), limit, each)
	if err != nil {
		if s.ctx.Err() != nil {
			return 0, nil
		}
		return 0, err
	}
	runs := byCustomer(claimed)
	s.hold(len(runs))
	for _, run := range runs {
		s.queue(run)
	}
	return len(runs), nil
}

func (s *session) sleep() {
	t := time.NewTimer(poll)
	defer t.Stop()
	select {
	case <-s.ctx.Done():
	case <-s.wake:
	case <-t.C:
	}
}

// byCustomer splits claimed deliveries into runs, one a customer, in order.
func byCustomer(claimed []store.Delivery) [][]store.Delivery {
	type key struct {
		connector string
		customer  int64
	}
	index := map[key]int{}
	var runs [][]store.Delivery
	for _, c := range claimed {
		k := key{c.Connector, c.CustomerID}
		i, ok := index[k]
		if !ok {
			i = len(runs)
			index[k] = i
			runs = append(runs, nil)
		}
		runs[i] = append(runs[i], c)
	}
	return runs
}

// settle writes outcomes in groups: whatever came while the last group was
// written.
func (s *session) settle() {
	for first := range s.settled {
		group, batch := first.settlements, []done{first}
		for more := true; more && len(group) < maxGroup; {
			select {
			case next, ok := <-s.settled:
				if more = ok; ok {
					group, batch = append(group, next.settlements...), append(batch, next)
				}
			default:
				more = false
			}
		}
		s.write(group)
		for _, d := range batch {
			s.release(d.job)
		}
		s.Wake()
	}
}

// write settles a group. While the store cannot be reached it tries again: the
// calls were made, and forgetting their outcome would make them again.
func (s *session) write(group []store.Settlement) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := s.o.Store.Settle(s.hard, s.lease, s.o.Clock(), group)
		if err == nil {
			s.stats.add(group)
			return
		}
		if !errors.Is(err, store.ErrUnavailable) || s.hard.Err() != nil {
			s.fail(err)
			return
		}
		s.o.Logger.Warn("outcomes cannot be stored yet", "account", s.o.Account, "count", len(group), "err", err)
		select {
		case <-s.hard.Done():
		case <-time.After(pause):
		}
	}
}

// customer delivers one customer's run in order. What cannot go now holds up
// what comes after it, and nobody else.
func (s *session) customer(run []store.Delivery) []store.Settlement {
	out := make([]store.Settlement, 0, len(run))
	held := run[0].Held
	for i, d := range run {
		if s.ctx.Err() != nil || store.Trusted(s.ctx) != nil || !s.circuit.admits() {
			return append(out, released(run[i:], s.o.Clock())...)
		}
		d.Held = held
		settlement := s.one(d)
		out = append(out, settlement)
		if settlement.Held != nil {
			held = *settlement.Held
		}
		if settlement.State == store.Pending || settlement.State == store.Unknown ||
			(settlement.State == store.Dead && d.Kind == store.ContactDelivery) {
			return append(out, released(run[i+1:], s.o.Clock())...)
		}
		if d.Kind == store.ContactDelivery && len(run)-i > 2 && s.saves() {
			return append(out, released(run[i+1:], s.o.Clock())...) // they go in a batch with others
		}
	}
	return out
}

// released gives deliveries back untouched.
func released(run []store.Delivery, now time.Time) []store.Settlement {
	out := make([]store.Settlement, len(run))
	for i, d := range run {
		out[i] = store.Settlement{
			Delivery: d, State: store.Pending, NextAttemptAt: now, Uncounted: true,
			Reason: d.Reason, Status: d.Status,
		}
	}
	return out
}

// one makes one attempt at one delivery.
func (s *session) one(d store.Delivery) store.Settlement {
	if reason := s.skip(d); reason != "" {
		return store.Settlement{Delivery: d, State: store.Skipped, Reason: reason}
	}
	change := record.Change{
		Key: d.Key, Contact: d.Contact, Event: d.Event, Held: d.Held, Recreate: s.o.Recreates[d.Connector], Stale: s.freshness.stale(d.Held.ReadAt, s.o.Clock()),
	}
	outcome := s.attempt(d, change)
	s.circuit.note(s.o.Account, outcome)
	settlement := s.judge(d, outcome)
	settlement.Status, settlement.Omissions = outcome.Status, outcome.Omissions
	settlement.Call, settlement.Sent = outcome.Call, outcome.Sent
	if settlement.Reason == reasonUnchanged && len(d.Sent) > 0 {
		// What was sent before is there: that call delivered it, whatever became of its answer.
		settlement.State, settlement.Reason, settlement.Status = store.Delivered, "", d.Status
	}
	if d.Kind == store.ContactDelivery {
		settlement.Held = &outcome.Held
	}
	s.log(d, settlement, outcome)
	return settlement
}

// Reasons of skipped events.
const (
	reasonTooOld    = "too old"
	reasonNoContact = "not in Brevo"
	reasonDeleted   = "deleted in Brevo"
)

// skip says why an event is rightly not sent; empty when it should be.
func (s *session) skip(d store.Delivery) string {
	if d.Kind != store.EventDelivery {
		return ""
	}
	age := s.o.MaxAge[d.Connector]
	switch {
	case d.Event.Withheld != "":
		return d.Event.Withheld
	case d.Held.Deleted:
		return reasonDeleted
	case d.Held.ID == 0:
		return reasonNoContact
	case age > 0 && !d.AnyAge && s.o.Clock().Sub(d.Event.At) > age:
		return reasonTooOld
	}
	return ""
}

// attempt asks the destination, and again where it found a contact that exists
// already and may be this customer's.
func (s *session) attempt(d store.Delivery, change record.Change) record.Outcome {
	if err := s.permit(d, &change); err != nil {
		return record.Outcome{Reason: failure.Interrupted, Held: change.Held, Err: err}
	}
	calls := 0
	for range 4 {
		outcome := s.o.Destination.Deliver(s.hard, change)
		calls += outcome.Calls
		outcome.Calls = calls
		if !outcome.Adopt {
			return outcome
		}
		owner, err := s.o.Store.LoadContactOwner(s.hard, d.Connector, outcome.Held.ID)
		switch {
		case errors.Is(err, store.ErrNotFound) || (err == nil && owner == d.CustomerID):
			change.Held = outcome.Held
		case err != nil:
			return record.Outcome{Reason: failure.Interrupted, Held: change.Held, Err: err}
		default:
			change.NotOurs = append(change.NotOurs, outcome.Held.ID)
		}
	}
	return record.Outcome{Reason: failure.Invalid, Held: change.Held, Calls: calls, Err: errors.New("identifiers lead to contacts in circles")}
}

// judge turns an outcome into the delivery's next state: the one place that
// moves a delivery after an attempt.
func (s *session) judge(d store.Delivery, o record.Outcome) store.Settlement {
	now := s.o.Clock()
	st := store.Settlement{Delivery: d, Reason: string(o.Reason)}
	retry := func(counted bool) store.Settlement {
		if counted && d.Attempts+1 >= s.o.Retry.Attempts {
			st.State = store.Dead
			return st
		}
		st.State, st.Uncounted = store.Pending, !counted
		st.NextAttemptAt = now.Add(s.o.Retry.wait(d.Attempts+1, o.RetryAfter))
		return st
	}
	switch o.Reason {
	case failure.None:
		st.State = store.Delivered
		if o.Skipped != "" {
			st.State, st.Reason = store.Skipped, o.Skipped
		}
		return st
	case failure.Unknown:
		if d.Kind == store.EventDelivery && d.Attempts+1 < s.o.Retry.Attempts {
			st.State = store.Unknown
			return st
		}
		return retry(true) // a contact is state; saying it again does no harm
	case failure.Transient:
		return retry(true)
	case failure.RateLimited:
		return retry(false)
	case failure.Unauthorized, failure.Forbidden:
		st = retry(false)
		st.NextAttemptAt = now
		return st
	case failure.Interrupted:
		st = retry(false)
		st.NextAttemptAt = now
		return st
	default: // invalid, gone
		st.State = store.Dead
		return st
	}
}

// log writes one line for each failure that is settled.
func (s *session) log(d store.Delivery, st store.Settlement, o record.Outcome) {
	attrs := []any{"account", s.o.Account, "connector", d.Connector, "delivery_id", d.ID, "kind", d.Kind,
		"attempt", d.Attempts + 1, "reason", st.Reason, "status", o.Status, "err", o.Err}
	switch {
	case st.State == store.Dead:
		s.o.Logger.Error("delivery given up", attrs...)
	case st.State == store.Unknown:
		s.o.Logger.Warn("outcome of delivery unknown", attrs...)
	case st.State == store.Pending && !st.Uncounted:
		s.o.Logger.Warn("delivery will be tried again", attrs...)
	default:
		s.o.Logger.Debug("delivery settled", "account", s.o.Account, "delivery_id", d.ID, "state", st.State, "reason", st.Reason)
	}
}
