package twilio

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// The same event must tell the same whether it was polled, posted by TaskRouter or
// by Event Streams: the first to arrive is kept, and the others are not looked at.
func TestThreeFormsOfOneEventGiveEqualFacts(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 21, Odd: true, Contacts: 300}, twiliosim.Options{Seed: 21}, Options{})
	polled := newKept()
	polled.fetch(t, c.source, EventsStream)
	families := map[string]int{}
	for e := range c.world.Events(c.world.Options().Start, c.clock.now().Add(-time.Minute)) {
		forms := []record.Record{
			polled.records[e.SID],
			{Key: e.SID, Via: record.Callback, Body: []byte(c.sim.Callback(&e).Encode())},
			{Key: e.SID, Via: record.EventStreams, Body: c.sim.CloudEvent(&e).AppendJSON(nil)},
		}
		want, err := Decode(forms[0])
		if err != nil {
			t.Fatalf("%s polled: %v", e.Type, err)
		}
		for _, form := range forms[1:] {
			got, err := Decode(form)
			if err != nil {
				t.Fatalf("%s by %s: %v", e.Type, form.Via, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s by %s:\n%s\npolled:\n%s", e.Type, form.Via, dump(got), dump(want))
			}
		}
		family, _, _ := strings.Cut(e.Type, ".")
		families[family]++
	}
	for _, family := range []string{"task", "reservation", "task-queue", "workflow", "worker", "sentiment"} {
		if families[family] == 0 {
			t.Errorf("no %s event: the test tells too little", family)
		}
	}
}

func dump(d Decoded) string {
	b, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// What the events tell must be the truth that the world was made of.
func TestEventsTellTheTruth(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 22, Odd: true}, twiliosim.Options{Seed: 22}, Options{})
	k := newKept()
	k.fetch(t, c.source, EventsStream)
	all := facts(t, k)
	for i := range c.world.Tasks {
		want := &c.world.Tasks[i]
		if want.CreatedAt.After(c.clock.now().Add(-time.Hour)) || want.EndedAt.After(c.clock.now()) {
			continue
		}
		f := all[fact.Key{Kind: fact.Task, SID: want.SID}]
		if f == nil {
			t.Fatalf("task of %s is missing", want.CreatedAt)
		}
		compareTask(t, c, f, want)
	}
}

func compareTask(t *testing.T, c *centre, f *fact.Fact, want *world.Task) {
	t.Helper()
	moments := map[string]time.Time{fact.Created: want.CreatedAt, fact.Queued: want.QueuedAt}
	switch want.End {
	case "completed":
		moments[fact.Completed] = want.EndedAt
	case "canceled":
		moments[fact.Canceled] = want.EndedAt
	}
	for name, at := range moments {
		if got := f.Time(name); !got.Equal(at) {
			t.Errorf("task %s %s, want %s", name, got, at)
		}
	}
	accepted := time.Time{}
	for _, r := range want.Reservations {
		part := f.Parts[fact.Reservation+r.SID]
		if got := part.Time(fact.Created); !got.Equal(r.CreatedAt) {
			t.Errorf("reservation created %s, want %s", got, r.CreatedAt)
		}
		if r.Accepted() && accepted.IsZero() {
			accepted = r.AnsweredAt
		}
		if r.Accepted() && (!part.Time(fact.Accepted).Equal(r.AnsweredAt) || !part.Time(fact.Wrapup).Equal(r.WrapupAt) ||
			!part.Time(fact.Completed).Equal(r.EndedAt)) {
			t.Errorf("reservation %v, want %+v", part.Times, r)
		}
		if got := part.Text(fact.WorkerSID); got != c.world.Agents[r.Agent].SID {
			t.Errorf("reservation of %s, want %s", got, c.world.Agents[r.Agent].SID)
		}
	}
	if got := f.Time(fact.Assigned); !got.Equal(accepted) {
		t.Errorf("assigned %s, want %s", got, accepted)
	}
	if want.Odd == world.OddNotJSON != f.Undecodable {
		t.Errorf("undecodable %t of a task that is %q", f.Undecodable, want.Odd)
	}
}

