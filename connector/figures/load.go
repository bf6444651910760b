package figures

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
)

// AgentDay is one agent's local day in figures; durations are seconds.
type AgentDay struct {
	Day      string `json:"day"`
	Worker   string `json:"worker"`
	Agent    string `json:"agent"` // name, as far as it is known
	Offered  int64  `json:"offered"`
	Accepted int64  `json:"accepted"`
	Rejected int64  `json:"rejected"`
	TimedOut int64  `json:"timed_out"`
	Handled  int64  `json:"handled"`
	Talk     int64  `json:"talk"`
	Wrap     int64  `json:"wrap"`
	Handle   int64  `json:"handle"`
	// CSAT is the average score of those who answered, nil without any.
	CSAT *float64 `json:"csat"`
	// Acceptance is the part of the offers that was accepted, nil without any.
	Acceptance *float64 `json:"acceptance"`
	// Activities are the seconds spent in each activity that has ended, Occupancy the
	// part of all these that each is.
	Activities map[string]int64   `json:"activities"`
	Occupancy  map[string]float64 `json:"occupancy"`
}

// QueueHour is one UTC hour of a queue and channel in figures.
type QueueHour struct {
	Hour           time.Time `json:"hour"`
	Queue          string    `json:"queue"`
	Name           string    `json:"name"`
	Channel        string    `json:"channel"`
	Offered        int64     `json:"offered"`
	Accepted       int64     `json:"accepted"`
	Abandoned      int64     `json:"abandoned"`
	ShortAbandoned int64     `json:"short_abandoned"`
	// AverageWait and LongestWait are seconds until acceptance.
	AverageWait float64 `json:"average_wait"`
	LongestWait int64   `json:"longest_wait"`
	// ServiceLevel is the part of those accepted or abandoned, the short abandonments
	// left out, that was accepted in time; nil where there were none.
	ServiceLevel *float64 `json:"service_level"`
}

// LoadAgentDays reads the figures of agents from one local day up to, not
// including, another, by day and agent.
func LoadAgentDays(ctx context.Context, s store.Store, connector, from, until string) ([]AgentDay, error) {
	parts, err := s.LoadAgentDays(ctx, connector, from, until)
	if err != nil {
		return nil, err
	}
	var days []AgentDay
	for _, p := range parts {
		if n := len(days); n == 0 || days[n-1].Day != p.Day || days[n-1].Worker != p.Worker {
			days = append(days, AgentDay{Day: p.Day, Worker: p.Worker, Activities: map[string]int64{}, Occupancy: map[string]float64{}})
		}
		d := &days[len(days)-1]
		if p.Activity != "" {
			d.Activities[p.Activity] = p.Lasted / 1000
			continue
		}
		d.Offered, d.Accepted, d.Rejected, d.TimedOut = p.Offered, p.Accepted, p.Rejected, p.TimedOut
		d.Handled, d.Talk, d.Wrap, d.Handle = p.Handled, p.Talk, p.Wrap, p.Talk+p.Wrap
		if p.Offered > 0 {
			accepted := thousandths(p.Accepted, p.Offered)
			d.Acceptance = &accepted
		}
		if p.CSATCount > 0 {
			average := math.Round(float64(p.CSATSum)/float64(p.CSATCount)) / 100
			d.CSAT = &average
		}
	}
	for i := range days {
		days[i].occupy()
	}
	names, err := NamesOf(ctx, s, connector, fact.Worker, len(days), func(i int) string { return days[i].Worker })
	for i := range days {
		days[i].Agent = names[days[i].Worker]
	}
	return days, err
}

// occupy says which part of the day each activity was.
func (d *AgentDay) occupy() {
	var all int64
	for _, seconds := range d.Activities {
		all += seconds
	}
	for name, seconds := range d.Activities {
		if all > 0 {
			d.Occupancy[name] = thousandths(seconds, all)
		}
	}
}

// thousandths is a part of a whole, rounded.
func thousandths(part, whole int64) float64 {
	return math.Round(1000*float64(part)/float64(whole)) / 1000
}

// LoadQueueHours reads the figures of queues for the UTC hours that begin from one
// moment up to, not including, another.
func LoadQueueHours(ctx context.Context, s store.Store, connector string, from, until time.Time) ([]QueueHour, error) {
	parts, err := s.LoadQueueHours(ctx, connector, from, until)
	if err != nil {
		return nil, err
	}
	hours := make([]QueueHour, len(parts))
	for i, p := range parts {
		h := QueueHour{
			Hour: p.Hour, Queue: p.Queue, Channel: p.Channel, Offered: p.Offered, Accepted: p.Accepted,
			Abandoned: p.Abandoned, ShortAbandoned: p.ShortAbandoned, LongestWait: p.Longest,
		}
		if p.Accepted > 0 {
			h.AverageWait = math.Round(100*float64(p.Waited)/float64(p.Accepted)) / 100
		}
		if counted := p.Accepted + p.Abandoned - p.ShortAbandoned; counted > 0 {
			level := thousandths(p.InService, counted)
			h.ServiceLevel = &level
		}
		hours[i] = h
	}
	names, err := NamesOf(ctx, s, connector, fact.Queue, len(hours), func(i int) string { return hours[i].Queue })
	for i := range hours {
		hours[i].Name = names[hours[i].Queue]
	}
	return hours, err
}

// NamesOf reads the names of agents or queues, by SID.
func NamesOf(ctx context.Context, s store.Store, connector string, kind fact.Kind, n int, sid func(int) string) (map[string]string, error) {
	keys := map[fact.Key]bool{}
	for i := range n {
		keys[fact.Key{Kind: kind, SID: sid(i)}] = true
	}
	known, err := s.LoadNeighbours(ctx, connector, nil, slices.Collect(maps.Keys(keys)))
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, f := range known.Facts {
		names[f.Fact.SID] = NameOf(f.Fact)
	}
	return names, nil
}

// NameOf is the full name of an agent or, for queues as for agents without one,
// what Twilio calls them.
func NameOf(f *fact.Fact) string {
	if full, ok := f.Attributes["full_name"].V.(string); ok && full != "" {
		return full
	}
	return f.Text(fact.FriendlyName)
}
