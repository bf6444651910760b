package oracle

import (
	"math"
	"strconv"
	"time"

	"flexbrevo/connector/simulator/world"
)

// AgentMeans calculates, by "day worker", which part of the offers an agent accepted, the mean of the scores, and
// the mean seconds of talk and wrap-up of a contact that was handled; "-" where there was none of it.
func AgentMeans(w *world.World, zone *time.Location) map[string]string {
	type sums struct{ offered, accepted, scores, handled, seconds, score float64 }
	byDay := map[string]*sums{}
	of := func(r *world.Reservation) *sums {
		key := r.CreatedAt.In(zone).Format(time.DateOnly) + " " + w.Agents[r.Agent].SID
		if byDay[key] == nil {
			byDay[key] = &sums{}
		}
		return byDay[key]
	}
	for i := range w.Tasks {
		task := &w.Tasks[i]
		for n := range task.Reservations {
			r := &task.Reservations[n]
			s := of(r)
			s.offered++
			if !r.Accepted() {
				continue
			}
			s.accepted++
			if r.Outcome == world.ReservationCompleted && !r.EndedAt.IsZero() {
				s.handled++
				s.seconds += float64(r.EndedAt.Unix() - r.AnsweredAt.Unix())
			}
		}
		rated := task
		if task.Survey {
			rated = &w.Tasks[task.Surveyed]
		}
		if n := len(rated.Reservations); task.Scored && n > 0 && rated.Reservations[n-1].Accepted() {
			s := of(&rated.Reservations[n-1])
			s.scores++
			s.score += task.Score
		}
	}
	mean := func(sum, count float64, digits int) string {
		if count == 0 {
			return "-"
		}
		unit := math.Pow10(digits)
		return strconv.FormatFloat(math.Round(sum/count*unit)/unit, 'f', digits, 64)
	}
	out := map[string]string{}
	for key, s := range byDay {
		out[key] = mean(s.accepted, s.offered, 3) + " " + mean(s.score, s.scores, 2) + " " + mean(s.seconds, s.handled, 2)
	}
	return out
}
