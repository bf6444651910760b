package storetest

import (
	"errors"
	"sync"
	"time"

	"flexbrevo/connector/store"
)

var leaseTests = map[string]func(*fixture){
	"a role has one holder": func(f *fixture) {
		for _, holder := range []string{"one", "two"} {
			if _, err := f.s.Acquire(f.ctx, f.deliver.Role, holder, time.Minute); !errors.Is(err, store.ErrLeaseHeld) {
				f.Errorf("%s acquires a held role: %v", holder, err)
			}
		}
		f.must(f.s.Extend(f.ctx, f.deliver, time.Minute))
	},
	"of many who ask at once one gets a role": func(f *fixture) {
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() { _, errs[i] = f.s.Acquire(f.ctx, "wanted", string(rune('a'+i)), time.Minute) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, store.ErrLeaseHeld) {
				f.Error(err)
			}
		}
		if won != 1 {
			f.Errorf("%d got the role", won)
		}
	},
	"an expired lease is free and its holder is fenced off": func(f *fixture) {
		late, err := f.s.Acquire(f.ctx, "role", "one", -time.Second) // expired by the database's clock
		f.must(err)
		if err := f.s.Extend(f.ctx, late, time.Minute); !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("extend an expired lease: %v", err)
		}
		if err := f.s.SaveDigest(f.ctx, late, filled(store.Digest{Customers: customersOf(1)})); !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("write under an expired lease: %v", err)
		}
		next := f.acquire("role", "two")
		if next.Term <= late.Term {
			f.Errorf("term %d after %d", next.Term, late.Term)
		}
		f.must(f.s.Release(f.ctx, late)) // not its lease any more
		f.must(f.s.Extend(f.ctx, next, time.Minute))
	},
	"a role given back is free at once": func(f *fixture) {
		next := f.takeOver(f.deliver)
		if err := f.s.Extend(f.ctx, f.deliver, time.Minute); !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("extend what was given back: %v", err)
		}
		f.must(f.s.Release(f.ctx, f.deliver))
		if next.Term <= f.deliver.Term || next.Holder != "two" || next.Role != f.deliver.Role {
			f.Errorf("next lease %+v", next)
		}
	},
}
