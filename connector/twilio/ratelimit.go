package twilio

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/record"
)

// RateLimitType is the type of Twilio's own events about TaskRouter's rate limits
// (facts/twilio.md 1.10). Nothing subscribes to it for us; where the customer's sink
// gets it, it is posted with the rest.
const RateLimitType = "com.twilio.apiusage.taskrouter.ratelimits"

const (
	// rateLimitAge is how old such an event may be to tell something of now.
	rateLimitAge = time.Minute
	// nearLimit is the part of a limit from which we hold back for others.
	nearLimit = 0.8
	// holdBackEvery bounds how often we hold back: there may be an event for each call.
	holdBackEvery = 5 * time.Second
)

// rateLimit is what such an event tells: how often a kind of call was made lately, by
// all systems of the account, and how often it may be.
type rateLimit struct {
	Key     scalar `json:"resource_key"` // such as "TaskQueueStatistics-List"
	Product scalar `json:"product"`
	Limited scalar `json:"rate_limited"`
	Rate    scalar `json:"current_rate"`
	Limit   scalar `json:"rate_limit"`
	At      scalar `json:"timestamp"`
}

// NoteRateLimits feeds what Twilio says of its rate limits to the budget. It takes
// the records as they were posted and leaves out all others, and old ones.
func (s *Source) NoteRateLimits(records []record.Record) {
	now := s.o.Clock()
	for _, r := range records {
		if r.Type != RateLimitType {
			continue
		}
		var event struct {
			Data rateLimit `json:"data"`
			Time scalar    `json:"time"`
		}
		if !readHead(r.Body, &event) {
			continue
		}
		l := event.Data
		at := firstTime(r.At, string(l.At), string(event.Time))
		if age := now.Sub(at); age > rateLimitAge || age < -rateLimitAge {
			continue
		}
		s.budgets.observe(l, now)
	}
}

// observe holds back where a kind of call that we make was refused, or is close to its
// limit. A kind that is not known to be ours counts for all of TaskRouter when it was
// refused, and for nothing else.
func (b *budgets) observe(l rateLimit, now time.Time) {
	limited := l.Limited == "true"
	limit, perSecond := parseRate(l.Limit), parseRate(l.Rate)
	name := budgetOfResource(string(l.Key))
	if name == "" && limited {
		name = taskrouterAPI
	}
	spent := b.byAPI[name]
	if spent == nil {
		return
	}
	if name == eventsBudget && limit > 0 {
		spent.cap(nearLimit * limit)
	}
	if limited || limit > 0 && perSecond >= nearLimit*limit {
		spent.refused(now.Add(-holdBackEvery), now, 0)
	}
}

func parseRate(text scalar) float64 {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f < 0 {
		return 0
	}
	return f
}

// budgetOfResource is the budget that the calls of a resource key spend from, "" where
// it is none of ours. "TaskQueueStatistics-List" and the three filtered lists, which
// are never called, are known from Twilio's documents; the others follow their
// pattern.
func budgetOfResource(key string) string {
	switch key {
	case "Event-List":
		return eventsBudget
	case "Worker-List", "TaskQueue-List", "Task-List", "Task-Fetch", "WorkerChannel-List", "TaskQueueStatistics-List", "WorkersCumulativeStatistics-Fetch":
		return taskrouterAPI
	}
	return ""
}

// syncWrittenOf names what a write to Sync spends from: a map by itself; documents and
// streams, which are many and each written rarely, and what is made, from their service,
// that allows as many creations and deletions a second as an object takes writes.
func syncWrittenOf(u *url.URL) string {
	if object := syncObjectOf(u); strings.Contains(object, "/Maps/") {
		return object
	}
	service, _, _ := strings.Cut(u.Path, "/Documents")
	service, _, _ = strings.Cut(service, "/Streams")
	service, _, _ = strings.Cut(service, "/Maps")
	return service
}

// syncObjectOf names the object of Sync that a call reads, "" for none. All pages of
// a map count for the map (facts/twilio.md 5).
func syncObjectOf(u *url.URL) string {
	parts := strings.Split(u.Path, "/")
	for i, p := range parts {
		if (p == "Maps" || p == "Lists" || p == "Documents") && i+1 < len(parts) {
			return strings.Join(parts[:i+2], "/")
		}
	}
	return ""
}
