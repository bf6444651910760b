package twilio

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/rawjson"
	"flexbrevo/connector/record"
)

// event is a TaskRouter event in whichever form it came: REST, callback or Event
// Streams (facts/twilio.md 1.4 to 1.6, 6.2). All three have the same fields; get
// knows them by their snake_case name.
type event struct {
	record record.Record
	kind   string
	at     time.Time
	form   url.Values // a callback's; nil for the others
	row    fields
	// memo remembers other events, nil for none.
	memo *memo
}

// get returns a field as text, see scalar.
func (e *event) get(name string) string {
	if e.form != nil {
		return clean(e.form.Get(camel(name)))
	}
	return e.row.text(name)
}

// value is get as the value of a fact, which outlives the record.
func (e *event) value(name string) any { return e.memo.text(e.get(name)) }

// key is a field as the memo knows it.
func (e *event) key(name string) memoKey {
	if e.form != nil {
		return memoKey{text: e.get(name)}
	}
	return memoKey{text: e.row.raw(name), isJSON: true}
}

// decodeRestEvent decodes a row of the Events list.
func decodeRestEvent(r record.Record, m *memo) (Decoded, error) {
	e, err := restEvent(r, m)
	defer func() { m.forget(e.row) }()
	if err != nil {
		return Decoded{}, err
	}
	return e.decode()
}

// restEvent reads a row of the Events list. A setup event may have no event_data.
func restEvent(r record.Record, m *memo) (event, error) {
	var kind, date, dateMS string
	var data fields
	row := rawjson.ReadBytes(r.Body)
	row.Object(func(name string) {
		switch name {
		case "event_type":
			kind = textOf(row.Raw())
		case "event_date":
			date = textOf(row.Raw())
		case "event_date_ms":
			dateMS = textOf(row.Raw())
		case "event_data":
			m.forget(data) // of a name that comes twice the last counts
			data = readMembers(row, m)
		}
	})
	e := event{record: r, kind: first(kind, r.Type), row: data, at: firstTime(r.At, dateMS, date), memo: m}
	if row.End() != nil {
		return e, errNotObject
	}
	return e, nil
}

// callbackEvent reads a callback's form, whose names are CamelCase.
func callbackEvent(r record.Record, form url.Values, m *memo) *event {
	e := &event{record: r, form: form, memo: m}
	e.kind = first(e.get("event_type"), r.Type)
	e.at = firstTime(r.At, e.get("timestamp_ms"), e.get("timestamp"))
	return e
}

// camel turns a snake_case name into CamelCase: task_sid is TaskSid.
func camel(name string) string {
	b := make([]byte, 0, len(name))
	upper := true
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_':
			upper = true
			continue
		case upper && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		}
		upper = false
		b = append(b, c)
	}
	return string(b)
}

// readMembers reads an object whose members will be asked for; what is no object has
// none.
func readMembers(r *rawjson.Reader, m *memo) fields {
	if !r.IsObject() {
		return nil
	}
	f := m.row()
	r.Object(func(name string) { f = append(f, rawjson.Member{Name: name, Value: r.Raw()}) })
	return f
}

// cloudEvent is the envelope of Event Streams (facts/twilio.md 6.2).
type cloudEvent struct {
	kind, time, timestamp string
	payload               fields // nil where there is none
}

func readCloudEvent(body []byte, m *memo) (cloudEvent, error) {
	var c cloudEvent
	r := rawjson.ReadBytes(body)
	r.Object(func(name string) {
		switch name {
		case "type":
			c.kind = textOf(r.Raw())
		case "time":
			c.time = textOf(r.Raw())
		case "data":
			if r.IsObject() {
				c.readData(r, m)
			}
		}
	})
	if r.End() != nil {
		return c, errNotObject
	}
	return c, nil
}

func (c *cloudEvent) readData(r *rawjson.Reader, m *memo) {
	r.Object(func(name string) {
		switch name {
		case "timestamp":
			c.timestamp = textOf(r.Raw())
		case "payload":
			m.forget(c.payload)
			c.payload = readMembers(r, m)
		}
	})
}

