package twiliosim

import (
	"fmt"
	"time"

	"flexbrevo/connector/simulator/world"
)

// routeStaff serves what changes seldom: workers, queues, workflows, activities and channels.
func (s *Server) routeStaff(inside func(string, func(*request) (world.Fields, error))) {
	s.collection(inside, "/Workers", "workers", s.workerRows)
	s.collection(inside, "/TaskQueues", "task_queues", s.queueRows)
	s.collection(inside, "/Workflows", "workflows", s.workflowRows)
	s.collection(inside, "/Activities", "activities", s.activityRows)
	s.collection(inside, "/TaskChannels", "channels", s.channelRows)
}

// collection serves a short list and its single items. The filter FriendlyName works on all of them.
func (s *Server) collection(inside func(string, func(*request) (world.Fields, error)), path, key string, rows func(*request) []row) {
	inside(path, func(q *request) (world.Fields, error) {
		for _, filter := range []string{"TargetWorkersExpression", "EvaluateWorkerAttributes"} {
			if q.param(filter) != "" {
				return nil, badRequest(20001, "%s is not offered by this stand-in", filter)
			}
		}
		all := rows(q)
		if asked := q.param("FriendlyName"); asked != "" {
			all = keep(all, "friendly_name", asked)
		}
		return s.list(q, key, 1000, s.shuffle(all))
	})
	inside(path+"/{sid}", func(q *request) (world.Fields, error) {
		for _, r := range rows(q) {
			if r.sid == q.PathValue("sid") {
				return r.show(), nil
			}
		}
		return nil, notFound(q.Request)
	})
}

func keep(rows []row, field, value string) []row {
	var kept []row
	for _, r := range rows {
		if fmt.Sprint(r.show().Get(field)) == value {
			kept = append(kept, r)
		}
	}
	return kept
}

func (s *Server) agent(sid string) (*world.Agent, bool) {
	for i := range s.world.Agents {
		if s.world.Agents[i].SID == sid {
			return &s.world.Agents[i], true
		}
	}
	return nil, false
}

func (s *Server) founded() time.Time { return s.world.Queues[0].CreatedAt }

func (s *Server) workerRows(q *request) []row {
	workspace := s.workspaceURL()
	rows := make([]row, len(s.world.Agents))
	for i := range s.world.Agents {
		agent := &s.world.Agents[i]
		rows[i] = row{agent.SID, func() world.Fields {
			change := agent.ActivityAt(q.now)
			activity := &s.world.Activities[change.Activity]
			changed := change.At
			if changed.IsZero() {
				changed = s.founded()
			}
			self := workspace + "/Workers/" + agent.SID
			return object(
				"account_sid", s.world.AccountSID, "activity_name", activity.Name, "activity_sid", activity.SID,
				"attributes", s.world.WorkerAttributes(i), "available", activity.Available,
				"date_created", iso(s.founded()), "date_status_changed", iso(changed), "date_updated", iso(changed),
				"friendly_name", agent.Name, "sid", agent.SID, "workspace_sid", s.world.WorkspaceSID, "url", self,
				"links", object(
					"channels", self+"/Channels", "activity", workspace+"/Activities/"+activity.SID, "workspace", workspace,
					"reservations", self+"/Reservations", "worker_statistics", self+"/Statistics"))
		}}
	}
	for _, filter := range []struct{ parameter, field string }{{"ActivityName", "activity_name"}, {"ActivitySid", "activity_sid"}} {
		if asked := q.param(filter.parameter); asked != "" {
			rows = keep(rows, filter.field, asked)
		}
	}
	return rows
}

func (s *Server) queueRows(*request) []row {
	workspace := s.workspaceURL()
	reserved := &s.world.Activities[world.Available]
	rows := make([]row, len(s.world.Queues))
	for i := range s.world.Queues {
		queue := &s.world.Queues[i]
		rows[i] = row{queue.SID, func() world.Fields {
			self := workspace + "/TaskQueues/" + queue.SID
			return object(
				"account_sid", s.world.AccountSID, "assignment_activity_sid", reserved.SID, "assignment_activity_name", reserved.Name,
				"date_created", iso(queue.CreatedAt), "date_updated", iso(queue.CreatedAt), "friendly_name", queue.Name,
				"max_reserved_workers", 1, "reservation_activity_sid", reserved.SID, "reservation_activity_name", reserved.Name,
				"sid", queue.SID, "target_workers", "1==1", "task_order", "FIFO", "url", self, "workspace_sid", s.world.WorkspaceSID,
				"links", object(
					"workspace", workspace, "statistics", self+"/Statistics",
					"real_time_statistics", self+"/RealTimeStatistics", "cumulative_statistics", self+"/CumulativeStatistics"))
		}}
	}
	return rows
}

