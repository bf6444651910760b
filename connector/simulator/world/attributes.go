package world

import "time"

// Attributes returns a task's attributes as the JSON text that Twilio would show at a moment: the
// conference appears when an agent accepts, the disposition when it is written, the answers of a survey one by
// one; facts/twilio.md 3.5 and 4. Of odd tasks the text may be no JSON at all.
func (w *World) Attributes(t *Task, at time.Time) string {
	j := JSON{Bytes: make([]byte, 0, 1536)}
	w.writeAttributes(&j, t, at)
	return string(j.Bytes)
}

func (w *World) writeAttributes(j *JSON, t *Task, at time.Time) {
	switch t.Odd {
	case OddNotJSON:
		// Half a surrogate pair, so that the text is a trap for whoever stores it, too.
		j.Bytes = append(j.Bytes, "{name=Zo\xed\xa0\xbd, from: unknown"...)
		return
	case OddEmptyAttributes:
		j.Bytes = append(j.Bytes, "{}"...)
		return
	}
	j.Begin()
	if t.Channel == ChannelVoice {
		w.callAttributes(j, t, at)
	} else {
		w.writtenAttributes(j, t)
	}
	personAttributes(j, t)
	if t.Scored && !t.Survey && !at.Before(t.ScoredAt) {
		j.Int("csat", int(t.Score))
	}
	mark := j.Open("conversations")
	w.insights(j, t, at)
	j.EndOrDrop(mark)
	j.End()
}

func (w *World) callAttributes(j *JSON, t *Task, at time.Time) {
	call := w.sids.bytes(prefixCall, callNumber(t.Contact))
	j.Text("account_sid", w.AccountSID)
	j.Text("api_version", "2010-04-01")
	j.Nested("call_sid", call[:])
	j.Text("direction", t.Direction)
	switch {
	case t.Odd == OddNoIdentity:
	case t.Direction == "outbound":
		j.Text("from", w.CentreNumber)
		j.Text("outbound_to", t.Shown.Address)
	default:
		j.Text("from", t.Shown.Address)
		j.Text("caller", t.Shown.Address)
		j.Text("to", w.CentreNumber)
		j.Text("called", w.CentreNumber)
		j.Text("from_country", "FR")
		j.Text("from_city", "")
		j.Text("to_country", "FR")
	}
	if accepted, ok := t.AcceptedAt(); ok && !at.Before(accepted) {
		j.Open("conference")
		j.sid("sid", w.sids, prefixConference, uint64(t.ID))
		j.Open("participants")
		j.Nested("customer", call[:])
		j.sid("worker", w.sids, prefixCall, callNumber(t.Contact)|1)
		j.End()
		j.End()
	}
}

// channelType is the value of the attribute channelType for a channel.
func channelType(channel string) string {
	if channel == ChannelWebchat {
		return "web"
	}
	return channel
}

func (w *World) writtenAttributes(j *JSON, t *Task) {
	j.Text("channelType", channelType(t.Channel))
	j.Text("customerAddress", t.Shown.Address)
	j.Text("customerName", t.Shown.Name)
	j.Text("conversationSid", w.Conversations[w.Contacts[t.Contact].Conversation].SID)
	j.sid("flexInteractionSid", w.sids, prefixInteraction, uint64(t.Contact))
	j.sid("flexInteractionChannelSid", w.sids, prefixChannel, uint64(t.Contact))
	j.sid("flexChannelInviteSid", w.sids, prefixInvite, uint64(t.ID))
	j.Text("initiatedBy", "customer")
	j.Text("direction", t.Direction)
}

