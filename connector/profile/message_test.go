package profile_test

import (
	"fmt"
	"testing"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

// wrote tells of a message: its index, who wrote it under which participant, and when.
func wrote(index int, author, member string, seconds float64) tale {
	return func(f *fact.Fact) {
		part := fact.Message + sid("IM", index)
		f.SetPartTime(part, fact.Created, after(seconds))
		f.SetPartValue(part, fact.Index, index, noon)
		f.SetPartValue(part, fact.Author, author, noon)
		f.SetPartValue(part, fact.ParticipantSID, member, noon)
	}
}

const writer = "+33612345678"

// TestMessages says whose a message is, which contact it belongs to, and how long the
// customer waited for the first answer.
func TestMessages(t *testing.T) {
	t.Parallel()
	byPhone := participant(1, writer, "sms")
	agent, member := "user_40example_2Ecom", sid("MB", 2)
	for _, c := range []struct {
		name   string
		o      profile.Options
		facts  []*fact.Fact
		want   []string // message events as "type@seconds of the conversation that began at seconds"
		counts []string // by contact: all, received, sent, first response
	}{
		{
			name: "the order is that of the index, and gaps are no messages",
			facts: []*fact.Fact{thread(1, created(0), byPhone,
				wrote(7, agent, member, 30), wrote(0, writer, sid("MB", 1), 0), wrote(2, writer, sid("MB", 1), 5), wrote(9, agent, member, 31))},
			want:   []string{"message.received@0", "message.received@5", "message.sent@30", "message.sent@31"},
			counts: []string{"4 2 2 30"},
		},
		{
			name: "what the centre writes first is no answer",
			facts: []*fact.Fact{thread(1, created(0), byPhone,
				wrote(0, agent, member, 0), wrote(1, writer, sid("MB", 1), 60), wrote(2, agent, member, 75))},
			want:   []string{"message.sent@0", "message.received@60", "message.sent@75"},
			counts: []string{"3 1 2 15"},
		},
		{
			name: "programs answer nobody",
			facts: []*fact.Fact{thread(1, created(0), byPhone,
				wrote(0, writer, sid("MB", 1), 0), wrote(1, "system", "", 1), wrote(2, "Bot", "", 2))},
			want:   []string{"message.received@0"},
			counts: []string{"3 1 0 <nil>"},
		},
		{
			name: "an agent who has left is still none of the customers",
			facts: []*fact.Fact{thread(1, created(0), byPhone,
				wrote(0, writer, "", 0), wrote(1, agent, sid("MB", 99), 9))},
			want:   []string{"message.received@0", "message.sent@9"},
			counts: []string{"2 1 1 9"},
		},
		{
			name: "of a web chat the task names the visitor",
			facts: []*fact.Fact{
				thread(1, created(0), wrote(0, "visitor", sid("MB", 1), 0), wrote(1, agent, member, 20)),
				task(1, inThread(1), with(0, map[string]any{"customerAddress": "visitor", "channelType": "web"}), created(2)),
			},
			want:   []string{"message.received@0", "message.sent@20"},
			counts: []string{"2 1 1 20"},
		},
		{
			name:   "nobody is told whose a web chat's messages are before a task names the visitor",
			facts:  []*fact.Fact{thread(1, created(0), wrote(0, "visitor", sid("MB", 1), 0), wrote(1, agent, member, 20))},
			counts: []string{"2 0 0 <nil>"},
		},
		{
			name: "a thread that is used again: the message that begins a contact comes before its task",
			facts: []*fact.Fact{
				thread(1, created(0), byPhone,
					wrote(0, writer, sid("MB", 1), 0), wrote(1, agent, member, 10),
					wrote(2, writer, sid("MB", 1), 1000), wrote(3, writer, sid("MB", 1), 1005), wrote(4, agent, member, 1040)),
				task(1, inInteraction(1), inThread(1), created(2), completed(60)),
				task(2, inInteraction(2), inThread(1), created(1002), completed(1060)),
			},
			want:   []string{"message.received@0", "message.sent@10", "message.received@1000", "message.received@1005", "message.sent@1040"},
			counts: []string{"2 1 1 10", "3 2 1 40"},
		},
		{
			name: "out of scope", o: profile.Options{Channels: []string{"whatsapp"}},
			facts: []*fact.Fact{thread(1, created(0), byPhone, wrote(0, writer, sid("MB", 1), 0))},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := build(&c.o, c.facts...)
			var got, keys []string
			for _, m := range p.Moments(&c.o) {
				if m.Type == profile.MessageReceived || m.Type == profile.MessageSent {
					got = append(got, fmt.Sprintf("%s@%g", m.Type, m.At.Sub(noon).Seconds()))
					keys = append(keys, m.Key)
				}
			}
			equal(t, "events", got, c.want)
			unique := map[string]bool{}
			for _, key := range keys {
				unique[key] = true
			}
			if len(unique) != len(keys) {
				t.Errorf("messages share an identity: %q", keys)
			}
			var counts []string
			for _, m := range p.Moments(&c.o) {
				if e := m.Scene().Conversation; m.Type == profile.ConversationStarted && e["messages"] != nil {
					counts = append(counts, fmt.Sprint(e["messages"], e["messages_received"], e["messages_sent"], e["first_response_time"]))
				}
			}
			equal(t, "counts", counts, c.counts)
		})
	}
}

// TestMessageScene says what a rule sees of a message.
func TestMessageScene(t *testing.T) {
	t.Parallel()
	text := func(f *fact.Fact) {
		f.SetPartValue(fact.Message+sid("IM", 3), fact.Body, "Where is my order?", noon)
	}
	o := &profile.Options{}
	p := build(o,
		thread(1, created(0), participant(1, writer, "sms"), wrote(3, writer, sid("MB", 1), 5), text),
		task(1, inThread(1), channel("sms"), created(2), value(fact.QueueName, "Support")))
	for _, m := range p.Moments(o) {
		if m.Type != profile.MessageReceived {
			continue
		}
		s := m.Scene()
		for name, want := range map[string]any{"body": "Where is my order?", "index": 3, "author": writer, "message_sid": sid("IM", 3)} {
			equal(t, name, s.Event[name], want)
		}
		equal(t, "queue", s.Task["queue_name"], "Support")
		equal(t, "properties", m.Usual(), map[string]any{"task_sid": sid("WT", 1), "conversation_sid": sid("CH", 1), "channel": "sms", "queue": "Support"})
		return
	}
	t.Error("there is no such event")
}
