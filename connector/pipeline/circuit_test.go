package pipeline_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
)

// Where Brevo refuses us, everything owed is kept and counts no attempt, we ask again
// gently and go on by ourselves, and the log says the remedy once.
func TestRefusedAccountKeepsEverythingAndResumes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults brevosim.Faults
		remedy string
	}{
		"bad key":         {brevosim.Faults{BadKey: 1}, "Check brevo.api_key"},
		"unknown address": {brevosim.Faults{UnknownIP: 1, IP: "198.51.100.9"}, "authorise 198.51.100.9"},
		"payment":         {brevosim.Faults{PaymentRequired: 1}, "credits"},
		"forbidden":       {brevosim.Faults{Forbidden: 1}, "permission"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierGeneral}}, func(l *lab) {
				const customers = 100
				var log bytes.Buffer
				l.deliver = pipeline.NewDeliver(pipeline.DeliverOptions{
					Account: "a", Store: l.store, Destination: adapter{l.brevo}, Clock: time.Now, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				})
				// The account was known before, or it would not have been written to.
				if _, err := l.brevo.Provision(l.Context(), brevo.Plan{}); err != nil {
					l.Fatal(err)
				}
				var d store.Digest
				for id := range int64(customers) {
					d.Contacts, d.Events = append(d.Contacts, contactOf(id+1, 1)), append(d.Events, eventOf(id+1, 0))
				}
				l.owe(d)
				l.sim.SetFaults(c.faults)
				l.sim.ResetCalls()
				stop := l.begin()
				time.Sleep(10 * time.Second)
				first := l.sim.Summary().Calls
				time.Sleep(time.Hour)
				probes := l.sim.Summary().Calls - first
				since, remedy := l.deliver.Circuit()
				if since.IsZero() || !strings.Contains(remedy, c.remedy) {
					l.Errorf("since %v: %q, want %q", since, remedy, c.remedy)
				}
				if first > 64 || probes < 10 || probes > 40 {
					l.Errorf("%d calls at first, %d in the hour after", first, probes)
				}
				sum := l.summary().Deliveries
				kept := sum[store.ContactDelivery][store.Pending] + sum[store.ContactDelivery][store.Sending]
				if kept != customers || sum[store.EventDelivery][store.Pending] != customers {
					l.Errorf("not everything is kept: %v", sum)
				}
				l.sim.SetFaults(brevosim.Faults{})
				l.untilIdle(10 * time.Minute)
				if err := stop(); err != nil {
					l.Fatal(err)
				}
				l.eachOnce(customers)
				if since, _ := l.deliver.Circuit(); !since.IsZero() {
					l.Error("still paused")
				}
				delivered, err := l.store.LoadDeliveries(l.Context(), "c", store.Delivered, 10)
				if err != nil || len(delivered) == 0 || delivered[0].Attempts > 1 {
					l.Errorf("attempts were counted: %+v, %v", delivered[0], err)
				}
				if n := strings.Count(log.String(), "destination refuses us"); n != 1 || strings.Count(log.String(), c.remedy) != 1 {
					l.Errorf("the refusal is logged %d times:\n%s", n, log.String())
				}
			})
		})
	}
}
