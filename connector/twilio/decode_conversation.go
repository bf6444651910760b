package twilio

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

const closed = "closed"

// decodeConversation reads a conversation with its participants, as polling keeps
// them (facts/twilio.md 2.3).
func decodeConversation(r record.Record) (Decoded, error) {
	var body struct {
		Conversation fields            `json:"conversation"`
		Participants []json.RawMessage `json:"participants"`
	}
	if !readHead(r.Body, &body) {
		return Decoded{}, errNotObject
	}
	row := body.Conversation
	sid := row.text("sid")
	if sid == "" {
		return Decoded{}, errNotObject
	}
	f := &fact.Fact{Kind: fact.Conversation, SID: sid}
	at := firstTime(r.At, row.text("date_updated"), row.text("date_created"))
	if created, ok := parseTime(row.text("date_created")); ok {
		f.SetTime(fact.Created, created)
	}
	if row.text("state") == closed {
		f.SetTime(fact.Closed, at)
	}
	setRow(f, row, at, [][2]string{
		{fact.State, "state"}, {fact.FriendlyName, "friendly_name"}, {fact.UniqueName, "unique_name"},
	})
	setAttributes(f, row.text("attributes"), at)
	for _, raw := range body.Participants {
		if p, err := readFields(raw); err == nil {
			setParticipant(f, polledParticipant(p, at))
		}
	}
	return Decoded{Facts: []*fact.Fact{f}}, nil
}

// decodeGone reads that a conversation does not exist any more.
func decodeGone(r record.Record) (Decoded, error) {
	row, err := readFields(r.Body)
	if err != nil || row.text("sid") == "" {
		return Decoded{}, errNotObject
	}
	f := &fact.Fact{Kind: fact.Conversation, SID: row.text("sid")}
	f.SetTime(fact.Deleted, r.At)
	f.SetValue(fact.State, "deleted", r.At)
	return Decoded{Facts: []*fact.Fact{f}}, nil
}

// participant is one who takes part in a conversation.
type participant struct {
	sid, identity, address, kind string
	created, deleted             string
	at                           time.Time
}

func polledParticipant(p fields, fallback time.Time) participant {
	binding := nested(p, "messaging_binding")
	return participant{
		sid: p.text("sid"), identity: p.text("identity"),
		address: binding.text("address"), kind: binding.text("type"),
		created: p.text("date_created"), at: firstTime(fallback, p.text("date_updated"), p.text("date_created")),
	}
}

func setParticipant(f *fact.Fact, p participant) {
	if p.sid == "" {
		return
	}
	part := fact.Participant + p.sid
	f.SetPartValue(part, fact.Identity, p.identity, p.at)
	f.SetPartValue(part, fact.Address, p.address, p.at)
	// Webhooks write the type in upper case, lists in lower (facts/twilio.md 2.4).
	f.SetPartValue(part, fact.AddressType, strings.ToLower(p.kind), p.at)
	if t, ok := parseTime(p.created); ok {
		f.SetPartTime(part, fact.Created, t)
	}
	if t, ok := parseTime(p.deleted); ok {
		f.SetPartTime(part, fact.Deleted, t)
	}
}

// decodeConversationEvent reads a post-action webhook of Conversations
// (facts/twilio.md 2.4).
func decodeConversationEvent(r record.Record, form url.Values) (Decoded, error) {
	e := conversationEvent{record: r, kind: form.Get("EventType")}
	e.get = func(name string) string { return clean(form.Get(name)) }
	sid := e.get("ConversationSid")
	switch {
	case strings.HasPrefix(e.kind, "onUser"):
		return Decoded{Ignored: ignoredUser}, nil
	case e.kind == "onDeliveryUpdated":
		return Decoded{Ignored: ignoredDelivery}, nil
	case sid == "" || !e.known():
		return Decoded{Ignored: ignoredUnknown}, nil
	}
	f := &fact.Fact{Kind: fact.Conversation, SID: sid}
	e.tell(f)
	raw := []RawEvent{{Fact: f.Key(), Type: e.kind, Key: r.Key}}
	return Decoded{Facts: []*fact.Fact{f}, Raw: raw}, nil
}

// conversationEvent is a post-action webhook of Conversations.
type conversationEvent struct {
	record record.Record
	kind   string
	get    func(name string) string
}

func (e conversationEvent) known() bool {
	switch e.kind {
	case "onConversationAdded", "onConversationUpdated", "onConversationRemoved", "onConversationStateUpdated",
		"onMessageAdded", "onMessageUpdated", "onMessageRemoved",
		"onParticipantAdded", "onParticipantUpdated", "onParticipantRemoved":
		return true
	}
	return false
}

func (e conversationEvent) tell(f *fact.Fact) {
	switch e.kind {
	case "onConversationStateUpdated":
		e.state(f)
	case "onConversationAdded", "onConversationUpdated", "onConversationRemoved":
		e.conversation(f)
	case "onParticipantAdded", "onParticipantUpdated", "onParticipantRemoved":
		e.participant(f)
	case "onMessageAdded", "onMessageUpdated":
		e.message(f)
	}
}

func (e conversationEvent) state(f *fact.Fact) {
	at := firstTime(e.record.At, e.get("StateUpdated"))
	f.SetValue(fact.State, e.get("StateTo"), at)
	if e.get("StateTo") == closed {
		f.SetTime(fact.Closed, at)
	}
}

func (e conversationEvent) conversation(f *fact.Fact) {
	at := firstTime(e.record.At, e.get("DateRemoved"), e.get("DateUpdated"), e.get("DateCreated"))
	if created, ok := parseTime(e.get("DateCreated")); ok {
		f.SetTime(fact.Created, created)
	}
	state := e.get("State")
	if e.kind == "onConversationRemoved" {
		f.SetTime(fact.Deleted, at)
		state = "deleted"
	}
	if state == closed {
		f.SetTime(fact.Closed, at)
	}
	f.SetValue(fact.State, state, at)
	f.SetValue(fact.FriendlyName, e.get("FriendlyName"), at)
	f.SetValue(fact.UniqueName, e.get("UniqueName"), at)
	setAttributes(f, e.get("Attributes"), at)
}

func (e conversationEvent) participant(f *fact.Fact) {
	setParticipant(f, participant{
		sid: e.get("ParticipantSid"), identity: e.get("Identity"),
		address: e.get("MessagingBinding.Address"), kind: e.get("MessagingBinding.Type"),
		created: e.get("DateCreated"), deleted: e.get("DateRemoved"),
		at: firstTime(e.record.At, e.get("DateRemoved"), e.get("DateUpdated"), e.get("DateCreated")),
	})
}
