package pipeline_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

// registrar is a store that notes which facts were written and which references to them.
type registrar struct {
	store.Store
	// former has references to facts themselves written, as former builds did.
	former bool
	facts  map[string]fact.Key
	refs   map[string]bool
}

func (r *registrar) SaveDigest(ctx context.Context, lease store.Lease, d *store.Digest) error {
	for _, f := range d.Facts {
		if f.CustomerID == 0 {
			continue
		}
		r.facts[f.Fact.SID] = f.Fact.Key()
		if r.former {
			d.Tokens = append(d.Tokens, store.StoredToken{Token: store.Token{Kind: store.Ref, Value: f.Fact.SID}, CustomerID: f.CustomerID})
		}
	}
	for _, t := range d.Tokens {
		if t.Kind == store.Ref {
			r.refs[t.Value] = true
		}
	}
	return r.Store.SaveDigest(ctx, lease, d)
}

// TestFactsAreTheirOwnReferences: that a task or a conversation is somebody's is written
// once, with the fact. A store that has it twice, as those of former builds do, gives the
// same and keeps both true.
func TestFactsAreTheirOwnReferences(t *testing.T) {
	t.Parallel()
	w := world.New(world.Options{Seed: 9, Start: now.Add(-14 * time.Hour), End: now.Add(-3 * time.Hour), Contacts: 80, Customers: 30, Odd: true})
	sim := twiliosim.New(twiliosim.Options{World: w, Clock: clock})
	records := fetchAll(t, sim)
	want := digestAll(t, records, len(records))
	for name, former := range map[string]int{"new": 0, "of a former build": len(records) / 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := &registrar{Store: openStore(t), facts: map[string]fact.Key{}, refs: map[string]bool{}}
			lease, err := st.Acquire(t.Context(), "digest", "test", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			d, r := newDigestOf(t, st, 40), rand.New(rand.NewPCG(3, 4))
			shuffled := records[:len(records):len(records)]
			if former > 0 { // half of what is told of each comes before, half after
				shuffled = anyWay(sim, records, r)
			}
			st.former = former > 0
			capture(t, st, shuffled[:former])
			untilDigested(t, d, lease)
			st.former = false
			capture(t, st, shuffled[former:])
			untilDigested(t, d, lease)
			compare(t, want, owed(t, st))
			st.check(t, former > 0)
		})
	}
}

// check makes sure that references to facts lead where the facts do. Tasks were written
// as references where that is expected, and else not; a conversation may be named before
// anything is told of it.
func (r *registrar) check(t *testing.T, expected bool) {
	tasks, twice := 0, 0
	for sid, key := range r.facts {
		if key.Kind == fact.Survey {
			continue
		}
		n, err := r.LoadNeighbours(t.Context(), "c", nil, []fact.Key{key})
		if err != nil || len(n.Customers) != 1 {
			t.Fatalf("%d customers own %s: %v", len(n.Customers), sid, err)
		}
		by, err := r.LoadNeighbours(t.Context(), "c", []store.Token{{Kind: store.Ref, Value: sid}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(by.Customers) > 0 && by.Customers[0].ID != n.Customers[0].ID {
			t.Errorf("%s is of customer %d and leads to %d", sid, n.Customers[0].ID, by.Customers[0].ID)
		}
		if key.Kind == fact.Task {
			if tasks++; r.refs[sid] {
				twice++
			}
		}
	}
	if tasks < 80 || expected != (twice > 0) {
		t.Errorf("of %d tasks %d were written as references, too", tasks, twice)
	}
}
