package world

import (
	"time"
)

// Attributes returns a task's attributes as the JSON text that Twilio would show at a moment: the
// conference appears when an agent accepts, the disposition when it is written, the answers of a survey one by
// one; facts/twilio.md 3.5 and 4. Of odd tasks the text may be no JSON at all.
func (w *World) Attributes(t *Task, at time.Time) string {
	switch t.Odd {
	case OddNotJSON:
		// Half a surrogate pair, so that the text is a trap for whoever stores it, too.
		return "{name=Zo\xed\xa0\xbd, from: unknown"
	case OddEmptyAttributes:
		return "{}"
	}
	var fields Fields
	if t.Channel == ChannelVoice {
		fields = w.callAttributes(t, at)
	} else {
		fields = w.writtenAttributes(t)
	}
	fields = append(fields, w.personAttributes(t)...)
	if t.Scored && !t.Survey && !at.Before(t.ScoredAt) {
		fields = append(fields, Field{"csat", int(t.Score)})
	}
	if conversations := w.insights(t, at); len(conversations) > 0 {
		fields = append(fields, Field{"conversations", conversations})
	}
	return string(fields.AppendJSON(make([]byte, 0, 1536)))
}

func (w *World) callAttributes(t *Task, at time.Time) Fields {
	call := w.CallSID(t.Contact)
	fields := Fields{
		{"account_sid", w.AccountSID}, {"api_version", "2010-04-01"}, {"call_sid", call}, {"direction", t.Direction},
	}
	switch {
	case t.Odd == OddNoIdentity:
	case t.Direction == "outbound":
		fields = append(fields, Field{"from", w.CentreNumber}, Field{"outbound_to", t.Shown.Address})
	default:
		fields = append(fields,
			Field{"from", t.Shown.Address}, Field{"caller", t.Shown.Address}, Field{"to", w.CentreNumber}, Field{"called", w.CentreNumber},
			Field{"from_country", "FR"}, Field{"from_city", ""}, Field{"to_country", "FR"})
	}
	if accepted, ok := t.AcceptedAt(); ok && !at.Before(accepted) {
		fields = append(fields, Field{"conference", Fields{
			{"sid", w.sids.of(prefixConference, uint64(t.ID))},
			{"participants", Fields{{"customer", call}, {"worker", w.sids.of(prefixCall, uint64(t.Contact)<<1|1)}}},
		}})
	}
	return fields
}

// channelType is the value of the attribute channelType for a channel.
func channelType(channel string) string {
	if channel == ChannelWebchat {
		return "web"
	}
	return channel
}

func (w *World) writtenAttributes(t *Task) Fields {
	return Fields{
		{"channelType", channelType(t.Channel)}, {"customerAddress", t.Shown.Address}, {"customerName", t.Shown.Name},
		{"conversationSid", w.Conversations[w.Contacts[t.Contact].Conversation].SID},
		{"flexInteractionSid", w.InteractionSID(t.Contact)}, {"flexInteractionChannelSid", w.InteractionChannelSID(t.Contact)},
		{"flexChannelInviteSid", w.InviteSID(t.ID)}, {"initiatedBy", "customer"}, {"direction", t.Direction},
	}
}

// personAttributes is what customers' own plugins and flows add about the person.
func (w *World) personAttributes(t *Task) Fields {
	var fields Fields
	s := &t.Shown
	if t.Channel == ChannelVoice && s.Name != "" {
		fields = append(fields, Field{"name", s.Name})
	}
	switch s.LinkedIn {
	case LinkAttributes:
		fields = appendTexts(fields, "email", s.Email, "phone", s.Phone)
	case LinkForm:
		fields = append(fields, Field{"pre_engagement_data", appendTexts(nil, "friendlyName", s.Name, "email", s.Email)})
	}
	var customers Fields
	if s.LinkedIn == LinkCustomers {
		customers = appendTexts(nil, "phone", s.Phone, "name", s.Name, "email", s.Email)
	} else if t.Channel == ChannelSMS || t.Channel == ChannelWhatsApp {
		customers = appendTexts(nil, "phone", s.Phone, "name", s.Name)
	}
	if len(customers) > 0 {
		fields = append(fields, Field{"customers", customers})
	}
	fields = appendTexts(fields, "customer_tier", t.Tier, "account_id", t.AccountID)
	if t.Odd == OddMixedScalars {
		fields = append(fields, Field{"zip", 75001}, Field{"visits", "41"}, Field{"vip", "true"}, Field{"balance", -12.5}, Field{"tags", []any{"a", 1, nil}})
	}
	return fields
}