func TestSnapshotsAddNothingThatEventsContradict(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 23}, twiliosim.Options{Seed: 23}, Options{})
	task := c.taskWithConversation(t)
	c.clock.set(task.EndedAt.Add(time.Minute))
	k := newKept()
	if err := c.source.FetchHint(t.Context(), Hint{Task: task.SID}, k.keep); err != nil {
		t.Fatal(err)
	}
	with := facts(t, k)[fact.Key{Kind: fact.Task, SID: task.SID}]
	k.order = k.order[1:] // the snapshot comes first
	without := facts(t, k)[fact.Key{Kind: fact.Task, SID: task.SID}]
	if !reflect.DeepEqual(with.Times, without.Times) || !reflect.DeepEqual(with.Parts, without.Parts) {
		t.Errorf("the snapshot moved a moment:\n%v\n%v", with.Times, without.Times)
	}
	if with.Text(fact.State) != "completed" || !reflect.DeepEqual(fact.Newest(with), fact.Newest(without)) {
		t.Errorf("state %q, attributes %v and %v", with.Text(fact.State), fact.Newest(with), fact.Newest(without))
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want map[string]any
		ok   bool
	}{
		"nothing":               {``, nil, true},
		"blank":                 {"  ", nil, true},
		"null":                  {`null`, nil, true},
		"an empty object":       {`{}`, map[string]any{}, true},
		"redacted":              {`[REDACTED]`, nil, true},
		"redacted, quoted":      {`"redacted"`, nil, true},
		"an object":             {`{"a":1}`, map[string]any{"a": 1}, true},
		"encoded twice":         {`"{\"a\":\"b\"}"`, map[string]any{"a": "b"}, true},
		"a list":                {`[1]`, nil, false},
		"a number":              {`5`, nil, false},
		"text":                  {`"hello"`, nil, false},
		"no JSON":               {`{from=+336}`, nil, false},
		"half":                  {`{"a":`, nil, false},
		"two":                   {`{} {}`, nil, false},
		"NUL":                   {`{"a":"x\u0000y"}`, map[string]any{"a": "x\x00y"}, true},
		"half a surrogate pair": {`{"a":"\ud800"}`, map[string]any{"a": "\ufffd"}, true},
		"invalid UTF-8":         {"{\"a\":\"\xff\"}", map[string]any{"a": "\ufffd"}, true},
	}
	for name, test := range tests {
		got, ok := attributes(test.text)
		if ok != test.ok || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, %t; want %v, %t", name, got, ok, test.want, test.ok)
		}
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	milli := second.Add(123 * time.Millisecond)
	tests := map[string]time.Time{
		"2026-01-02T03:04:05Z": second, "2026-01-02T03:04:05.123Z": milli, "2026-01-02T05:04:05+02:00": second,
		"Fri, 02 Jan 2026 03:04:05 +0000": second, "Fri, 02 Jan 2026 03:04:05 GMT": second,
		"1767323045": second, "1767323045123": milli, "2026-01-02T03:04:05": second, " 2026-01-02 03:04:05 ": second,
		"": {}, "yesterday": {}, "0": {}, "-5": {}, "12": {}, "99999999999999999999": {}, "9223372036854775807": {},
		"0001-01-01T00:00:00Z": {},
	}
	for text, want := range tests {
		got, ok := parseTime(text)
		if !got.Equal(want) || ok == want.IsZero() {
			t.Errorf("%q: %s, %t; want %s", text, got, ok, want)
		}
	}
}

// decoded is one record and what must come of it, as JSON.
type decoded struct {
	name    string
	via     record.Via
	kind    string
	body    string
	facts   string // "KIND SID: FACT" lines; empty for none
	hints   []Hint
	ignored string
}

