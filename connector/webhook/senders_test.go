package webhook

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/record"
)

func TestFlexShapes(t *testing.T) {
	for _, c := range []struct {
		name, body, key string
	}{
		{"the original page's plugin", `{"TaskSid":"` + taskSID + `","TaskAttributes":{"from":"+33612345678"},"TaskChannelUniqueName":"voice","Age":42,"TaskQueueFriendlyName":"Support FR"}`, taskSID + "::task-complete"},
		{"attributes as a string", `{"TaskSid":"` + taskSID + `","TaskAttributes":"{\"from\":\"+33612345678\"}","Age":"42"}`, taskSID + "::task-complete"},
		{"a reservation in the task's place", `{"TaskSid":"` + reservationSID + `"}`, ":" + reservationSID + ":task-complete"},
		{"the same, said twice", `{"taskSid":"` + reservationSID + `","reservationSid":"` + reservationSID + `"}`, ":" + reservationSID + ":task-complete"},
		{"the original page's event", `{"type":"task.completed","payload":{"taskSid":"` + taskSID + `","customerEmail":"zoe@example.com","channel":"voice","duration":12,"queueName":"Support FR"}}`, taskSID + "::task-complete"},
		{"another type of it", `{"type":"task.wrapup","payload":{"taskSid":"` + taskSID + `"}}`, taskSID + "::task.wrapup"},
		{"our own plugin", `{"v":1,"event":"task-complete","taskSid":"` + taskSID + `","reservationSid":"` + reservationSID + `","workerSid":"` + workerSID + `","completedAt":"2026-01-02T03:04:05Z","outcome":"Resolved","csat":null}`, taskSID + ":" + reservationSID + ":task-complete"},
		{"our own plugin at wrap-up", `{"v":1,"event":"task-wrapup","taskSid":"` + taskSID + `","reservationSid":"` + reservationSID + `"}`, taskSID + ":" + reservationSID + ":task-wrapup"},
		{"nulls", `{"TaskSid":"` + taskSID + `","reservationSid":null,"event":null,"payload":null}`, taskSID + "::task-complete"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := newFixture(t, nil).one(t, bearerJSON(flexPath, c.body, goodToken))
			want := record.Record{Key: "plugin:" + c.key, Stream: "plugin", Type: "plugin.task-complete", At: arrived, Via: record.Plugin}
			checkRecord(t, got, want, c.body)
		})
	}
}

func TestFlexRefusals(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"not JSON", `{`, http.StatusBadRequest, "body: expected a JSON object"},
		{"an array", `[]`, http.StatusBadRequest, "body: expected a JSON object"},
		{"no SID", `{"TaskAttributes":{}}`, http.StatusBadRequest, "TaskSid: expected"},
		{"a conversation's SID", `{"TaskSid":"` + conversationSID + `"}`, http.StatusBadRequest, "TaskSid: expected"},
		{"a short SID", `{"TaskSid":"WT1"}`, http.StatusBadRequest, "TaskSid: expected"},
		{"a SID that is no hex", `{"TaskSid":"WT0000000000000000000000000000000z"}`, http.StatusBadRequest, "TaskSid: expected"},
		{"a number", `{"TaskSid":1}`, http.StatusBadRequest, "TaskSid: expected"},
		{"a bad reservation", `{"TaskSid":"` + taskSID + `","reservationSid":"x"}`, http.StatusBadRequest, "reservationSid: expected"},
		{"a bad event", `{"TaskSid":"` + taskSID + `","event":"task complete"}`, http.StatusBadRequest, "event: expected"},
		{"another worker", `{"TaskSid":"` + taskSID + `","workerSid":"WK00000000000000000000000000000002"}`, http.StatusForbidden, "proof of origin"},
		{"another worker within", `{"payload":{"taskSid":"` + taskSID + `","workerSid":"WK00000000000000000000000000000002"}}`, http.StatusForbidden, "proof of origin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			newFixture(t, nil).refused(t, bearerJSON(flexPath, c.body, goodToken), c.status, c.says)
		})
	}
}

