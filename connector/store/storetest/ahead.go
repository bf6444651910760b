package storetest

import (
	"errors"
	"time"

	"flexbrevo/connector/store"
)

// A lease of an hour is, to those who give a minute, what a clock that was put back by
// an hour left behind.
var aheadTests = map[string]func(*fixture){
	"a lease that ends in time is not ahead of the clock": func(f *fixture) {
		f.must(f.s.Extend(f.ctx, f.deliver, time.Minute))
		for _, role := range []string{f.deliver.Role, "nobody's"} {
			if seen, err := f.s.LoadAhead(f.ctx, role, time.Minute); !errors.Is(err, store.ErrNotFound) {
				f.Errorf("%s: %+v, %v", role, seen, err)
			}
		}
	},
	"a lease ahead of the clock is taken over as it was seen": func(f *fixture) {
		f.must(f.s.Extend(f.ctx, f.deliver, time.Hour))
		seen, err := f.s.LoadAhead(f.ctx, f.deliver.Role, time.Minute)
		f.must(err)
		if seen.Lease != f.deliver || seen.ExpiresAt.IsZero() {
			f.Errorf("saw %+v, want the lease %+v", seen, f.deliver)
		}
		next, err := f.s.AcquireAhead(f.ctx, seen, "two", time.Minute)
		f.must(err)
		if next.Role != f.deliver.Role || next.Holder != "two" || next.Term <= f.deliver.Term {
			f.Errorf("took %+v after %+v", next, f.deliver)
		}
		if _, err := f.s.LoadAhead(f.ctx, f.deliver.Role, time.Minute); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("it is still ahead: %v", err)
		}
		if err := f.s.Extend(f.ctx, f.deliver, time.Minute); !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("the first holder extends what it lost: %v", err)
		}
		f.must(f.s.Extend(f.ctx, next, time.Minute))
		if _, err := f.s.AcquireAhead(f.ctx, seen, "three", time.Minute); !errors.Is(err, store.ErrLeaseHeld) {
			f.Errorf("taken over twice: %v", err)
		}
	},
	"a lease that was extended since it was seen is left alone": func(f *fixture) {
		f.must(f.s.Extend(f.ctx, f.deliver, time.Hour))
		seen, err := f.s.LoadAhead(f.ctx, f.deliver.Role, time.Minute)
		f.must(err)
		f.must(f.s.Extend(f.ctx, f.deliver, 2*time.Hour))
		if _, err := f.s.AcquireAhead(f.ctx, seen, "two", time.Minute); !errors.Is(err, store.ErrLeaseHeld) {
			f.Errorf("taken from a holder that lives: %v", err)
		}
		f.must(f.s.Extend(f.ctx, f.deliver, time.Minute))
	},
}
