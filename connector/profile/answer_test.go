package profile_test

import (
	"fmt"
	"testing"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

// ofThread reads a score below conversation.attributes, as a configured place does.
func ofThread(name string, scale float64) profile.CSATPlace {
	return profile.CSATPlace{Scale: scale, ReadThread: func(t *profile.Thread) (float64, bool) { return profile.Number(t.Attributes[name]) }}
}

// TestAnswersOfThreads says when a score in a thread's attributes is an answer, which
// contact it is about and how it is scaled.
func TestAnswersOfThreads(t *testing.T) {
	t.Parallel()
	o := profile.Options{CSAT: []profile.CSATPlace{ofThread("csat", 5)}, CSATScale: 10}
	scored := func(seconds float64, score any) tale { return with(seconds, map[string]any{"csat": score}) }
	worker := value(fact.QueueName, "Support")
	for _, c := range []struct {
		name  string
		o     profile.Options
		facts []*fact.Fact
		want  string
	}{
		{
			name: "about the task that was held in it", o: o,
			facts: []*fact.Fact{task(1, inThread(1), worker, created(1), completed(60)), thread(1, created(0), scored(90, "4"))},
			want:  "survey.completed:" + sid("CH", 1) + " @90 8/10 " + sid("WT", 1) + " Support",
		},
		{
			name: "of a thread used again it is about the task before it", o: o,
			facts: []*fact.Fact{
				task(1, inThread(1), created(1), completed(60)), task(2, inThread(1), worker, created(100), completed(160)),
				thread(1, created(0), scored(200, 5)),
			},
			want: "survey.completed:" + sid("CH", 1) + " @200 10/10 " + sid("WT", 2) + " Support",
		},
		{
			name: "not while somebody works in it", o: o,
			facts: []*fact.Fact{task(1, inThread(1), created(1)), thread(1, created(0), scored(90, 4))},
		},
		{
			name: "out of scope", o: profile.Options{CSAT: o.CSAT, Channels: []string{"voice"}},
			facts: []*fact.Fact{thread(1, created(0), participant(1, "+33612345678", "sms"), scored(90, 4))},
		},
		{
			name:  "not without a place for it",
			facts: []*fact.Fact{thread(1, created(0), scored(90, 4))},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, got := build(&c.o, c.facts...), ""
			for _, m := range p.Moments(&c.o) {
				if m.Type != profile.SurveyCompleted {
					continue
				}
				u := m.Usual()
				got = fmt.Sprintf("%s @%g %v/%v %v %v", m.Key, m.At.Sub(noon).Seconds(), u["score"], u["scale"], u["task_sid"], u["queue"])
				equal(t, "conversation", u["conversation_sid"], sid("CH", 1))
			}
			equal(t, "answer", got, c.want)
		})
	}
}

// TestSurveyQueues says that tasks of configured queues and workflows are surveys.
func TestSurveyQueues(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]profile.Options{
		"by a queue's name":      {SurveyQueues: []string{"Surveys"}},
		"by a queue's SID":       {SurveyQueues: []string{"WQ9"}},
		"by a workflow's name":   {SurveyWorkflows: []string{"Ask"}},
		"by a workflow's SID":    {SurveyWorkflows: []string{"x", "WW9"}},
		"by none of those named": {SurveyQueues: []string{"Support", "WW9"}, SurveyWorkflows: []string{"WQ9"}},
	} {
		asked := task(2, created(100), canceled(130, "hangup"),
			value(fact.QueueName, "Surveys"), value(fact.QueueSID, "WQ9"), value(fact.Workflow, "Ask"), value(fact.WorkflowSID, "WW9"),
			conversations(0, map[string]any{"conversation_id": sid("WT", 1), "conversation_measure_1": 3}))
		p := build(&o, task(1, created(0), completed(60)), asked)
		tasks, abandoned, scores := 1, 0, 1
		if name == "by none of those named" {
			tasks, abandoned, scores = 2, 1, 0
		}
		if p.Metrics["total_tasks"] != tasks || p.Metrics["abandoned_count"] != abandoned || p.Metrics["csat_count"] != scores {
			t.Errorf("%s: %v", name, p.Metrics)
		}
	}
}
