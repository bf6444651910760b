package connector

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/store"
)

// csatFigures are the survey answers of the last days, whoever took the tasks that they
// rate. Scores are as given, or on the scale that csat_scale brings them to.
type csatFigures struct {
	// Days are all of them, the first one first, also those without an answer.
	Days []csatSum `json:"days"`
	// Scores are how often each was given, the lowest first; of many different ones, spans
	// of the same width.
	Scores   []csatScore `json:"scores"`
	Channels []csatSum   `json:"channels"`
	Queues   []csatSum   `json:"queues"`
}

// csatSum are the answers of a day, channel or queue.
type csatSum struct {
	Name  string  `json:"name"`
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"` // 0 without an answer
	sum   int64   // in hundredths
}

// csatScore is how often a score was given, or, where From is less than To, those that
// are above the one and up to the other.
type csatScore struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Count int64   `json:"count"`
}

func (c *csatSum) add(p store.CSATPart) {
	c.Count += p.Count
	c.sum += p.Count * p.Score
	c.Mean = float64(c.sum) / 100 / float64(c.Count)
}

func (s *Service) csatFigures(ctx context.Context, f *flow, now time.Time) (*csatFigures, error) {
	today := now.In(f.location())
	from, until := lastDays(today, shownCSATDays)
	parts, err := s.o.Store.LoadCSATDays(ctx, f.cfg.Name, from, until)
	if err != nil {
		return nil, err
	}
	var days []string
	for i := range shownCSATDays {
		days = append(days, today.AddDate(0, 0, i+1-shownCSATDays).Format(time.DateOnly))
	}
	var queues []string
	for _, p := range parts {
		if p.Queue != "" && !slices.Contains(queues, p.Queue) {
			queues = append(queues, p.Queue)
		}
	}
	names, err := s.queueNames(ctx, f, queues)
	if err != nil {
		return nil, err
	}
	return sumCSAT(parts, days, names), nil
}

// unknownName stands for a channel or queue that is not known.
const unknownName = "not known"

// sumCSAT sums up the parts of some days; names are those of the queues, by SID.
func sumCSAT(parts []store.CSATPart, days []string, names map[string]string) *csatFigures {
	c := &csatFigures{Scores: scoresOf(parts)}
	channels, queues, byDay := map[string]*csatSum{}, map[string]*csatSum{}, map[string]*csatSum{}
	add := func(sums map[string]*csatSum, name string, p store.CSATPart) {
		if sums[name] == nil {
			sums[name] = &csatSum{Name: name}
		}
		sums[name].add(p)
	}
	for _, p := range parts {
		add(byDay, p.Day, p)
		add(channels, cmp.Or(p.Channel, unknownName), p)
		add(queues, cmp.Or(names[p.Queue], p.Queue, unknownName), p)
	}
	for _, day := range days {
		if byDay[day] == nil {
			byDay[day] = &csatSum{Name: day}
		}
		c.Days = append(c.Days, *byDay[day])
	}
	c.Channels, c.Queues = mostFirst(channels), mostFirst(queues)
	return c
}

func mostFirst(sums map[string]*csatSum) []csatSum {
	out := []csatSum{}
	for _, s := range sums {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b csatSum) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name)) })
	return out
}

// mostScores is how many different scores are shown each by itself: those from 0 to 10.
const mostScores = 11

// scoresOf counts the scores, in tenths of the largest where there are many different
// ones.
func scoresOf(parts []store.CSATPart) []csatScore {
	counts := map[int64]int64{}
	var largest int64
	for _, p := range parts {
		counts[p.Score] += p.Count
		largest = max(largest, p.Score)
	}
	out := []csatScore{}
	if len(counts) <= mostScores {
		for score, n := range counts {
			out = append(out, csatScore{From: float64(score) / 100, To: float64(score) / 100, Count: n})
		}
		slices.SortFunc(out, func(a, b csatScore) int { return cmp.Compare(a.From, b.From) })
		return out
	}
	const spans = 10
	width := (largest + spans - 1) / spans
	for i := range int64(spans) {
		out = append(out, csatScore{From: float64(i*width) / 100, To: float64((i+1)*width) / 100})
	}
	for score, n := range counts {
		out[min(max(0, (score-1)/width), spans-1)].Count += n // a score on a border is the lower span's
	}
	return out
}