// personAttributes is what customers' own plugins and flows add about the person.
func personAttributes(j *JSON, t *Task) {
	s := &t.Shown
	if t.Channel == ChannelVoice {
		j.TextUnlessEmpty("name", s.Name)
	}
	switch s.LinkedIn {
	case LinkAttributes:
		j.TextUnlessEmpty("email", s.Email)
		j.TextUnlessEmpty("phone", s.Phone)
	case LinkForm:
		j.Open("pre_engagement_data")
		j.TextUnlessEmpty("friendlyName", s.Name)
		j.TextUnlessEmpty("email", s.Email)
		j.End()
	}
	if linked := s.LinkedIn == LinkCustomers; linked || t.Channel == ChannelSMS || t.Channel == ChannelWhatsApp {
		mark := j.Open("customers")
		j.TextUnlessEmpty("phone", s.Phone)
		j.TextUnlessEmpty("name", s.Name)
		if linked {
			j.TextUnlessEmpty("email", s.Email)
		}
		j.EndOrDrop(mark)
	}
	j.TextUnlessEmpty("customer_tier", t.Tier)
	j.TextUnlessEmpty("account_id", t.AccountID)
	if t.Odd == OddMixedScalars {
		j.Int("zip", 75001)
		j.Text("visits", "41")
		j.Text("vip", "true")
		j.Other("balance", -12.5)
		j.Other("tags", []any{"a", 1, nil})
	}
}

// insights is attributes.conversations, which Flex Insights loads; facts/twilio.md 4.1 to 4.6.
func (w *World) insights(j *JSON, t *Task, at time.Time) {
	if t.Survey {
		w.surveyInsights(j, t, at)
		return
	}
	if t.Links {
		w.conversationID(j, t)
	}
	if t.Channel != ChannelVoice {
		j.Text("initiated_by", "customer")
		j.OpenList("media")
		j.Begin()
		j.Text("type", "ChatTranscript")
		j.Text("sid", w.Conversations[w.Contacts[t.Contact].Conversation].SID)
		j.End()
		j.EndList()
	}
	if t.Reason == ReasonCustomerLeft && !at.Before(t.EndedAt) {
		j.Text("abandoned", "Yes")
	}
	if t.Outcome == "" || at.Before(t.DisposedAt) {
		return
	}
	if !t.BlankedAt.IsZero() && !at.Before(t.BlankedAt) {
		j.Text("outcome", "")
		j.Other("content", nil)
		j.Other("hang_up_by", nil)
		return
	}
	j.Text("outcome", t.Outcome)
	j.Text("content", "Noted by the agent")
	j.Texts("conversation_attribute_2", "Flex|", w.Queues[t.Queue].Name)
	if t.Channel == ChannelVoice {
		j.Text("hang_up_by", [...]string{"Customer", "Agent"}[t.ID%2])
	}
}

func (w *World) conversationID(j *JSON, t *Task) {
	switch {
	case t.Channel != ChannelVoice:
		j.sid("conversation_id", w.sids, prefixInteraction, uint64(t.Contact))
	case t.Survey:
		j.Text("conversation_id", w.Tasks[t.Surveyed].SID)
	default:
		j.Text("conversation_id", t.SID)
	}
}

func (w *World) surveyInsights(j *JSON, t *Task, at time.Time) {
	w.conversationID(j, t)
	answered := t.Scored && !at.Before(t.ScoredAt)
	if t.Channel != ChannelVoice {
		j.Text("kind", "Survey")
		j.Text("case", "CSAT")
		if answered {
			j.Other("conversation_measure_1", t.Score)
		}
		return
	}
	done := t.Finished && !at.Before(t.EndedAt.Truncate(time.Second))
	j.Text("queue", w.Queues[w.Tasks[t.Surveyed].Queue].Name)
	j.Text("virtual", "Yes")
	j.Text("abandoned", yesNo(!done))
	for _, none := range [...]string{"ivr_time", "talk_time", "ring_time", "queue_time", "wrap_up_time"} {
		j.Int(none, 0)
	}
	j.Text("kind", "Survey")
	if answered {
		j.Text("conversation_label_1", "Overall satisfaction")
		j.Other("conversation_attribute_1", t.Score)
	}
	if done {
		j.Text("conversation_label_2", "Resolved?")
		j.Int("conversation_attribute_2", t.ID%2)
	}
}

func yesNo(yes bool) string {
	if yes {
		return "Yes"
	}
	return "No"
}
