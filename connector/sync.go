package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// Report says what one pass did, summed over its connectors.
type Report struct {
	Captured int `json:"captured"` // new records
	Digested int `json:"digested"` // records
	Contacts int `json:"contacts"` // contact writes delivered
	Events   int `json:"events"`   // events delivered
	Skipped  int `json:"skipped"`  // deliveries rightly not sent
	Dead     int `json:"dead"`     // deliveries given up in this pass
}

// Progress is told what a pass is doing. It must not block.
type Progress func(step string, r Report)

// ErrWaiting says that a pass ended while deliveries still wait, because the
// destination could not be reached, asked for patience, or does not say yet what became
// of some.
var ErrWaiting = errors.New("deliveries are left for the next pass")

// patience is how long after a pass began to deliver something may be due for the
// pass to wait for it.
const patience = 45 * time.Second

// pruning is how long a pass may take to remove what is older than the retention.
const pruning = 10 * time.Second

// Sync makes one incremental pass: it pulls every stream from its checkpoint,
// digests all that waits and delivers until nothing is due. A connector that
// fails does not stop the others; the errors are joined.
func (s *Service) Sync(ctx context.Context, told Progress) (Report, error) {
	p := s.newPass(told)
	run, err := p.begin(ctx)
	if err != nil {
		return Report{}, err
	}
	if err = p.all(ctx); ctx.Err() == nil {
		s.pruneWithin(ctx, pruning) // where passes are all there is, nobody else does
	}
	return p.report, errors.Join(err, p.end(context.WithoutCancel(ctx), run, err))
}

// pass is one Sync on its way.
type pass struct {
	s      *Service
	told   Progress
	mu     sync.Mutex
	report Report
}

func (s *Service) newPass(told Progress) *pass {
	if told == nil {
		told = func(string, Report) {}
	}
	return &pass{s: s, told: told}
}

func (p *pass) begin(ctx context.Context) (store.Run, error) {
	now := p.s.o.Clock()
	run := store.Run{Kind: runSync, Connector: p.s.o.Connector, State: store.RunRunning, CreatedAt: now, StartedAt: now}
	id, err := p.s.o.Store.AddRun(ctx, run)
	run.ID = id
	return run, err
}

func (p *pass) end(ctx context.Context, run store.Run, err error) error {
	run.State, run.EndedAt = store.RunDone, p.s.o.Clock()
	if err != nil {
		run.State, run.Error = store.RunFailed, err.Error()
	}
	run.Progress = marshal(p.report)
	if err := p.s.o.Store.SaveRun(ctx, run); err != nil {
		return fmt.Errorf("save run: %w", err)
	}
	return nil
}

