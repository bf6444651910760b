package profile_test

import (
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

// TestMetrics follows the list of metrics in design 3.2, and facts/twilio.md 1.8
// for the times.
func TestMetrics(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	voice := channel("voice")
	type metrics = map[string]any
	for _, c := range []struct {
		name  string
		o     profile.Options
		facts []*fact.Fact
		want  metrics // a nil value: the metric must be absent
	}{
		{
			name: "nothing", want: metrics{
				"total_conversations": 0, "total_tasks": 0, "abandoned_count": 0, "csat_count": 0,
				"first_conversation_date": nil, "last_conversation_date": nil, "last_wait_time": nil, "avg_wait_time": nil,
				"avg_handle_time": nil, "last_csat_score": nil, "avg_csat_score": nil, "preferred_channel": nil,
				"last_channel": nil, "last_queue": nil, "last_agent": nil, "last_outcome": nil,
			},
		},
		{
			name: "groups count once, tasks each, in any state",
			facts: []*fact.Fact{
				task(1, voice, created(0)),
				task(2, inInteraction(1), created(10), completed(20)),
				task(3, inInteraction(1), created(21)),
				thread(1, created(30)),
			},
			want: metrics{"total_conversations": 3, "total_tasks": 3},
		},
		{
			name: "a group is what has the first of these in common",
			facts: []*fact.Fact{
				task(1, voice, created(0)),
				task(2, created(1), conversations(0, map[string]any{"conversation_id": sid("WT", 1)}), inInteraction(2)),
				task(3, created(2), inInteraction(3), inThread(1)),
				task(4, created(3), inThread(1)),
				task(5, created(4), with(0, map[string]any{"call_sid": sid("CA", 1)})),
				task(6, created(5), with(0, map[string]any{"call_sid": sid("CA", 1)})),
			},
			want: metrics{"total_conversations": 4, "total_tasks": 6},
		},
		{
			name: "surveys are no contacts",
			facts: []*fact.Fact{
				task(1, voice, created(0), completed(10)),
				task(2, survey(), voice, created(11), canceled(20, "hangup"), value(fact.QueueName, "Surveys")),
			},
			want: metrics{"total_conversations": 1, "total_tasks": 1, "abandoned_count": 0, "last_queue": nil},
		},
		{
			name: "only channels in scope count", o: profile.Options{Channels: []string{"sms", "webchat"}},
			facts: []*fact.Fact{
				task(1, voice, created(0), canceled(5, "hangup")),
				task(2, channel("chat"), created(10)),
				task(3, channel("chat"), with(0, map[string]any{"channelType": "whatsapp"}), inThread(1), created(20)),
				thread(1, created(20)),
				thread(2, participant(1, "+33612345678", "sms"), created(30)),
			},
			want: metrics{"total_conversations": 2, "total_tasks": 1, "abandoned_count": 0, "preferred_channel": "sms", "last_channel": "sms"},
		},
		{
			name: "dates are those of the connector's zone", o: profile.Options{Location: paris},
			facts: []*fact.Fact{
				task(1, voice, created(11*3600-1)), // 23:59:59 in Paris
				task(2, voice, created(11*3600)),   // midnight
			},
			want: metrics{"first_conversation_date": "2026-01-02", "last_conversation_date": "2026-01-03"},
		},
		{
			name:  "dates are UTC without a zone",
			facts: []*fact.Fact{task(1, voice, created(12*3600-1)), task(2, voice, created(12*3600))},
			want:  metrics{"first_conversation_date": "2026-01-02", "last_conversation_date": "2026-01-03"},
		},
		{
			name:  "the wait begins with the first queue, and milliseconds are dropped",
			facts: []*fact.Fact{task(1, voice, created(0), queued(2.999), queued(7), accepted(1, "ana", 10.001))},
			want:  metrics{"last_wait_time": 8, "avg_wait_time": 8.0},
		},
		{
			name:  "without a queue it begins with the creation, and the first acceptance ends it",
			facts: []*fact.Fact{task(1, voice, created(0.9), accepted(2, "bo", 30), accepted(1, "ana", 10))},
			want:  metrics{"last_wait_time": 10, "avg_wait_time": 10.0},
		},
		{
			name: "the mean is over accepted tasks",
			facts: []*fact.Fact{
				task(1, voice, created(0), accepted(1, "ana", 10)),
				task(2, voice, created(100), accepted(1, "ana", 105)),
				task(3, voice, created(200), accepted(1, "ana", 201)),
				task(4, voice, created(300), canceled(400, "hangup")),
				task(5, voice, created(500)),
			},
			want: metrics{"last_wait_time": 1, "avg_wait_time": 5.33, "abandoned_count": 1},
		},
		{
			name: "handling is talk and wrap-up of every agent",
			facts: []*fact.Fact{
				task(1, voice, created(0),
					reserved(1, "ana", map[string]float64{fact.Created: 1, fact.Accepted: 10.9, fact.Wrapup: 40.1, fact.Completed: 50}),
					reserved(2, "bo", map[string]float64{fact.Accepted: 60, fact.Completed: 65}),
					reserved(3, "cy", map[string]float64{fact.Created: 2, fact.Rejected: 5}),
					reserved(4, "di", map[string]float64{fact.Accepted: 70})),
				task(2, voice, created(100), accepted(1, "ana", 110)),
			},
			want: metrics{"avg_handle_time": 45.0, "last_agent": "ana"},
		},
		{
			name: "the preferred channel is the one of most groups",
			facts: []*fact.Fact{
				task(1, channel("sms"), created(0)), task(2, channel("sms"), created(10)),
				task(3, voice, inInteraction(1), created(20)), task(4, voice, inInteraction(1), created(21)), task(5, voice, inInteraction(1), created(22)),
			},
			want: metrics{"preferred_channel": "sms", "last_channel": "voice"},
		},
		{
			name: "of two channels the more recent",
			facts: []*fact.Fact{
				task(1, channel("sms"), created(0)), task(2, voice, created(10)), task(3, voice, created(20)),
				task(4, channel("sms"), created(30)), task(5, channel("video"), created(40)),
			},
			want: metrics{"preferred_channel": "sms", "last_channel": "video"},
		},
		{
			name: "the last that is known",
			facts: []*fact.Fact{
				task(1, voice, created(0), value(fact.QueueName, "Sales"), accepted(1, "ana", 1), accepted(2, "bo", 2), conversations(3, map[string]any{"outcome": "Sold"})),
				task(2, voice, created(10), value(fact.QueueSID, sid("WQ", 1))),
				task(3, voice, created(20)),
			},
			want: metrics{"last_queue": sid("WQ", 1), "last_agent": "bo", "last_outcome": "Sold"},
		},
		{
			name: "a disposition that a plugin blanked stays",
			facts: []*fact.Fact{task(1, voice, created(0),
				conversations(30, map[string]any{"outcome": "Sold"}), conversations(31, map[string]any{"outcome": ""}))},
			want: metrics{"last_outcome": "Sold"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := build(&c.o, c.facts...).Metrics
			for name, want := range c.want {
				equal(t, name, got[name], want)
			}
		})
	}
}

func TestWaitOfAnAbandonedTask(t *testing.T) {
	t.Parallel()
	p := build(&profile.Options{}, task(1, channel("voice"), created(0), queued(2), canceled(44, "hangup")))
	equal(t, "task.wait_time", p.Tasks[0].Env()["wait_time"], 42)
	equal(t, "last_wait_time", p.Metrics["last_wait_time"], nil)
	equal(t, "avg_wait_time", p.Metrics["avg_wait_time"], nil)
}

func TestDurations(t *testing.T) {
	t.Parallel()
	env := build(&profile.Options{}, task(1, created(0),
		reserved(1, "ana", map[string]float64{fact.Created: 1.9, fact.TimedOut: 21.1}),
		reserved(2, "bo", map[string]float64{fact.Created: 30, fact.Accepted: 34, fact.Wrapup: 64, fact.Completed: 70}),
	)).Tasks[0].Env()
	for name, want := range map[string]any{"ring_time": 24, "talk_time": 30, "wrapup_time": 6, "handle_time": 36, "wait_time": 34} {
		equal(t, name, env[name], want)
	}
}

// TestScores follows design 3.2 and facts/twilio.md 4.
func TestScores(t *testing.T) {
	t.Parallel()
	surveyed := func(n int, seconds float64, values map[string]any) *fact.Fact {
		return task(n, channel("voice"), survey(), created(seconds-1), canceled(seconds, "CSAT saved"), conversations(seconds, values))
	}
	stars := profile.CSATPlace{Scale: 10, Read: func(t *profile.Task) (float64, bool) { return profile.Number(t.Attributes["stars"]) }}
	for _, c := range []struct {
		name  string
		o     profile.Options
		facts []*fact.Fact
		want  []float64
	}{
		{
			name:  "the measure of a survey task, before its first attribute",
			facts: []*fact.Fact{surveyed(1, 10, map[string]any{"conversation_measure_1": 4, "conversation_attribute_1": 2})}, want: []float64{4},
		},
		{
			name:  "the first attribute, a number written as text",
			facts: []*fact.Fact{surveyed(1, 10, map[string]any{"conversation_attribute_1": " 4.5 "})}, want: []float64{4.5},
		},
		{
			name:  "the first attribute when it is no number",
			facts: []*fact.Fact{surveyed(1, 10, map[string]any{"conversation_attribute_1": "fine"})},
		},
		{
			name:  "the measure of a contact task is none",
			facts: []*fact.Fact{task(1, created(0), completed(1), conversations(0, map[string]any{"conversation_measure_1": 4}))},
		},
		{
			name: "the csat attribute of any task",
			facts: []*fact.Fact{
				task(1, created(0), completed(1), with(1, map[string]any{"csat": "3"})),
				task(2, created(5), with(6, map[string]any{"csat": 5})), // not over yet
			}, want: []float64{3},
		},
		{
			name:  "posted, in order of time",
			facts: []*fact.Fact{posted(5, nil, 90), posted(1, nil, 80), surveyed(1, 85, map[string]any{"conversation_measure_1": 4})}, want: []float64{1, 4, 5},
		},
		{
			name: "zero is a score", facts: []*fact.Fact{surveyed(1, 10, map[string]any{"conversation_measure_1": 0})}, want: []float64{0},
		},
		{
			name: "configured places alone, and posted", o: profile.Options{CSAT: []profile.CSATPlace{stars}},
			facts: []*fact.Fact{
				surveyed(1, 10, map[string]any{"conversation_measure_1": 4}), posted(5, nil, 90),
				task(2, created(0), completed(20), with(1, map[string]any{"stars": 8})),
			}, want: []float64{8, 5},
		},
		{
			name: "one scale", o: profile.Options{CSAT: []profile.CSATPlace{stars}, CSATScale: 5},
			facts: []*fact.Fact{
				task(2, created(0), completed(20), with(1, map[string]any{"stars": 8})),
				posted(50, 100, 90), posted(3, nil, 91),
			}, want: []float64{4, 2.5, 3},
		},
		{
			name: "surveys switched off", o: profile.Options{CSAT: []profile.CSATPlace{}},
			facts: []*fact.Fact{surveyed(1, 10, map[string]any{"conversation_measure_1": 4}), posted(5, nil, 90)},
		},
		{
			name: "about a task out of scope", o: profile.Options{Channels: []string{"sms"}},
			facts: []*fact.Fact{task(1, channel("voice"), created(0)), posted(5, nil, 90, value(fact.TaskSID, sid("WT", 1)))},
		},
		{
			name: "what is no number",
			facts: []*fact.Fact{
				surveyed(1, 10, map[string]any{"conversation_measure_1": "NaN"}), surveyed(2, 10, map[string]any{"conversation_measure_1": "Inf"}),
				surveyed(3, 10, map[string]any{"conversation_measure_1": 1e300}), surveyed(4, 10, map[string]any{"conversation_measure_1": []any{4}}),
				posted(true, nil, 1), posted(5, nil, 2, value(fact.Scale, -5)), posted(5, 1e-320, 3),
			}, want: []float64{5, 5},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := build(&c.o, c.facts...)
			var got []float64
			for _, a := range p.Answers {
				got = append(got, a.Score)
			}
			equal(t, "scores", got, c.want)
			equal(t, "csat_count", p.Metrics["csat_count"], len(c.want))
			equal(t, "surveyed", p.Surveyed, len(c.want) > 0)
			if n := len(c.want); n > 0 {
				equal(t, "last_csat_score", p.Metrics["last_csat_score"], c.want[n-1])
			}
		})
	}
}

