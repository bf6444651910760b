package main_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestEveryPathAtOnce brings the same day by polling, by the callback, by Event Streams alone and in batches, by
// Conversations' webhooks and by the plugin, with answers that a survey tool posts, all at once, each message three times and shuffled: what is in Brevo is what the calculation says.
func TestEveryPathAtOnce(t *testing.T) {
	t.Parallel()
	options := aDayUntilNow(21, 150)
	options.Odd = true
	now := quiet(world.New(options), time.Now().UTC().Add(-10*time.Minute))
	// Undeclared, what a switchboard's calls become depends on which of them was written before it was noticed.
	l := newLab(t, setup{world: options, shared: true, clock: func() time.Time { return now }, twilio: twiliosim.Options{}})
	d := l.run()
	client := &http.Client{Transport: toDaemon{func() string { return d.listen }}}
	pushes := []twiliosim.Push{
		{URL: publicURL + "/webhooks/twilio/taskrouter", Kind: twiliosim.PushCallback},
		{URL: publicURL + "/webhooks/twilio/events", Kind: twiliosim.PushStream, Batch: 20, Attempts: 5},
		{URL: publicURL + "/c/twilio_flex/webhooks/twilio/events", Kind: twiliosim.PushStream, Attempts: 5},
	}
	var pushing sync.WaitGroup
	for _, p := range pushes {
		p.From, p.Client, p.Reorder = options.Start.Add(-time.Hour), client, true
		pushing.Go(func() {
			for round := range 3 {
				p.From = p.From.Add(-time.Duration(round) * time.Millisecond) // another order each time
				report, err := l.twilio.Push(t.Context(), p)
				if err != nil || report.Accepted == 0 || report.Discarded > 0 {
					t.Errorf("%s: %+v, %v", p.Kind, report, err)
				}
			}
		})
	}
	pushing.Go(func() {
		for _, task := range endedBetween(l.world, options.Start, now) {
			agent := l.world.Agents[task.Reservations[len(task.Reservations)-1].Agent].SID
			token := bearer(l.twilio.IssueToken(agent))
			body := fmt.Sprintf(`{"v":1,"event":"task-complete","taskSid":%q,"workerSid":%q}`, task.SID, agent)
			for range 3 {
				// A starved machine may answer 503, which the plugin takes for what it is.
				if status := d.post("", "application/json", body, token); status != http.StatusNoContent && status != http.StatusServiceUnavailable {
					t.Errorf("plugin post: status %d", status)
				}
			}
		}
	})
	pushing.Go(func() {
		for round := range 3 {
			report, err := l.twilio.PushConversations(t.Context(), twiliosim.Push{
				URL: publicURL + "/webhooks/twilio/conversations", From: options.Start.Add(-time.Hour - time.Duration(round)*time.Millisecond),
				Client: client, Reorder: true,
			})
			if err != nil || report.Accepted == 0 || report.Discarded > 0 {
				t.Errorf("conversations: %+v, %v", report, err)
			}
		}
	})
	answers := surveyAnswers(l.world, options.Start, now)
	pushing.Go(func() { l.postAnswers(d, answers, 3) })
	pushing.Wait()
	s := liveSettings(now.Add(-10 * time.Second))
	s.Posted = map[string][]oracle.Posted{}
	for _, a := range answers {
		s.Posted[a.task] = append(s.Posted[a.task], oracle.Posted{Score: float64(a.score), At: a.at})
	}
	s.SharedPhones = []string{world.SharedPhone}
	l.eventuallyEqual(s, time.Minute, d)
}

// surveyAnswer is an answer that a survey tool posts. It names its task or, where that has one to itself, the
// conversation that it was held in.
type surveyAnswer struct {
	task, conversation string
	score              int
	at                 time.Time
}

// surveyAnswers makes an answer to each third task that was completed, given some minutes later.
func surveyAnswers(w *world.World, from, to time.Time) (answers []surveyAnswer) {
	for i, task := range endedBetween(w, from, to.Add(-time.Hour)) {
		if i%3 != 0 {
			continue
		}
		a := surveyAnswer{task: task.SID, score: 1 + i%5, at: task.EndedAt.Add(7*time.Minute + 130*time.Millisecond).Truncate(time.Millisecond)}
		contact := w.Contacts[task.Contact]
		if n := contact.Conversation; n >= 0 && len(w.Conversations[n].Talks) == 1 && len(contact.Tasks) == 1 {
			a.conversation = w.Conversations[n].SID
		}
		answers = append(answers, a)
	}
	return answers
}

// postAnswers posts each answer several times, in another order each time.
func (l *lab) postAnswers(d *daemon, answers []surveyAnswer, times int) {
	answers = slices.Clone(answers)
	for round := range times {
		rand.New(rand.NewPCG(1, uint64(round))).Shuffle(len(answers), func(i, j int) { answers[i], answers[j] = answers[j], answers[i] })
		for _, a := range answers {
			about := fmt.Sprintf(`"task_sid":%q`, a.task)
			if a.conversation != "" {
				about = fmt.Sprintf(`"conversation_sid":%q`, a.conversation)
			}
			body := fmt.Sprintf(`{%s,"score":%d,"scale":5,"comment":"fine","submitted_at":%q}`, about, a.score, a.at.Format(time.RFC3339Nano))
			address, signature := l.twilio.SignJSON(publicURL+"/webhooks/survey", []byte(body))
			r, err := http.NewRequest(http.MethodPost, strings.TrimPrefix(address, publicURL), strings.NewReader(body))
			if err != nil {
				panic(err)
			}
			r.Header = http.Header{"X-Twilio-Signature": {signature}, "Content-Type": {"application/json"}}
			if status := d.send(http.DefaultClient, r); status != http.StatusNoContent && status != http.StatusServiceUnavailable {
				l.t.Errorf("survey post: status %d", status)
			}
		}
	}
}