// all pulls, digests and delivers, each step complete before the next, so that
// what belongs together is known before anything is written.
func (p *pass) all(ctx context.Context) error {
	take, stop := context.WithCancel(context.WithoutCancel(ctx))
	var intake sync.WaitGroup
	intake.Go(func() { p.s.intake.Run(take) })
	defer intake.Wait()
	defer stop()
	var errs []error
	for _, f := range p.s.flows {
		errs = append(errs, p.collect(ctx, f))
	}
	if err := errors.Join(errs...); ctx.Err() == nil && errors.Is(err, store.ErrUnavailable) {
		return err // of what was read some was not kept, and an event is told once
	}
	for _, name := range p.s.accountNames() {
		errs = append(errs, p.deliver(ctx, p.s.accounts[name]))
	}
	for _, f := range p.s.flows {
		errs = append(errs, p.parts(ctx, f))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(errs...)
}

// collect pulls and digests one connector.
func (p *pass) collect(ctx context.Context, f *flow) error {
	return p.s.roles.OnceMore(ctx, "pull:"+f.cfg.Name, func(ctx context.Context, _ store.Lease) error {
		return p.s.roles.OnceMore(ctx, "digest:"+f.cfg.Name, func(ctx context.Context, lease store.Lease) error {
			errs := []error{p.pullAndDigest(ctx, f, lease)}
			if p.hints(ctx, f) {
				errs = append(errs, p.digest(ctx, f, lease))
			}
			errs = append(errs, p.interactions(ctx, f, lease))
			_, err := f.tellFigures(ctx, lease) // what is not digested yet is told by the next pass
			errs = append(errs, err)
			if err := errors.Join(errs...); err != nil {
				return fmt.Errorf("connector %s: %w", f.cfg.Name, err)
			}
			return nil
		})
	})
}

// pullAndDigest digests what is there while more is pulled: one waits for the
// network where the other computes.
func (p *pass) pullAndDigest(ctx context.Context, f *flow, lease store.Lease) error {
	pulled := make(chan error, 1)
	go func() { pulled <- p.pull(ctx, f) }()
	for {
		err := p.digest(ctx, f, lease)
		if err != nil {
			return errors.Join(err, <-pulled)
		}
		select {
		case err := <-pulled:
			return errors.Join(err, p.digest(ctx, f, lease))
		case <-f.wake:
		}
	}
}

func (p *pass) pull(ctx context.Context, f *flow) error {
	before := f.captured.Load()
	defer func() { p.count(func(r *Report) { r.Captured += int(f.captured.Load() - before) }) }()
	var errs []error
	for _, stream := range f.streams() {
		if stream == twilio.InteractionsStream {
			continue // once the events that name them are digested
		}
		p.tell("pull " + stream)
		if err := f.fetch(ctx, stream); err != nil {
			errs = append(errs, fmt.Errorf("pull %s: %w", stream, err))
			if failure.ReasonOf(err).Stops() {
				return errors.Join(errs...) // the others have the same credential
			}
		}
	}
	if f.readsStatistics() {
		p.tell("pull " + statisticsJob)
		f.statistics(ctx)
	}
	return errors.Join(errs...)
}

func (p *pass) digest(ctx context.Context, f *flow, lease store.Lease) error {
	for {
		n, err := f.digestOnce(ctx, lease)
		if err != nil || n == 0 {
			return err
		}
		p.count(func(r *Report) { r.Digested += n })
		p.tell("digest")
	}
}

// hints follows what the digest asked for, once; it says whether there was any.
func (p *pass) hints(ctx context.Context, f *flow) bool {
	var following errgroup.Group
	following.SetLimit(4)
	any := false
	for {
		select {
		case h := <-f.hints:
			any = true
			following.Go(func() error {
				err := source{f.source}.FetchHint(ctx, h, f.keepPage(ctx))
				if err != nil && ctx.Err() == nil {
					f.logger.Warn("hint could not be followed", "reason", failure.ReasonOf(err), "err", err)
				}
				return nil
			})
		default:
			_ = following.Wait() // what failed is said above, and polling finds it
			return any
		}
	}
}

// deliver prepares an account and delivers until nothing is due soon.
func (p *pass) deliver(ctx context.Context, a *account) error {
	if err := p.prepare(ctx, a); err != nil {
		return err
	}
	return p.s.roles.OnceMore(ctx, "deliver:"+a.name, func(ctx context.Context, lease store.Lease) error {
		if err := a.ask(ctx, lease); err != nil {
			return fmt.Errorf("ask Brevo what it has: %w", err)
		}
		working, done := context.WithCancel(ctx)
		defer done()
		before := a.deliver.Counts()
		idle := make(chan error, 1)
		go func() {
			for !a.deliver.Begun() && schedule.Pause(working, 10*time.Millisecond) { // what it recovers is owed, too
			}
			idle <- p.untilIdle(working, a)
			done()
		}()
		err := a.alive(ctx, func() error { return a.run(working, context.WithoutCancel(ctx), lease) })
		done()
		p.countOutcomes(before, a.deliver.Counts())
		return errors.Join(err, <-idle)
	})
}

// mishaps is how often preparing an account may break down before a pass gives up.
const mishaps = 3

// prepare prepares an account, and tries again where it asks for patience that a pass has,
// or breaks down.
func (p *pass) prepare(ctx context.Context, a *account) error {
	deadline := p.s.o.Clock().Add(patience)
	for broken, pause := 0, time.Second; ; pause *= 2 {
		p.tell("prepare brevo")
		err := a.prepare(ctx)
		refused := failure.As(err)
		if refused == nil || !refused.Reason.Retryable() {
			return err
		}
		if refused.Reason != failure.RateLimited {
			broken++
		}
		wait := max(refused.RetryAfter, pause)
		if broken > mishaps || p.s.o.Clock().Add(wait).After(deadline) || !schedule.Pause(ctx, wait) {
			return err
		}
	}
}

// untilIdle returns when nothing of the account is due soon, or when it refuses
// us. What becomes due later than a pass waits for is left to the next one.
func (p *pass) untilIdle(ctx context.Context, a *account) error {
	deadline := p.s.o.Clock().Add(patience)
	for moves := a.deliver.Moves(); p.nextLook(ctx, a, moves); {
		p.tell("deliver")
		moves = a.deliver.Moves()
		if since, remedy := a.deliver.Circuit(); !since.IsZero() {
			return &failure.Error{Op: "deliver to Brevo account " + a.name, Reason: failure.Unauthorized, Remedy: remedy}
		}
		left, err := p.left(ctx, a)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case left.underWay: // however long it takes
		case left.due.IsZero():
			return nil
		case left.due.After(deadline) && (left.unknown || a.deliver.Retrying() > 0):
			return ErrWaiting
		case left.due.After(deadline):
			return nil
		}
	}
	return nil
}