func TestFlexSignedPostNamesAnyWorker(t *testing.T) {
	body := `{"TaskSid":"` + taskSID + `","workerSid":"WK00000000000000000000000000000002"}`
	newFixture(t, nil).one(t, signedJSON(flexPath, body))
}

const eventSID = "EV00000000000000000000000000000002"

func TestTaskRouterKeys(t *testing.T) {
	moment := time.Date(2026, 1, 2, 3, 4, 5, 123e6, time.UTC)
	for _, c := range []struct {
		name, body, key string
		at              time.Time
	}{
		{"its own SID", "EventType=task.canceled&Sid=" + eventSID + "&ResourceSid=" + taskSID + "&Timestamp=1767323045&TimestampMs=1767323045123", eventSID, moment},
		{"no SID", "EventType=task.canceled&ResourceSid=" + taskSID + "&TimestampMs=1767323045123", "callback:task.canceled:" + taskSID + ":1767323045123", moment},
		{"a SID of another kind", "EventType=task.canceled&Sid=" + taskSID + "&ResourceSid=" + taskSID + "&TimestampMs=1767323045123", "callback:task.canceled:" + taskSID + ":1767323045123", moment},
		{"seconds only", "EventType=task.canceled&Sid=" + eventSID + "&Timestamp=1767323045", eventSID, moment.Truncate(time.Second)},
		{"no time", "EventType=task.canceled&Sid=" + eventSID + "&TimestampMs=soon", eventSID, arrived},
		{"a time beyond all times", "EventType=task.canceled&Sid=" + eventSID + "&TimestampMs=9223372036854775807", eventSID, arrived},
		{"nothing else", "EventType=workspace.updated", keyOf("callback", "workspace.updated", hashOf([]byte("EventType=workspace.updated"))), arrived},
		{"a resource that is no text", "EventType=x&ResourceSid=%00%FF&TimestampMs=1767323045123", keyOf("callback", "x", "\x00\xff", "1767323045123"), moment},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := newFixture(t, nil).one(t, signedForm(taskRouterPath, c.body))
			eventType, _, _ := strings.Cut(strings.TrimPrefix(c.body, "EventType="), "&")
			checkRecord(t, got, record.Record{Key: c.key, Stream: "events", Type: eventType, At: c.at, Via: record.Callback}, c.body)
		})
	}
}

func TestFormsWithoutType(t *testing.T) {
	for _, path := range []string{taskRouterPath, conversationsPath} {
		for _, body := range []string{"", "Sid=" + eventSID, "EventType=", "EventType=a+b", "EventType=%00", "EventType=" + strings.Repeat("x", longestKey+1)} {
			newFixture(t, nil).refused(t, signedForm(path, body), http.StatusBadRequest, "EventType: expected")
		}
	}
}

// canceled is the sample of facts/twilio.md 6.2.
const canceled = `{"specversion":"1.0","type":"com.twilio.taskrouter.task.canceled","source":"AB00000000000000000000000000000001",
 "id":"EZ00000000000000000000000000000001","time":"2026-01-02T03:04:05.123Z",
 "dataschema":"https://events-schemas.twilio.com/TaskRouter.WDSEvent/4","datacontenttype":"application/json",
 "data":{"sid":"` + eventSID + `","name":"task.canceled","timestamp":"2026-01-02T03:04:05.123Z",
  "payload":{"sid":"` + eventSID + `","eventtype":"task.canceled","timestamp":"2026-01-02T03:04:05.123Z","task_sid":"` + taskSID + `","task_age":42}}}`

