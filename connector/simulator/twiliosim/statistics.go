package twiliosim

import (
	"time"

	"flexbrevo/connector/simulator/world"
)

// fewWorkers is how many workers a workspace may have for its worker statistics to be offered;
// facts/twilio.md 1.9.
const fewWorkers = 100

func (s *Server) routeStatistics(inside func(string, func(*request) (world.Fields, error))) {
	inside("/TaskQueues/Statistics", s.queueStatistics)
	inside("/Workers/CumulativeStatistics", s.workerStatistics)
	inside("/Workers/{sid}/Channels", s.workerChannels)
}

// interval is what statistics are asked for; both ends are part of it. Without any it is the last
// quarter of an hour.
func (q *request) interval() (from, until time.Time) {
	from, until = q.now.Add(-15*time.Minute), q.now
	if at, err := time.Parse(time.RFC3339, q.param("StartDate")); err == nil {
		from = at
	}
	if at, err := time.Parse(time.RFC3339, q.param("EndDate")); err == nil {
		until = at.Add(time.Second - time.Nanosecond)
	}
	return from, until
}

func (s *Server) queueStatistics(q *request) (world.Fields, error) {
	from, until := q.interval()
	rows := make([]row, len(s.world.Queues))
	for i := range s.world.Queues {
		rows[i] = row{s.world.Queues[i].SID, func() world.Fields {
			c := s.world.CountQueue(i, from, until)
			now := s.world.QueueAt(i, q.now)
			return object(
				"account_sid", s.world.AccountSID, "workspace_sid", s.world.WorkspaceSID, "task_queue_sid", s.world.Queues[i].SID,
				"cumulative", object("start_time", iso(from), "end_time", iso(until), "tasks_entered", c.Entered, "tasks_canceled", c.Canceled,
					"reservations_created", c.Created, "reservations_accepted", c.Accepted, "reservations_rejected", c.Rejected,
					"reservations_timed_out", c.TimedOut, "avg_task_acceptance_time", 0),
				"realtime", object("total_tasks", now.Tasks, "tasks_by_status", object("pending", now.Pending, "assigned", now.Tasks-now.Pending),
					"longest_task_waiting_age", now.Longest, "total_available_workers", now.Available, "total_eligible_workers", now.Eligible))
		}}
	}
	return s.list(q, "task_queues_statistics", 1000, s.shuffle(rows))
}

func (s *Server) workerStatistics(q *request) (world.Fields, error) {
	if len(s.world.Agents) >= fewWorkers {
		return nil, badRequest(20001, "Worker statistics are not offered for this many workers")
	}
	from, until := q.interval()
	c := s.world.CountAgents(from, until)
	return object(
		"account_sid", s.world.AccountSID, "workspace_sid", s.world.WorkspaceSID, "start_time", iso(from), "end_time", iso(until),
		"reservations_created", c.Created, "reservations_accepted", c.Accepted, "reservations_rejected", c.Rejected,
		"reservations_timed_out", c.TimedOut, "reservations_canceled", 0, "reservations_rescinded", 0,
		"activity_durations", []any{}, "url", s.workspaceURL()+"/Workers/CumulativeStatistics"), nil
}

func (s *Server) workerChannels(q *request) (world.Fields, error) {
	agent, ok := s.agent(q.PathValue("sid"))
	if !ok {
		return nil, notFound(q.Request)
	}
	rows := make([]row, len(s.world.TaskChannels))
	for i := range s.world.TaskChannels {
		channel := &s.world.TaskChannels[i]
		sid := "WC" + agent.SID[2:32] + channel.SID[32:]
		rows[i] = row{sid, func() world.Fields {
			return object(
				"account_sid", s.world.AccountSID, "assigned_tasks", 0, "available", true, "available_capacity_percentage", 100,
				"configured_capacity", world.Capacity(channel.UniqueName), "date_created", iso(s.founded()), "date_updated", iso(s.founded()),
				"sid", sid, "task_channel_sid", channel.SID, "task_channel_unique_name", channel.UniqueName,
				"worker_sid", agent.SID, "workspace_sid", s.world.WorkspaceSID, "url", s.workspaceURL()+"/Workers/"+agent.SID+"/Channels/"+sid)
		}}
	}
	return s.list(q, "channels", 1000, rows)
}
