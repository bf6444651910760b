package connector

import (
	"context"
	"time"

	"flexbrevo/connector/console"
)

// The figures of queues and agents, where they are kept. No agent is named.
var (
	metricQueueOffered   = gauge("flexbrevo_queue_offered", "Tasks that entered a queue in the last 24 hours.", "connector", "queue")
	metricQueueAccepted  = gauge("flexbrevo_queue_accepted", "Of these, those that an agent accepted.", "connector", "queue")
	metricQueueAbandoned = gauge("flexbrevo_queue_abandoned", "Of these, those that the customer gave up.", "connector", "queue")
	metricQueueWait      = gauge("flexbrevo_queue_wait_seconds", "The mean wait of the accepted.", "connector", "queue")
	metricAgents         = gauge("flexbrevo_agents", "Agents who were offered a task or changed their activity today.", "connector")
	metricAgentsOffered  = gauge("flexbrevo_agents_offered", "Tasks that agents were offered today.", "connector")
	metricAgentsAccepted = gauge("flexbrevo_agents_accepted", "Of these, those that were accepted.", "connector")
	metricAgentsHandle   = gauge("flexbrevo_agents_handle_seconds", "The mean of talk and wrap-up of what was handled today.", "connector")
	metricAgentsCSAT     = gauge("flexbrevo_agents_csat", "The mean score that customers gave today's work; absent without any.", "connector")
)

// figureMetrics are all of them.
func figureMetrics() []console.Metric {
	return []console.Metric{
		metricQueueOffered, metricQueueAccepted, metricQueueAbandoned, metricQueueWait,
		metricAgents, metricAgentsOffered, metricAgentsAccepted, metricAgentsHandle, metricAgentsCSAT,
	}
}

// figureReadings are the figures of all connectors that keep some.
func (s *Service) figureReadings(ctx context.Context) (readings, error) {
	kept, err := s.figured.get(ctx)
	if err != nil {
		return nil, err
	}
	var out readings
	for i, f := range s.flows {
		out.queues(f.cfg.Name, kept[i].Queues)
		if f.cfg.Sync.AgentActivity {
			out.agents(f.cfg.Name, ofDay(kept[i].Days, s.o.Clock().In(f.location()).Format(time.DateOnly)))
		}
	}
	return out, nil
}

// ofDay is the figures of one day, none where nothing was done.
func ofDay(days []dayFigures, day string) dayFigures {
	for _, d := range days {
		if d.Day == day {
			return d
		}
	}
	return dayFigures{Day: day}
}

// queues adds the figures of queues; two of one name are told as one.
func (r *readings) queues(connector string, queues []queueFigures) {
	for i := 0; i < len(queues); { // in order of name
		sum := queueFigures{Name: queues[i].Name}
		for ; i < len(queues) && queues[i].Name == sum.Name; i++ {
			q := queues[i]
			sum.Offered, sum.Accepted, sum.Abandoned, sum.waited = sum.Offered+q.Offered, sum.Accepted+q.Accepted, sum.Abandoned+q.Abandoned, sum.waited+q.waited
		}
		r.add(metricQueueOffered, float64(sum.Offered), connector, sum.Name)
		r.add(metricQueueAccepted, float64(sum.Accepted), connector, sum.Name)
		r.add(metricQueueAbandoned, float64(sum.Abandoned), connector, sum.Name)
		wait := 0.0
		if sum.Accepted > 0 {
			wait = float64(sum.waited) / float64(sum.Accepted)
		}
		r.add(metricQueueWait, wait, connector, sum.Name)
	}
}

func (r *readings) agents(connector string, d dayFigures) {
	r.add(metricAgents, float64(d.Agents), connector)
	r.add(metricAgentsOffered, float64(d.Offered), connector)
	r.add(metricAgentsAccepted, float64(d.Accepted), connector)
	r.add(metricAgentsHandle, d.HandleSeconds, connector)
	if d.CSATCount > 0 {
		r.add(metricAgentsCSAT, d.CSATMean, connector)
	}
}