// nextLook waits for the next look at the outbox: 50 ms, or until nothing is in hand any
// more of what moved since the last. It says whether ctx still lasts.
func (p *pass) nextLook(ctx context.Context, a *account, moves int64) bool {
	for range 10 {
		if !schedule.Pause(ctx, 5*time.Millisecond) {
			return false
		}
		if a.deliver.InHand() == 0 && a.deliver.Moves() != moves {
			break
		}
	}
	return true
}

// leftover is what an account's outbox still has.
type leftover struct {
	due      time.Time // when something is due next; zero for never
	underWay bool      // in this process or in another replica
	unknown  bool      // events of which nobody knows whether they arrived
}

// left looks at the outbox. What is claimed between two looks is in none of them, so
// they count only where nothing moved.
func (p *pass) left(ctx context.Context, a *account) (leftover, error) {
	before := a.deliver.Moves()
	unknown, err := p.s.o.Store.LoadUnknown(ctx, a.name, 1)
	if err != nil {
		return leftover{}, err
	}
	due, err := p.s.o.Store.NextDue(ctx, a.name)
	if err != nil {
		return leftover{}, err
	}
	if now := p.s.o.Clock(); len(unknown) > 0 && (due.IsZero() || due.After(now)) {
		due = now // they are looked up by and by; a pass waits for them as long as for what is due
	}
	sending, err := p.sending(ctx, a)
	return leftover{due, sending || a.deliver.InHand() > 0 || a.deliver.Moves() != before, len(unknown) > 0}, err
}

// sending says whether something of the account is under way, in another replica
// too.
func (p *pass) sending(ctx context.Context, a *account) (bool, error) {
	for _, f := range a.flows {
		under, err := p.s.o.Store.LoadDeliveries(ctx, f.cfg.Name, store.Sending, 1)
		if err != nil || len(under) > 0 {
			return true, err
		}
	}
	return false, nil
}

func (p *pass) countOutcomes(before, after pipeline.Counts) {
	n := func(kind store.DeliveryKind, state store.DeliveryState) int {
		return after[kind][state] - before[kind][state]
	}
	p.count(func(r *Report) {
		r.Contacts += n(store.ContactDelivery, store.Delivered)
		r.Events += n(store.EventDelivery, store.Delivered)
		r.Skipped += n(store.ContactDelivery, store.Skipped) + n(store.EventDelivery, store.Skipped)
		r.Dead += n(store.ContactDelivery, store.Dead) + n(store.EventDelivery, store.Dead)
	})
}

func (p *pass) count(change func(*Report)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.report)
}

func (p *pass) tell(step string) {
	p.mu.Lock()
	r := p.report
	p.mu.Unlock()
	p.told(step, r)
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("connector: " + err.Error()) // only our own plain structs come here
	}
	return b
}
