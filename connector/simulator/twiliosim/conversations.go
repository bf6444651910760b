package twiliosim

import (
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/simulator/world"
)

// largestConversationPage is the maximum page size of the Conversations API; facts/twilio.md 2.2.
const largestConversationPage = 100

func (s *Server) routeConversations() {
	const base = "/conversations/v1"
	s.get(base+"/Configuration", s.conversationsConfiguration)
	// The default service of the account is not the one of Flex, and it is empty; facts/twilio.md 2.1.
	s.get(base+"/Conversations", func(q *request) (world.Fields, error) {
		return s.list(q, "conversations", largestConversationPage, nil)
	})
	inside := func(path string, handle func(*request) (world.Fields, error)) {
		s.get(base+"/Services/{service}/Conversations"+path, func(q *request) (world.Fields, error) {
			switch q.PathValue("service") {
			case s.world.ChatServiceSID:
				return handle(q)
			case s.world.DefaultServiceSID:
				if path == "" {
					return s.list(q, "conversations", largestConversationPage, nil)
				}
			}
			return nil, notFound(q.Request)
		})
	}
	inside("", s.listConversations)
	inside("/{sid}", s.fetchConversation)
	inside("/{sid}/Messages", s.listMessages)
	inside("/{sid}/Participants", s.listParticipants)
}

func (s *Server) conversationsConfiguration(*request) (world.Fields, error) {
	return object(
		"account_sid", s.world.AccountSID, "default_chat_service_sid", s.world.DefaultServiceSID,
		"default_messaging_service_sid", s.world.MessagingServiceSID, "default_inactive_timer", "PT1H", "default_closed_timer", nil,
		"url", address("/conversations/v1/Configuration"),
		"links", object("service", address("/conversations/v1/Services/"+s.world.DefaultServiceSID))), nil
}

// listConversations filters by whole days of creation, and by state. The newest come first when there is a
// date filter; without one the order is not documented; facts/twilio.md 2.2.
func (s *Server) listConversations(q *request) (world.Fields, error) {
	from, to, dated, err := conversationDays(q)
	if err != nil {
		return nil, err
	}
	lo, hi := s.world.ConversationsCreated(from, to)
	var rows []row
	for i := lo; i < hi; i++ {
		c := &s.world.Conversations[i]
		state, _ := c.State(q.now)
		if asked := q.param("State"); asked == "" || asked == state {
			rows = append(rows, row{c.SID, func() world.Fields { return s.showConversation(c, q.now) }})
		}
	}
	if dated {
		slices.Reverse(rows)
	} else {
		s.shuffle(rows)
	}
	return s.list(q, "conversations", largestConversationPage, rows)
}

// conversationDays reads StartDate and EndDate, of which only the day counts; the end that it returns is
// exclusive, and not after the present.
func conversationDays(q *request) (from, to time.Time, dated bool, err error) {
	to = q.now.Add(time.Nanosecond)
	for _, bound := range []struct {
		name string
		set  func(day time.Time)
	}{
		{"StartDate", func(day time.Time) { from = day }},
		{"EndDate", func(day time.Time) {
			if end := day.Add(24 * time.Hour); end.Before(to) {
				to = end
			}
		}},
	} {
		text := q.param(bound.name)
		if text == "" {
			continue
		}
		day, _, _ := strings.Cut(text, "T")
		parsed, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return from, to, dated, badRequest(20001, "Invalid %s %q", bound.name, text)
		}
		dated = true
		bound.set(parsed)
	}
	return from, to, dated, nil
}

func (s *Server) conversation(q *request) (*world.Conversation, error) {
	c, ok := s.world.ConversationBySID(q.PathValue("sid"))
	if !ok || c.CreatedAt.After(q.now) {
		return nil, notFound(q.Request)
	}
	return c, nil
}

func (s *Server) fetchConversation(q *request) (world.Fields, error) {
	c, err := s.conversation(q)
	if err != nil {
		return nil, err
	}
	return s.showConversation(c, q.now), nil
}

func (s *Server) conversationURL(c *world.Conversation) string {
	return address("/conversations/v1/Services/" + s.world.ChatServiceSID + "/Conversations/" + c.SID)
}

