package profile_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

// noon is when the stories below begin; their times are seconds after it.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// tale is one thing told of a fact.
type tale func(f *fact.Fact)

func story(kind fact.Kind, id string, tales ...tale) *fact.Fact {
	f := &fact.Fact{Kind: kind, SID: id}
	for _, tell := range tales {
		tell(f)
	}
	profile.Note(f, &profile.Options{Region: "FR"})
	return f
}

func task(n int, tales ...tale) *fact.Fact { return story(fact.Task, sid("WT", n), tales...) }

func thread(n int, tales ...tale) *fact.Fact { return story(fact.Conversation, sid("CH", n), tales...) }

func moment(name string, seconds float64) tale {
	return func(f *fact.Fact) { f.SetTime(name, after(seconds)) }
}

func created(seconds float64) tale   { return moment(fact.Created, seconds) }
func queued(seconds float64) tale    { return moment(fact.Queued, seconds) }
func completed(seconds float64) tale { return moment(fact.Completed, seconds) }
func closed(seconds float64) tale    { return moment(fact.Closed, seconds) }

func canceled(seconds float64, reason string) tale {
	return func(f *fact.Fact) {
		f.SetTime(fact.Canceled, after(seconds))
		f.SetValue(fact.CanceledReason, reason, after(seconds))
	}
}

func value(name string, v any) tale {
	return func(f *fact.Fact) { f.SetValue(name, v, noon) }
}

func channel(name string) tale { return value(fact.Channel, name) }

// reserved tells of a reservation: its agent, and its moments by name.
func reserved(n int, agent string, moments map[string]float64) tale {
	return func(f *fact.Fact) {
		part := fact.Reservation + sid("WR", n)
		for name, seconds := range moments {
			f.SetPartTime(part, name, after(seconds))
		}
		f.SetPartValue(part, fact.WorkerName, agent, noon)
		f.SetPartValue(part, fact.WorkerSID, "WK"+agent, noon)
	}
}

func accepted(n int, agent string, seconds float64) tale {
	return func(f *fact.Fact) {
		f.SetTime(fact.Assigned, after(seconds))
		reserved(n, agent, map[string]float64{fact.Accepted: seconds})(f)
	}
}

func inQueue(n int, queue string) tale {
	return func(f *fact.Fact) { f.SetPartValue(fact.Reservation+sid("WR", n), fact.QueueSID, queue, noon) }
}

// with tells attributes as of some seconds after noon.
func with(seconds float64, attributes map[string]any) tale {
	return func(f *fact.Fact) { f.SetAttributes(attributes, after(seconds)) }
}

func conversations(seconds float64, values map[string]any) tale {
	return with(seconds, map[string]any{"conversations": values})
}

func inThread(n int) tale { return with(0, map[string]any{"conversationSid": sid("CH", n)}) }

func inInteraction(n int) tale { return with(0, map[string]any{"flexInteractionSid": sid("KD", n)}) }

func survey() tale {
	return conversations(0, map[string]any{"kind": "Survey"})
}

func participant(n int, address, kind string) tale {
	return func(f *fact.Fact) {
		part := fact.Participant + sid("MB", n)
		f.SetPartValue(part, fact.Address, address, noon)
		f.SetPartValue(part, fact.AddressType, kind, noon)
	}
}

func posted(score, scale any, seconds float64, tales ...tale) *fact.Fact {
	tales = append(tales, moment(fact.Submitted, seconds), value(fact.Score, score), value(fact.Scale, scale))
	return story(fact.Survey, fmt.Sprint("survey", seconds), tales...)
}

func build(o *profile.Options, facts ...*fact.Fact) *profile.Profile {
	return profile.Build(facts, nil, o)
}

// happened lists what happened as "type@seconds".
func happened(p *profile.Profile, o *profile.Options) []string {
	var out []string
	for _, m := range p.Moments(o) {
		out = append(out, fmt.Sprintf("%s@%g", m.Type, m.At.Sub(noon).Seconds()))
	}
	return out
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}
