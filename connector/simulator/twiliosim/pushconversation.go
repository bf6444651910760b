package twiliosim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/simulator/world"
)

// PushConversations delivers the post-action webhooks of the conversations that began in a range, each a signed form
// that is tried once; of the Push it reads URL, From, To, Duplicates, Reorder and Client.
func (s *Server) PushConversations(ctx context.Context, p Push) (PushReport, error) {
	now := s.Now()
	to := now.Add(time.Nanosecond)
	if !p.To.IsZero() && p.To.Before(to) {
		to = p.To
	}
	var forms []url.Values
	for lo, hi := s.world.ConversationsCreated(p.From, to); lo < hi; lo++ {
		forms = append(forms, s.ConversationWebhooks(&s.world.Conversations[lo], now)...)
	}
	report := PushReport{Events: len(forms)}
	random := rand.New(rand.NewPCG(s.options.Seed, uint64(p.From.UnixMilli())))
	for _, form := range forms[:report.Events:report.Events] {
		if random.Float64() < p.Duplicates {
			forms = append(forms, form)
		}
	}
	if p.Reorder {
		random.Shuffle(len(forms), func(i, j int) { forms[i], forms[j] = forms[j], forms[i] })
	}
	posts := make([]post, len(forms))
	for i, form := range forms {
		posts[i] = s.formPost(p.URL, form)
	}
	return report, deliverAll(ctx, p.Client, posts, 1, &report)
}

// ConversationWebhooks are the bodies of all post-action webhooks of a conversation up to a moment, in the order of
// time; facts/twilio.md 2.4.
func (s *Server) ConversationWebhooks(c *world.Conversation, now time.Time) []url.Values {
	type dated struct {
		at   time.Time
		form url.Values
	}
	var list []dated
	add := func(at time.Time, kind string, pairs ...string) {
		if at.After(now) {
			return
		}
		form := url.Values{"AccountSid": {s.world.AccountSID}, "EventType": {kind}, "Source": {"API"}, "ConversationSid": {c.SID}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		list = append(list, dated{at, form})
	}
	add(c.CreatedAt, "onConversationAdded", "DateCreated", isoText(c.CreatedAt), "DateUpdated", isoText(c.CreatedAt), "FriendlyName", "", "UniqueName", "",
		"Attributes", conversationAttributes(c), "ChatServiceSid", s.world.ChatServiceSID, "MessagingServiceSid", s.world.MessagingServiceSID, "State", "active")
	for _, p := range s.world.Participants(c.ID) {
		add(p.JoinedAt, "onParticipantAdded", s.participantFields(c, &p)...)
	}
	for _, m := range s.world.Messages(c.ID) {
		add(m.At, "onMessageAdded", "MessageSid", m.SID, "MessagingServiceSid", s.world.MessagingServiceSID, "Index", strconv.Itoa(m.Index),
			"DateCreated", isoText(m.At), "Body", m.Body, "Author", m.Author, "ParticipantSid", m.Member, "Attributes", "{}")
	}
	for _, change := range stateChanges(c, now) {
		add(change.at, "onConversationStateUpdated", "ChatServiceSid", s.world.ChatServiceSID, "StateUpdated", isoText(change.at),
			"StateFrom", change.from, "StateTo", change.to, "Reason", "TIMER", "MessagingServiceSid", s.world.MessagingServiceSID)
	}
	slices.SortStableFunc(list, func(a, b dated) int { return a.at.Compare(b.at) })
	forms := make([]url.Values, len(list))
	for i := range list {
		forms[i] = list[i].form
	}
	return forms
}

// participantFields show a customer on a messaging channel by a binding, whose type is in upper case, and everybody
// else by an identity; facts/twilio.md 2.3, 2.4.
func (s *Server) participantFields(c *world.Conversation, p *world.Participant) []string {
	fields := []string{"ParticipantSid", p.SID, "DateCreated", isoText(p.JoinedAt), "Attributes", "{}"}
	switch {
	case p.Agent != world.Unknown:
		return append(fields, "Identity", s.world.Agents[p.Agent].Identity, "RoleSid", s.world.RoleSID(1))
	case c.Channel == world.ChannelWebchat:
		return append(fields, "Identity", c.Address, "RoleSid", s.world.RoleSID(0))
	}
	return append(fields, "MessagingBinding.Type", strings.ToUpper(c.Channel), "MessagingBinding.Address", c.Address,
		"MessagingBinding.ProxyAddress", s.world.CentreNumber, "RoleSid", s.world.RoleSID(0))
}

// stateChange is a conversation's step from one state to another.
type stateChange struct {
	at       time.Time
	from, to string
}

// stateChanges are the steps up to a moment, but for the creation, the latest first.
func stateChanges(c *world.Conversation, now time.Time) (changes []stateChange) {
	for state, at := c.State(now); at.After(c.CreatedAt); {
		before, since := c.State(at.Add(-time.Nanosecond))
		if before != state {
			changes = append(changes, stateChange{at, before, state})
		}
		state, at = before, since
	}
	return changes
}

func isoText(at time.Time) string { return fmt.Sprint(iso(at)) }
