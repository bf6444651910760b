package pipeline

import (
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// lookupPatience is how long an event of unknown outcome waits for the budget of
// lookups; then it is sent again, and its source_event_id lets the receiver tell.
const lookupPatience = 15 * time.Minute

// lookup settles events whose outcome is unknown, until ctx ends: it asks the
// destination, once an answer must be complete, whether they are there.
func (s *session) lookup() {
	t := time.NewTicker(poll)
	defer t.Stop()
	var notBefore time.Time
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		if s.o.Clock().Before(notBefore) || !s.circuit.admits() {
			continue
		}
		wait, err := s.sweep()
		if err != nil {
			s.fail(err)
			return
		}
		notBefore = s.o.Clock().Add(wait)
	}
}

// sweep looks up, in one go, all events that have been unknown long enough. It
// returns how long to wait before the next sweep.
func (s *session) sweep() (time.Duration, error) {
	unknown, err := s.o.Store.LoadUnknown(s.hard, s.o.Account, 1000)
	if err != nil {
		return 0, err
	}
	// Taken before the call: what was visible then is in the answer.
	asked := s.o.Clock()
	var due []store.Delivery
	var events []record.Event
	for _, d := range unknown {
		if asked.Sub(d.UnknownSince) >= s.o.LookupAfter {
			due = append(due, d)
			events = append(events, *d.Event)
		}
	}
	if len(due) == 0 {
		return 0, nil
	}
	found, err := s.o.Destination.Lookup(s.hard, events)
	if err != nil {
		return s.unanswered(due, asked, err)
	}
	group := make([]store.Settlement, len(due))
	for i, d := range due {
		group[i] = store.Settlement{
			Delivery: d, State: store.Pending, Uncounted: true, Reason: "absent after unknown outcome",
			NextAttemptAt: asked.Add(s.o.Retry.wait(d.Attempts, 0)),
		}
		if found.IDs[d.Event.ID] {
			group[i].State, group[i].Reason = store.Delivered, "found after unknown outcome"
		}
	}
	return 0, s.settleLookup(group)
}

// unanswered keeps waiting, and sends again what has waited too long.
func (s *session) unanswered(due []store.Delivery, asked time.Time, err error) (time.Duration, error) {
	s.o.Logger.Warn("events of unknown outcome cannot be looked up yet", "account", s.o.Account, "count", len(due), "err", err)
	var group []store.Settlement
	for _, d := range due {
		if asked.Sub(d.UnknownSince) >= lookupPatience {
			group = append(group, store.Settlement{
				Delivery: d, State: store.Pending, Uncounted: true, NextAttemptAt: asked, Reason: "not looked up",
			})
		}
	}
	wait := 10 * time.Second
	if e := failure.As(err); e != nil {
		wait = max(wait, min(e.RetryAfter, time.Minute))
	}
	return wait, s.settleLookup(group)
}

func (s *session) settleLookup(group []store.Settlement) error {
	if len(group) == 0 {
		return nil
	}
	if err := s.o.Store.Settle(s.hard, s.lease, s.o.Clock(), group); err != nil {
		return err
	}
	s.stats.add(group)
	s.Wake()
	return nil
}
