package figures

import (
	"math"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
)

// OfScore is what a survey answer in scope adds to the local day on which it was
// given, whoever took the task it rates, and also where nobody did or it is not
// known. The queue is the one that the task was in last.
func OfScore(a *profile.Answer, o *Options) []store.CSATPart {
	if !a.InScope || a.At.IsZero() {
		return nil
	}
	p := store.CSATPart{
		Source: AnswerSource(a), Day: o.day(a.At), Channel: a.Channel,
		Score: hundredths(a.Score), Scale: hundredths(a.Scale),
	}
	if a.Task != nil {
		p.Queue = a.Task.Fact.Text(fact.QueueSID)
	}
	return []store.CSATPart{p}
}

func hundredths(v float64) int64 { return int64(math.Round(100 * v)) }