// showConversation gives date_updated the moment of the last change of state or attributes: whether messages move it is
// not documented, and a client must not rely on it; facts/twilio.md 2.5.
func (s *Server) showConversation(c *world.Conversation, now time.Time) world.Fields {
	state, changed := c.State(now)
	attributes := conversationFields(c)
	if score, at, ok := s.world.Rated(c.ID); ok && !at.After(now) {
		attributes = append(attributes, object("survey", object("score", score))...)
		if at.After(changed) {
			changed = at
		}
	}
	self := s.conversationURL(c)
	return object(
		"account_sid", s.world.AccountSID, "chat_service_sid", s.world.ChatServiceSID, "messaging_service_sid", s.world.MessagingServiceSID,
		"sid", c.SID, "friendly_name", nil, "unique_name", nil, "attributes", string(attributes.AppendJSON(nil)), "state", state,
		"date_created", iso(c.CreatedAt), "date_updated", iso(changed), "timers", world.Fields{}, "bindings", world.Fields{}, "url", self,
		"links", object("participants", self+"/Participants", "messages", self+"/Messages", "webhooks", self+"/Webhooks", "export", self+"/Export"))
}

// conversationAttributes are a conversation's attributes as JSON text, when it is made.
func conversationAttributes(c *world.Conversation) string {
	return string(conversationFields(c).AppendJSON(nil))
}

func conversationFields(c *world.Conversation) world.Fields {
	if c.Email == "" {
		return world.Fields{}
	}
	return object("pre_engagement_data", object("email", c.Email))
}

func (s *Server) listMessages(q *request) (world.Fields, error) {
	c, err := s.conversation(q)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, m := range s.world.Messages(c.ID) {
		if !m.At.After(q.now) {
			rows = append(rows, row{m.SID, func() world.Fields { return s.showMessage(c, &m) }})
		}
	}
	if strings.EqualFold(q.param("Order"), "desc") {
		slices.Reverse(rows)
	}
	return s.list(q, "messages", largestConversationPage, rows)
}

func (s *Server) showMessage(c *world.Conversation, m *world.Message) world.Fields {
	self := s.conversationURL(c) + "/Messages/" + m.SID
	return object(
		"account_sid", s.world.AccountSID, "chat_service_sid", s.world.ChatServiceSID, "conversation_sid", c.SID, "sid", m.SID,
		"index", m.Index, "author", m.Author, "body", m.Body, "media", nil, "attributes", "{}", "participant_sid", m.Member,
		"date_created", iso(m.At), "date_updated", iso(m.At), "delivery", nil, "content_sid", nil, "url", self,
		"links", object("delivery_receipts", self+"/Receipts", "channel_metadata", self+"/ChannelMetadata"))
}

func (s *Server) listParticipants(q *request) (world.Fields, error) {
	c, err := s.conversation(q)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, p := range s.world.Participants(c.ID) {
		if !p.JoinedAt.After(q.now) {
			rows = append(rows, row{p.SID, func() world.Fields { return s.showParticipant(c, &p) }})
		}
	}
	return s.list(q, "participants", largestConversationPage, s.shuffle(rows))
}

// showParticipant gives customers on a messaging channel a binding and no identity, everybody else an
// identity and no binding; facts/twilio.md 2.3.
func (s *Server) showParticipant(c *world.Conversation, p *world.Participant) world.Fields {
	var identity, binding any
	role := 0
	switch {
	case p.Agent != world.Unknown:
		identity, role = s.world.Agents[p.Agent].Identity, 1
	case c.Channel == world.ChannelWebchat:
		identity = c.Address
	default:
		proxy := s.world.CentreNumber
		if c.Channel == world.ChannelWhatsApp {
			proxy = "whatsapp:" + proxy
		}
		binding = object("type", c.Channel, "address", c.Address, "proxy_address", proxy)
	}
	return object(
		"account_sid", s.world.AccountSID, "chat_service_sid", s.world.ChatServiceSID, "conversation_sid", c.SID, "sid", p.SID,
		"identity", identity, "attributes", "{}", "messaging_binding", binding, "role_sid", s.world.RoleSID(role),
		"date_created", iso(p.JoinedAt), "date_updated", iso(p.JoinedAt), "url", s.conversationURL(c)+"/Participants/"+p.SID,
		"last_read_message_index", nil, "last_read_timestamp", nil)
}
