package connector

import (
	"fmt"
	"slices"
	"testing"
)

// The figures of queues and agents are told in metrics, two queues of one name as
// one, because a metric may be told once only.
func TestFigureReadings(t *testing.T) {
	t.Parallel()
	var r readings
	r.queues("c", []queueFigures{
		{Name: "Billing", Offered: 4, Accepted: 2, Abandoned: 1, waited: 20},
		{Name: "Billing", Offered: 2, Accepted: 2, waited: 40}, {Name: "Sales", Offered: 1},
	})
	r.agents("c", dayFigures{Day: "2026-11-20", Agents: 3, Offered: 9, Accepted: 8, HandleSeconds: 61.5})
	r.agents("d", ofDay([]dayFigures{{Day: "2026-11-19", Agents: 7}, {Day: "2026-11-20", Agents: 2, CSATCount: 1, CSATMean: 4.5}}, "2026-11-20"))
	var got []string
	for _, one := range r {
		got = append(got, fmt.Sprint(one.Metric.Name, one.Values, " ", one.Value))
	}
	want := []string{
		"flexbrevo_queue_offered[c Billing] 6", "flexbrevo_queue_accepted[c Billing] 4", "flexbrevo_queue_abandoned[c Billing] 1", "flexbrevo_queue_wait_seconds[c Billing] 15",
		"flexbrevo_queue_offered[c Sales] 1", "flexbrevo_queue_accepted[c Sales] 0", "flexbrevo_queue_abandoned[c Sales] 0", "flexbrevo_queue_wait_seconds[c Sales] 0",
		"flexbrevo_agents[c] 3", "flexbrevo_agents_offered[c] 9", "flexbrevo_agents_accepted[c] 8", "flexbrevo_agents_handle_seconds[c] 61.5",
		"flexbrevo_agents[d] 2", "flexbrevo_agents_offered[d] 0", "flexbrevo_agents_accepted[d] 0", "flexbrevo_agents_handle_seconds[d] 0", "flexbrevo_agents_csat[d] 4.5",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
