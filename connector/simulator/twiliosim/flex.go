package twiliosim

import (
	"time"

	"flexbrevo/connector/simulator/world"
)

func (s *Server) routeFlex() {
	const base = "/flex-api/v1"
	s.get(base+"/Configuration", s.flexConfiguration)
	// There is no list of interactions: without a SID the path leads nowhere; facts/twilio.md 3.2.
	s.get(base+"/Interactions", func(q *request) (world.Fields, error) { return nil, notFound(q.Request) })
	inside := func(path string, handle func(*request, *world.Contact) (world.Fields, error)) {
		s.get(base+"/Interactions/{interaction}"+path, func(q *request) (world.Fields, error) {
			contact, ok := s.world.ContactByInteraction(q.PathValue("interaction"))
			if !ok || s.world.Contacts[contact].StartedAt.After(q.now) {
				return nil, notFound(q.Request)
			}
			if channel := q.PathValue("channel"); channel != "" && channel != s.world.InteractionChannelSID(contact) {
				return nil, notFound(q.Request)
			}
			return handle(q, &s.world.Contacts[contact])
		})
	}
	inside("", s.fetchInteraction)
	inside("/Channels", s.listChannels)
	inside("/Channels/{channel}", func(q *request, c *world.Contact) (world.Fields, error) { return s.showChannel(c, q.now), nil })
	inside("/Channels/{channel}/Participants", s.listMembers)
	inside("/Channels/{channel}/Invites", s.listInvites)
}

// flexConfiguration has what discovers everything else; facts/twilio.md 3.1.
func (s *Server) flexConfiguration(*request) (world.Fields, error) {
	w := s.world
	skills := []any{object("name", "support", "multivalue", false, "minimum", 0, "maximum", 0), object("name", "sales", "multivalue", false, "minimum", 0, "maximum", 0)}
	return object(
		"account_sid", w.AccountSID, "date_created", iso(s.founded()), "date_updated", iso(s.founded()),
		"attributes", world.Fields{}, "status", "ok", "taskrouter_workspace_sid", w.WorkspaceSID,
		"taskrouter_target_workflow_sid", w.Workflows[0].SID, "taskrouter_target_taskqueue_sid", w.Queues[0].SID,
		"taskrouter_taskqueues", nil, "taskrouter_skills", skills, "taskrouter_worker_channels", nil, "taskrouter_worker_attributes", nil,
		"taskrouter_offline_activity_sid", w.Activities[world.Offline].SID, "runtime_domain", "https://centre-1234.twil.io",
		"messaging_service_instance_sid", w.MessagingServiceSID, "chat_service_instance_sid", w.ChatServiceSID,
		"flex_service_instance_sid", w.FlexServiceSID, "flex_instance_sid", w.FlexInstanceSID, "ui_language", "en",
		"ui_attributes", object("custom_data", object("features", object("dispositions", object(
			"enabled", true, "global", object("dispositions", []any{"Resolved", "Refund", "Order placed", "Callback", "Escalated"}))))),
		"ui_version", "2.14.0", "service_version", "1.0", "plugin_service_enabled", true, "plugin_service_attributes", world.Fields{},
		"queue_stats_configuration", s.queueThresholds(), "flex_insights_hr", nil, "flex_insights_drilldown", false,
		"flex_url", "https://flex.twilio.com", "url", address("/flex-api/v1/Configuration")), nil
}

// queueThresholds are the customer's own limits for service level and short abandon: the account's, and
// those of the first queue's calls.
func (s *Server) queueThresholds() world.Fields {
	return object(
		"default", object("service_level_threshold", 20, "short_abandoned_threshold", 5, "reset_timezone", "Europe/Paris", "reset_time", "00:00"),
		"queue_configurations", []any{object("queue_sid", s.world.Queues[0].SID, "reset_timezone", "Europe/Paris", "reset_time", "01:00")},
		"queue_channel_configurations", []any{object(
			"queue_sid", s.world.Queues[0].SID, "channel_sid", s.world.TaskChannels[1].SID, "service_level_threshold", 10, "short_abandoned_threshold", 10)})
}

func interactionURL(sid string) string { return address("/flex-api/v1/Interactions/" + sid) }

