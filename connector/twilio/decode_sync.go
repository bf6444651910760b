package twilio

import (
	"encoding/json"
	"strings"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

const (
	ignoredNoLink   = "names neither a task nor a conversation"
	ignoredNoValues = "an item without values"
	ignoredNobody   = "names neither a task, a conversation, an email nor a phone"
)

// decodeSync reads an item of Twilio Sync. No common shape exists (facts/twilio.md
// 4.5), so names are taken as the configuration and custom have them: what the
// item is about is told by its data, else by its key.
func decodeSync(r record.Record) (Decoded, error) {
	var body syncBody
	if !readHead(r.Body, &body) {
		return Decoded{}, errNotObject
	}
	item, err := readFields(body.Item)
	if err != nil {
		return Decoded{}, err
	}
	data := json.RawMessage(item.raw("data"))
	values, _ := readFields(data)
	if values == nil && textOf(data) == "" {
		return Decoded{Ignored: ignoredNoValues}, nil
	}
	s := syncItem{record: r, object: body.Object, named: first(item.text("key"), item.text("unique_name"), item.text("index")), data: data, values: lower(values)}
	if r.Type == SyncSurvey {
		return s.survey(), nil
	}
	return s.attributes(), nil
}

// syncItem is an item with the name it goes by.
type syncItem struct {
	record record.Record
	object string // in which the item is
	named  string
	data   json.RawMessage
	values post
}

// task and conversation are the SIDs that the item names, in its data or as its key.
func (s syncItem) task() string {
	if sid := s.values.sid("WT", "taskSid", "task_sid"); sid != "" {
		return sid
	}
	if isSID(s.named, "WT") {
		return s.named
	}
	return ""
}

func (s syncItem) conversation() string {
	if sid := s.values.sid("CH", "conversationSid", "conversation_sid"); sid != "" {
		return sid
	}
	if isSID(s.named, "CH") {
		return s.named
	}
	return ""
}

// survey is an answer like one that is posted; a changed item is the same answer.
func (s syncItem) survey() Decoded {
	at := firstTime(s.record.At, s.values.text("submittedAt", "submitted_at"))
	about := first(s.task(), s.conversation(), s.named)
	f := &fact.Fact{Kind: fact.Survey, SID: "sync:" + about}
	var d Decoded
	score := s.values.text("score", "csat", "rating")
	if len(s.values) == 0 {
		score = textOf(s.data) // the answer alone
	}
	for _, v := range [...][2]string{{fact.Score, score}, {fact.Scale, s.values.text("scale")}} {
		if o, bad := setNumber(f, v[0], v[1], s.record.At); bad {
			d.Omissions = append(d.Omissions, o)
		}
	}
	f.SetValue(fact.Comment, s.values.text("comment"), s.record.At)
	switch {
	case len(f.Values) == 0:
		d.Ignored = ignoredNoAnswer
		return d
	case s.task() == "" && s.conversation() == "":
		d.Ignored = ignoredNoLink
		return d
	}
	f.SetTime(fact.Submitted, at)
	f.SetValue(fact.TaskSID, s.task(), s.record.At)
	f.SetValue(fact.ConversationSID, s.conversation(), s.record.At)
	d.Facts = []*fact.Fact{f}
	return d
}

// attributes makes a disposition or a customer's data attributes of what it is
// about, as if they had been written there: "conversations.outcome" and its like, or
// "customers".
func (s syncItem) attributes() Decoded {
	f := &fact.Fact{Kind: fact.Task, SID: s.task()}
	if f.SID == "" {
		f = &fact.Fact{Kind: fact.Conversation, SID: s.conversation()}
	}
	customer := s.record.Type == SyncCustomer && f.SID == ""
	if f.SID == "" && !customer {
		return Decoded{Ignored: ignoredNoLink}
	}
	values := map[string]any{}
	if decoded, err := fact.DecodeJSON(s.data); err == nil {
		switch v := decoded.(type) {
		case map[string]any:
			values = v
		case string:
			values = map[string]any{"disposition": v}
		}
	}
	nest := "customers"
	if s.record.Type == SyncDisposition {
		nest = "conversations"
		if outcome := first(s.values.text("outcome"), s.values.text("disposition"), textOf(textual(s.data))); outcome != "" {
			values["outcome"] = outcome
		}
	}
	if len(values) == 0 {
		return Decoded{Ignored: ignoredNoValues}
	}
	if customer {
		if f = s.customer(values); f == nil {
			return Decoded{Ignored: ignoredNobody}
		}
	}
	f.SetAttributes(map[string]any{nest: values}, s.record.At)
	return Decoded{Facts: []*fact.Fact{f}}
}

// customer begins what is told of a customer alone: who it is say the values, or else
// the item's key, which then joins them. An address is in no SID, because SIDs are
// shown.
func (s syncItem) customer(values map[string]any) *fact.Fact {
	if first(s.values.text("email"), s.values.text("phone")) == "" {
		switch {
		case strings.Contains(s.named, "@"):
			values["email"] = s.named
		case isDialled(s.named):
			values["phone"] = s.named
		default:
			return nil
		}
	}
	return &fact.Fact{Kind: fact.Customer, SID: "sync:" + contentHash([]byte(s.object), []byte(s.named))}
}

// isDialled says that a key looks like a phone number; whether it is one is for
// others to say.
func isDialled(key string) bool {
	digits := strings.TrimPrefix(strings.TrimPrefix(key, "whatsapp:"), "+")
	return len(digits) >= 6 && strings.Trim(digits, "0123456789 -.()") == ""
}

// textual returns a JSON string, and nothing for any other value.
func textual(raw json.RawMessage) json.RawMessage {
	if len(raw) > 0 && raw[0] == '"' {
		return raw
	}
	return nil
}
