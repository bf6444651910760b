package profile

import (
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
)

// Scene is what an expression sees beside the customer.
type Scene struct {
	Task, Conversation, Survey, Worker, Queue, Event map[string]any
}

// Scene returns what an expression sees of the moment.
func (m *Moment) Scene() Scene {
	s := Scene{Event: map[string]any{"type": m.Type, "id": m.Key, "at": m.At.UTC().Format(time.RFC3339)}}
	if t := m.task; t != nil {
		s.Task = t.Env()
		s.Worker = named(t.Worker, t.Fact.Text(fact.WorkerSID))
		s.Queue = named(t.Queue, t.Fact.Text(fact.QueueSID))
	}
	if m.taken != nil {
		s.Worker = named(m.taken.worker, m.taken.workerSID)
	}
	if m.group != nil {
		s.Conversation = m.group.env()
	}
	if m.answer != nil {
		s.Survey = m.answer.env()
	}
	if m.message != nil {
		m.message.scene(s.Event)
	}
	return s
}

// Usual returns the properties of a rule that names none (design 3.1).
func (m *Moment) Usual() map[string]any { return m.usual() }

// Env is the task as an expression sees it, under the name "task".
func (t *Task) Env() map[string]any {
	m := make(map[string]any, 28)
	m["sid"], m["channel"], m["attributes"] = t.SID, t.Channel, t.Attributes
	m["transfer"], m["abandoned"], m["survey"] = t.Transfer, t.Abandoned, t.Survey
	m["state"] = t.state()
	put(m, "direction", t.Direction)
	put(m, "queue_name", t.Queue)
	put(m, "queue_sid", t.Fact.Text(fact.QueueSID))
	put(m, "worker_name", t.Worker)
	put(m, "worker_sid", t.Fact.Text(fact.WorkerSID))
	put(m, "workflow_name", t.Fact.Text(fact.Workflow))
	put(m, "workflow_sid", t.Fact.Text(fact.WorkflowSID))
	put(m, "completed_reason", t.Fact.Text(fact.CompletedReason))
	put(m, "canceled_reason", t.Fact.Text(fact.CanceledReason))
	put(m, "conversation_sid", t.ConversationSID)
	put(m, "interaction_sid", interactionOf(t.Fact, t.Attributes))
	put(m, "outcome", t.Outcome)
	if v, ok := t.Fact.Values[fact.Priority]; ok {
		m["priority"] = v.V
	}
	putTime(m, "created_at", t.CreatedAt)
	putTime(m, "accepted_at", t.AcceptedAt)
	putTime(m, "ended_at", t.EndedAt)
	t.putDurations(m)
	return m
}

func (t *Task) putDurations(m map[string]any) {
	if t.Waited {
		m["wait_time"] = t.Wait
	}
	if t.Handled {
		m["handle_time"], m["talk_time"], m["wrapup_time"], m["ring_time"] = t.Handle, t.Talk, t.Wrap, t.Ring
	}
}

func (t *Task) state() string {
	switch {
	case t.Completed:
		return "completed"
	case t.Canceled:
		return "canceled"
	case !t.EndedAt.IsZero():
		return "deleted"
	case !t.WrapupAt.IsZero():
		return "wrapping"
	case !t.AcceptedAt.IsZero():
		return "assigned"
	}
	return "pending"
}

// usual are the default properties of a task's events.
func (t *Task) usual() map[string]any {
	m := make(map[string]any, 12)
	m["task_sid"] = t.SID
	put(m, "conversation_sid", t.ConversationSID)
	put(m, "channel", t.Channel)
	put(m, "direction", t.Direction)
	put(m, "queue", t.Queue)
	put(m, "agent", t.Worker)
	put(m, "outcome", t.Outcome)
	if t.Waited {
		m["wait_time"] = t.Wait
	}
	if t.Handled {
		m["handle_time"] = t.Handle
	}
	if t.Transfer {
		m["transfer"] = true
	}
	return m
}

