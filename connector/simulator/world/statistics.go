package world

import "time"

// Counts is what statistics count within an interval.
type Counts struct {
	Entered, Canceled                     int
	Created, Accepted, Rejected, TimedOut int
}

// CountQueue counts what happened in a queue within an interval, both ends included.
func (w *World) CountQueue(queue int, from, until time.Time) (c Counts) {
	within := func(at time.Time) bool { return !at.Before(from) && !at.After(until) }
	for i := range w.Tasks {
		t := &w.Tasks[i]
		if t.Queue == queue && within(t.QueuedAt) {
			c.Entered++
		}
		if t.Queue == queue && t.End == EndCanceled && within(t.EndedAt) {
			c.Canceled++
		}
		for n := range t.Reservations {
			if t.Reservations[n].Queue == queue {
				c.add(&t.Reservations[n], within)
			}
		}
	}
	return c
}

// CountAgents counts what all agents did within an interval, both ends included.
func (w *World) CountAgents(from, until time.Time) (c Counts) {
	within := func(at time.Time) bool { return !at.Before(from) && !at.After(until) }
	for i := range w.Tasks {
		for n := range w.Tasks[i].Reservations {
			c.add(&w.Tasks[i].Reservations[n], within)
		}
	}
	return c
}

func (c *Counts) add(r *Reservation, within func(time.Time) bool) {
	if within(r.CreatedAt) {
		c.Created++
	}
	if !within(r.AnsweredAt) {
		return
	}
	switch {
	case r.Accepted():
		c.Accepted++
	case r.Outcome == ReservationRejected:
		c.Rejected++
	case r.Outcome == ReservationTimeout:
		c.TimedOut++
	}
}

// QueueState is a queue at a moment.
type QueueState struct {
	Tasks, Pending      int
	Longest             int // seconds that the oldest of those pending has waited
	Available, Eligible int
}

// QueueAt returns what is in a queue at a moment, and who is there for it.
func (w *World) QueueAt(queue int, at time.Time) (s QueueState) {
	for i := range w.Tasks {
		t := &w.Tasks[i]
		if t.Queue != queue || t.QueuedAt.After(at) || !t.EndedAt.After(at) {
			continue
		}
		s.Tasks++
		if accepted, ok := t.AcceptedAt(); !ok || accepted.After(at) {
			s.Pending++
			s.Longest = max(s.Longest, int(at.Sub(t.QueuedAt)/time.Second))
		}
	}
	for i := range w.Agents {
		for _, q := range w.Agents[i].Queues {
			if q == queue {
				s.Eligible++
				if w.Activities[w.Agents[i].ActivityAt(at).Activity].Available {
					s.Available++
				}
			}
		}
	}
	return s
}

// Capacity is how many tasks of a channel every agent may have at once.
func Capacity(channel string) int {
	switch channel {
	case "chat":
		return 3
	case "sms":
		return 2
	}
	return 1
}
