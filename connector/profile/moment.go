package profile

import (
	"sort"
	"strings"
	"time"

	"flexbrevo/connector/fact"
)

// Moment is one event in a customer's life, by the vocabulary of design 3.1. The
// same moment has the same Key for ever.
type Moment struct {
	// Type is the source event type, for example "task.completed".
	Type string
	// Key is the event's identity and its source_event_id.
	Key string
	// Fact carries the mark that it was told, under the name Mark.
	Fact fact.Key
	Mark string
	// Members are facts whose mark of this name also counts: a contact with the
	// centre may turn out to have begun earlier, and is then named otherwise.
	Members []fact.Key
	At      time.Time
	// NotBefore is when it is certain; zero when it is now.
	NotBefore time.Time
	// What an expression sees beside the customer.
	Task, Conversation, Survey, Worker, Queue, Event map[string]any
	// Usual are the properties of a rule that names none.
	Usual map[string]any
}

// Vocabulary of source event types that this package raises.
const (
	TaskCreated         = "task.created"
	TaskAssigned        = "task.assigned"
	TaskWrapup          = "task.wrapup"
	TaskCompleted       = "task.completed"
	TaskCanceled        = "task.canceled"
	TaskAbandoned       = "task.abandoned"
	ConversationStarted = "conversation.started"
	ConversationEnded   = "conversation.ended"
	SurveyCompleted     = "survey.completed"
	Transferred         = "interaction.transferred"
)

// Raised says whether a source event type is one that Moments raises by itself;
// others must be noted with NoteRaw.
func Raised(eventType string) bool {
	switch eventType {
	case TaskCreated, TaskAssigned, TaskWrapup, TaskCompleted, TaskCanceled, TaskAbandoned,
		ConversationStarted, ConversationEnded, SurveyCompleted, Transferred:
		return true
	}
	return false
}

const rawPart = "raw:"

// NoteRaw remembers on a fact that a raw source event happened, for rules that
// want it.
func NoteRaw(f *fact.Fact, eventType, key string, at time.Time) {
	f.SetPartTime(rawPart+eventType+" "+key, fact.Created, at)
}

// Moments returns everything that happened to the customer and is in scope, in
// order of time.
func (p *Profile) Moments(o *Options) []Moment {
	var out []Moment
	for _, g := range p.Groups {
		out = append(out, groupMoments(g, o)...)
		for _, t := range g.Tasks {
			out = append(out, taskMoments(t)...)
		}
	}
	for _, a := range p.Answers {
		out = append(out, answerMoment(a))
	}
	sort.SliceStable(out, func(i, j int) bool {
		if !out[i].At.Equal(out[j].At) {
			return out[i].At.Before(out[j].At)
		}
		return false
	})
	return out
}

func taskMoments(t *Task) []Moment {
	var out []Moment
	add := func(eventType string, at time.Time) {
		if !at.IsZero() {
			out = append(out, t.moment(eventType, "", at))
		}
	}
	add(TaskCreated, t.CreatedAt)
	add(TaskAssigned, t.AcceptedAt)
	add(TaskWrapup, t.WrapupAt)
	switch {
	case t.Completed:
		add(TaskCompleted, t.EndedAt)
	case t.Canceled:
		add(TaskCanceled, t.EndedAt)
		if t.Abandoned {
			add(TaskAbandoned, t.EndedAt)
		}
	}
	out = append(out, transfers(t)...)
	return append(out, rawMoments(t)...)
}

// transfers are the moments at which another agent took over: a further accepted
// reservation of the task, or the task itself when its group has an earlier one.
func transfers(t *Task) []Moment {
	var out []Moment
	if t.Transfer && !t.startedAt().IsZero() {
		out = append(out, t.moment(Transferred, t.SID, t.startedAt()))
	}
	accepted := 0
	for _, r := range t.reservations {
		if r.accepted.IsZero() {
			continue
		}
		if accepted++; accepted > 1 {
			m := t.moment(Transferred, r.sid, r.accepted)
			m.Worker = map[string]any{"name": r.worker}
			out = append(out, m)
		}
	}
	return out
}

