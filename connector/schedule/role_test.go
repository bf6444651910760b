package schedule_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// leaser hands out one role by its own clock, and can be made to misbehave.
type leaser struct {
	mu      sync.Mutex
	lease   store.Lease
	expires time.Time
	// extend stands before Extend, where it is set.
	extend func(ctx context.Context) error
	// full is the error of Acquire, where it is set.
	full  error
	calls []string
	looks int
}

func (l *leaser) Acquire(_ context.Context, role, holder string, ttl time.Duration) (store.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full != nil {
		return store.Lease{}, l.full
	}
	if l.lease.Holder != "" && time.Now().Before(l.expires) {
		return store.Lease{}, store.ErrLeaseHeld
	}
	l.lease = store.Lease{Role: role, Holder: holder, Term: l.lease.Term + 1}
	l.expires = time.Now().Add(ttl)
	l.calls = append(l.calls, "acquire "+holder)
	return l.lease, nil
}

func (l *leaser) Extend(ctx context.Context, lease store.Lease, ttl time.Duration) error {
	if l.extend != nil {
		if err := l.extend(ctx); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lease != lease || !time.Now().Before(l.expires) {
		return store.ErrLeaseLost
	}
	l.expires = time.Now().Add(ttl)
	return nil
}

func (l *leaser) Release(_ context.Context, lease store.Lease) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, "release "+lease.Holder)
	if l.lease == lease {
		l.lease.Holder = ""
	}
	return nil
}

// extending extends the lease for whoever holds it, as long as they live.
func (l *leaser) extending(living context.Context) {
	for every := time.NewTicker(5 * time.Second); ; {
		select {
		case <-living.Done():
			return
		case <-every.C:
			l.mu.Lock()
			l.expires = time.Now().Add(15 * time.Second)
			l.mu.Unlock()
		}
	}
}

func roles(l *leaser, holder string) *schedule.Roles {
	return &schedule.Roles{Store: l, Holder: holder, TTL: 15 * time.Second, Logger: slog.New(slog.DiscardHandler)}
}

func TestALeaseIsExtendedWhileItsWorkLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leaser{}
		errWork := errors.New("what the work says")
		err := roles(l, "a").Once(t.Context(), "digest", func(ctx context.Context, lease store.Lease) error {
			if lease.Role != "digest" || lease.Term != 1 {
				t.Errorf("lease %+v", lease)
			}
			time.Sleep(time.Hour)
			if ctx.Err() != nil {
				t.Errorf("the lease did not last: %v", context.Cause(ctx))
			}
			return errWork
		})
		if !errors.Is(err, errWork) {
			t.Errorf("Once gave %v", err)
		}
		if want := []string{"acquire a", "release a"}; !slices.Equal(l.calls, want) {
			t.Errorf("calls %v, want %v", l.calls, want)
		}
	})
}

func TestOnceSaysThatARoleIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leaser{}
		err := roles(l, "a").Once(t.Context(), "digest", func(ctx context.Context, _ store.Lease) error {
			return roles(l, "b").Once(ctx, "digest", func(context.Context, store.Lease) error {
				t.Error("two hold one role")
				return nil
			})
		})
		if !errors.Is(err, store.ErrLeaseHeld) {
			t.Errorf("Once gave %v", err)
		}
	})
}

func TestALostLeaseEndsItsWork(t *testing.T) {
	t.Parallel()
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, c := range []struct {
		name   string
		extend func(ctx context.Context) error
		after  time.Duration
	}{
		{"the store says so", func(context.Context) error { return store.ErrLeaseLost }, 5 * time.Second},
		{"the store cannot be reached", func(context.Context) error { return store.ErrUnavailable }, 12 * time.Second},
		{"the store hangs", hangs, 12 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := roles(&leaser{extend: c.extend}, "a").Once(t.Context(), "digest", func(ctx context.Context, _ store.Lease) error {
					<-ctx.Done()
					return context.Cause(ctx)
				})
				if !errors.Is(err, schedule.ErrLeaseLost) {
					t.Errorf("the work ended for %v", err)
				}
				if took := time.Since(began); took != c.after {
					t.Errorf("the work ended after %v, want %v: before the lease runs out", took, c.after)
				}
			})
		})
	}
}

func TestAnExtensionThatFailsIsTriedAgainInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		l := &leaser{extend: func(context.Context) error {
			if tries++; tries%4 != 0 {
				return store.ErrUnavailable
			}
			return nil
		}}
		err := roles(l, "a").Once(t.Context(), "digest", func(ctx context.Context, _ store.Lease) error {
			time.Sleep(10 * time.Minute)
			return context.Cause(ctx)
		})
		if err != nil {
			t.Errorf("the work ended for %v", err)
		}
	})
}

func TestAnotherTakesOverFromOneThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leaser{}
		if _, err := l.Acquire(t.Context(), "digest", "gone", 15*time.Second); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		roles(l, "b").Hold(ctx, "digest", func(_ context.Context, lease store.Lease) error {
			if waited := time.Since(began); waited < 15*time.Second || waited > 18*time.Second {
				t.Errorf("took over after %v", waited)
			}
			if lease.Term != 2 {
				t.Errorf("term %d, want a new one", lease.Term)
			}
			cancel()
			return nil
		})
	})
}

func TestHoldBeginsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &leaser{}
		r := roles(l, "a")
		r.Logger = slog.New(slog.NewTextHandler(&log, nil))
		ctx, cancel := context.WithCancel(t.Context())
		var began []time.Time
		r.Hold(ctx, "digest", func(context.Context, store.Lease) error {
			if began = append(began, time.Now()); len(began) == 3 {
				cancel()
				return context.Canceled
			}
			return errors.New("disk full")
		})
		if len(began) != 3 || began[1].Sub(began[0]) < time.Second {
			t.Errorf("began at %v: work that fails is begun again after a pause", began)
		}
		if n := strings.Count(log.String(), "work under a role ended"); n != 2 {
			t.Errorf("%d lines for 2 failures (a stop is none):\n%s", n, &log)
		}
		if want := []string{"acquire a", "release a", "acquire a", "release a", "acquire a", "release a"}; !slices.Equal(l.calls, want) {
			t.Errorf("calls %v", l.calls)
		}
	})
}

// TestStopGivesTheRoleBack: the release must go through although ctx has ended.
func TestStopGivesTheRoleBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leaser{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		roles(l, "a").Hold(ctx, "digest", func(ctx context.Context, _ store.Lease) error {
			<-ctx.Done()
			return nil
		})
		if err := roles(l, "b").Once(t.Context(), "digest", func(context.Context, store.Lease) error { return nil }); err != nil {
			t.Errorf("the role cannot be taken at once: %v", err)
		}
	})
}

func TestTrustEndsBeforeTheLeaseWithoutATimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leaser{extend: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		err := roles(l, "a").Once(t.Context(), "deliver", func(ctx context.Context, _ store.Lease) error {
			if err := store.Trusted(ctx); err != nil {
				t.Errorf("at the beginning: %v", err)
			}
			time.Sleep(11 * time.Second)
			if err := store.Trusted(ctx); err != nil {
				t.Errorf("after 11 s: %v", err)
			}
			time.Sleep(time.Second)
			return store.Trusted(ctx)
		})
		if !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("a second before the lease ends: %v", err)
		}
	})
}

// TestWorkThatWasCutShortIsNotDone though it says so: it may not know.
func TestWorkThatWasCutShortIsNotDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leaser{extend: func(context.Context) error { return store.ErrUnavailable }}
		err := roles(l, "a").Once(t.Context(), "deliver", func(ctx context.Context, _ store.Lease) error {
			<-ctx.Done()
			return nil
		})
		if !errors.Is(err, schedule.ErrLeaseLost) {
			t.Errorf("Once gave %v for work that lost its lease", err)
		}
		err = roles(&leaser{}, "a").Once(t.Context(), "deliver", func(context.Context, store.Lease) error { return store.ErrLeaseLost })
		if !errors.Is(err, schedule.ErrLeaseLost) || !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("Once gave %v where the store refused the lease", err)
		}
	})
}

// TestOnceMoreGoesOn after a lease was lost, until the work was done under one, and
// gives way to whoever took the role meanwhile.
func TestOnceMoreGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		slow.Store(true)
		l := &leaser{extend: func(context.Context) error {
			if slow.Load() {
				return store.ErrUnavailable
			}
			return nil
		}}
		begun := 0
		err := roles(l, "a").OnceMore(t.Context(), "deliver", func(ctx context.Context, _ store.Lease) error {
			if begun++; begun == 3 {
				slow.Store(false)
				time.Sleep(time.Hour)
				return nil
			}
			<-ctx.Done()
			return nil
		})
		if err != nil || begun != 3 {
			t.Errorf("the work was begun %d times, %v; want 3 and no error", begun, err)
		}
		slow.Store(true)
		living, die := context.WithCancel(t.Context())
		err = roles(l, "a").OnceMore(t.Context(), "deliver", func(ctx context.Context, _ store.Lease) error {
			<-ctx.Done()
			l.mu.Lock()
			defer l.mu.Unlock()
			l.lease, l.expires = store.Lease{Role: "deliver", Holder: "b", Term: 99}, time.Now().Add(15*time.Second)
			go l.extending(living)
			return nil
		})
		die()
		if !errors.Is(err, store.ErrLeaseHeld) {
			t.Errorf("OnceMore gave %v though another holds the role", err)
		}
	})
}

// TestComplaintsAreRare leaves a full disk some room: the log is told once a minute of a role that cannot be taken, and
// at once of the next trouble after it was.
func TestComplaintsAreRare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &leaser{full: errors.New("disk full")}
		r := roles(l, "a")
		r.Logger = slog.New(slog.NewTextHandler(&log, nil))
		complaints := func() int { return strings.Count(log.String(), "role cannot be taken") }
		hold := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			r.Hold(ctx, "digest", func(ctx context.Context, _ store.Lease) error { <-ctx.Done(); return nil })
		}
		hold(150 * time.Second)
		if n := complaints(); n != 3 {
			t.Errorf("%d complaints in two and a half minutes, want 3", n)
		}
		l.full = nil
		hold(time.Second)
		l.full = errors.New("disk full again")
		hold(time.Second)
		if n := complaints(); n != 4 {
			t.Errorf("%d complaints with the one after it went well, want 4", n)
		}
	})
}
