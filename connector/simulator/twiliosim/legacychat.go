package twiliosim

import (
	"encoding/json"
	"net/http"
	"time"

	"flexbrevo/connector/simulator/world"
)

// WebChannel is a legacy web chat that a client began with POST /v1/WebChannels.
type WebChannel struct {
	SID, FlowSID, Identity, CustomerName, ChatName, UniqueName, PreEngagement string
	CreatedAt                                                                 time.Time
}

// FlexFlowSID is the one Flex flow of legacy chat that every account has here.
const FlexFlowSID = "FO00000000000000000000000000000001"

// routeLegacyChat serves what is left of the model before Conversations; facts/twilio.md 3.3. There are channels of
// web chats only where Options.LegacyChat says so, and those that clients make.
func (s *Server) routeLegacyChat() {
	const base = "/flex-api/v1"
	s.get(base+"/Channels", func(q *request) (world.Fields, error) {
		return s.list(q, "flex_chat_channels", 1000, s.chatChannels(q.now))
	})
	s.get(base+"/WebChannels", func(q *request) (world.Fields, error) {
		var rows []row
		for _, w := range s.WebChannels() {
			rows = append(rows, row{w.SID, func() world.Fields { return s.showWebChannel(&w) }})
		}
		return s.list(q, "flex_chat_channels", 1000, rows)
	})
	s.change("POST "+base+"/WebChannels", http.StatusCreated, s.createWebChannel)
}

// WebChannels returns the chats that clients began, in order.
func (s *Server) WebChannels() []WebChannel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]WebChannel(nil), s.webChannels...)
}

// chatChannels are the channels of web chats that became tasks, in an order that means nothing.
func (s *Server) chatChannels(now time.Time) []row {
	var rows []row
	for i := range s.world.Contacts {
		c := &s.world.Contacts[i]
		if !s.options.LegacyChat || c.Channel != world.ChannelWebchat || c.StartedAt.After(now) {
			continue
		}
		var task any
		if len(c.Tasks) > 0 {
			task = s.world.Tasks[c.Tasks[0]].SID
		}
		sid := s.world.Conversations[c.Conversation].SID
		rows = append(rows, row{sid, func() world.Fields {
			return object(
				"account_sid", s.world.AccountSID, "sid", sid, "flex_flow_sid", FlexFlowSID, "user_sid", "US"+sid[2:], "task_sid", task,
				"date_created", iso(c.StartedAt), "date_updated", iso(c.StartedAt), "url", address("/flex-api/v1/Channels/"+sid))
		}})
	}
	return s.shuffle(rows)
}

func (s *Server) showWebChannel(w *WebChannel) world.Fields {
	return object(
		"account_sid", s.world.AccountSID, "sid", w.SID, "flex_flow_sid", w.FlowSID, "date_created", iso(w.CreatedAt),
		"date_updated", iso(w.CreatedAt), "url", address("/flex-api/v1/WebChannels/"+w.SID))
}

func (s *Server) createWebChannel(r *http.Request) (world.Fields, error) {
	form := r.PostForm
	for _, name := range []string{"FlexFlowSid", "Identity", "CustomerFriendlyName", "ChatFriendlyName"} {
		if form.Get(name) == "" {
			return nil, badRequest(20001, "Missing required parameter %s in the post body", name)
		}
	}
	if form.Get("FlexFlowSid") != FlexFlowSID {
		return nil, &Problem{Status: http.StatusNotFound, Code: 20404, Message: "The requested resource was not found"}
	}
	if data := form.Get("PreEngagementData"); data != "" && !json.Valid([]byte(data)) {
		return nil, badRequest(20001, "PreEngagementData is not JSON")
	}
	w := WebChannel{
		SID: s.newSID("CH"), FlowSID: form.Get("FlexFlowSid"), Identity: form.Get("Identity"), CustomerName: form.Get("CustomerFriendlyName"),
		ChatName: form.Get("ChatFriendlyName"), UniqueName: form.Get("ChatUniqueName"), PreEngagement: form.Get("PreEngagementData"), CreatedAt: s.Now(),
	}
	s.webChannels = append(s.webChannels, w)
	return s.showWebChannel(&w), nil
}