// Prefixes of Event Streams types.
const (
	taskrouterEvents    = "com.twilio.taskrouter."
	conversationsEvents = "com.twilio.conversations."
	eventStreamsEvents  = "com.twilio.eventstreams."
)

// decodeCloudEvent reads one CloudEvent. The shape of Conversations events in
// Event Streams is not known (facts/twilio.md 6.2 lists only their types), so
// what they are about is read from Twilio.
func decodeCloudEvent(r record.Record, m *memo) (Decoded, error) {
	c, err := readCloudEvent(r.Body, m)
	defer func() { m.forget(c.payload) }()
	if err != nil {
		return Decoded{}, err
	}
	kind, payload := c.kind, c.payload
	switch {
	case strings.HasPrefix(kind, conversationsEvents):
		return hintOfConversation(r.Body), nil
	case strings.HasPrefix(kind, eventStreamsEvents):
		return Decoded{Ignored: ignoredTestEvent}, nil
	case kind == RateLimitType:
		return Decoded{Ignored: ignoredRateLimit}, nil
	case kind != "" && !strings.HasPrefix(kind, taskrouterEvents):
		return Decoded{Ignored: ignoredUnknown}, nil
	case payload == nil:
		return Decoded{}, errNotObject
	}
	return (&event{
		record: r, row: payload, memo: m,
		kind: first(payload.text("eventtype"), strings.TrimPrefix(kind, taskrouterEvents), r.Type),
		at:   firstTime(r.At, payload.text("timestamp"), c.timestamp, c.time),
	}).decode()
}

// hintOfConversation looks for a conversation's SID where it may be.
func hintOfConversation(body []byte) Decoded {
	d := Decoded{Ignored: ignoredHint}
	var c struct {
		Data fields `json:"data"`
	}
	readHead(body, &c)
	for _, f := range []fields{c.Data, nested(c.Data, "payload")} {
		for _, name := range []string{"conversation_sid", "conversationSid", "ConversationSid"} {
			if sid := f.text(name); isSID(sid, "CH") {
				d.Hints = []Hint{{Conversation: sid}}
			}
		}
	}
	return d
}

func nested(f fields, name string) fields {
	inner, err := readFields(f.raw(name))
	if err != nil {
		return fields{}
	}
	return inner
}

// decode tells what an event of any family means.
func (e *event) decode() (Decoded, error) {
	family, _, _ := strings.Cut(e.kind, ".")
	switch {
	case !known(e.kind):
		return Decoded{Ignored: ignoredUnknown}, nil
	case family == "worker":
		return e.worker(), nil
	case e.get("task_sid") != "":
		return e.task(), nil
	case family == "task-queue":
		return e.queue(), nil
	case family == "task" || family == "reservation":
		return Decoded{Ignored: ignoredNoTask}, nil
	}
	return Decoded{Ignored: ignoredSetup}, nil
}

// known lists every type of facts/twilio.md 1.5, both spellings where there are
// two. What is not known is kept as a record, and ignored.
func known(kind string) bool {
	family, name, _ := strings.Cut(kind, ".")
	switch family {
	case "task":
		return taskTime(kind) != "" || name == "updated" || strings.HasPrefix(name, "transfer-")
	case "reservation":
		return reservationTime(name) != ""
	case "task-queue":
		switch name {
		case "created", "deleted", "entered", "timeout", "moved", "expression.updated", "expression-updated":
			return true
		}
	case "worker":
		switch name {
		case "created", "activity.update", "attributes.update", "capacity.update", "channel.availability.update", "deleted":
			return true
		}
	case "workflow":
		switch name {
		case "created", "updated", "deleted", "target-matched", "entered", "timeout", "skipped", "rejected":
			return true
		}
	case "activity", "workspace", "task-channel":
		return true
	}
	return false
}

// taskTime is the moment of a task that a type marks, "" for none.
func taskTime(kind string) string {
	switch kind {
	case "task.created":
		return fact.Created
	case "task-queue.entered":
		return fact.Queued
	case "reservation.accepted":
		return fact.Assigned
	case "task.wrapup":
		return fact.Wrapup
	case "task.completed":
		return fact.Completed
	case "task.canceled":
		return fact.Canceled
	case "task.deleted", "task.system-deleted":
		return fact.Deleted
	}
	return ""
}

