package brevosim

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// eventPageMost is the largest page of events (facts/brevo.md 4.4).
const eventPageMost = 10_000

// listEvents is GET /events (facts/brevo.md 4.4).
func (s *Server) listEvents(c *call) answer {
	q, ids, refusal, ok := readEventQuery(c.query, s.now())
	if !ok {
		return refusal
	}
	count, views := s.eventPage(q, ids)
	body := append(make([]byte, 0, 64+512*len(views)), `{"count":`...)
	body = append(strconv.AppendInt(body, int64(count), 10), `,"events":[`...)
	for i, view := range views {
		if i > 0 {
			body = append(body, ',')
		}
		body = view.appendJSON(body)
	}
	return answer{status: http.StatusOK, contentType: contentJSON, body: append(body, `]}`...)}
}

func (s *Server) eventPage(q eventQuery, ids []int64) (int, []eventView) {
	a, _ := s.enter()
	defer s.mu.Unlock()
	for _, id := range ids {
		if contact := a.contacts[id]; contact != nil {
			q.contacts = append(q.contacts, contact)
		}
	}
	return a.events.page(q)
}

func readEventQuery(values url.Values, now time.Time) (q eventQuery, ids []int64, refusal answer, ok bool) {
	invalid := func(what string) (eventQuery, []int64, answer, bool) {
		return eventQuery{}, nil, refuse(http.StatusBadRequest, codeInvalid, what), false
	}
	p, _, ok := readPage(values, 100, eventPageMost)
	if !ok || p.limit == 0 {
		return invalid("Invalid limit or offset")
	}
	q.limit, q.offset = p.limit, p.offset
	from, to, err := eventRange(values.Get("startDate"), values.Get("endDate"), now)
	if err != "" {
		return invalid(err)
	}
	q.from, q.to = nanoseconds(from), nanoseconds(to)
	ids, parseErr := intList(values["contact_id"])
	if parseErr != nil {
		return invalid("Invalid contact_id")
	}
	q.byContact = len(ids) > 0
	q.names, q.objects = wordSet(values["event_name"]), wordSet(values["object_type"])
	return q, ids, answer{}, true
}

// eventRange reads both dates or none; none means the last six months. An end that is only a date includes its day.
func eventRange(start, end string, now time.Time) (from, to time.Time, fault string) {
	if start == "" && end == "" {
		return now.AddDate(0, -6, 0), now, ""
	}
	if start == "" || end == "" {
		return from, to, "startDate and endDate are both required"
	}
	from, err := time.Parse(time.RFC3339, start)
	if err != nil {
		from, err = time.Parse(time.DateOnly, start)
	}
	if err != nil {
		return from, to, "Invalid startDate"
	}
	to, err = time.Parse(time.RFC3339, end)
	if err != nil {
		to, err = time.Parse(time.DateOnly, end)
		to = to.Add(24*time.Hour - 1)
	}
	if err != nil || to.Before(from) {
		return from, to, "Invalid endDate"
	}
	return from, to, ""
}

// nanoseconds counts since 1970, as far as they can be counted.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Year() < 1700:
		return math.MinInt64
	case t.Year() > 2250:
		return math.MaxInt64 - int64(time.Hour)
	}
	return t.UnixNano()
}

// wordSet reads a repeatable parameter whose values may also be separated by commas.
func wordSet(values []string) map[string]bool {
	set := map[string]bool{}
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			set[part] = true
		}
	}
	return set
}