func TestEventKeys(t *testing.T) {
	moment := time.Date(2026, 1, 2, 3, 4, 5, 123e6, time.UTC)
	for _, c := range []struct {
		name, body string
		want       record.Record
	}{
		{"a TaskRouter event", canceled, record.Record{Key: eventSID, Stream: "events", Type: "task.canceled", At: moment}},
		{"the SID in data only", `{"type":"com.twilio.taskrouter.task.created","id":"EZ1","data":{"sid":"` + eventSID + `","timestamp":"2026-01-02T03:04:05.123Z"}}`,
			record.Record{Key: eventSID, Stream: "events", Type: "task.created", At: moment}},
		{"no SID", `{"type":"com.twilio.taskrouter.task.created","id":"EZ1","data":{"payload":{"sid":5,"timestamp":"2026-01-02T03:04:05.123Z"}}}`,
			record.Record{Key: "stream:EZ1", Stream: "events", Type: "task.created", At: moment}},
		{"a conversation's", `{"type":"com.twilio.conversations.conversation-state.updated","id":"EZ1","time":"2026-01-02T05:04:05.123+02:00","data":{"payload":{"sid":"` + eventSID + `"}}}`,
			record.Record{Key: "stream:EZ1", Stream: "conversations", Type: "com.twilio.conversations.conversation-state.updated", At: moment}},
		{"another product's", `{"type":"com.twilio.apiusage.taskrouter.ratelimits","id":"EZ1","data":{"sid":"` + eventSID + `"}}`,
			record.Record{Key: "stream:EZ1", Stream: "events", Type: "com.twilio.apiusage.taskrouter.ratelimits", At: arrived}},
		{"an id that is a number", `{"type":"x","id":17,"data":"text","time":true}`, record.Record{Key: "stream:17", Stream: "events", Type: "x", At: arrived}},
		{"an id that is no text", `{"type":"x","id":"a b\u0000"}`, record.Record{Key: keyOf("stream", "a b\x00"), Stream: "events", Type: "x", At: arrived}},
		{"no id", `{"type":"x"}`, record.Record{Key: "stream:" + hashOf([]byte(`{"type":"x"}`)), Stream: "events", Type: "x", At: arrived}},
		{"no type", `{"id":"EZ1"}`, record.Record{Key: "stream:EZ1", Stream: "events", Type: "unknown", At: arrived}},
		{"TaskRouter, but what", `{"type":"com.twilio.taskrouter.","id":"EZ1"}`, record.Record{Key: "stream:EZ1", Stream: "events", Type: "unknown", At: arrived}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Via = record.EventStreams
			checkRecord(t, newFixture(t, nil).one(t, signedJSON(eventsPath, c.body)), c.want, c.body)
			checkRecord(t, newFixture(t, nil).one(t, signedJSON(eventsPath, "[\n"+c.body+" ]")), c.want, c.body)
		})
	}
}

func TestEventBatch(t *testing.T) {
	f := newFixture(t, nil)
	w := f.do(signedJSON(eventsPath, `[`+canceled+`, 5, {"type":"com.twilio.eventstreams.test-event","id":"EZ3"}, {"type":"x","id":"EZ4","data":null}]`))
	if w.Code != http.StatusNoContent {
		t.Fatalf("status %d", w.Code)
	}
	var keys []string
	for _, r := range f.keeper.kept() {
		keys = append(keys, r.Key)
	}
	want := eventSID + " stream:" + hashOf([]byte("5")) + " stream:EZ4"
	if got := strings.Join(keys, " "); got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
}

func TestEventsThatLeaveNothing(t *testing.T) {
	for _, body := range []string{`[]`, `{"type":"com.twilio.eventstreams.test-event","id":"EZ3","data":{"test_id":"1"}}`} {
		f := newFixture(t, nil)
		if w := f.do(signedJSON(eventsPath, body)); w.Code != http.StatusNoContent || len(f.keeper.kept()) != 0 {
			t.Errorf("%s: status %d, kept %d", body, w.Code, len(f.keeper.kept()))
		}
	}
}

func TestEventsThatAreNone(t *testing.T) {
	for _, body := range []string{``, `null`, `5`, `"x"`, `{`, `[{]`, `{} {}`, `a=b`} {
		newFixture(t, nil).refused(t, signedJSON(eventsPath, body), http.StatusBadRequest, "expected a CloudEvent")
	}
}