func rawMoments(t *Task) []Moment {
	var out []Moment
	for name, p := range t.Fact.Parts {
		rest, ok := strings.CutPrefix(name, rawPart)
		if !ok {
			continue
		}
		eventType, key, _ := strings.Cut(rest, " ")
		out = append(out, t.moment(eventType, key, p.Time(fact.Created)))
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out
}

// moment makes a task's event; part tells several of one type apart.
func (t *Task) moment(eventType, part string, at time.Time) Moment {
	m := Moment{
		Type: eventType, Key: eventType + ":" + t.SID, Mark: eventType,
		Fact: t.Fact.Key(), At: at,
		Task: t.Env(), Worker: named(t.Worker, t.Fact.Text(fact.WorkerSID)),
		Queue: named(t.Queue, t.Fact.Text(fact.QueueSID)), Usual: t.usual(),
	}
	if part != "" {
		m.Mark += ":" + part
		m.Key = m.Mark
	}
	if t.group != nil {
		m.Conversation = t.group.env()
	}
	m.event()
	return m
}

func (m *Moment) event() {
	m.Event = map[string]any{"type": m.Type, "id": m.Key, "at": m.At.UTC().Format(time.RFC3339)}
}

func groupMoments(g *Group, o *Options) []Moment {
	var out []Moment
	add := func(eventType string, at, notBefore time.Time) {
		if at.IsZero() {
			return
		}
		m := Moment{
			Type: eventType, Key: eventType + ":" + g.Anchor.SID, Mark: eventType,
			Fact: g.Anchor, Members: g.Members(), At: at, NotBefore: notBefore,
			Conversation: g.env(), Usual: g.usual(),
		}
		if n := len(g.Tasks); n > 0 {
			t := g.Tasks[n-1]
			m.Task, m.Worker, m.Queue = t.Env(), named(t.Worker, t.Fact.Text(fact.WorkerSID)), named(t.Queue, t.Fact.Text(fact.QueueSID))
		}
		m.event()
		out = append(out, m)
	}
	add(ConversationStarted, g.StartedAt, time.Time{})
	var certain time.Time
	if g.Quiet {
		certain = g.EndedAt.Add(o.settle() + o.CaptureLag)
	}
	add(ConversationEnded, g.EndedAt, certain)
	return out
}

func answerMoment(a *Answer) Moment {
	m := Moment{
		Type: SurveyCompleted, Key: SurveyCompleted + ":" + a.Fact.SID, Mark: SurveyCompleted,
		Fact: a.Fact.Key(), At: a.At,
		Survey: map[string]any{"score": a.Score, "comment": a.Comment, "channel": a.Channel},
		Usual:  map[string]any{"score": a.Score},
	}
	if a.Scale > 0 {
		m.Survey["scale"], m.Usual["scale"] = a.Scale, a.Scale
	}
	if a.Channel != "" {
		m.Usual["channel"] = a.Channel
	}
	if t := a.Task; t != nil {
		m.Task, m.Worker, m.Queue = t.Env(), named(t.Worker, t.Fact.Text(fact.WorkerSID)), named(t.Queue, t.Fact.Text(fact.QueueSID))
		for _, name := range []string{"task_sid", "conversation_sid", "direction", "queue", "agent"} {
			if v, ok := t.usual()[name]; ok {
				m.Usual[name] = v
			}
		}
	}
	m.event()
	return m
}

// Env is the task as an expression sees it, under the name "task".
func (t *Task) Env() map[string]any {
	m := map[string]any{
		"sid": t.SID, "channel": t.Channel, "attributes": t.Attributes,
		"transfer": t.Transfer, "abandoned": t.Abandoned, "survey": t.Survey,
		"state": t.state(),
	}
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
	m := map[string]any{"task_sid": t.SID}
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
	return m
}

// usual are the default properties of a contact's events: those of its last
// task, with its own channel and thread.
func (g *Group) usual() map[string]any {
	m := map[string]any{}
	if n := len(g.Tasks); n > 0 {
		m = g.Tasks[n-1].usual()
	}
	put(m, "channel", g.Channel)
	if g.Thread != nil {
		m["conversation_sid"] = g.Thread.SID
	}
	return m
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