// env is the contact with the centre as an expression sees it.
func (g *Group) env() map[string]any {
	m := map[string]any{"sid": g.Anchor.SID, "channel": g.Channel, "tasks": len(g.Tasks)}
	putTime(m, "started_at", g.StartedAt)
	putTime(m, "ended_at", g.EndedAt)
	if !g.StartedAt.IsZero() && !g.EndedAt.IsZero() {
		m["duration"] = seconds(g.StartedAt, g.EndedAt)
	}
	if g.Thread != nil {
		m["conversation_sid"], m["attributes"] = g.Thread.SID, g.Thread.Attributes
		put(m, "state", g.Thread.Fact.Text(fact.State))
		put(m, "friendly_name", g.Thread.Fact.Text(fact.FriendlyName))
	}
	g.putMessages(m)
	return m
}

// Env is the thread as an expression sees it, under the name "conversation", where it is
// not seen as a contact's.
func (th *Thread) Env() map[string]any {
	m := map[string]any{"sid": th.SID, "conversation_sid": th.SID, "channel": th.Channel, "attributes": th.Attributes}
	put(m, "state", th.Fact.Text(fact.State))
	put(m, "friendly_name", th.Fact.Text(fact.FriendlyName))
	return m
}

// usual are the default properties of a contact's events: those of its last
// task, with its own channel and thread.
func (g *Group) usual() map[string]any {
	m := map[string]any{}
	if n := len(g.Tasks); n > 0 {
		m = g.Tasks[n-1].usual()
	}
	return g.named(m)
}

// named puts the contact's own channel and thread into properties.
func (g *Group) named(m map[string]any) map[string]any {
	put(m, "channel", g.Channel)
	if g.Thread != nil {
		m["conversation_sid"] = g.Thread.SID
	}
	return m
}

// whole are the default properties of a contact's end, which tell of all of it:
// one event in which a person can read how it went.
func (g *Group) whole(o *Options) map[string]any {
	m := g.usual()
	if !g.StartedAt.IsZero() {
		m["duration"] = seconds(g.StartedAt, g.EndedAt)
	}
	if n := len(g.Tasks); n > 1 {
		m["tasks"] = n
	}
	if a := g.answer; a != nil {
		m["score"] = a.Score
		if a.Scale > 0 {
			m["scale"] = a.Scale
		}
	}
	put(m, "link", g.link(o))
	return m
}

// link is where people look the contact up: Flex Insights' own link, as the latest
// task that has one tells it (conversations.segment_link, facts/twilio.md 4), else
// the operator's.
func (g *Group) link(o *Options) string {
	var task, conversation string
	for _, t := range slices.Backward(g.Tasks) {
		if link := str(t.Attributes, "conversations", "segment_link"); strings.HasPrefix(link, "https://") {
			return link
		}
		task, conversation = first(task, t.SID), first(conversation, t.ConversationSID)
	}
	if g.Thread != nil {
		conversation = g.Thread.SID
	}
	if o.Link == nil {
		return ""
	}
	return o.Link(task, conversation)
}

func named(name, sid string) map[string]any {
	m := map[string]any{}
	put(m, "name", name)
	put(m, "sid", sid)
	return m
}

func put(m map[string]any, name, value string) {
	if value != "" {
		m[name] = value
	}
}

func putTime(m map[string]any, name string, t time.Time) {
	if !t.IsZero() {
		m[name] = t.UTC().Format(time.RFC3339)
	}
}

// env is the answer as an expression sees it, under the name "survey".
func (a *Answer) env() map[string]any {
	m := map[string]any{"score": a.Score, "comment": a.Comment, "channel": a.Channel}
	if a.Scale > 0 {
		m["scale"] = a.Scale
	}
	return m
}

// usual are the default properties of an answer's event: the score, and what is
// known of the task that it is about.
func (a *Answer) usual() map[string]any {
	m := map[string]any{"score": a.Score}
	if a.Scale > 0 {
		m["scale"] = a.Scale
	}
	put(m, "channel", a.Channel)
	put(m, "task_sid", a.Fact.Text(fact.TaskSID))
	put(m, "conversation_sid", a.Fact.Text(fact.ConversationSID))
	if a.Fact.Kind == fact.Conversation {
		m["conversation_sid"] = a.Fact.SID
	}
	if t := a.Task; t != nil {
		m["task_sid"] = t.SID
		put(m, "conversation_sid", t.ConversationSID)
		put(m, "direction", t.Direction)
		put(m, "queue", t.Queue)
		put(m, "agent", t.Worker)
	}
	return m
}