// reservationTime is the moment of a reservation that a type marks.
func reservationTime(name string) string {
	switch name {
	case "created":
		return fact.Created
	case "accepted":
		return fact.Accepted
	case "rejected":
		return fact.Rejected
	case "timeout":
		return fact.TimedOut
	case "canceled":
		return fact.Canceled
	case "rescinded":
		return fact.Rescinded
	case "wrapup":
		return fact.Wrapup
	case "completed":
		return fact.Completed
	case "failed":
		return fact.Failed
	}
	return ""
}

// task is what an event tells of its task. When it was created is told by
// task.created alone: task_age is whole seconds, and task_date_created is finer than
// that in Event Streams only, so that either would make one event's forms differ.
func (e *event) task() Decoded {
	f := e.memo.fact(fact.Task, e.get("task_sid"))
	if name := taskTime(e.kind); name != "" {
		f.SetTime(name, e.at)
	}
	e.values(f)
	e.taskAttributes(f)
	e.reservation(f)
	e.transfer(f)
	e.entry(f)
	return Decoded{Facts: []*fact.Fact{f}, Raw: e.raw(f.Key()), Hints: e.hints(f)}
}

// values are the scalars that most events of a task carry.
func (e *event) values(f *fact.Fact) {
	for _, v := range [...][2]string{
		{fact.Channel, "task_channel_unique_name"},
		{fact.ChannelSID, "task_channel_sid"},
		{fact.QueueName, "task_queue_name"},
		{fact.QueueSID, "task_queue_sid"},
		{fact.Workflow, "workflow_name"},
		{fact.WorkflowSID, "workflow_sid"},
		{fact.State, "task_assignment_status"},
		{fact.CompletedReason, "task_completed_reason"},
		{fact.CanceledReason, "task_canceled_reason"},
	} {
		f.SetValue(v[0], e.value(v[1]), e.at)
	}
	if n, err := strconv.Atoi(e.get("task_priority")); err == nil {
		f.SetValue(fact.Priority, n, e.at)
	}
}

func (e *event) taskAttributes(f *fact.Fact) {
	noteAttributes(f, e.memo.decode(e.key("task_attributes")), e.at)
}

// setAttributes notes attributes as of at, or that they could not be decoded.
func setAttributes(f *fact.Fact, text string, at time.Time) {
	noteAttributes(f, readAttributes(memoKey{text: text}), at)
}

func noteAttributes(f *fact.Fact, read attributesRead, at time.Time) {
	f.Undecodable = f.Undecodable || !read.ok
	if read.attributes == nil {
		return
	}
	f.AddAttributes(read.attributes, at)
	if f.Kind == fact.Task {
		f.SetValue(fact.ChannelType, read.channelType, at)
	}
}

// reservation is what an event tells of a reservation of the task, and, once an
// agent has taken it, of the task's agent.
func (e *event) reservation(f *fact.Fact) {
	sid := e.get("reservation_sid")
	name, isReservation := strings.CutPrefix(e.kind, "reservation.")
	if sid == "" || !isReservation {
		return
	}
	part := fact.Reservation + sid
	f.SetPartTime(part, reservationTime(name), e.at)
	worker := e.memo.text(first(e.memo.fullName(e.key("worker_attributes")), e.get("worker_name")))
	f.SetPartValue(part, fact.WorkerName, worker, e.at)
	f.SetPartValue(part, fact.WorkerSID, e.value("worker_sid"), e.at)
	f.SetPartValue(part, fact.QueueName, e.value("task_queue_name"), e.at)
	f.SetPartValue(part, fact.QueueSID, e.value("task_queue_sid"), e.at)
	switch name {
	case "accepted", "wrapup", "completed":
		f.SetValue(fact.WorkerName, worker, e.at)
		f.SetValue(fact.WorkerSID, e.value("worker_sid"), e.at)
	}
}

