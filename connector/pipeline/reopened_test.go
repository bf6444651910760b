package pipeline

import (
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// TestWhichHintsAreFollowed says when a conversation is read at once: after a task in it
// has ended, unless it was read since or is closed; and when one that was closed is used
// again, which nothing else tells.
func TestWhichHintsAreFollowed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	inState := func(name string, told time.Time) *fact.Fact {
		f := &fact.Fact{Kind: fact.Conversation, SID: "CH1"}
		if name == "closed" {
			f.SetTime(fact.Closed, told)
		}
		f.SetValue(fact.State, name, told)
		return f
	}
	reopened := inState("closed", at.Add(-time.Hour))
	reopened.SetValue(fact.State, "active", at.Add(-time.Minute))
	gone := inState("closed", at.Add(-time.Hour))
	gone.SetTime(fact.Deleted, at.Add(-time.Minute))
	for name, c := range map[string]struct {
		known        *fact.Fact
		readAt       time.Time
		began, ended bool // whether the hint of a task's beginning, or end, is followed
	}{
		"not known":                   {ended: true},
		"open":                        {known: inState("active", at.Add(-time.Hour)), ended: true},
		"open and read since":         {known: inState("active", at.Add(-time.Hour)), readAt: at.Add(time.Minute)},
		"closed before":               {known: inState("closed", at.Add(-time.Hour)), began: true},
		"closed since":                {known: inState("closed", at.Add(time.Second))},
		"closed, and known to be not": {known: reopened, ended: true},
		"gone after it was closed":    {known: gone, began: true},
	} {
		b := &batch{facts: map[fact.Key]*state{}}
		if c.known != nil {
			b.facts[c.known.Key()] = &state{StoredFact: store.StoredFact{Fact: c.known, ReadAt: c.readAt}}
		}
		for _, began := range []bool{true, false} {
			b.tellers = []teller{{record: record.Record{At: at}, hints: []Hint{{Conversation: "CH1", Began: began}}}}
			want := c.ended
			if began {
				want = c.began
			}
			if got := len(b.worthwhile()) == 1; got != want {
				t.Errorf("%s: the hint of a task (beginning: %t) is followed: %t", name, began, got)
			}
		}
	}
}
