package schedule_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

func (l *leaser) LoadAhead(_ context.Context, role string, ttl time.Duration) (store.Ahead, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks++
	if l.lease.Holder == "" || !l.expires.After(time.Now().Add(ttl)) {
		return store.Ahead{}, store.ErrNotFound
	}
	return store.Ahead{Lease: l.lease, ExpiresAt: l.expires}, nil
}

func (l *leaser) AcquireAhead(_ context.Context, seen store.Ahead, holder string, ttl time.Duration) (store.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lease != seen.Lease || !l.expires.Equal(seen.ExpiresAt) {
		return store.Lease{}, store.ErrLeaseHeld
	}
	l.lease = store.Lease{Role: seen.Role, Holder: holder, Term: l.lease.Term + 1}
	l.expires = time.Now().Add(ttl)
	l.calls = append(l.calls, "take over "+holder)
	return l.lease, nil
}

// putBack leaves the lease an hour ahead of the database's clock.
func (l *leaser) putBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expires = l.expires.Add(time.Hour)
}

// TestARoleIsTakenFromTheDeadThoughTheClockWasPutBack: not after an hour, and not before
// its holder would have ceased to trust its lease.
func TestARoleIsTakenFromTheDeadThoughTheClockWasPutBack(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(*schedule.Roles, context.Context, func(context.Context, store.Lease) error){
		"by a standby": func(r *schedule.Roles, ctx context.Context, work func(context.Context, store.Lease) error) {
			r.Hold(ctx, "digest", work)
		},
		"by a command": func(r *schedule.Roles, ctx context.Context, work func(context.Context, store.Lease) error) {
			if err := r.Once(ctx, "digest", work); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &leaser{}
				if _, err := l.Acquire(t.Context(), "digest", "gone", 15*time.Second); err != nil {
					t.Fatal(err)
				}
				l.putBack()
				began := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				take(roles(l, "b"), ctx, func(_ context.Context, lease store.Lease) error {
					if waited := time.Since(began); waited < 15*time.Second || waited > 21*time.Second {
						t.Errorf("took over after %v", waited)
					}
					if lease.Term != 2 || lease.Holder != "b" {
						t.Errorf("lease %+v", lease)
					}
					cancel()
					return nil
				})
				if l.looks > 6 {
					t.Errorf("looked %d times at the lease, want few: there may be thousands of roles", l.looks)
				}
			})
		})
	}
}

// TestARoleIsLeftToTheLivingThoughTheClockWasPutBack, who puts it right when it is extended
// next, also where the clock is put back again and again.
func TestARoleIsLeftToTheLivingThoughTheClockWasPutBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leaser{}
		ctx, cancel := context.WithCancel(t.Context())
		standby := make(chan struct{})
		err := roles(l, "a").Once(ctx, "digest", func(ctx context.Context, _ store.Lease) error {
			go func() {
				defer close(standby)
				waiting, done := context.WithTimeout(ctx, 9*time.Minute)
				defer done()
				roles(l, "b").Hold(waiting, "digest", func(context.Context, store.Lease) error {
					t.Error("a role was taken from a holder that lives")
					return nil
				})
			}()
			for range 120 {
				l.putBack()
				time.Sleep(4700 * time.Millisecond)
			}
			return ctx.Err()
		})
		cancel()
		<-standby
		if err != nil {
			t.Errorf("the holder ended for %v", err)
		}
	})
}

// TestACommandDoesNotWaitForTheLiving whose lease is as it should be.
func TestACommandDoesNotWaitForTheLiving(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leaser{}
		if _, err := l.Acquire(t.Context(), "digest", "a", 15*time.Second); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := roles(l, "b").Once(t.Context(), "digest", func(context.Context, store.Lease) error { return nil })
		if !errors.Is(err, store.ErrLeaseHeld) || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
