package oracle

import (
	"fmt"
	"time"

	"flexbrevo/connector/simulator/world"
)

// AgentDays calculates the figures of agents' days from the world, by "day worker
// activity": offered, accepted, rejected, timed out, handled, talk, wrap, number of
// scores, their sum in hundredths, seconds in the activity.
func AgentDays(w *world.World, zone *time.Location) map[string]string {
	sums := map[string]*[10]int64{}
	at := func(moment time.Time, agent int, activity string) *[10]int64 {
		key := moment.In(zone).Format(time.DateOnly) + " " + w.Agents[agent].SID + " " + activity
		if sums[key] == nil {
			sums[key] = &[10]int64{}
		}
		return sums[key]
	}
	took := func(from, until time.Time) int64 { return until.Unix() - from.Unix() }
	for i := range w.Tasks {
		task := &w.Tasks[i]
		for _, r := range task.Reservations {
			s := at(r.CreatedAt, r.Agent, "")
			s[0]++
			switch {
			case r.Accepted():
				s[1]++
			case r.Outcome == world.ReservationRejected:
				s[2]++
			case r.Outcome == world.ReservationTimeout:
				s[3]++
			}
			if !r.Accepted() || r.EndedAt.IsZero() || r.Outcome == world.ReservationOpen {
				continue
			}
			s[4]++
			talked := r.EndedAt
			if !r.WrapupAt.IsZero() {
				talked = r.WrapupAt
				s[6] += took(r.WrapupAt, r.EndedAt)
			}
			s[5] += took(r.AnsweredAt, talked)
		}
		rated := task
		if task.Survey {
			rated = &w.Tasks[task.Surveyed]
		}
		if n := len(rated.Reservations); task.Scored && n > 0 && rated.Reservations[n-1].Accepted() {
			s := at(rated.Reservations[n-1].CreatedAt, rated.Reservations[n-1].Agent, "")
			s[7]++
			s[8] += int64(100 * task.Score)
		}
	}
	spent := map[*[10]int64]int64{} // in milliseconds
	for i := range w.Agents {
		for _, c := range w.Agents[i].Shifts {
			// Minute by minute, without asking when midnight is.
			for from := c.At.Add(-c.Lasted); from.Before(c.At); {
				until := from.Truncate(time.Minute).Add(time.Minute)
				if c.At.Before(until) {
					until = c.At
				}
				spent[at(from, i, w.Activities[c.Previous].Name)] += until.Sub(from).Milliseconds()
				from = until
			}
		}
	}
	out := map[string]string{}
	for key, s := range sums {
		s[9] = spent[s] / 1000
		out[key] = fmt.Sprint(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9])
	}
	return out
}

// QueueHours calculates the figures of queues' hours from the world, by "hour queue
// channel": offered, accepted, abandoned, short abandoned, in service, waited,
// longest. 20 seconds are the
// service level there and 5 a short abandonment, 10 and 10 for calls of the first
// queue.
func QueueHours(w *world.World) map[string]string {
	type entered struct {
		at    time.Time
		queue int
	}
	sums := map[string]*[7]int64{}
	for i := range w.Tasks {
		task := &w.Tasks[i]
		if task.Survey {
			continue
		}
		entries := []entered{{task.QueuedAt, task.Queue}}
		for n, r := range task.Reservations {
			switch {
			case !r.Transfer:
			case task.Reservations[n-1].Queue != r.Queue:
				entries = append(entries, entered{r.CreatedAt.Add(-300 * time.Millisecond), r.Queue})
			default:
				entries = append(entries, entered{r.CreatedAt.Add(-500 * time.Millisecond), r.Queue})
			}
		}
		accepted := false
		for n, e := range entries {
			channel := task.Channel
			key := e.at.Truncate(time.Hour).Format(time.RFC3339) + " " + w.Queues[e.queue].SID + " " + channel
			if sums[key] == nil {
				sums[key] = &[7]int64{}
			}
			s := sums[key]
			s[0]++
			service, short := int64(20), int64(5)
			if e.queue == 0 && w.TaskChannelOf(task).SID == w.TaskChannels[1].SID {
				service, short = 10, 10
			}
			taken := time.Time{}
			for _, r := range task.Reservations {
				within := n+1 == len(entries) || r.AnsweredAt.Before(entries[n+1].at)
				if r.Accepted() && taken.IsZero() && !r.AnsweredAt.Before(e.at) && within {
					taken = r.AnsweredAt
				}
			}
			if !taken.IsZero() {
				accepted = true
				wait := taken.Unix() - e.at.Unix()
				s[1], s[5], s[6] = s[1]+1, s[5]+wait, max(s[6], wait)
				if wait <= service {
					s[4]++
				}
			} else if n+1 == len(entries) && !accepted && task.End == world.EndCanceled && (task.Reason == world.ReasonHangup || task.AbandonedFlag()) {
				s[2]++
				if task.EndedAt.Unix()-e.at.Unix() < short {
					s[3]++
				}
			}
		}
	}
	out := map[string]string{}
	for key, s := range sums {
		out[key] = fmt.Sprint(s[0], s[1], s[2], s[3], s[4], s[5], s[6])
	}
	return out
}