func TestDecode(t *testing.T) {
	t.Parallel()
	wt, wr, ch := sid("WT", 1), sid("WR", 1), sid("CH", 1)
	tests := []decoded{
		{name: "a setup event", via: record.Poll, kind: "activity.created",
			body: `{"sid":"EV1","event_type":"activity.created","event_data":null}`, ignored: ignoredSetup},
		{name: "an unknown type", via: record.Poll, kind: "robot.woke",
			body: `{"sid":"EV1","event_type":"robot.woke","event_data":{"task_sid":"WT1"}}`, ignored: ignoredUnknown},
		{name: "a task event without a task", via: record.Poll, kind: "task.updated",
			body: `{"sid":"EV1","event_type":"task.updated"}`, ignored: ignoredNoTask},
		{name: "a queue", via: record.Poll, kind: "task-queue.created",
			body:  `{"event_type":"task-queue.created","event_date_ms":"1767323045123","event_data":{"task_queue_sid":"WQ1","task_queue_name":"Support"}}`,
			facts: `queue WQ1: {"times":{"created":1767323045123},"values":{"friendly_name":{"v":"Support","t":1767323045123}}}`},
		{name: "a worker", via: record.Poll, kind: "worker.activity.update",
			body:  `{"event_type":"worker.activity.update","event_date_ms":1767323045123,"event_data":{"worker_sid":"WK1","worker_name":"zoe","worker_activity_name":"Break","worker_attributes":"{\"full_name\":\"Zoë\"}"}}`,
			facts: `worker WK1: {"values":{"friendly_name":{"v":"zoe","t":1767323045123},"state":{"v":"Break","t":1767323045123}},"attrs":{"full_name":{"v":"Zoë","t":1767323045123}}}`},
		{name: "a transfer", via: record.Poll, kind: "task.transfer-initiated",
			body:  `{"event_type":"task.transfer-initiated","event_date_ms":1767323045123,"event_data":{"task_sid":"WT1","task_transfer_sid":"TT1","transfer_mode":"COLD","transfer_status":"initiated"}}`,
			facts: `task WT1: {"parts":{"transfer:TT1":{"times":{"created":1767323045123},"values":{"state":{"v":"initiated","t":1767323045123},"transfer_mode":{"v":"COLD","t":1767323045123}}}}}`},
		{name: "a failed reservation", via: record.Callback, kind: "reservation.failed",
			body:  `EventType=reservation.failed&TimestampMs=1767323045123&TaskSid=WT1&ReservationSid=WR1&TaskPriority=3&WorkerSid=`,
			facts: `task WT1: {"values":{"priority":{"v":3,"t":1767323045123}},"parts":{"reservation:WR1":{"times":{"failed":1767323045123}}}}`},
		{name: "seconds only", via: record.Callback, kind: "task.canceled",
			body:  `EventType=task.canceled&Timestamp=1767323045&TaskSid=WT1&TaskCanceledReason=hangup&TaskAttributes=nonsense`,
			facts: `task WT1: {"times":{"canceled":1767323045000},"values":{"canceled_reason":{"v":"hangup","t":1767323045000}},"undecodable":true}`},
		{name: "a test event of a sink", via: record.EventStreams,
			body: `{"type":"com.twilio.eventstreams.test-event","data":{"test_id":"1"}}`, ignored: ignoredTestEvent},
		{name: "a product we did not subscribe to", via: record.EventStreams,
			body: `{"type":"com.twilio.messaging.message.sent","data":{}}`, ignored: ignoredUnknown},
		{name: "a conversation in a sink", via: record.EventStreams,
			body:    `{"type":"com.twilio.conversations.message.added","data":{"payload":{"ConversationSid":"` + ch + `"}}}`,
			ignored: ignoredHint, hints: []Hint{{Conversation: ch}}},
		{name: "a polled conversation", via: record.Poll, kind: ConversationType,
			body: `{"conversation":{"sid":"CH1","state":"closed","friendly_name":"F","attributes":"{\"a\":1}","date_created":"2026-01-02T03:04:05Z","date_updated":"2026-01-02T03:04:06Z"},
				"participants":[{"sid":"MB1","identity":null,"messaging_binding":{"type":"whatsapp","address":"whatsapp:+1"},"date_created":"2026-01-02T03:04:05Z","date_updated":null},"?"]}`,
			facts: `conversation CH1: {"times":{"closed":1767323046000,"created":1767323045000},"values":{"friendly_name":{"v":"F","t":1767323046000},"state":{"v":"closed","t":1767323046000}},` +
				`"attrs":{"a":{"v":1,"t":1767323046000}},"parts":{"participant:MB1":{"times":{"created":1767323045000},"values":{"address":{"v":"whatsapp:+1","t":1767323045000},"address_type":{"v":"whatsapp","t":1767323045000}}}}}`},
		{name: "a conversation that vanished", via: record.Poll, kind: ConversationGoneType, body: `{"sid":"CH1"}`,
			facts: `conversation CH1: {"times":{"deleted":1767323045000},"values":{"state":{"v":"deleted","t":1767323045000}}}`},
		{name: "a state by webhook", via: record.Callback, kind: "onConversationStateUpdated",
			body:  `EventType=onConversationStateUpdated&ConversationSid=CH1&StateTo=closed&StateFrom=active&StateUpdated=2026-01-02T03%3A04%3A05.123Z`,
			facts: `conversation CH1: {"times":{"closed":1767323045123},"values":{"state":{"v":"closed","t":1767323045123}}}`},
		{name: "a participant by webhook", via: record.Callback, kind: "onParticipantAdded",
			body:  `EventType=onParticipantAdded&ConversationSid=CH1&ParticipantSid=MB1&MessagingBinding.Address=%2B1&MessagingBinding.Type=SMS&DateCreated=2026-01-02T03%3A04%3A05Z`,
			facts: `conversation CH1: {"parts":{"participant:MB1":{"times":{"created":1767323045000},"values":{"address":{"v":"+1","t":1767323045000},"address_type":{"v":"sms","t":1767323045000}}}}}`},
		{name: "a message by webhook", via: record.Callback, kind: "onMessageAdded",
			body:  `EventType=onMessageAdded&ConversationSid=CH1&MessageSid=IM1&Index=7&Author=%2B1&ParticipantSid=MB1&DateCreated=2026-01-02T03%3A04%3A05Z`,
			facts: `conversation CH1: {"parts":{"message:IM1":{"times":{"created":1767323045000},"values":{"author":{"v":"+1","t":1767323045000},"index":{"v":7,"t":1767323045000},"participant_sid":{"v":"MB1","t":1767323045000}}}}}`},
		{name: "a listed message", via: record.Poll, kind: MessageType,
			body:  `{"sid":"IM1","conversation_sid":"CH1","index":7,"author":"+1","participant_sid":"MB1","date_created":"2026-01-02T03:04:05Z"}`,
			facts: `conversation CH1: {"values":{"polled_index":{"v":7,"t":1767323045000}},"parts":{"message:IM1":{"times":{"created":1767323045000},"values":{"author":{"v":"+1","t":1767323045000},"index":{"v":7,"t":1767323045000},"participant_sid":{"v":"MB1","t":1767323045000}}}}}`},
		{name: "a listed message whose text a rule reads", via: record.Poll, kind: MessageType,
			body:  `{"sid":"IM1","conversation_sid":"CH1","index":0,"author":"system","participant_sid":null,"body":"Hello","media":null,"date_created":"2026-01-02T03:04:05Z"}`,
			facts: `conversation CH1: {"values":{"polled_index":{"v":0,"t":1767323045000}},"parts":{"message:IM1":{"times":{"created":1767323045000},"values":{"author":{"v":"system","t":1767323045000},"body":{"v":"Hello","t":1767323045000},"index":{"v":0,"t":1767323045000}}}}}`},
		{name: "an edited message by webhook", via: record.Callback, kind: "onMessageUpdated",
			body:  `EventType=onMessageUpdated&ConversationSid=CH1&MessageSid=IM1&Index=7&DateUpdated=2026-01-02T03%3A04%3A05Z`,
			facts: `conversation CH1: {"parts":{"message:IM1":{}}}`},
		{name: "a message of nowhere", via: record.Poll, kind: MessageType, body: `{"sid":"IM1"}`, ignored: ignoredNoConversation},
		{name: "a removed conversation", via: record.Callback, kind: "onConversationRemoved",
			body:  `EventType=onConversationRemoved&ConversationSid=CH1&DateRemoved=2026-01-02T03%3A04%3A05Z&State=active`,
			facts: `conversation CH1: {"times":{"deleted":1767323045000},"values":{"state":{"v":"deleted","t":1767323045000}}}`},
		{name: "a chat user", via: record.Callback, kind: "onUserAdded", body: `EventType=onUserAdded&UserSid=US1`, ignored: ignoredUser},
		{name: "a delivery", via: record.Callback, body: `EventType=onDeliveryUpdated&ConversationSid=CH1`, ignored: ignoredDelivery},
		{name: "a listed worker", via: record.Poll, kind: WorkerType,
			body:  `{"sid":"WK1","friendly_name":"zoe","activity_name":"Available","attributes":"{\"full_name\":\"Zoë\"}","date_created":"2026-01-02T03:04:04Z"}`,
			facts: `worker WK1: {"times":{"created":1767323044000},"values":{"friendly_name":{"v":"zoe","t":1767323045000},"state":{"v":"Available","t":1767323045000}},"attrs":{"full_name":{"v":"Zoë","t":1767323045000}}}`},
		{name: "a listed queue", via: record.Poll, kind: QueueType,
			body:  `{"sid":"WQ1","friendly_name":"Support","date_created":"Fri, 02 Jan 2026 03:04:04 +0000"}`,
			facts: `queue WQ1: {"times":{"created":1767323044000},"values":{"friendly_name":{"v":"Support","t":1767323045000}}}`},
		{name: "a task snapshot", via: record.Poll, kind: TaskType,
			body:  `{"sid":"WT1","assignment_status":"completed","reason":"done","priority":"7","attributes":"{\"a\":1}","date_created":"2026-01-02T03:04:04Z","date_updated":"2026-01-02T03:04:06Z"}`,
			facts: `task WT1: {"values":{"completed_reason":{"v":"done","t":1767323046000},"priority":{"v":7,"t":1767323046000},"state":{"v":"completed","t":1767323046000}},"attrs":{"a":{"v":1,"t":1767323046000}}}`},
		{name: "the plugin of the original page", via: record.Plugin, body: `{"TaskSid":"` + wt + `","TaskAttributes":{"a":1},"Age":5}`,
			ignored: ignoredHint, hints: []Hint{{Task: wt}}},
		{name: "its attributes as a string", via: record.Plugin, body: `{"TaskSid":"` + wt + `","TaskAttributes":"{}"}`,
			ignored: ignoredHint, hints: []Hint{{Task: wt}}},
		{name: "a reservation's SID for the task's", via: record.Plugin, body: `{"TaskSid":"` + wr + `"}`,
			ignored: ignoredHint, hints: []Hint{{Reservation: wr}}},
		{name: "our own plugin", via: record.Plugin, body: `{"v":1,"event":"task-complete","taskSid":"` + wt + `","reservationSid":"` + wr + `"}`,
			ignored: ignoredHint, hints: []Hint{{Task: wt, Reservation: wr}}},
		{name: "the page's backend example", via: record.Plugin, body: `{"type":"task.completed","payload":{"taskSid":"` + wt + `"}}`,
			ignored: ignoredHint, hints: []Hint{{Task: wt}}},
		{name: "the plugin as a form", via: record.Plugin, body: `Token=x&TaskSid=` + wt, ignored: ignoredHint, hints: []Hint{{Task: wt}}},
		{name: "a plugin that names nothing", via: record.Plugin, body: `{"TaskSid":"WT-1"}`, ignored: ignoredNoHint},
		{name: "a survey", via: record.Post,
			body:  `{"task_sid":"WT1","conversation_sid":"CH1","score":"4","scale":5,"comment":"ok","submitted_at":"2026-01-02T03:04:06Z"}`,
			facts: `survey KEY: {"times":{"submitted":1767323046000},"values":{"comment":{"v":"ok","t":1767323046000},"conversation_sid":{"v":"CH1","t":1767323046000},"scale":{"v":5,"t":1767323046000},"score":{"v":4,"t":1767323046000},"task_sid":{"v":"WT1","t":1767323046000}}}`},
		{name: "a survey of halves without a date", via: record.Post, body: `{"score":4.5}`,
			facts: `survey KEY: {"times":{"submitted":1767323045000},"values":{"score":{"v":4.5,"t":1767323045000}}}`},
		{name: "an empty survey", via: record.Post, body: `{"task_sid":"WT1","score":null}`, ignored: ignoredNoAnswer},
		{name: "a survey that is no number", via: record.Post, body: `{"score":"very good"}`, ignored: ignoredNoAnswer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t)
		})
	}
}

