package connector

import (
	"context"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
)

// queueFigures are a queue's last 24 hours.
type queueFigures struct {
	Name      string `json:"name"`
	Offered   int64  `json:"offered"`
	Accepted  int64  `json:"accepted"`
	Abandoned int64  `json:"abandoned"`
	// WaitSeconds is the mean wait of the accepted.
	WaitSeconds float64 `json:"waitSeconds"`
	waited      int64
}

// dayFigures are all agents' work of a day; no agent is named.
type dayFigures struct {
	Day      string `json:"day"`
	Agents   int    `json:"agents"`
	Offered  int64  `json:"offered"`
	Accepted int64  `json:"accepted"`
	// HandleSeconds is the mean of talk and wrap-up of the handled.
	HandleSeconds float64 `json:"handleSeconds"`
	CSATCount     int64   `json:"csatCount"`
	CSATMean      float64 `json:"csatMean"`
}

// figuresOf reads the figures that a connector keeps; what it does not keep is nil.
func (s *Service) figuresOf(ctx context.Context, f *flow, now time.Time) (queues []queueFigures, days []dayFigures, err error) {
	if f.cfg.Sync.QueueAnalytics {
		if queues, err = s.queueFigures(ctx, f, now); err != nil {
			return nil, nil, err
		}
	}
	if f.cfg.Sync.AgentActivity {
		const shown = 7
		today := now.In(f.cfg.Location)
		day := func(n int) string { return today.AddDate(0, 0, n).Format(time.DateOnly) }
		parts, err := s.o.Store.LoadAgentDays(ctx, f.cfg.Name, day(1-shown), day(1))
		if err != nil {
			return nil, nil, err
		}
		days = sumDays(parts)
	}
	return queues, days, nil
}

func (s *Service) queueFigures(ctx context.Context, f *flow, now time.Time) ([]queueFigures, error) {
	hour := now.UTC().Truncate(time.Hour)
	parts, err := s.o.Store.LoadQueueHours(ctx, f.cfg.Name, hour.Add(-23*time.Hour), hour.Add(time.Hour))
	if err != nil {
		return nil, err
	}
	sums := map[string]*queueFigures{}
	var keys []fact.Key
	for _, p := range parts {
		q := sums[p.Queue]
		if q == nil {
			q = &queueFigures{Name: p.Queue}
			sums[p.Queue] = q
			keys = append(keys, fact.Key{Kind: fact.Queue, SID: p.Queue})
		}
		q.Offered += p.Offered
		q.Accepted += p.Accepted
		q.Abandoned += p.Abandoned
		q.waited += p.Waited
	}
	if err := s.nameQueues(ctx, f, keys, sums); err != nil {
		return nil, err
	}
	out := []queueFigures{}
	for _, q := range sums {
		if q.Accepted > 0 {
			q.WaitSeconds = float64(q.waited) / float64(q.Accepted)
		}
		out = append(out, *q)
	}
	slices.SortFunc(out, func(a, b queueFigures) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// nameQueues puts the names of the queues in the place of their SIDs where they are
// known.
func (s *Service) nameQueues(ctx context.Context, f *flow, keys []fact.Key, sums map[string]*queueFigures) error {
	if len(keys) == 0 {
		return nil
	}
	found, err := s.o.Store.LoadNeighbours(ctx, f.cfg.Name, nil, keys)
	if err != nil {
		return err
	}
	for _, stored := range found.Facts {
		name := stored.Fact.Text(fact.FriendlyName)
		if q := sums[stored.Fact.SID]; q != nil && name != "" {
			q.Name = name
		}
	}
	return nil
}

func sumDays(parts []store.AgentPart) []dayFigures {
	days := []dayFigures{}
	agents := map[string]bool{}
	var handled, seconds, scores int64
	for _, p := range parts { // in order of day
		if len(days) == 0 || days[len(days)-1].Day != p.Day {
			days = append(days, dayFigures{Day: p.Day})
			clear(agents)
			handled, seconds, scores = 0, 0, 0
		}
		d := &days[len(days)-1]
		agents[p.Worker] = true
		d.Agents = len(agents)
		d.Offered += p.Offered
		d.Accepted += p.Accepted
		d.CSATCount += p.CSATCount
		handled, seconds, scores = handled+p.Handled, seconds+p.Talk+p.Wrap, scores+p.CSATSum
		if handled > 0 {
			d.HandleSeconds = float64(seconds) / float64(handled)
		}
		if d.CSATCount > 0 {
			d.CSATMean = float64(scores) / 100 / float64(d.CSATCount)
		}
	}
	slices.Reverse(days)
	return days
}
