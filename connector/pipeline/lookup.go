package pipeline

import (
	"log/slog"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// lookupPatience is how long an event of unknown outcome waits for the budget of
// lookups: longer than the hour after which there is a new one. Then it is sent
// again, and its source_event_id lets the receiver tell.
const lookupPatience = 75 * time.Minute

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
	var group []store.Settlement
	var missing []store.Delivery
	for _, d := range due {
		if !found.IDs[d.Event.ID] {
			missing = append(missing, d)
			continue
		}
		group = append(group, store.Settlement{Delivery: d, State: store.Delivered, Reason: "found after unknown outcome"})
	}
	wait := time.Duration(0)
	if err != nil {
		missing, wait = s.unanswered(missing, asked, err)
	}
	for _, d := range missing {
		st := store.Settlement{Delivery: d, State: store.Pending, Uncounted: true, NextAttemptAt: asked, Reason: "not looked up"}
		if err == nil {
			st.Reason, st.NextAttemptAt = "absent after unknown outcome", asked.Add(s.o.Retry.wait(d.Attempts, 0))
		}
		group = append(group, st)
	}
	return wait, s.settleLookup(group)
}

// unanswered returns what has waited too long for an answer and is to be sent
// again, and when to ask for the others.
func (s *session) unanswered(missing []store.Delivery, asked time.Time, err error) ([]store.Delivery, time.Duration) {
	var late []store.Delivery
	for _, d := range missing {
		if asked.Sub(d.UnknownSince) >= lookupPatience {
			late = append(late, d)
		}
	}
	level, wait := slog.LevelWarn, 10*time.Second
	if e := failure.As(err); e != nil && e.Reason == failure.RateLimited {
		wait = min(max(e.RetryAfter, time.Second), time.Minute)
		if len(late) == 0 {
			level = slog.LevelDebug // the budget of lookups is spread over the hour, which is as it should be
		}
	}
	s.o.Logger.Log(s.hard, level, "events of unknown outcome cannot be looked up yet",
		"account", s.o.Account, "count", len(missing), "sent_again", len(late), "err", err)
	return late, wait
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
