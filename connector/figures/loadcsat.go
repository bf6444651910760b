package figures

import (
	"context"
	"strconv"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
)

// CSATDay are the survey answers of a local day about a channel and queue, whoever took
// the tasks that they rate.
type CSATDay struct {
	Day     string `json:"day"`
	Channel string `json:"channel"`
	Queue   string `json:"queue"`
	Name    string `json:"name"`
	Answers int64  `json:"answers"`
	// Mean is that of the scores as given, or as csat_scale has them.
	Mean float64 `json:"mean"`
	// Scores are how often each was given, by score such as "4.5".
	Scores map[string]int64 `json:"scores"`
}

// LoadCSATDays reads the survey answers of the days from one up to, not including,
// another.
func LoadCSATDays(ctx context.Context, s store.Store, connector, from, until string) ([]CSATDay, error) {
	parts, err := s.LoadCSATDays(ctx, connector, from, until)
	if err != nil {
		return nil, err
	}
	days := []CSATDay{}
	var sum int64
	for _, p := range parts { // in order of day, channel and queue
		if n := len(days); n == 0 || days[n-1].Day != p.Day || days[n-1].Channel != p.Channel || days[n-1].Queue != p.Queue {
			days, sum = append(days, CSATDay{Day: p.Day, Channel: p.Channel, Queue: p.Queue, Scores: map[string]int64{}}), 0
		}
		d := &days[len(days)-1]
		d.Answers += p.Count
		sum += p.Count * p.Score
		d.Mean = float64(sum) / 100 / float64(d.Answers)
		d.Scores[strconv.FormatFloat(float64(p.Score)/100, 'g', -1, 64)] += p.Count
	}
	names, err := NamesOf(ctx, s, connector, fact.Queue, len(days), func(i int) string { return days[i].Queue })
	for i := range days {
		days[i].Name = names[days[i].Queue]
	}
	return days, err
}