// transfer is what an event tells of a transfer of the task. A failed attempt is
// not the transfer's end.
func (e *event) transfer(f *fact.Fact) {
	sid := e.get("task_transfer_sid")
	name, isTransfer := strings.CutPrefix(e.kind, "task.transfer-")
	if sid == "" || !isTransfer {
		return
	}
	part := fact.Transfer + sid
	switch name {
	case "initiated":
		f.SetPartTime(part, fact.Created, e.at)
	case "completed":
		f.SetPartTime(part, fact.Completed, e.at)
	case "failed":
		f.SetPartTime(part, fact.Failed, e.at)
	case "canceled":
		f.SetPartTime(part, fact.Canceled, e.at)
	}
	f.SetPartValue(part, fact.State, e.value("transfer_status"), e.at)
	f.SetPartValue(part, fact.WorkerSID, e.value("transfer_initiating_worker_sid"), e.at)
	for _, name := range [...]string{"transfer_type", "transfer_mode", "transfer_to"} {
		f.SetPartValue(part, name, e.value(name), e.at)
	}
}

// entry is what an event tells of an entry into a queue.
func (e *event) entry(f *fact.Fact) {
	queue := e.get("task_queue_sid")
	if e.kind != "task-queue.entered" || queue == "" {
		return
	}
	part := fact.Entry + queue + "@" + strconv.FormatInt(e.at.UnixMilli(), 10)
	f.SetPartTime(part, fact.Created, e.at)
	f.SetPartValue(part, fact.QueueSID, e.memo.text(queue), e.at)
}

// raw reports every event but those whose type a rule can name as a state of the
// task (design 3.1).
func (e *event) raw(k fact.Key) []RawEvent {
	switch e.kind {
	case "task.created", "task.wrapup", "task.completed", "task.canceled":
		return nil
	}
	return []RawEvent{{Fact: k, Type: e.memo.own(e.kind), Key: e.record.Key}}
}

// hints: the end of a task is the best moment to look at its conversation
// (facts/twilio.md 2.5), and its beginning tells that a closed one is open again; but
// not for a backfill's many.
func (e *event) hints(f *fact.Fact) []Hint {
	began, ended := e.kind == "task.created", e.kind == "task.completed" || e.kind == "task.canceled"
	if !began && !ended || e.record.Lane != record.Live {
		return nil
	}
	if sid, ok := f.Attributes["conversationSid"].V.(string); ok && isSID(sid, "CH") {
		return []Hint{{Conversation: sid, Began: began}}
	}
	return nil
}

// worker is what an event tells of an agent.
func (e *event) worker() Decoded {
	sid := e.get("worker_sid")
	if sid == "" {
		return Decoded{Ignored: ignoredSetup}
	}
	f := &fact.Fact{Kind: fact.Worker, SID: e.memo.own(sid)}
	switch e.kind {
	case "worker.created":
		f.SetTime(fact.Created, e.at)
	case "worker.deleted":
		f.SetTime(fact.Deleted, e.at)
	}
	f.SetValue(fact.FriendlyName, e.value("worker_name"), e.at)
	f.SetValue(fact.State, e.value("worker_activity_name"), e.at)
	noteAttributes(f, e.memo.decode(e.key("worker_attributes")), e.at)
	e.channel(f)
	return Decoded{Facts: []*fact.Fact{f}, Raw: e.raw(f.Key()), Spells: e.spells()}
}

// queue is what an event without a task tells of a queue.
func (e *event) queue() Decoded {
	sid := e.get("task_queue_sid")
	if sid == "" {
		return Decoded{Ignored: ignoredSetup}
	}
	f := &fact.Fact{Kind: fact.Queue, SID: e.memo.own(sid)}
	switch e.kind {
	case "task-queue.created":
		f.SetTime(fact.Created, e.at)
	case "task-queue.deleted":
		f.SetTime(fact.Deleted, e.at)
	}
	f.SetValue(fact.FriendlyName, e.value("task_queue_name"), e.at)
	return Decoded{Facts: []*fact.Fact{f}, Raw: e.raw(f.Key())}
}

// isSID says whether s is a SID with this prefix.
func isSID(s, prefix string) bool { return strings.HasPrefix(s, prefix) && sidSegment.MatchString(s) }

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