func (s *Server) workflowRows(*request) []row {
	workspace := s.workspaceURL()
	rows := make([]row, len(s.world.Workflows))
	for i := range s.world.Workflows {
		flow := &s.world.Workflows[i]
		rows[i] = row{flow.SID, func() world.Fields {
			self := workspace + "/Workflows/" + flow.SID
			return object(
				"account_sid", s.world.AccountSID, "assignment_callback_url", nil,
				"configuration", fmt.Sprintf(`{"task_routing":{"default_filter":{"queue":%q}}}`, s.world.Queues[0].SID),
				"date_created", iso(flow.CreatedAt), "date_updated", iso(flow.CreatedAt), "document_content_type", "application/json",
				"fallback_assignment_callback_url", nil, "friendly_name", flow.Name, "sid", flow.SID, "task_reservation_timeout", 30,
				"workspace_sid", s.world.WorkspaceSID, "url", self,
				"links", object("statistics", self+"/Statistics", "real_time_statistics", self+"/RealTimeStatistics", "cumulative_statistics", self+"/CumulativeStatistics"))
		}}
	}
	return rows
}

func (s *Server) activityRows(*request) []row {
	rows := make([]row, len(s.world.Activities))
	for i := range s.world.Activities {
		activity := &s.world.Activities[i]
		rows[i] = row{activity.SID, func() world.Fields {
			return object(
				"account_sid", s.world.AccountSID, "available", activity.Available, "date_created", iso(s.founded()),
				"date_updated", iso(s.founded()), "friendly_name", activity.Name, "sid", activity.SID, "workspace_sid", s.world.WorkspaceSID,
				"url", s.workspaceURL()+"/Activities/"+activity.SID, "links", object("workspace", s.workspaceURL()))
		}}
	}
	return rows
}

func (s *Server) channelRows(*request) []row {
	rows := make([]row, len(s.world.TaskChannels))
	for i := range s.world.TaskChannels {
		channel := &s.world.TaskChannels[i]
		rows[i] = row{channel.SID, func() world.Fields {
			return object(
				"account_sid", s.world.AccountSID, "date_created", iso(s.founded()), "date_updated", iso(s.founded()),
				"friendly_name", channel.Name, "sid", channel.SID, "unique_name", channel.UniqueName, "workspace_sid", s.world.WorkspaceSID,
				"channel_optimized_routing", false, "url", s.workspaceURL()+"/TaskChannels/"+channel.SID,
				"links", object("workspace", s.workspaceURL()))
		}}
	}
	return rows
}

func (s *Server) listWorkspaces(q *request) (world.Fields, error) {
	return s.list(q, "workspaces", 1000, []row{{s.world.WorkspaceSID, s.workspace}})
}

func (s *Server) workspace() world.Fields {
	self, offline := s.workspaceURL(), &s.world.Activities[world.Offline]
	return object(
		"account_sid", s.world.AccountSID, "date_created", iso(s.founded()), "date_updated", iso(s.founded()),
		"default_activity_name", offline.Name, "default_activity_sid", offline.SID, "event_callback_url", nil, "events_filter", nil,
		"friendly_name", s.world.WorkspaceName, "multi_task_enabled", true, "sid", s.world.WorkspaceSID,
		"timeout_activity_name", offline.Name, "timeout_activity_sid", offline.SID, "prioritize_queue_order", "FIFO", "url", self,
		"links", object(
			"workers", self+"/Workers", "activities", self+"/Activities", "tasks", self+"/Tasks", "task_queues", self+"/TaskQueues",
			"workflows", self+"/Workflows", "events", self+"/Events", "task_channels", self+"/TaskChannels"))
}
