package webhook

import (
	"net/url"

	"flexbrevo/connector/record"
)

// conversationRecords makes the record of a Conversations post-action webhook
// (facts/twilio.md 2.4). The bodies carry no event id, so the key is made of the
// type, the most specific SID and its date.
func conversationRecords(c Connector, r *request) ([]record.Record, error) {
	eventType := r.form.Get("EventType")
	if !isName(eventType) {
		return nil, invalid(`EventType: expected a name such as "onConversationStateUpdated"`)
	}
	body := r.body
	if !c.KeepText {
		body = withoutTextFields(body)
	}
	date := first(r.form, "StateUpdated", "DateRemoved", "DateUpdated", "DateCreated")
	return []record.Record{{
		Key:    conversationKey(r.form, eventType, date, body),
		Stream: "conversations",
		Type:   eventType,
		At:     firstTime(r.at, date),
		Via:    record.Callback,
		Body:   body,
	}}, nil
}

func conversationKey(form url.Values, eventType, date string, body []byte) string {
	sid := first(form, "DeliveryReceiptSid", "MessageSid", "ParticipantSid", "UserSid", "ConversationSid")
	if sid == "" || date == "" {
		return keyOf("conversations", eventType, hashOf(body))
	}
	// A state or a delivery may change twice within one second.
	return keyOf("conversations", eventType, sid, date, first(form, "StateTo", "Status"))
}

// first returns the first of the named fields that is not empty.
func first(form url.Values, names ...string) string {
	for _, name := range names {
		if v := form.Get(name); v != "" {
			return v
		}
	}
	return ""
}