func TestAnswerFindsItsTask(t *testing.T) {
	t.Parallel()
	contact := func(n, interaction int, seconds float64) *fact.Fact {
		return task(n, inInteraction(interaction), inThread(1), created(seconds), completed(seconds+10))
	}
	about := func(conversationID string) *fact.Fact {
		return task(9, survey(), created(50), canceled(60, "Survey completed"),
			conversations(51, map[string]any{"conversation_id": conversationID, "conversation_measure_1": 4}))
	}
	for _, c := range []struct {
		name   string
		answer *fact.Fact
		want   string
	}{
		{"a survey task names the task", about(sid("WT", 1)), sid("WT", 1)},
		{"a survey task names the interaction: the latest task before it", about(sid("KD", 1)), sid("WT", 2)},
		{"a survey task names what is not known", about(sid("WT", 7)), ""},
		{"a post names the task, though a later one had the thread", posted(4, 5, 90, value(fact.TaskSID, sid("WT", 1)), value(fact.ConversationSID, sid("CH", 1))), sid("WT", 1)},
		{"a post names the thread: the latest task before it", posted(4, 5, 90, value(fact.ConversationSID, sid("CH", 1))), sid("WT", 2)},
		{"a post names neither", posted(4, 5, 90), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := build(&profile.Options{}, contact(1, 1, 0), contact(2, 1, 20), contact(3, 2, 1000), c.answer)
			got := ""
			if a := p.Answers[0]; a.Task != nil {
				got = a.Task.SID
			}
			equal(t, "task", got, c.want)
		})
	}
}

