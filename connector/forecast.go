package connector

import (
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/store"
)

// Backlog is what is owed to a connector's Brevo account by all its connectors, and
// how long it takes at the present pace.
type Backlog struct {
	Contacts int `json:"contacts"`
	Events   int `json:"events"`
	// Seconds is how long it takes, 0 where the account has no limits.
	Seconds float64 `json:"seconds"`
	// DoneAt is when it is done if nothing comes after it; nil where nothing is owed
	// or nothing limits us.
	DoneAt *time.Time `json:"doneAt"`
}

// forecast adds to a status when each account's backlog is done.
func (s *Service) forecast(st *Status) {
	owed := map[*account]*Backlog{}
	for i, f := range s.flows {
		b := owed[f.account]
		if b == nil {
			b = &Backlog{}
			owed[f.account] = b
		}
		b.Contacts += waiting(st.Connectors[i].Outbox[store.ContactDelivery])
		b.Events += waiting(st.Connectors[i].Outbox[store.EventDelivery])
	}
	now := s.o.Clock()
	for a, b := range owed {
		b.Seconds = needed(b, a.destination.Budgets(), a.destination.EventsPerCall(), now)
		if b.Seconds > 0 {
			b.DoneAt = timeOrNil(now.Add(time.Duration(b.Seconds * float64(time.Second))).Round(time.Second))
		}
	}
	for i, f := range s.flows {
		st.Connectors[i].Backlog = *owed[f.account]
	}
}

func waiting(states map[store.DeliveryState]int) int {
	return states[store.Pending] + states[store.Sending] + states[store.Unknown]
}

// needed is how many seconds the slower of the two buckets takes, and what Brevo
// asked us to wait on top. A contact that is already there costs one call, which
// most do; a new one too.
func needed(b *Backlog, budgets []brevo.Budget, perCall float64, now time.Time) float64 {
	seconds := 0.0
	for _, budget := range budgets {
		calls := 0.0
		switch budget.Bucket {
		case "contacts":
			calls = float64(b.Contacts)
		case "events":
			calls = float64(b.Events) / perCall
		}
		if calls == 0 || budget.PerSecond == 0 {
			continue
		}
		wait := 0.0
		if !budget.BlockedUntil.IsZero() {
			wait = max(0, budget.BlockedUntil.Sub(now).Seconds())
		}
		seconds = max(seconds, wait+calls/budget.PerSecond)
	}
	return seconds
}
