package figures

import (
	"context"
	"strings"
	"time"

	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

const (
	// grace is how long after its end a day or hour is told: what it counts may be
	// known late.
	grace = time.Hour
	// Past is how far back the first telling goes, unless somebody says otherwise.
	Past = 72 * time.Hour
)

// Mark is a place in the figures: days and hours before it are over, or were told.
type Mark struct {
	Agents string    `json:"agents"` // the first local day not told
	Queues time.Time `json:"queues"` // the first UTC hour not told
}

// MarkAt is the mark of a moment; a nil location means UTC.
func MarkAt(t time.Time, location *time.Location) Mark {
	o := Options{Location: location}
	return Mark{Agents: o.day(t), Queues: t.UTC().Truncate(time.Hour)}
}

// Later is whatever of two marks is further on.
func (m Mark) Later(other Mark) Mark {
	m.Agents = max(m.Agents, other.Agents)
	if other.Queues.After(m.Queues) {
		m.Queues = other.Queues
	}
	return m
}

// Complete says until when a connector's figures are complete enough to be told: the
// events of that time were read, and digested; ready is false while they were not.
func Complete(ctx context.Context, s store.Store, connector string, now time.Time) (until time.Time, ready bool, err error) {
	checkpoints, err := s.LoadCheckpoints(ctx, connector)
	if err != nil {
		return time.Time{}, false, err
	}
	read := checkpoints[twilio.EventsStream].Through
	if read.IsZero() {
		return time.Time{}, false, nil
	}
	if until = now.Add(-grace); read.Before(until) {
		until = read
	}
	waiting, err := s.LoadUndigested(ctx, connector, 1)
	return until, err == nil && (len(waiting) == 0 || !waiting[0].At.Before(until)), err
}

// Properties are the figures of the day as they are told in Brevo, without the
// activities.
func (d AgentDay) Properties() map[string]any {
	p := map[string]any{
		"day": d.Day, "agent": d.Agent, "worker_sid": d.Worker, "offered": d.Offered, "accepted": d.Accepted,
		"rejected": d.Rejected, "timed_out": d.TimedOut, "handled": d.Handled,
		"talk_time": d.Talk, "wrapup_time": d.Wrap, "handle_time": d.Handle,
	}
	if d.CSAT != nil {
		p["csat"] = *d.CSAT
	}
	return p
}

// Properties are the figures of the hour as they are told in Brevo.
func (h QueueHour) Properties() map[string]any {
	p := map[string]any{
		"hour": h.Hour.UTC().Format(time.RFC3339), "queue": h.Name, "queue_sid": h.Queue, "channel": h.Channel,
		"offered": h.Offered, "accepted": h.Accepted, "abandoned": h.Abandoned, "short_abandoned": h.ShortAbandoned,
		"average_wait": h.AverageWait, "longest_wait": h.LongestWait,
	}
	if h.ServiceLevel != nil {
		p["service_level"] = *h.ServiceLevel
	}
	return p
}

// PropertyName makes a name that Brevo takes of that of an activity (facts/brevo.md
// 4.1).
func PropertyName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, s)
}
