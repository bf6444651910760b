package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// TestEventsUnderWayAreNotOwedAgain claims deliveries at random and settles them some
// digests later, while records go on linking customers and naming contacts with the
// centre: the events of each are owed once all the same.
func TestEventsUnderWayAreNotOwedAgain(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := world.New(world.Options{Seed: seed, Start: now.Add(-20 * time.Hour), End: now.Add(-3 * time.Hour), Contacts: 90, Customers: 25})
			records := fetchAll(t, twiliosim.New(twiliosim.Options{World: w, Clock: clock}))
			whole := openStore(t)
			lease := leaseOf(t, whole)
			capture(t, whole, records)
			untilDigested(t, newDigest(t, whole), lease)

			st, r := openStore(t), rand.New(rand.NewPCG(seed, 2))
			lease = leaseOf(t, st)
			d := newDigest(t, st)
			var held []store.Delivery
			for _, batch := range mixed(records, r) {
				capture(t, st, batch)
				untilDigested(t, d, lease)
				n := r.IntN(len(held) + 1)
				deliver(t, st, lease, held[:n])
				claimed, err := st.Claim(t.Context(), lease, "a", now.Add(time.Hour), 1+r.IntN(20), 5)
				if err != nil {
					t.Fatal(err)
				}
				held = append(held[n:], claimed...)
			}
			want := eventsByName(t, whole)
			for name, n := range eventsByName(t, st) {
				// What is taken for a transfer may turn out to be none after it was told.
				if n != want[name] && name != "interaction_transferred" {
					t.Errorf("%d events %s, want %d", n, name, want[name])
				}
			}
		})
	}
}

func leaseOf(t *testing.T, st store.Store) store.Lease {
	t.Helper()
	lease, err := st.Acquire(t.Context(), "digest", "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// mixed splits records into small batches: each stream in its order, and now the one,
// now the other ahead.
func mixed(records []record.Record, r *rand.Rand) (out [][]record.Record) {
	streams := map[bool][]record.Record{}
	for _, rec := range records {
		thread := rec.Stream == twilio.ConversationsStream
		streams[thread] = append(streams[thread], rec)
	}
	for len(streams[true])+len(streams[false]) > 0 {
		thread := r.IntN(4) == 0
		n := min(1+r.IntN(30), len(streams[thread]))
		if n > 0 {
			out = append(out, streams[thread][:n])
		}
		streams[thread] = streams[thread][n:]
	}
	return out
}

// deliver settles deliveries as done; a customer's contact has the customer's number.
func deliver(t *testing.T, st store.Store, lease store.Lease, some []store.Delivery) {
	t.Helper()
	var out []store.Settlement
	for _, d := range some {
		s := store.Settlement{Delivery: d, State: store.Delivered}
		if d.Kind == store.ContactDelivery {
			s.Held = &record.Held{ID: d.CustomerID}
		}
		out = append(out, s)
	}
	if err := st.Settle(t.Context(), lease, now, out); err != nil {
		t.Fatal(err)
	}
}

// eventsByName counts events that were sent or will be.
func eventsByName(t *testing.T, st store.Store) map[string]int {
	t.Helper()
	all, err := st.LoadDeliveries(t.Context(), "c", "", 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, d := range all {
		if d.Event != nil && d.State != store.Withdrawn {
			count[d.Event.Name]++
		}
	}
	return count
}
