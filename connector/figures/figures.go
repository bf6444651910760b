// Package figures says what each task, survey answer and change of activity adds
// to the figures of agents and queues. It is pure: the same facts always give the
// same parts, and parts replace those that the same source gave before, so that
// neither the order nor the repetition of records can show in a sum.
//
// There is no endpoint that gives these numbers (facts/twilio.md 1.9); they follow
// from events as facts/twilio.md 1.8 says.
package figures

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
)

// Options are the settings of a connector.
type Options struct {
	// Agents, Queues and Scores, of survey answers, say which figures are wanted.
	Agents, Queues, Scores bool
	// Location is the time zone of agents' days; nil means UTC. Queue hours are UTC.
	Location *time.Location
	// Thresholds returns the limits of a queue and task channel, by SID: until when an acceptance
	// is in time, and until when an abandonment is short. nil means none.
	Thresholds func(queue, channel string) (service, short time.Duration)
}

func (o *Options) day(t time.Time) string {
	if o.Location == nil {
		return t.UTC().Format(time.DateOnly)
	}
	return t.In(o.Location).Format(time.DateOnly)
}

// reservation is one offer of a task to an agent.
type reservation struct {
	part, worker, queue                                      string
	created, accepted, wrapup, completed, rejected, timedOut time.Time
}

// reservations are a task's offers, in order.
func reservations(f *fact.Fact) []reservation {
	var out []reservation
	for name, p := range f.Parts {
		if !strings.HasPrefix(name, fact.Reservation) {
			continue
		}
		r := reservation{
			part: name, worker: p.Text(fact.WorkerSID), queue: p.Text(fact.QueueSID),
			created: p.Time(fact.Created), accepted: p.Time(fact.Accepted), wrapup: p.Time(fact.Wrapup),
			completed: p.Time(fact.Completed), rejected: p.Time(fact.Rejected), timedOut: p.Time(fact.TimedOut),
		}
		if r.created.IsZero() { // the event that told of it is missing
			r.created = earliest(r.accepted, r.rejected, r.timedOut, r.completed)
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b reservation) int {
		return cmp.Or(a.created.Compare(b.created), a.accepted.Compare(b.accepted), strings.Compare(a.part, b.part))
	})
	return out
}

// OfTask is what a task adds to its agents' days. Each reservation counts on the
// local day on which it was made.
func OfTask(t *profile.Task, o *Options) []store.AgentPart {
	var parts []store.AgentPart
	for _, r := range reservations(t.Fact) {
		if r.worker == "" || r.created.IsZero() {
			continue
		}
		p := partOf(&parts, store.AgentPart{Source: t.SID, Day: o.day(r.created), Worker: r.worker})
		p.Offered++
		p.Accepted += one(!r.accepted.IsZero())
		p.Rejected += one(!r.rejected.IsZero())
		p.TimedOut += one(!r.timedOut.IsZero())
		if r.accepted.IsZero() || r.completed.IsZero() {
			continue
		}
		p.Handled++
		talked := r.completed
		if !r.wrapup.IsZero() {
			talked = r.wrapup
			p.Wrap += seconds(r.wrapup, r.completed)
		}
		p.Talk += seconds(r.accepted, talked)
	}
	return parts
}

// partOf finds the part of the same day and agent, or begins one.
func partOf(parts *[]store.AgentPart, p store.AgentPart) *store.AgentPart {
	for i := range *parts {
		if got := &(*parts)[i]; got.Day == p.Day && got.Worker == p.Worker && got.Activity == p.Activity {
			return got
		}
	}
	*parts = append(*parts, p)
	return &(*parts)[len(*parts)-1]
}

// AnswerSource is the source of what a survey answer adds.
func AnswerSource(a *profile.Answer) string { return "csat:" + a.Fact.SID }

// OfAnswer is what a survey answer adds to the day on which the agent whom it rates
// got the task: the last who took it.
func OfAnswer(a *profile.Answer, o *Options) []store.AgentPart {
	if a.Task == nil {
		return nil
	}
	var last reservation
	for _, r := range reservations(a.Task.Fact) {
		if !r.accepted.IsZero() && r.worker != "" {
			last = r
		}
	}
	if last.worker == "" {
		return nil
	}
	return []store.AgentPart{{
		Source: AnswerSource(a), Day: o.day(last.created), Worker: last.worker,
		CSATCount: 1, CSATSum: hundredths(a.Score),
	}}
}

// longestSpell bounds what is believed of an activity's length.
const longestSpell = 31 * 24 * time.Hour

// OfSpell is what a stretch of an agent's activity adds, split at the midnights of
// the connector's time zone, whether a day has 23, 24 or 25 hours.
func OfSpell(source, worker, activity string, from, to time.Time, o *Options) []store.AgentPart {
	if worker == "" || activity == "" || !from.Before(to) {
		return nil
	}
	if to.Sub(from) > longestSpell {
		from = to.Add(-longestSpell)
	}
	location := cmp.Or(o.Location, time.UTC)
	var parts []store.AgentPart
	for from.Before(to) {
		end := earliest(nextDay(from, location), to)
		p := partOf(&parts, store.AgentPart{Source: source, Day: o.day(from), Worker: worker, Activity: activity})
		p.Lasted += end.Sub(from).Milliseconds()
		from = end
	}
	return parts
}

// DayOf is when the local day of a moment began.
func DayOf(t time.Time, location *time.Location) time.Time {
	location = cmp.Or(location, time.UTC)
	t = t.In(location)
	y, m, d := t.Date()
	// The day begins where the one before it ends, an hour or a day before at most.
	for before := time.Date(y, m, d-1, 12, 0, 0, 0, location); ; before = before.Add(-24 * time.Hour) {
		if at := nextDay(before, location); !at.After(t) {
			return at
		}
	}
}

// nextDay is when the day after a moment's begins. Where clocks change at midnight
// that moment does not exist, or comes twice, and time.Date takes either side
// (Havana, Beirut); a whole day may be missing (Apia).
func nextDay(from time.Time, location *time.Location) time.Time {
	from = from.In(location)
	y, m, d := from.Date()
	next := time.Date(y, m, d+1, 0, 0, 0, 0, location)
	start, end := next.ZoneBounds()
	if next.Format(time.DateOnly) == from.Format(time.DateOnly) {
		return end
	}
	if !start.IsZero() {
		_, offset := next.Zone()
		_, before := start.Add(-time.Second).Zone()
		first := next.Add(time.Duration(offset-before) * time.Second)
		if h, m, s := first.Clock(); h+m+s == 0 && first.Before(start) && first.Day() == next.Day() {
			return first
		}
	}
	return next
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// seconds drops milliseconds before subtracting, as Flex Insights does
// (facts/twilio.md 1.8).
func seconds(from, until time.Time) int64 { return max(0, until.Unix()-from.Unix()) }

func earliest(times ...time.Time) (min time.Time) {
	for _, t := range times {
		if !t.IsZero() && (min.IsZero() || t.Before(min)) {
			min = t
		}
	}
	return min
}
