package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"flexbrevo/connector/failure"
)

// QueueStatistics is what Twilio's own statistics say of a queue
// (facts/twilio.md 1.9). They are shown beside what follows from events and correct
// nothing.
type QueueStatistics struct {
	Queue string // SID
	// Cumulative is of the interval that was asked for, Realtime of the moment At.
	Cumulative, Realtime json.RawMessage
	At                   time.Time
}

// statisticsSettle is how long an interval must be over before it is read: the
// statistics may lag a little (facts/twilio.md 12).
const statisticsSettle = time.Minute

// ClosedFor says until when intervals are closed, by Twilio's clock as its last answer
// told it; the zero time before the first answer.
func (s *Source) ClosedFor() time.Time {
	now := s.client.clock.now()
	if now.IsZero() {
		return now
	}
	return now.Add(-statisticsSettle)
}

// FetchQueueStatistics reads the statistics of all queues, cumulative for [from, until)
// and of now: one call for a thousand queues.
func (s *Source) FetchQueueStatistics(ctx context.Context, from, until time.Time) ([]QueueStatistics, error) {
	d, err := s.Discover(ctx)
	if err != nil {
		return nil, err
	}
	q := statisticsQuery(from, until)
	q.Set("PageSize", pageSizeText)
	first := withQuery(taskrouterURL+segment(d.WorkspaceSID)+"/TaskQueues/Statistics", q)
	byQueue := map[string]QueueStatistics{} // a list that is begun again gives rows twice
	err = s.client.walkAgain(ctx, first, "task_queues_statistics", func(p page) (bool, error) {
		for _, raw := range p.rows {
			var row struct {
				Queue      scalar          `json:"task_queue_sid"`
				Cumulative json.RawMessage `json:"cumulative"`
				Realtime   json.RawMessage `json:"realtime"`
			}
			if readHead(raw, &row) && row.Queue != "" {
				byQueue[string(row.Queue)] = QueueStatistics{string(row.Queue), row.Cumulative, row.Realtime, p.date}
			}
		}
		return true, nil
	})
	out := make([]QueueStatistics, 0, len(byQueue))
	for _, one := range byQueue {
		out = append(out, one)
	}
	return out, err
}

// FetchWorkerStatistics reads the statistics of all agents together for [from, until).
// Above ManyWorkers it is refused by default.
func (s *Source) FetchWorkerStatistics(ctx context.Context, from, until time.Time) (json.RawMessage, error) {
	d, err := s.Discover(ctx)
	if err != nil {
		return nil, err
	}
	at := withQuery(taskrouterURL+segment(d.WorkspaceSID)+"/Workers/CumulativeStatistics", statisticsQuery(from, until))
	a, err := s.client.get(ctx, at)
	if err != nil {
		return nil, err
	}
	var row fields
	if !readHead(a.body, &row) || row.text("reservations_created") == "" {
		return nil, s.client.misread(at, errors.New("the answer is no statistics"))
	}
	return a.body, nil
}

// statisticsQuery sends both ends, and never Minutes; EndDate is inclusive by its
// wording.
func statisticsQuery(from, until time.Time) url.Values {
	return url.Values{
		"StartDate": {from.UTC().Format(time.RFC3339)},
		"EndDate":   {until.Add(-time.Second).UTC().Format(time.RFC3339)},
	}
}

// ReadCounts reads whole numbers of statistics, which come as numbers or as text. What
// is not there, or no number, is 0.
func ReadCounts(body []byte, names ...string) []int64 {
	var row map[string]scalar
	_ = json.Unmarshal(body, &row) // what is no object has none of them
	out := make([]int64, len(names))
	for i, name := range names {
		out[i] = int64(parseRate(row[name]))
	}
	return out
}

// ReadWaiting reads how many tasks of real-time statistics wait for an agent: those
// pending, and those that an agent is being asked about.
func ReadWaiting(body []byte) int64 {
	var row struct {
		ByStatus json.RawMessage `json:"tasks_by_status"`
	}
	_ = json.Unmarshal(body, &row) // what is no object has none
	n := ReadCounts(row.ByStatus, "pending", "reserved")
	return n[0] + n[1]
}

func isGone(err error) bool { return failure.ReasonOf(err) == failure.Gone }
