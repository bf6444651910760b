package twilio

import (
	"strconv"
	"time"
)

// Spell is a stretch of an agent's activity that has ended.
type Spell struct {
	Worker   string // SID
	Activity string // its name, or its SID where the name is not told
	From, To time.Time
}

// spells is the activity that a change of activity has ended (facts/twilio.md 1.5).
// Whole seconds are taken where milliseconds are not told.
func (e *event) spells() []Spell {
	if e.kind != "worker.activity.update" {
		return nil
	}
	unit, text := time.Millisecond, e.get("worker_time_in_previous_activity_ms")
	if text == "" {
		unit, text = time.Second, e.get("worker_time_in_previous_activity")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > int64(100*365*day/unit) {
		return nil
	}
	return []Spell{{
		Worker: e.memo.own(e.get("worker_sid")), Activity: e.memo.own(first(e.get("worker_previous_activity_name"), e.get("worker_previous_activity_sid"))),
		From: e.at.Add(-time.Duration(n) * unit), To: e.at,
	}}
}