func TestConversationKeys(t *testing.T) {
	message := "IM00000000000000000000000000000001"
	created, updated := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	for _, c := range []struct {
		name, body, key string
		at              time.Time
	}{
		{"a state", "EventType=onConversationStateUpdated&ConversationSid=" + conversationSID + "&StateFrom=active&StateTo=closed&StateUpdated=2026-01-02T03%3A04%3A05.678Z",
			"onConversationStateUpdated:" + conversationSID + ":2026-01-02T03:04:05.678Z:closed", updated},
		{"a message", "EventType=onMessageAdded&ConversationSid=" + conversationSID + "&MessageSid=" + message + "&ParticipantSid=MB1&DateCreated=2026-01-02T03:04:05Z",
			"onMessageAdded:" + message + ":2026-01-02T03:04:05Z:", created},
		{"an edited message", "EventType=onMessageUpdated&MessageSid=" + message + "&DateCreated=2026-01-02T03:04:05Z&DateUpdated=2026-01-02T03:04:05.678Z",
			"onMessageUpdated:" + message + ":2026-01-02T03:04:05.678Z:", updated},
		{"a delivery", "EventType=onDeliveryUpdated&MessageSid=" + message + "&DeliveryReceiptSid=DY1&Status=read&DateUpdated=2026-01-02T03:04:05.678Z",
			"onDeliveryUpdated:DY1:2026-01-02T03:04:05.678Z:read", updated},
		{"a participant", "EventType=onParticipantAdded&ConversationSid=" + conversationSID + "&ParticipantSid=MB1&DateCreated=2026-01-02T03:04:05Z",
			"onParticipantAdded:MB1:2026-01-02T03:04:05Z:", created},
		{"no date", "EventType=onUserAdded&UserSid=US1", "onUserAdded:" + hashOf([]byte("EventType=onUserAdded&UserSid=US1")), arrived},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := newFixture(t, nil).one(t, signedForm(conversationsPath, c.body))
			eventType, _, _ := strings.Cut(c.key, ":")
			checkRecord(t, got, record.Record{Key: "conversations:" + c.key, Stream: "conversations", Type: eventType, At: c.at, Via: record.Callback}, c.body)
		})
	}
}

func TestMessageTextIsNotKept(t *testing.T) {
	form := "EventType=onMessageAdded&Body=my+card+is+4111&MessageSid=IM1&B%6Fdy=again&Media=%5B%7B%7D%5D&DateCreated=2026-01-02T03:04:05Z&Author=x"
	kept := newFixture(t, nil).one(t, signedForm(conversationsPath, form))
	if got, want := string(kept.Body), "EventType=onMessageAdded&MessageSid=IM1&DateCreated=2026-01-02T03:04:05Z&Author=x"; got != want {
		t.Errorf("form kept as %s, want %s", got, want)
	}
	event := `{"type":"com.twilio.conversations.message.added","id":"EZ1","data":{"Body":"my card is 4111","author":"<x>","list":[{"media":[1],"a":1.0}]}}`
	kept = newFixture(t, nil).one(t, signedJSON(eventsPath, event))
	if got, want := string(kept.Body), `{"data":{"author":"<x>","list":[{"a":1.0}]},"id":"EZ1","type":"com.twilio.conversations.message.added"}`; got != want {
		t.Errorf("event kept as %s, want %s", got, want)
	}
	keepText := func(_ *Options, c *Connector) { c.KeepText = true }
	if kept = newFixture(t, keepText).one(t, signedForm(conversationsPath, form)); string(kept.Body) != form {
		t.Errorf("form kept as %s though its text is wanted", kept.Body)
	}
	if kept = newFixture(t, keepText).one(t, signedJSON(eventsPath, event)); string(kept.Body) != event {
		t.Errorf("event kept as %s though its text is wanted", kept.Body)
	}
}

func TestSurveys(t *testing.T) {
	submitted := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	about := `"task_sid":"` + taskSID + `"`
	for _, c := range []struct {
		name, body, identity string
		at                   time.Time
	}{
		{"everything", `{` + about + `,"conversation_sid":"` + conversationSID + `","score":4,"scale":5,"comment":"ok","submitted_at":"2026-01-02T04:04:05+01:00"}`, taskSID + "\n2026-01-02T03:04:05Z", submitted},
		{"no moment", `{` + about + `,"score":4.50}`, taskSID + "\n4.5", arrived},
		{"a conversation", `{"task_sid":"","conversation_sid":"` + conversationSID + `","score":0,"scale":null,"comment":null,"submitted_at":null}`, conversationSID + "\n0", arrived},
		{"more than is known", `{` + about + `,"score":10,"scale":10,"flow":{"x":1}}`, taskSID + "\n10", arrived},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := record.Record{Key: "survey:" + hashOf([]byte(c.identity)), Stream: "surveys", Type: "survey.posted", At: c.at, Via: record.Post}
			checkRecord(t, newFixture(t, nil).one(t, bearerJSON(surveyPath, c.body, secret)), want, c.body)
			checkRecord(t, newFixture(t, nil).one(t, signedJSON(surveyPath, c.body)), want, c.body)
		})
	}
}

