package profile

import (
	"math"
	"time"
)

// measure computes the metrics of design 3.2. Times are seconds, means are
// rounded to two digits, dates are those of the connector's time zone.
func (b *builder) measure() {
	m := b.Metrics
	m["total_conversations"] = len(b.Groups)
	m["total_tasks"] = len(b.Tasks)
	b.Supported = len(b.Groups) > 0
	b.Surveyed = len(b.Answers) > 0
	b.dates()
	b.channels()
	b.waits()
	b.scores()
	b.last()
}

func (b *builder) dates() {
	for _, g := range b.Groups { // in order of their start
		if g.StartedAt.IsZero() {
			continue
		}
		date := g.StartedAt.In(b.o.location()).Format(time.DateOnly)
		if _, ok := b.Metrics["first_conversation_date"]; !ok {
			b.Metrics["first_conversation_date"] = date
		}
		b.Metrics["last_conversation_date"] = date
	}
}

// channels finds the one with most contacts; of several, the most recent.
func (b *builder) channels() {
	count := map[string]int{}
	for _, g := range b.Groups {
		count[g.Channel]++
	}
	best := ""
	for _, g := range b.Groups {
		if g.Channel != "" && (best == "" || count[g.Channel] >= count[best]) {
			best = g.Channel
		}
	}
	b.set("preferred_channel", best)
}

func (b *builder) waits() {
	var waits, handles, abandonments []float64
	for _, t := range b.Tasks {
		if t.Waited && !t.AcceptedAt.IsZero() {
			waits = append(waits, float64(t.Wait))
			b.Metrics["last_wait_time"] = t.Wait
		}
		if t.Handled {
			handles = append(handles, float64(t.Handle))
		}
		if t.Abandoned {
			abandonments = append(abandonments, 1)
		}
	}
	b.Metrics["abandoned_count"] = len(abandonments)
	b.mean("avg_wait_time", waits)
	b.mean("avg_handle_time", handles)
}

func (b *builder) scores() {
	var scores []float64
	for _, a := range b.Answers {
		scores = append(scores, a.Score)
		b.Metrics["last_csat_score"] = a.Score
	}
	b.Metrics["csat_count"] = len(scores)
	b.mean("avg_csat_score", scores)
}

func (b *builder) last() {
	for _, t := range b.Tasks {
		b.set("last_channel", t.Channel)
		b.set("last_queue", t.Queue)
		b.set("last_agent", t.Worker)
		b.set("last_outcome", t.Outcome)
	}
	if n := len(b.Groups); n > 0 {
		b.set("last_channel", b.Groups[n-1].Channel)
	}
}

func (b *builder) set(name, value string) {
	if value != "" {
		b.Metrics[name] = value
	}
}

func (b *builder) mean(name string, values []float64) {
	if len(values) == 0 {
		return
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	b.Metrics[name] = math.Round(100*sum/float64(len(values))) / 100
}
