package connector

import (
	"reflect"
	"testing"

	"flexbrevo/connector/store"
)

func TestSumCSAT(t *testing.T) {
	t.Parallel()
	part := func(day, channel, queue string, score, count int64) store.CSATPart {
		return store.CSATPart{Day: day, Channel: channel, Queue: queue, Score: score, Scale: 500, Count: count}
	}
	got := sumCSAT([]store.CSATPart{
		part("2026-11-18", "voice", "WQ1", 500, 2), part("2026-11-18", "sms", "WQ1", 200, 1), part("2026-11-20", "voice", "", 450, 4),
	}, []string{"2026-11-18", "2026-11-19", "2026-11-20"}, map[string]string{"WQ1": "Billing"})
	want := &csatFigures{
		Days:     []csatSum{{"2026-11-18", 3, 4, 1200}, {Name: "2026-11-19"}, {"2026-11-20", 4, 4.5, 1800}},
		Scores:   []csatScore{{2, 2, 1}, {4.5, 4.5, 4}, {5, 5, 2}},
		Channels: []csatSum{{"voice", 6, 28.0 / 6, 2800}, {"sms", 1, 2, 200}},
		Queues:   []csatSum{{"not known", 4, 4.5, 1800}, {"Billing", 3, 4, 1200}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if got := sumCSAT(nil, []string{"2026-11-18"}, nil); len(got.Days) != 1 || got.Scores == nil || got.Channels == nil || got.Queues == nil {
		t.Errorf("without answers: %+v, where the page wants empty lists", got)
	}
}

// TestManyScores puts scores of a scale of 100 into ten spans that lose none.
func TestManyScores(t *testing.T) {
	t.Parallel()
	var parts []store.CSATPart
	for score := range int64(101) {
		parts = append(parts, store.CSATPart{Score: 100 * score, Count: 1})
	}
	got := scoresOf(parts)
	if len(got) != 10 {
		t.Fatalf("%d spans", len(got))
	}
	for i, span := range got {
		want := csatScore{float64(10 * i), float64(10*i + 10), 10}
		if i == 0 {
			want.Count = 11 // with 0
		}
		if span != want {
			t.Errorf("span %d: %+v, want %+v", i, span, want)
		}
	}
}
