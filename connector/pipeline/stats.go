package pipeline

import (
	"sync"

	"flexbrevo/connector/store"
)

// Counts are outcomes since the process started, by kind and state.
type Counts map[store.DeliveryKind]map[store.DeliveryState]int

type stats struct {
	mu     sync.Mutex
	counts Counts
	// retrying are deliveries that failed and wait for another try.
	retrying map[int64]bool
}

func (s *stats) add(group []store.Settlement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts, s.retrying = Counts{}, map[int64]bool{}
	}
	for _, g := range group {
		if g.State == store.Pending {
			if g.Reason != "" {
				s.retrying[g.Delivery.ID] = true
			}
			continue
		}
		delete(s.retrying, g.Delivery.ID)
		kind := s.counts[g.Delivery.Kind]
		if kind == nil {
			kind = map[store.DeliveryState]int{}
			s.counts[g.Delivery.Kind] = kind
		}
		kind[g.State]++
	}
}

// Retrying is how many deliveries failed since the process started and wait for
// another try.
func (d *Deliver) Retrying() int {
	d.stats.mu.Lock()
	defer d.stats.mu.Unlock()
	return len(d.stats.retrying)
}

// Counts returns what was settled since the process started.
func (d *Deliver) Counts() Counts {
	d.stats.mu.Lock()
	defer d.stats.mu.Unlock()
	out := Counts{}
	for kind, states := range d.stats.counts {
		out[kind] = map[store.DeliveryState]int{}
		for state, n := range states {
			out[kind][state] = n
		}
	}
	return out
}
