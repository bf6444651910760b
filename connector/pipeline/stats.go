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
}

func (s *stats) add(group []store.Settlement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = Counts{}
	}
	for _, g := range group {
		if g.State == store.Pending {
			continue
		}
		kind := s.counts[g.Delivery.Kind]
		if kind == nil {
			kind = map[store.DeliveryState]int{}
			s.counts[g.Delivery.Kind] = kind
		}
		kind[g.State]++
	}
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
