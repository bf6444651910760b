package connector

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/figures"
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

// hourFigures are what came to all queues in a UTC hour.
type hourFigures struct {
	At        time.Time `json:"at"`
	Offered   int64     `json:"offered"`
	Accepted  int64     `json:"accepted"`
	Abandoned int64     `json:"abandoned"`
}

// keptFigures are what the page and the metrics show of a connector; what it does not
// keep is nil.
type keptFigures struct {
	Queues []queueFigures `json:"queues"`
	Hours  []hourFigures  `json:"hours"`
	Days   []dayFigures   `json:"days"`
	CSAT   *csatFigures   `json:"csat"`
	// Ages count what is owed by how long ago it was put into the outbox: less than a
	// minute, ten minutes, an hour, a day, and more.
	Ages map[store.DeliveryKind][5]int `json:"ages"`
}

// figures reads the figures of all flows.
func (s *Service) figures(ctx context.Context) ([]keptFigures, error) {
	out := make([]keptFigures, len(s.flows))
	for i, f := range s.flows {
		var err error
		if out[i], err = s.figuresOf(ctx, f, s.o.Clock()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) figuresOf(ctx context.Context, f *flow, now time.Time) (kept keptFigures, err error) {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	bounds := [4]time.Time{ago(time.Minute), ago(10 * time.Minute), ago(time.Hour), ago(24 * time.Hour)}
	if kept.Ages, err = s.o.Store.LoadOutboxAges(ctx, f.cfg.Name, bounds); err != nil {
		return kept, err
	}
	if f.cfg.Sync.QueueAnalytics {
		if kept.Queues, kept.Hours, err = s.queueFigures(ctx, f, now); err != nil {
			return kept, err
		}
	}
	if f.cfg.Sync.CSAT {
		if kept.CSAT, err = s.csatFigures(ctx, f, now); err != nil {
			return kept, err
		}
	}
	if f.cfg.Sync.AgentActivity {
		from, until := lastDays(now.In(f.location()), shownAgentDays)
		parts, err := s.o.Store.LoadAgentDays(ctx, f.cfg.Name, from, until)
		if err != nil {
			return kept, err
		}
		kept.Days = sumDays(parts)
	}
	return kept, nil
}

// How many days the page shows.
const (
	shownAgentDays = 7
	shownCSATDays  = 14
)

// lastDays are the first of some days that end with today, and tomorrow.
func lastDays(today time.Time, days int) (from, until string) {
	return today.AddDate(0, 0, 1-days).Format(time.DateOnly), today.AddDate(0, 0, 1).Format(time.DateOnly)
}

// shownHours is how many hours of the queues the page shows, the present one among them.
const shownHours = 24

func (s *Service) queueFigures(ctx context.Context, f *flow, now time.Time) ([]queueFigures, []hourFigures, error) {
	hour := now.UTC().Truncate(time.Hour)
	first := hour.Add((1 - shownHours) * time.Hour)
	parts, err := s.o.Store.LoadQueueHours(ctx, f.cfg.Name, first, hour.Add(time.Hour))
	if err != nil {
		return nil, nil, err
	}
	hours := make([]hourFigures, shownHours)
	for i := range hours {
		hours[i].At = first.Add(time.Duration(i) * time.Hour)
	}
	sums := map[string]*queueFigures{}
	for _, p := range parts {
		q := sums[p.Queue]
		if q == nil {
			q = &queueFigures{Name: p.Queue}
			sums[p.Queue] = q
		}
		q.Offered += p.Offered
		q.Accepted += p.Accepted
		q.Abandoned += p.Abandoned
		q.waited += p.Waited
		h := &hours[int(p.Hour.Sub(first)/time.Hour)]
		h.Offered += p.Offered
		h.Accepted += p.Accepted
		h.Abandoned += p.Abandoned
	}
	names, err := s.queueNames(ctx, f, slices.Collect(maps.Keys(sums)))
	if err != nil {
		return nil, nil, err
	}
	out := []queueFigures{}
	for sid, q := range sums {
		q.Name = cmp.Or(names[sid], sid)
		if q.Accepted > 0 {
			q.WaitSeconds = float64(q.waited) / float64(q.Accepted)
		}
		out = append(out, *q)
	}
	slices.SortFunc(out, func(a, b queueFigures) int { return strings.Compare(a.Name, b.Name) })
	return out, hours, nil
}

// queueNames are the names of queues as far as they are known, by SID.
func (s *Service) queueNames(ctx context.Context, f *flow, sids []string) (map[string]string, error) {
	if len(sids) == 0 {
		return nil, nil
	}
	return figures.NamesOf(ctx, s.o.Store, f.cfg.Name, fact.Queue, len(sids), func(i int) string { return sids[i] })
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
