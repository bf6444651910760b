package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

// laggard is a store that saves a digest only after something was loaded beside it, so
// that whatever is computed beside a save reads what is not there yet. Some saves fail.
type laggard struct {
	store.Store
	mu sync.Mutex
	r  *rand.Rand
	// loaded is closed, and made anew, by each load.
	loaded chan struct{}
	beside int // loads while a save was under way
	saving bool
}

func (l *laggard) LoadNeighbours(ctx context.Context, connector string, tokens []store.Token, keys []fact.Key) (*store.Neighbours, error) {
	n, err := l.Store.LoadNeighbours(ctx, connector, tokens, keys)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.saving {
		l.beside++
	}
	close(l.loaded)
	l.loaded = make(chan struct{})
	return n, err
}

func (l *laggard) SaveDigest(ctx context.Context, lease store.Lease, d *store.Digest) error {
	l.mu.Lock()
	loaded, fails := l.loaded, l.r.IntN(12)
	l.saving = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.saving = false
	}()
	select {
	case <-loaded:
	case <-time.After(20 * time.Millisecond): // there is nothing to load
	}
	switch fails {
	case 0:
		return fmt.Errorf("not now: %w", store.ErrUnavailable)
	case 1:
		return errors.New("not these together")
	case 2: // the answer is lost
		return errors.Join(l.Store.SaveDigest(ctx, lease, d), store.ErrUnavailable)
	}
	return l.Store.SaveDigest(ctx, lease, d)
}

// TestWhatIsSavedBesideDoesNotShow computes batches while the ones before are saved, of
// a world in which nearly everybody calls again and again, with saves that come late,
// fail, or succeed without an answer. What is owed is what one batch of all owes.
func TestWhatIsSavedBesideDoesNotShow(t *testing.T) {
	t.Parallel()
	w := world.New(world.Options{Seed: 8, Start: now.Add(-14 * time.Hour), End: now.Add(-3 * time.Hour), Contacts: 110, Customers: 45, Odd: true})
	sim := twiliosim.New(twiliosim.Options{World: w, Clock: clock})
	records := fetchAll(t, sim)
	want := digestAll(t, records, len(records))
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 2))
			st := &laggard{Store: openStore(t), r: r, loaded: make(chan struct{})}
			lease, err := st.Acquire(t.Context(), "digest", "test", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			d := newDigestOf(t, st, 5+r.IntN(20))
			capture(t, st, anyWay(sim, records, r))
			for idle := 0; idle < 2; {
				done, err := d.Once(t.Context(), lease)
				switch {
				case err != nil && !errors.Is(err, store.ErrUnavailable):
					t.Fatal(err)
				case err == nil && done.Records == 0:
					idle++
				}
			}
			if st.beside < 10 {
				t.Errorf("only %d loads beside a save: nothing is proved", st.beside)
			}
			compare(t, want, owed(t, st))
		})
	}
}