// appendTexts adds pairs of name and text, leaving out the empty ones.
func appendTexts(fields Fields, pairs ...string) Fields {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fields = append(fields, Field{pairs[i], pairs[i+1]})
		}
	}
	return fields
}

// insights is attributes.conversations, which Flex Insights loads; facts/twilio.md 4.1 to 4.6.
func (w *World) insights(t *Task, at time.Time) Fields {
	if t.Survey {
		return w.surveyInsights(t, at)
	}
	var fields Fields
	if t.Links {
		fields = append(fields, Field{"conversation_id", w.conversationID(t)})
	}
	if t.Channel != ChannelVoice {
		fields = append(fields, Field{"initiated_by", "customer"}, Field{"media", []any{
			Fields{{"type", "ChatTranscript"}, {"sid", w.Conversations[w.Contacts[t.Contact].Conversation].SID}},
		}})
	}
	if t.Reason == ReasonCustomerLeft && !at.Before(t.EndedAt) {
		fields = append(fields, Field{"abandoned", "Yes"})
	}
	if t.Outcome == "" || at.Before(t.DisposedAt) {
		return fields
	}
	if !t.BlankedAt.IsZero() && !at.Before(t.BlankedAt) {
		return append(fields, Field{"outcome", ""}, Field{"content", nil}, Field{"hang_up_by", nil})
	}
	fields = append(fields, Field{"outcome", t.Outcome}, Field{"content", "Noted by the agent"}, Field{"conversation_attribute_2", "Flex|" + w.Queues[t.Queue].Name})
	if t.Channel == ChannelVoice {
		fields = append(fields, Field{"hang_up_by", []string{"Customer", "Agent"}[t.ID%2]})
	}
	return fields
}

func (w *World) conversationID(t *Task) string {
	if t.Channel != ChannelVoice {
		return w.InteractionSID(t.Contact)
	}
	if t.Survey {
		return w.Tasks[t.Surveyed].SID
	}
	return t.SID
}

func (w *World) surveyInsights(t *Task, at time.Time) Fields {
	answered := t.Scored && !at.Before(t.ScoredAt)
	if t.Channel != ChannelVoice {
		fields := Fields{{"conversation_id", w.conversationID(t)}, {"kind", "Survey"}, {"case", "CSAT"}}
		if answered {
			fields = append(fields, Field{"conversation_measure_1", t.Score})
		}
		return fields
	}
	done := t.Finished && !at.Before(t.EndedAt.Truncate(time.Second))
	fields := Fields{
		{"conversation_id", w.conversationID(t)}, {"queue", w.Queues[w.Tasks[t.Surveyed].Queue].Name}, {"virtual", "Yes"},
		{"abandoned", yesNo(!done)}, {"ivr_time", 0}, {"talk_time", 0}, {"ring_time", 0}, {"queue_time", 0}, {"wrap_up_time", 0}, {"kind", "Survey"},
	}
	if answered {
		fields = append(fields, Field{"conversation_label_1", "Overall satisfaction"}, Field{"conversation_attribute_1", t.Score})
	}
	if done {
		fields = append(fields, Field{"conversation_label_2", "Resolved?"}, Field{"conversation_attribute_2", t.ID % 2})
	}
	return fields
}

func yesNo(yes bool) string {
	if yes {
		return "Yes"
	}
	return "No"
}
