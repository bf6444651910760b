package schedule

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"flexbrevo/connector/store"
)

// Roles holds roles for one process.
type Roles struct {
	Store store.Leaser
	// Holder names this process, unique among all.
	Holder string
	// TTL is how long a lease lasts without being extended; 0 means 15 s.
	TTL    time.Duration
	Logger *slog.Logger

	mu        sync.Mutex
	sightings map[string]sighting // by role
	// complained is when the log was last told that a role cannot be taken, by role.
	complained map[string]time.Time
}

// complainEvery is how often the log is told of a role that still cannot be taken: on a
// full disk a line for each try would only make it fuller.
const complainEvery = time.Minute

// ErrLeaseLost is the cause of the context of work whose lease was lost.
var ErrLeaseLost = errors.New("lease lost")

// Hold waits for the role, does work under it, and gives it back; and again, for
// as long as ctx lasts: work that returns (an error is logged) is begun again
// after a pause. The context of work ends when the lease is lost or could not be
// extended in time, counted from before the call that took it.
func (r *Roles) Hold(ctx context.Context, role string, work func(ctx context.Context, lease store.Lease) error) {
	for ctx.Err() == nil {
		lease, since, err := r.acquire(ctx, role)
		if err != nil {
			Pause(ctx, r.ttl()/30) // a standby takes over soon after a role is given back
			continue
		}
		r.do(ctx, lease, since, work)
		Pause(ctx, time.Second)
	}
}

// Once takes the role, or gives store.ErrLeaseHeld, does work under it and gives
// it back. A role whose lease is ahead of the database's clock is watched first, for as
// long as a lease lasts. Where the lease was lost meanwhile the error is ErrLeaseLost, whatever the
// work says: it was cut short, and may not know it.
func (r *Roles) Once(ctx context.Context, role string, work func(ctx context.Context, lease store.Lease) error) error {
	lease, since, err := r.acquire(ctx, role)
	for errors.Is(err, store.ErrLeaseHeld) && r.watching(role) && Pause(ctx, r.ttl()/30) {
		lease, since, err = r.acquire(ctx, role)
	}
	if err != nil {
		return err
	}
	lost := false
	err = r.under(ctx, lease, since, func(ctx context.Context, lease store.Lease) error {
		err := work(ctx, lease)
		lost = errors.Is(context.Cause(ctx), ErrLeaseLost) || errors.Is(err, store.ErrLeaseLost)
		return err
	})
	if lost && !errors.Is(err, ErrLeaseLost) {
		err = errors.Join(ErrLeaseLost, err)
	}
	return err
}

// OnceMore is Once, begun again for as long as its lease is lost and ctx lasts: a
// store that was slow for a while, or a process that was paused, ends no work that can
// go on. Where another holds the role by then it gives store.ErrLeaseHeld.
func (r *Roles) OnceMore(ctx context.Context, role string, work func(ctx context.Context, lease store.Lease) error) error {
	var lost time.Time
	for {
		err := r.Once(ctx, role, work)
		switch {
		case ctx.Err() != nil:
			return err
		case errors.Is(err, ErrLeaseLost):
			lost = time.Now()
			r.Logger.Warn("role was lost and is taken again", "role", role, "err", err)
		case errors.Is(err, store.ErrLeaseHeld) && !lost.IsZero() && time.Since(lost) < r.ttl():
			// It may be our own lease, which could not be given back.
		default:
			return err
		}
		Pause(ctx, r.ttl()/15)
	}
}

func (r *Roles) acquire(ctx context.Context, role string) (store.Lease, time.Time, error) {
	since := time.Now()
	call, done := context.WithTimeout(ctx, r.ttl()/3)
	defer done()
	lease, err := r.Store.Acquire(call, role, r.Holder, r.ttl())
	if errors.Is(err, store.ErrLeaseHeld) {
		lease, err = r.takeAhead(call, role)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch last, told := r.complained[role]; {
	case ctx.Err() != nil:
	case err == nil || errors.Is(err, store.ErrLeaseHeld):
		delete(r.complained, role)
	case !told || time.Since(last) >= complainEvery:
		if r.complained == nil {
			r.complained = map[string]time.Time{}
		}
		r.complained[role] = time.Now()
		r.Logger.Warn("role cannot be taken", "role", role, "err", err)
	}
	return lease, since, err
}

func (r *Roles) do(ctx context.Context, lease store.Lease, since time.Time, work func(context.Context, store.Lease) error) {
	err := r.under(ctx, lease, since, work)
	if err != nil && ctx.Err() == nil {
		r.Logger.Error("work under a role ended", "role", lease.Role, "err", err)
	}
}

func (r *Roles) under(ctx context.Context, lease store.Lease, since time.Time, work func(context.Context, store.Lease) error) error {
	extended := &lastCall{at: since}
	held, cancel := context.WithCancelCause(store.WithTrust(ctx, func() bool { return extended.left(r.trust()) > 0 }))
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		r.keep(held, cancel, lease, extended)
	}()
	err := work(held, lease)
	cancel(nil)
	<-kept
	release, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	if e := r.Store.Release(release, lease); e != nil {
		r.Logger.Warn("role cannot be given back", "role", lease.Role, "err", e)
	}
	return err
}

// keep extends the lease until ctx ends, and ends it when the lease cannot be
// trusted any more: some time before it runs out, whatever a call is waiting for.
func (r *Roles) keep(ctx context.Context, cancel context.CancelCauseFunc, lease store.Lease, extended *lastCall) {
	wait := r.ttl() / 3
	for {
		left := extended.left(r.trust())
		if !Pause(ctx, min(wait, left)) {
			return
		}
		if left <= wait {
			cancel(ErrLeaseLost)
			return
		}
		began := time.Now()
		call, done := context.WithTimeout(ctx, min(r.ttl()/3, left-wait))
		err := r.Store.Extend(call, lease, r.ttl())
		done()
		switch {
		case err == nil:
			extended.set(began)
			wait = r.ttl() / 3
		case errors.Is(err, store.ErrLeaseLost):
			cancel(ErrLeaseLost)
			return
		default:
			wait = r.ttl() / 15 // again soon, before it runs out
		}
	}
}

// trust is how long after the beginning of a call that extended it a lease is
// relied on: less than it lasts.
func (r *Roles) trust() time.Duration { return r.ttl() * 4 / 5 }

// lastCall is when the last call began that extended a lease.
type lastCall struct {
	mu sync.Mutex
	at time.Time
}

func (l *lastCall) set(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = at
}

// left is what is left of a time from the call on. The wall clock is asked as well:
// the other one stands still while a virtual machine is paused.
func (l *lastCall) left(of time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	return of - max(now.Sub(l.at), now.Round(0).Sub(l.at.Round(0)))
}

func (r *Roles) ttl() time.Duration {
	if r.TTL == 0 {
		return 15 * time.Second
	}
	return r.TTL
}
