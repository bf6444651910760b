package profile_test

import (
	"testing"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

// found tells what reading an interaction tells of a task: its SID, when it was read, and
// the agent who took part.
func found(n int, agent string, seconds float64) tale {
	return func(f *fact.Fact) {
		f.SetValue(fact.InteractionSID, sid("KD", n), after(seconds))
		f.SetValue(fact.InteractionRead, true, after(seconds))
		if agent != "" {
			f.SetPartValue(fact.Member+sid("UT", n), fact.MemberType, "agent", after(seconds))
			f.SetPartValue(fact.Member+sid("UT", n), fact.WorkerSID, agent, after(seconds))
		}
	}
}

// TestInteractionsJoin says what an interaction adds where a task's own records do not
// tell it.
func TestInteractionsJoin(t *testing.T) {
	t.Parallel()
	o := &profile.Options{}
	p := build(o,
		task(1, inInteraction(1), created(0), completed(60)),
		task(2, found(1, "WKana", 70), created(61), value(fact.Channel, "chat"), value(fact.InteractionChannel, "whatsapp")),
		task(3, found(1, "WKbo", 70)), // nothing else is known of it
	)
	equal(t, "contacts", p.Metrics["total_conversations"], 1)
	equal(t, "tasks", p.Metrics["total_tasks"], 2)
	second := p.Tasks[1]
	equal(t, "agent", second.Worker, "WKana")
	equal(t, "channel", second.Channel, "whatsapp")
	equal(t, "transfer", second.Transfer, true)
	equal(t, "interaction", second.Env()["interaction_sid"], sid("KD", 1))
	if links := profile.LinksOf(task(2, found(1, "", 70)), o); len(links.Now) != 2 {
		t.Errorf("a task links by %v, want itself and its interaction", links.Now)
	}
}

func TestDueInteraction(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		task *fact.Fact
		due  bool
	}{
		"a call":                      {task(1, created(0)), false},
		"new":                         {task(1, inInteraction(1), created(0)), true},
		"read since":                  {task(1, inInteraction(1), created(0), found(1, "", 5)), false},
		"ended, not read since":       {task(1, inInteraction(1), created(0), found(1, "", 5), completed(9)), true},
		"canceled, not read since":    {task(1, inInteraction(1), created(0), found(1, "", 5), canceled(9, "hangup")), true},
		"ended, read since":           {task(1, inInteraction(1), created(0), found(1, "", 5), completed(9), found(1, "", 10)), false},
		"ended before it was read":    {task(1, inInteraction(1), created(0), completed(9), found(1, "", 10)), false},
		"only named by another's":     {task(1, found(1, "", 5), created(0), completed(9)), false},
		"something that is none":      {task(1, with(0, map[string]any{"flexInteractionSid": sid("CH", 1)})), false},
		"something that is no SID":    {task(1, with(0, map[string]any{"flexInteractionSid": 7})), false},
		"ended, and nobody is known":  {task(1, inInteraction(1), completed(9)), true},
		"ended with an agent":         {task(1, inInteraction(1), accepted(1, "ana", 5), completed(9)), false},
		"canceled before it was read": {task(1, inInteraction(1), canceled(9, "hangup")), false},
	} {
		if _, due := profile.DueInteraction(c.task); due != c.due {
			t.Errorf("%s: due %t", name, due)
		}
	}
}