func (test decoded) run(t *testing.T) {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d, err := Decode(record.Record{Key: "KEY", Via: test.via, Type: test.kind, At: at, Body: []byte(test.body)})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range d.Facts {
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(f.Kind)+" "+f.SID+": "+string(b))
	}
	if got := strings.Join(lines, "\n"); got != test.facts {
		t.Errorf("facts\n%s\nwant\n%s", got, test.facts)
	}
	if !reflect.DeepEqual(d.Hints, test.hints) || d.Ignored != test.ignored {
		t.Errorf("hints %v, ignored %q; want %v, %q", d.Hints, d.Ignored, test.hints, test.ignored)
	}
}

func TestWhatCanNeverBeDecoded(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]record.Record{
		"an event":        {Via: record.Poll, Body: []byte(`[+33612345678]`)},
		"a row of text":   {Via: record.Poll, Body: []byte(`"+33612345678"`)},
		"a form":          {Via: record.Callback, Body: []byte(`TaskSid=%zz+33612345678`)},
		"a CloudEvent":    {Via: record.EventStreams, Body: []byte(`[{"+33612345678":1}]`)},
		"no payload":      {Via: record.EventStreams, Body: []byte(`{"type":"com.twilio.taskrouter.task.completed","data":{}}`)},
		"a plugin's post": {Via: record.Plugin, Body: []byte(`+33612345678`)},
		"a survey":        {Via: record.Post, Body: []byte(`null`)},
		"a conversation":  {Via: record.Poll, Type: ConversationType, Body: []byte(`{"conversation":null}`)},
	} {
		_, err := Decode(r)
		if err == nil || strings.Contains(err.Error(), "336") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestRawEvents(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]bool{
		"task.created": false, "task.completed": false, "task.canceled": false, "task.wrapup": false,
		"task.updated": true, "reservation.rejected": true, "task-queue.entered": true, "workflow.timeout": true,
	} {
		body := `EventType=` + kind + `&TaskSid=WT1&ReservationSid=WR1&TimestampMs=1767323045123`
		d, err := Decode(record.Record{Key: "EV1", Via: record.Callback, Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		raw := []RawEvent{{Fact: fact.Key{Kind: fact.Task, SID: "WT1"}, Type: kind, Key: "EV1"}}
		if !want {
			raw = nil
		}
		if !reflect.DeepEqual(d.Raw, raw) {
			t.Errorf("%s: raw %v, want %v", kind, d.Raw, raw)
		}
	}
}

func TestASurveyNotesWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	d, err := Decode(record.Record{Key: "KEY", Via: record.Post, Body: []byte(`{"score":"NaN","scale":"1e999","comment":"x"}`)})
	if err != nil {
		t.Fatal(err)
	}
	want := []record.Omission{
		{What: fact.Score, Value: record.Mask("NaN"), Reason: "not a number"},
		{What: fact.Scale, Value: record.Mask("1e999"), Reason: "not a number"},
	}
	if !reflect.DeepEqual(d.Omissions, want) || len(d.Facts) != 1 {
		t.Errorf("omissions %v, want %v", d.Omissions, want)
	}
}

// FuzzDecode: whatever comes in, by whatever way, decoding ends without a panic,
// and what it gives can be stored.
func FuzzDecode(f *testing.F) {
	vias := []record.Via{record.Poll, record.Callback, record.EventStreams, record.Plugin, record.Post}
	kinds := []string{"task.completed", TaskType, ConversationType, ConversationGoneType, WorkerType, QueueType, "onMessageAdded"}
	form := url.Values{"EventType": {"reservation.accepted"}, "TaskSid": {"WT1"}, "ReservationSid": {"WR1"},
		"TaskAttributes": {"{\"a\":\"\xff\"}"}, "WorkerAttributes": {`{"full_name":1}`}}
	for i := range vias {
		for j := range kinds {
			for _, body := range []string{
				``, `null`, `{}`, `[]`, form.Encode(), `{"sid":"x","event_type":"task.completed","event_data":{"task_sid":"WT1","task_attributes":{"conversations":{"a":[1,{}]}}}}`,
				`{"type":"com.twilio.taskrouter.task.canceled","time":5,"data":{"payload":{"task_sid":"WT1","eventtype":"task.canceled","task_attributes":"\"{}\""}}}`,
				`{"conversation":{"sid":"CH1","state":"closed","date_updated":"9999-12-31T23:59:59Z"},"participants":[{"sid":1}]}`,
				`{"task_sid":"\u0000","score":1e308,"scale":"-0"}`,
			} {
				f.Add(uint8(i), uint8(j), []byte(body))
			}
		}
	}
	f.Fuzz(func(t *testing.T, via, kind uint8, body []byte) {
		r := record.Record{Key: "KEY", Via: vias[int(via)%len(vias)], Type: kinds[int(kind)%len(kinds)], Body: body}
		d, err := Decode(r)
		if err != nil {
			return
		}
		for _, one := range d.Facts {
			b, err := json.Marshal(one)
			if err != nil {
				t.Fatalf("a fact that cannot be stored: %v", err)
			}
			var back fact.Fact
			if err := json.Unmarshal(b, &back); err != nil {
				t.Fatalf("a fact that cannot be loaded: %v", err)
			}
			if one.SID == "" {
				t.Fatal("a fact without a SID")
			}
		}
		redacted := NewRedactor([]string{"attributes.a", "score"}, false).Redact(r)
		if _, err := Decode(redacted); err != nil && r.Via != record.Callback && json.Valid(body) {
			if _, before := Decode(r); before == nil && len(d.Facts) > 0 {
				t.Fatalf("redaction made a record undecodable: %v", err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	w := world.New(world.Options{Seed: 1, Contacts: 50})
	sim := twiliosim.New(twiliosim.Options{World: w})
	var forms [3][]record.Record
	for e := range w.Events(w.Options().Start, w.Options().End) {
		forms[0] = append(forms[0], record.Record{Key: e.SID, Via: record.Callback, Body: []byte(sim.Callback(&e).Encode())})
		forms[1] = append(forms[1], record.Record{Key: e.SID, Via: record.EventStreams, Body: sim.CloudEvent(&e).AppendJSON(nil)})
		data := e.Data.AppendJSON(nil)
		rest := `{"sid":"` + e.SID + `","event_type":"` + e.Type + `","event_date_ms":` + "1767323045123" + `,"event_data":` + string(data) + `}`
		forms[2] = append(forms[2], record.Record{Key: e.SID, Via: record.Poll, Body: []byte(rest)})
	}
	for i, name := range []string{"callback", "event_streams", "poll"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for n := range b.N {
				if _, err := Decode(forms[i][n%len(forms[i])]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestDamagedRecordsSaySo: what the store could not read again is never taken for what it seems to be.
func TestDamagedRecordsSaySo(t *testing.T) {
	t.Parallel()
	for _, via := range []record.Via{record.Poll, record.Callback, record.EventStreams, record.Plugin, record.Post} {
		_, err := Decode(record.Record{Via: via, Type: "task.created", Body: []byte("EventType=task.deleted"), Damage: "the body in the store is damaged"})
		if err == nil || !strings.Contains(err.Error(), "the body in the store is damaged") {
			t.Errorf("a damaged record by %s: %v", via, err)
		}
	}
}