func TestSurveyRefusals(t *testing.T) {
	about := `"task_sid":"` + taskSID + `"`
	for body, says := range map[string]string{
		``:                                  "body: expected",
		`null`:                              "body: expected",
		`[]`:                                "body: expected",
		`{"score":4}`:                       "task_sid: expected it or conversation_sid",
		`{"task_sid":"x","score":4}`:        "task_sid: expected",
		`{"task_sid":5,"score":4}`:          "task_sid: expected",
		`{"conversation_sid":[],"score":4}`: "conversation_sid: expected",
		`{"conversation_sid":"` + taskSID + `","score":4}`: "conversation_sid: expected",
		`{` + about + `}`:                                        "score: expected a number",
		`{` + about + `,"score":"4"}`:                            "score: expected a number",
		`{` + about + `,"score":null}`:                           "score: expected a number",
		`{` + about + `,"score":1e999}`:                          "score: expected a number",
		`{` + about + `,"score":4,"scale":0}`:                    "scale: expected a number above 0",
		`{` + about + `,"score":4,"scale":-5}`:                   "scale: expected a number above 0",
		`{` + about + `,"score":4,"scale":"5"}`:                  "scale: expected a number above 0",
		`{` + about + `,"score":6,"scale":5}`:                    "score: expected a number from 0 to scale",
		`{` + about + `,"score":-1,"scale":5}`:                   "score: expected a number from 0 to scale",
		`{` + about + `,"score":4,"submitted_at":"today"}`:       "submitted_at: expected",
		`{` + about + `,"score":4,"submitted_at":1767323045}`:    "submitted_at: expected",
		`{` + about + `,"score":4,"comment":{"text":"private"}}`: "comment: expected a text",
	} {
		t.Run(body, func(t *testing.T) {
			newFixture(t, nil).refused(t, bearerJSON(surveyPath, body, secret), http.StatusBadRequest, says)
		})
	}
}

// One fact that comes in three ways, each of them twice, has one key.
func TestSameEventSameKey(t *testing.T) {
	f := newFixture(t, nil)
	form := url.Values{"EventType": {"task.canceled"}, "Sid": {eventSID}, "TimestampMs": {"1767323045123"}}.Encode()
	for range 2 {
		f.do(signedForm(taskRouterPath, form))
		f.do(signedJSON(eventsPath, canceled))
		f.do(signedJSON(eventsPath, "["+canceled+"]"))
	}
	kept := f.keeper.kept()
	if len(kept) != 6 {
		t.Fatalf("kept %d, want 6", len(kept))
	}
	for _, r := range kept {
		if r.Key != eventSID || r.Type != "task.canceled" || !r.At.Equal(kept[0].At) {
			t.Errorf("%s %s %s by %s", r.Key, r.Type, r.At, r.Via)
		}
	}
}

func checkRecord(t *testing.T, got, want record.Record, body string) {
	t.Helper()
	if string(got.Body) != body {
		t.Errorf("body kept as %q, want %q", got.Body, body)
	}
	if !got.At.Equal(want.At) || got.At.Location() != time.UTC {
		t.Errorf("at %s, want %s in UTC", got.At, want.At)
	}
	if got.Key != want.Key || got.Stream != want.Stream || got.Type != want.Type || got.Via != want.Via || got.Lane != record.Live {
		t.Errorf("got %s %s %s %s, want %s %s %s %s", got.Key, got.Stream, got.Type, got.Via, want.Key, want.Stream, want.Type, want.Via)
	}
}
