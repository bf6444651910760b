package main_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestEveryPathAtOnce brings the same day by polling, by the callback, by Event Streams alone and in batches, and by
// the plugin, all at once, each message three times and shuffled: what is in Brevo is what the calculation says.
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
	pushing.Wait()
	s := liveSettings(now.Add(-10 * time.Second))
	s.SharedPhones = []string{world.SharedPhone}
	l.eventuallyEqual(s, time.Minute, d)
}