func (s *Server) fetchInteraction(_ *request, c *world.Contact) (world.Fields, error) {
	sid := s.world.InteractionSID(c.ID)
	task := &s.world.Tasks[c.Tasks[0]]
	return object(
		"sid", sid, "channel", object("type", interactionType(c.Channel), "sid", s.world.InteractionChannelSID(c.ID)),
		"routing", object("properties", object(
			"workspace_sid", s.world.WorkspaceSID, "workflow_sid", s.world.Workflows[task.Workflow].SID,
			"queue_sid", s.world.Queues[task.Queue].SID, "task_channel_unique_name", s.world.TaskChannelOf(task).UniqueName, "sid", task.SID)),
		"interaction_context_sid", nil, "webhook_ttid", nil, "url", interactionURL(sid),
		"links", object("channels", interactionURL(sid)+"/Channels")), nil
}

func interactionType(channel string) string {
	if channel == world.ChannelWebchat {
		return "web"
	}
	return channel
}

func (s *Server) listChannels(q *request, c *world.Contact) (world.Fields, error) {
	return s.list(q, "channels", 1000, []row{{s.world.InteractionChannelSID(c.ID), func() world.Fields { return s.showChannel(c, q.now) }}})
}

func (s *Server) channelURL(c *world.Contact) string {
	return interactionURL(s.world.InteractionSID(c.ID)) + "/Channels/" + s.world.InteractionChannelSID(c.ID)
}

func (s *Server) showChannel(c *world.Contact, now time.Time) world.Fields {
	status := "active"
	if state, _ := s.world.Conversations[c.Conversation].State(now); state == "closed" || s.allEnded(c, now) {
		status = "closed"
	}
	self := s.channelURL(c)
	return object(
		"sid", s.world.InteractionChannelSID(c.ID), "interaction_sid", s.world.InteractionSID(c.ID), "type", interactionType(c.Channel),
		"status", status, "error_code", nil, "error_message", nil, "url", self,
		"links", object("participants", self+"/Participants", "invites", self+"/Invites", "transfers", self+"/Transfers"))
}

func (s *Server) allEnded(c *world.Contact, now time.Time) bool {
	for _, task := range c.Tasks {
		if s.world.Tasks[task].EndedAt.After(now) {
			return false
		}
	}
	return true
}

// listMembers joins interaction, task and agent: an agent's routing_properties name all three.
func (s *Server) listMembers(q *request, c *world.Contact) (world.Fields, error) {
	self := s.channelURL(c)
	rows := []row{}
	add := func(kind string, routing any) {
		sid := s.world.MemberSID(c.ID, len(rows))
		rows = append(rows, row{sid, func() world.Fields {
			return object(
				"sid", sid, "type", kind, "interaction_sid", s.world.InteractionSID(c.ID), "channel_sid", s.world.InteractionChannelSID(c.ID),
				"url", self+"/Participants/"+sid, "routing_properties", routing)
		}})
	}
	add("customer", nil)
	for _, id := range c.Tasks {
		task := &s.world.Tasks[id]
		for i := range task.Reservations {
			if r := &task.Reservations[i]; r.Accepted() && !r.AnsweredAt.After(q.now) {
				add("agent", object("task_sid", task.SID, "worker_sid", s.world.Agents[r.Agent].SID, "reservation_sid", r.SID))
			}
		}
	}
	return s.list(q, "participants", 1000, rows)
}

func (s *Server) listInvites(q *request, c *world.Contact) (world.Fields, error) {
	var rows []row
	for _, id := range c.Tasks {
		task := &s.world.Tasks[id]
		if task.Survey || task.CreatedAt.After(q.now) {
			continue
		}
		sid := s.world.InviteSID(id)
		rows = append(rows, row{sid, func() world.Fields {
			return object(
				"sid", sid, "interaction_sid", s.world.InteractionSID(c.ID), "channel_sid", s.world.InteractionChannelSID(c.ID),
				"routing", object("reservation", nil, "properties", object(
					"account_sid", s.world.AccountSID, "workspace_sid", s.world.WorkspaceSID, "sid", task.SID,
					"date_created", task.CreatedAt.Unix(), "attributes", s.world.Attributes(task, task.CreatedAt),
					"assignment_status", task.Status(q.now), "workflow_sid", s.world.Workflows[task.Workflow].SID,
					"queue_sid", s.world.Queues[task.Queue].SID, "queue_name", s.world.Queues[task.Queue].Name, "timeout", task.Timeout,
					"task_channel_unique_name", s.world.TaskChannelOf(task).UniqueName, "task_queue_entered_date", task.QueuedAt.Unix())),
				"url", s.channelURL(c)+"/Invites/"+sid)
		}})
	}
	return s.list(q, "invites", 1000, rows)
}
