package figures

import (
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
)

// entry is one time that a task was put before a queue.
type entry struct {
	at    time.Time
	queue string
}

// OfQueues is what a task adds to its queues' hours: each entry into a queue is
// offered once, in the UTC hour in which it came; it is accepted by the first
// reservation that an agent takes before the next entry, or abandoned when the task
// was. A transfer that enters no queue is an entry of its own (facts/twilio.md 1.8).
// Survey tasks add nothing.
func OfQueues(t *profile.Task, o *Options) []store.QueuePart {
	if t.Survey {
		return nil
	}
	offers := reservations(t.Fact)
	entries := entriesOf(t.Fact, offers)
	var parts []store.QueuePart
	for i, e := range entries {
		var next time.Time
		if i+1 < len(entries) {
			next = entries[i+1].at
		}
		p := hourOf(&parts, store.QueuePart{Source: t.SID, Hour: e.at.UTC().Truncate(time.Hour), Queue: e.queue, Channel: t.Channel})
		p.Offered++
		service, short := o.thresholds(e.queue, t.Fact.Text(fact.ChannelSID))
		if accepted := firstAccepted(offers, e.at, next); !accepted.IsZero() {
			wait := seconds(e.at, accepted)
			p.Accepted, p.Waited, p.Longest = p.Accepted+1, p.Waited+wait, max(p.Longest, wait)
			p.InService += one(service > 0 && wait <= int64(service/time.Second))
		} else if next.IsZero() && t.Abandoned {
			p.Abandoned++
			p.ShortAbandoned += one(time.Duration(seconds(e.at, t.EndedAt))*time.Second < short)
		}
	}
	return parts
}

func (o *Options) thresholds(queue, channel string) (service, short time.Duration) {
	if o.Thresholds == nil {
		return 0, 0
	}
	return o.Thresholds(queue, channel)
}

// entriesOf are a task's entries into queues, in order.
func entriesOf(f *fact.Fact, offers []reservation) []entry {
	var entries []entry
	for name, p := range f.Parts {
		if strings.HasPrefix(name, fact.Entry) && !p.Time(fact.Created).IsZero() {
			entries = append(entries, entry{p.Time(fact.Created), p.Text(fact.QueueSID)})
		}
	}
	if len(entries) == 0 && !f.Time(fact.Queued).IsZero() {
		entries = append(entries, entry{f.Time(fact.Queued), f.Text(fact.QueueSID)})
	}
	for name, p := range f.Parts {
		if at := p.Time(fact.Created); strings.HasPrefix(name, fact.Transfer) && !at.IsZero() {
			if e, alone := transferred(at, entries, offers); alone {
				entries = append(entries, e)
			}
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.queue, b.queue)
	})
	return entries
}

// transferred is the entry that a transfer stands for, unless it led into a queue
// before the next agent was asked.
func transferred(at time.Time, entries []entry, offers []reservation) (entry, bool) {
	for _, r := range offers {
		if r.created.Before(at) {
			continue
		}
		for _, e := range entries {
			if !e.at.Before(at) && !e.at.After(r.created) {
				return entry{}, false
			}
		}
		return entry{at, r.queue}, true
	}
	return entry{}, false
}

func hourOf(parts *[]store.QueuePart, p store.QueuePart) *store.QueuePart {
	for i := range *parts {
		if got := &(*parts)[i]; got.Hour.Equal(p.Hour) && got.Queue == p.Queue && got.Channel == p.Channel {
			return got
		}
	}
	*parts = append(*parts, p)
	return &(*parts)[len(*parts)-1]
}

// firstAccepted is when an agent first took the task from one moment up to another.
func firstAccepted(offers []reservation, from, until time.Time) time.Time {
	var first time.Time
	for _, r := range offers {
		if !r.accepted.IsZero() && !r.accepted.Before(from) && (until.IsZero() || r.accepted.Before(until)) {
			first = earliest(first, r.accepted)
		}
	}
	return first
}
