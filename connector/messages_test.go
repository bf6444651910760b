package connector

import (
	"testing"

	"flexbrevo/config"
	"flexbrevo/mapping"
)

// TestWhatNeedsMessages says what makes messages be read, and their text be kept.
func TestWhatNeedsMessages(t *testing.T) {
	t.Parallel()
	event := func(on, value string) mapping.Spec {
		return mapping.Spec{Events: []mapping.EventSpec{{On: on, Event: "E", Properties: []mapping.PropertySpec{{Name: "p", Value: value}}}}}
	}
	for name, c := range map[string]struct {
		spec           mapping.Spec
		messages, text bool
	}{
		"nothing":                    {},
		"another event":              {spec: event("task.completed", "task.queue_name")},
		"another value of it":        {spec: event("conversation.ended", "conversation.duration")},
		"an event of messages":       {spec: event("message.received", "event.index"), messages: true},
		"the other one":              {spec: event("message.sent", "task.sid"), messages: true},
		"their number":               {spec: event("conversation.ended", "conversation.messages_sent"), messages: true},
		"the whole conversation":     {spec: event("conversation.ended", `conversation["messages"] > 3`), messages: true},
		"the first response":         {spec: event("task.completed", "conversation.first_response_time"), messages: true},
		"their text":                 {spec: event("message.received", "event.body"), messages: true, text: true},
		"their text in a function":   {spec: event("message.received", `upper(event["body"])`), messages: true, text: true},
		"an attribute of that name":  {spec: event("task.completed", "attributes.conversation.messages")},
		"an attribute called a body": {spec: event("message.received", "attributes.event.body"), messages: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, problems := mapping.Compile(c.spec)
			if problems.Failed() {
				t.Fatal(problems)
			}
			k := &config.Connector{Sync: config.Sync{Conversations: true}, Rules: rules}
			if got := needsMessages(k); got != c.messages {
				t.Errorf("messages are read: %t", got)
			}
			if got := keepsText(k); got != c.text {
				t.Errorf("their text is kept: %t", got)
			}
			k.Sync.Conversations = false
			if needsMessages(k) || keepsText(k) {
				t.Error("messages are read although conversations are not")
			}
		})
	}
}