func TestChannelsAndDirections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		task      string
		attribute any
		want      string
	}{
		{"voice", nil, "voice"}, {"sms", nil, "sms"}, {"chat", "whatsapp", "whatsapp"}, {"chat", "web", "webchat"},
		{"chat", "chat", "webchat"}, {"chat", nil, "webchat"}, {"webchat", "", "webchat"}, {"chat", "Messenger", "messenger"},
		{"email", nil, "email"}, {"video", nil, "video"}, {"default", nil, "default"}, {"chat", []any{"sms"}, "webchat"}, {"", nil, ""},
	} {
		p := build(&profile.Options{}, task(1, created(0), channel(c.task), with(0, map[string]any{"channelType": c.attribute})))
		equal(t, "channel of "+c.task, p.Tasks[0].Channel, c.want)
	}
	for _, c := range []struct {
		task, address, want string
	}{
		{"chat", "whatsapp:+33612345678", "whatsapp"}, {"chat", "messenger:5000", "messenger"}, {"default", "WhatsApp:+33612345678", "whatsapp"},
		{"chat", "visitor-1", "webchat"}, {"chat", "sip:x@example.com", "webchat"}, {"sms", "+33612345678", "sms"}, {"email", "whatsapp@example.com", "email"},
	} {
		p := build(&profile.Options{}, task(1, created(0), channel(c.task), with(0, map[string]any{"customerAddress": c.address})))
		equal(t, "channel of "+c.address, p.Tasks[0].Channel, c.want)
	}
	for _, c := range []struct {
		attributes map[string]any
		want       string
	}{
		{map[string]any{"direction": "inbound"}, "inbound"}, {map[string]any{"direction": "Outbound-API"}, "outbound"},
		{map[string]any{"direction": "internal"}, "internal"}, {map[string]any{"outbound_to": "+33612345678"}, "outbound"},
		{map[string]any{"conversations": map[string]any{"direction": "Outbound"}}, "outbound"},
		{map[string]any{"direction": "inbound", "outbound_to": "+33612345678"}, "inbound"}, {nil, ""}, {map[string]any{"direction": 7}, "7"},
		{map[string]any{"initiatedBy": "agent"}, "outbound"}, {map[string]any{"initiatedBy": "customer"}, ""},
		{map[string]any{"initiatedBy": "agent", "direction": "inbound"}, "inbound"},
	} {
		p := build(&profile.Options{}, task(1, created(0), with(0, c.attributes)))
		equal(t, "direction", p.Tasks[0].Direction, c.want)
	}
}
