package profile_test

import (
	"slices"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

// TestMoments follows the table of design 3.1.
func TestMoments(t *testing.T) {
	t.Parallel()
	voice := channel("voice")
	for _, c := range []struct {
		name  string
		o     profile.Options
		facts []*fact.Fact
		want  []string
	}{
		{
			name: "a task's life", facts: []*fact.Fact{task(1, voice, created(0), queued(1),
				accepted(1, "ana", 10), moment(fact.Wrapup, 60), completed(70))},
			want: []string{"conversation.started@0", "task.created@0", "task.assigned@10", "task.wrapup@60", "task.completed@70", "conversation.ended@70"},
		},
		{
			name: "hung up in the queue", facts: []*fact.Fact{task(1, voice, created(0), canceled(42, "hangup"))},
			want: []string{"conversation.started@0", "task.created@0", "task.canceled@42", "task.abandoned@42", "conversation.ended@42"},
		},
		{
			name: "canceled by a workflow is not abandoned", facts: []*fact.Fact{task(1, voice, created(0), canceled(42, "Task canceled on Workflow timeout."))},
			want: []string{"conversation.started@0", "task.created@0", "task.canceled@42", "conversation.ended@42"},
		},
		{
			name: "the Insights object says abandoned", facts: []*fact.Fact{task(1, voice, created(0), canceled(42, "timeout"), conversations(1, map[string]any{"abandoned": "Yes"}))},
			want: []string{"conversation.started@0", "task.created@0", "task.canceled@42", "task.abandoned@42", "conversation.ended@42"},
		},
		{
			name: "accepted before the cancel is not abandoned", facts: []*fact.Fact{task(1, voice, created(0), accepted(1, "ana", 10), canceled(42, "hangup"))},
			want: []string{"conversation.started@0", "task.created@0", "task.assigned@10", "task.canceled@42", "conversation.ended@42"},
		},
		{
			name: "the operator's own condition sees the wait",
			o: profile.Options{Abandoned: func(t *profile.Task) bool {
				wait, _ := t.Env()["wait_time"].(int)
				return wait > 30
			}},
			facts: []*fact.Fact{task(1, voice, created(0), canceled(42, "timeout")), task(2, voice, created(100), canceled(110, "hangup"))},
			want: []string{
				"conversation.started@0", "task.created@0", "task.canceled@42", "task.abandoned@42", "conversation.ended@42",
				"conversation.started@100", "task.created@100", "task.canceled@110", "conversation.ended@110",
			},
		},
		{
			name: "a terminal state does not step back", facts: []*fact.Fact{task(1, voice, created(0), completed(10), canceled(11, "hangup"))},
			want: []string{"conversation.started@0", "task.created@0", "task.completed@10", "conversation.ended@10"},
		},
		{
			name: "a deleted task ends its contact and is neither completed nor canceled", facts: []*fact.Fact{task(1, voice, created(0), moment(fact.Deleted, 20))},
			want: []string{"conversation.started@0", "task.created@0", "conversation.ended@20"},
		},
		{
			name: "a survey task is no contact", facts: []*fact.Fact{task(1, voice, survey(), created(0), canceled(42, "hangup"))},
		},
		{
			name:  "a virtual task is no contact, and its abandonment none",
			facts: []*fact.Fact{task(1, voice, created(0), canceled(300, "hangup"), conversations(0, map[string]any{"virtual": "Yes", "abandoned": "Yes"}))},
		},
		{
			name: "another agent takes over", facts: []*fact.Fact{task(1, voice, created(0), accepted(1, "ana", 10), accepted(2, "bo", 50))},
			want: []string{"conversation.started@0", "task.created@0", "task.assigned@10", "interaction.transferred@50"},
		},
		{
			name: "the same agent in another queue", facts: []*fact.Fact{task(1, voice, created(0),
				accepted(1, "ana", 10), inQueue(1, "WQ1"), accepted(2, "ana", 50), inQueue(2, "WQ2"))},
			want: []string{"conversation.started@0", "task.created@0", "task.assigned@10", "interaction.transferred@50"},
		},
		{
			name: "the same agent again in the same queue is no transfer", facts: []*fact.Fact{task(1, voice, created(0),
				accepted(1, "ana", 10), inQueue(1, "WQ1"), accepted(2, "ana", 50), inQueue(2, "WQ1"))},
			want: []string{"conversation.started@0", "task.created@0", "task.assigned@10"},
		},
		{
			name: "messaging transfers by a further task of the interaction",
			facts: []*fact.Fact{
				task(1, channel("chat"), inInteraction(1), created(0), completed(30)),
				task(2, channel("chat"), inInteraction(1), created(28), completed(60)),
			},
			want: []string{
				"conversation.started@0", "task.created@0", "task.created@28", "interaction.transferred@28",
				"task.completed@30", "task.completed@60", "conversation.ended@60",
			},
		},
		{
			name: "a task within the settling time goes on with the contact",
			facts: []*fact.Fact{
				task(1, channel("chat"), inInteraction(1), created(0), completed(30)),
				task(2, channel("chat"), inInteraction(1), created(35), completed(60)),
			},
			want: []string{
				"conversation.started@0", "task.created@0", "task.completed@30", "task.created@35", "interaction.transferred@35",
				"task.completed@60", "conversation.ended@60",
			},
		},
		{
			name: "a later task does not move the end",
			facts: []*fact.Fact{
				task(1, channel("chat"), inInteraction(1), created(0), completed(30)),
				task(2, channel("chat"), inInteraction(1), created(35.001)),
			},
			want: []string{
				"conversation.started@0", "task.created@0", "task.completed@30", "conversation.ended@30",
				"task.created@35.001", "interaction.transferred@35.001",
			},
		},
		{
			name: "the settling time is the operator's", o: profile.Options{Settle: time.Minute},
			facts: []*fact.Fact{
				task(1, channel("chat"), inInteraction(1), created(0), completed(30)),
				task(2, channel("chat"), inInteraction(1), created(80)),
			},
			want: []string{"conversation.started@0", "task.created@0", "task.completed@30", "task.created@80", "interaction.transferred@80"},
		},
		{
			name:  "an open task keeps the contact open",
			facts: []*fact.Fact{task(1, inInteraction(1), created(0)), task(2, inInteraction(1), created(5), completed(30))},
			want:  []string{"conversation.started@0", "task.created@0", "task.created@5", "interaction.transferred@5", "task.completed@30"},
		},
		{
			name:  "the thread began before its task and closed before it ended",
			facts: []*fact.Fact{thread(1, created(-5), closed(20)), task(1, inThread(1), created(0), completed(30))},
			want:  []string{"conversation.started@-5", "task.created@0", "conversation.ended@20", "task.completed@30"},
		},
		{
			name:  "the task ended before its thread closed",
			facts: []*fact.Fact{thread(1, created(-5), closed(90)), task(1, inThread(1), created(0), completed(30))},
			want:  []string{"conversation.started@-5", "task.created@0", "task.completed@30", "conversation.ended@30"},
		},
		{
			name:  "a thread without a task is a contact",
			facts: []*fact.Fact{thread(1, participant(1, "+33612345678", "sms"), created(0), closed(90))},
			want:  []string{"conversation.started@0", "conversation.ended@90"},
		},
		{
			name: "a thread that a second interaction uses again opens the first only",
			facts: []*fact.Fact{
				thread(1, created(-5), closed(2000)),
				task(1, inThread(1), inInteraction(1), created(0), completed(30)),
				task(2, inThread(1), inInteraction(2), created(1000), completed(1030)),
			},
			want: []string{
				"conversation.started@-5", "task.created@0", "task.completed@30", "conversation.ended@30",
				"conversation.started@1000", "task.created@1000", "task.completed@1030", "conversation.ended@1030",
			},
		},
		{
			name: "an answer in a survey task", facts: []*fact.Fact{
				task(1, voice, created(0), completed(30)),
				task(2, voice, created(31), canceled(60, "CSAT saved"), conversations(0, map[string]any{
					"kind": "Survey", "conversation_id": sid("WT", 1), "conversation_measure_1": 4,
				})),
			},
			want: []string{"conversation.started@0", "task.created@0", "task.completed@30", "conversation.ended@30", "survey.completed@60"},
		},
		{
			name: "an answer while the survey task lives is none yet", facts: []*fact.Fact{
				task(2, voice, created(31), conversations(0, map[string]any{"kind": "Survey", "conversation_measure_1": 4})),
			},
		},
		{
			name: "a posted answer", facts: []*fact.Fact{posted(4, 5, 90)},
			want: []string{"survey.completed@90"},
		},
		{
			name: "raw events of tasks and threads that somebody wants",
			facts: []*fact.Fact{
				task(1, inThread(1), created(0), raw("reservation.rejected", "EV1", 5), raw("reservation.rejected", "EV2", 4)),
				thread(1, created(-1), raw("message.received", "IM1", 1)),
			},
			want: []string{
				"conversation.started@-1", "task.created@0", "message.received@1", "reservation.rejected@4", "reservation.rejected@5",
			},
		},
		{
			name: "a channel out of scope", o: profile.Options{Channels: []string{"sms"}},
			facts: []*fact.Fact{task(1, voice, created(0), completed(30)), thread(1, participant(1, "whatsapp:+33612345678", "whatsapp"), created(0))},
		},
		{
			name:  "a task of which the creation was missed",
			facts: []*fact.Fact{task(1, voice, accepted(1, "ana", 10), completed(30))},
			want:  []string{"conversation.started@10", "task.assigned@10", "task.completed@30", "conversation.ended@30"},
		},
		{name: "a task of which no moment is known", facts: []*fact.Fact{task(1, voice)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			equal(t, "moments", happened(build(&c.o, c.facts...), &c.o), c.want)
			slices.Reverse(c.facts)
			equal(t, "moments of the reverse", happened(build(&c.o, c.facts...), &c.o), c.want)
		})
	}
}

func raw(eventType, key string, seconds float64) tale {
	return func(f *fact.Fact) { profile.NoteRaw(f, eventType, key, after(seconds)) }
}

func TestMomentIdentity(t *testing.T) {
	t.Parallel()
	o := &profile.Options{CaptureLag: 30 * time.Second}
	p := build(o,
		thread(1, created(-5)),
		task(1, inThread(1), created(0), accepted(1, "ana", 10), accepted(2, "bo", 20), completed(30), raw("reservation.rejected", "EV1", 5)),
		posted(4, 5, 90),
	)
	keys := map[string]profile.Moment{}
	for _, m := range p.Moments(o) {
		if _, twice := keys[m.Key]; twice {
			t.Errorf("two moments under the key %s", m.Key)
		}
		keys[m.Key] = m
		equal(t, "event of "+m.Key, m.Scene().Event, map[string]any{"type": m.Type, "id": m.Key, "at": m.At.Format(time.RFC3339)})
	}
	for _, key := range []string{
		"conversation.started:" + sid("WT", 1), "conversation.ended:" + sid("WT", 1), "task.completed:" + sid("WT", 1),
		"interaction.transferred:" + sid("WR", 2), "reservation.rejected:EV1", "survey.completed:survey90",
	} {
		if _, ok := keys[key]; !ok {
			t.Errorf("no moment under the key %s", key)
		}
	}
	ended := keys["conversation.ended:"+sid("WT", 1)]
	equal(t, "certain after quiet, settling and the records' way", ended.NotBefore, after(30+5+30))
	equal(t, "a moment that is certain waits for nothing", keys["task.completed:"+sid("WT", 1)].NotBefore, time.Time{})
	for _, member := range []fact.Key{{Kind: fact.Task, SID: sid("WT", 1)}, {Kind: fact.Conversation, SID: sid("CH", 1)}} {
		if !slices.Contains(ended.Members, member) {
			t.Errorf("%v is no member of the contact", member)
		}
	}
	transferred := keys["interaction.transferred:"+sid("WR", 2)]
	equal(t, "who took over", transferred.Scene().Worker, map[string]any{"name": "bo", "sid": "WKbo"})
}

// A thread that is used again tells each contact held in it apart, whichever of
// them was known first.
func TestThreadUsedAgain(t *testing.T) {
	t.Parallel()
	o := &profile.Options{}
	first := task(1, inThread(1), with(0, map[string]any{"flexInteractionSid": sid("KD", 1)}), created(0), completed(60))
	second := task(2, inThread(1), with(0, map[string]any{"flexInteractionSid": sid("KD", 2)}), created(4000), completed(4060))
	ch := fact.Key{Kind: fact.Conversation, SID: sid("CH", 1)}
	members := func(facts ...*fact.Fact) map[string][]fact.Key {
		out := map[string][]fact.Key{}
		p := build(o, facts...)
		for _, m := range p.Moments(o) {
			if m.Type == profile.ConversationEnded {
				out[m.Key] = m.Members
			}
		}
		return out
	}
	late := members(thread(1, created(-5)), second)
	equal(t, "the second alone opens the thread, as far as is known", late, map[string][]fact.Key{
		"conversation.ended:" + sid("WT", 2): {second.Key(), ch},
	})
	both := members(thread(1, created(-5)), second, first)
	equal(t, "the first turns out to have opened it", both, map[string][]fact.Key{
		"conversation.ended:" + sid("WT", 1): {first.Key(), ch},
		"conversation.ended:" + sid("WT", 2): {second.Key()},
	})
}

func TestClosedThreadNeedsNoQuiet(t *testing.T) {
	t.Parallel()
	o := &profile.Options{CaptureLag: 30 * time.Second}
	for _, m := range build(o, thread(1, created(0), closed(20)), task(1, inThread(1), created(1), completed(30))).Moments(o) {
		if !m.NotBefore.IsZero() {
			t.Errorf("%s waits until %v", m.Type, m.NotBefore)
		}
	}
}

// TestUsualProperties follows the list below the table of design 3.1.
func TestUsualProperties(t *testing.T) {
	t.Parallel()
	o := &profile.Options{}
	attributes := map[string]any{
		"direction": "inbound", "channelType": "web", "conversationSid": sid("CH", 1), "flexInteractionSid": sid("KD", 1),
		"conversations": map[string]any{"outcome": "Refund"},
	}
	life := map[string]float64{fact.Created: 8, fact.Accepted: 10, fact.Wrapup: 40, fact.Completed: 50}
	p := build(o,
		task(1, with(0, attributes), value(fact.QueueName, "Sales"), created(0), reserved(1, "ana", life), completed(50)),
		task(2, with(49, attributes), created(49)),
		posted(4, 5, 90, value(fact.TaskSID, sid("WT", 1)), value(fact.Comment, "fine")),
	)
	all := map[string]map[string]any{}
	for _, m := range p.Moments(o) {
		all[m.Key] = m.Usual()
	}
	equal(t, "task.completed", all["task.completed:"+sid("WT", 1)], map[string]any{
		"task_sid": sid("WT", 1), "conversation_sid": sid("CH", 1), "channel": "webchat", "direction": "inbound",
		"queue": "Sales", "agent": "ana", "wait_time": 10, "handle_time": 40, "outcome": "Refund",
	})
	equal(t, "task.created of a transfer", all["task.created:"+sid("WT", 2)], map[string]any{
		"task_sid": sid("WT", 2), "conversation_sid": sid("CH", 1), "channel": "webchat", "direction": "inbound",
		"outcome": "Refund", "transfer": true,
	})
	equal(t, "survey.completed", all["survey.completed:survey90"], map[string]any{
		"task_sid": sid("WT", 1), "conversation_sid": sid("CH", 1), "channel": "webchat", "direction": "inbound",
		"queue": "Sales", "agent": "ana", "score": 4.0, "scale": 5.0,
	})
}

// TestEndTellsOfTheWholeContact is the timeline: one event from which a person can
// read how the contact went.
func TestEndTellsOfTheWholeContact(t *testing.T) {
	t.Parallel()
	o := &profile.Options{}
	attributes := map[string]any{"direction": "inbound", "channelType": "web", "flexInteractionSid": sid("KD", 1)}
	life := map[string]float64{fact.Created: 8, fact.Accepted: 10, fact.Wrapup: 40, fact.Completed: 50}
	p := build(o, task(1, with(0, attributes), value(fact.QueueName, "Sales"), created(0), reserved(1, "ana", life), completed(50)))
	for _, m := range p.Moments(o) {
		usual := m.Usual()
		switch m.Type {
		case profile.ConversationStarted:
			if usual["duration"] != nil {
				t.Errorf("the start tells a duration: %v", usual)
			}
		case profile.ConversationEnded:
			equal(t, "conversation.ended", usual, map[string]any{
				"task_sid": sid("WT", 1), "channel": "webchat", "direction": "inbound", "queue": "Sales", "agent": "ana",
				"wait_time": 10, "handle_time": 40, "duration": 50,
			})
		}
	}
}

// TestEndTellsScoreAndLink says that a score known by then is told with the end, and
// where people look the contact up.
func TestEndTellsScoreAndLink(t *testing.T) {
	t.Parallel()
	o := &profile.Options{ScoreWait: 10 * time.Minute, Link: func(task, conversation string) string { return "https://flex.example/" + task + conversation }}
	ended := func(facts ...*fact.Fact) profile.Moment {
		t.Helper()
		for _, m := range build(o, facts...).Moments(o) {
			if m.Type == profile.ConversationEnded {
				return m
			}
		}
		t.Fatal("nothing ended")
		return profile.Moment{}
	}
	plain := task(1, channel("voice"), created(0), completed(50))
	m := ended(plain)
	equal(t, "link", m.Usual()["link"], any("https://flex.example/"+sid("WT", 1)))
	if m.Usual()["score"] != nil || !m.NotBefore.Equal(after(650)) {
		t.Errorf("without an answer: %v, not before %v", m.Usual(), m.NotBefore)
	}
	m = ended(plain, posted(4, 5, 90, value(fact.TaskSID, sid("WT", 1))))
	equal(t, "score", m.Usual()["score"], any(4.0))
	equal(t, "scale", m.Usual()["scale"], any(5.0))
	if !m.NotBefore.Equal(after(55)) {
		t.Errorf("with an answer it waits until %v", m.NotBefore)
	}
	insights := map[string]any{"conversations": map[string]any{"segment_link": "https://insights.example/1"}}
	m = ended(task(1, channel("voice"), with(0, insights), created(0), completed(50)))
	equal(t, "Insights' own link", m.Usual()["link"], any("https://insights.example/1"))
	insights = map[string]any{"conversations": map[string]any{"segment_link": "javascript:alert(1)"}}
	o.Link = nil
	m = ended(task(1, channel("voice"), with(0, insights), created(0), completed(50)))
	equal(t, "what is no link", m.Usual()["link"], nil)
}

func TestRaised(t *testing.T) {
	t.Parallel()
	for _, eventType := range []string{
		"task.created", "task.assigned", "task.wrapup", "task.completed", "task.canceled", "task.abandoned",
		"conversation.started", "conversation.ended", "message.received", "message.sent", "survey.completed", "interaction.transferred",
	} {
		if !profile.Raised(eventType) {
			t.Errorf("%s is not raised", eventType)
		}
	}
	for _, eventType := range []string{"task.updated", "reservation.rejected", "onMessageAdded", ""} {
		if profile.Raised(eventType) {
			t.Errorf("%s is raised by itself", eventType)
		}
	}
}
