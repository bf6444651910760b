package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"flexbrevo/connector/record"
)

// sampleForm is a task's callback of 0.6 KB, as in facts/twilio.md 1.6.
var sampleForm = url.Values{
	"EventType": {"task.canceled"}, "Sid": {eventSID}, "AccountSid": {accountSID},
	"WorkspaceSid": {"WS00000000000000000000000000000001"}, "EventDescription": {"Task canceled"},
	"ResourceType": {"task"}, "ResourceSid": {taskSID}, "Timestamp": {"1767323045"}, "TimestampMs": {"1767323045123"},
	"TaskSid": {taskSID}, "TaskAttributes": {`{"from":"+33612345678","direction":"inbound"}`},
	"TaskAge": {"42"}, "TaskPriority": {"0"}, "TaskAssignmentStatus": {"canceled"}, "TaskCanceledReason": {"hangup"},
	"TaskQueueSid": {"WQ00000000000000000000000000000001"}, "TaskQueueName": {"Support FR"}, "TaskChannelUniqueName": {"voice"},
}.Encode()

// sampleEvent is the same as an Event Streams post.
var sampleEvent = `[{"specversion":"1.0","type":"com.twilio.taskrouter.task.canceled","id":"EZ1","time":"2026-01-02T03:04:05.123Z","data":{"sid":"` +
	eventSID + `","payload":{"sid":"` + eventSID + `","eventtype":"task.canceled","task_sid":"` + taskSID +
	`","task_attributes":"{\"from\":\"+33612345678\"}","workspace_name":"Flex Task Assignment","task_age":42,"task_priority":0,` +
	`"task_assignment_status":"canceled","task_canceled_reason":"hangup","task_channel_unique_name":"voice","task_queue_name":"Support FR","reason":"hangup"}}}]`

// BenchmarkHandler takes signed events with a Keep that does nothing: what a post
// costs before it is stored.
func BenchmarkHandler(b *testing.B) {
	for name, c := range map[string]struct {
		request *http.Request
		body    string
	}{
		"callback": {signedForm(taskRouterPath, sampleForm), sampleForm},
		"stream":   {signedJSON(eventsPath, sampleEvent), sampleEvent},
		"stranger": {post(taskRouterPath, formType, sampleForm), sampleForm},
		"forger":   {post(taskRouterPath, formType, sampleForm, signatureHeader, "x"), sampleForm},
	} {
		b.Run(name, func(b *testing.B) {
			f := newFixture(b, func(o *Options, k *Connector) {
				o.Logger, o.Answered = slog.New(slog.DiscardHandler), nil
				k.Keep = func(context.Context, []record.Record) error { return nil }
				k.Refused = nil
			})
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := c.request.Clone(context.Background())
					swapBody(r, c.body)
					f.ServeHTTP(httptest.NewRecorder(), r)
				}
			})
		})
	}
}

func TestSamplesAreTypical(t *testing.T) {
	f := newFixture(t, nil)
	for _, r := range []*http.Request{signedForm(taskRouterPath, sampleForm), signedJSON(eventsPath, sampleEvent)} {
		if w := f.do(r); w.Code != http.StatusNoContent {
			t.Errorf("%s: status %d", r.URL.Path, w.Code)
		}
	}
	for _, s := range []string{sampleForm, strings.TrimSpace(sampleEvent)} {
		if len(s) < 550 || len(s) > 750 {
			t.Errorf("a sample of %d bytes, want about 600", len(s))
		}
	}
}
