package figures_test

import (
	"reflect"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/figures"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
)

// TestOfScore counts an answer on the local day on which it was given, whether an
// agent took its task or not.
func TestOfScore(t *testing.T) {
	t.Parallel()
	o := &figures.Options{Location: zone(t, "Asia/Tokyo")}
	answer := func(change func(*profile.Answer)) *profile.Answer {
		a := &profile.Answer{Fact: &fact.Fact{Kind: fact.Survey, SID: "S1"}, Score: 4.35, Scale: 5, Channel: "sms", InScope: true, At: noon.Add(4 * time.Hour)}
		change(a)
		return a
	}
	untaken := task(func(f *fact.Fact) { f.SetValue(fact.QueueSID, "WQ7", noon) })
	want := store.CSATPart{Source: "csat:S1", Day: "2026-11-21", Channel: "sms", Score: 435, Scale: 500}
	if got := figures.OfScore(answer(func(*profile.Answer) {}), o); !reflect.DeepEqual(got, []store.CSATPart{want}) {
		t.Errorf("about no task: %+v, want %+v", got, want)
	}
	want.Queue = "WQ7"
	if got := figures.OfScore(answer(func(a *profile.Answer) { a.Task = untaken }), o); !reflect.DeepEqual(got, []store.CSATPart{want}) {
		t.Errorf("about a task that nobody took: %+v, want %+v", got, want)
	}
	for name, change := range map[string]func(*profile.Answer){
		"out of scope": func(a *profile.Answer) { a.InScope = false },
		"of no moment": func(a *profile.Answer) { a.At = time.Time{} },
	} {
		if got := figures.OfScore(answer(change), o); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
