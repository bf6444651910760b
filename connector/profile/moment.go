package profile

import (
	"slices"
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
// order of time. The maps are shared between moments, and must not be changed.
func (p *Profile) Moments(o *Options) []Moment {
	var out []Moment
	tasks := map[*Task]*Moment{} // what all moments of a task have in common
	groups := make(map[*Group]map[string]any, len(p.Groups))
	for _, g := range p.Groups {
		groups[g] = g.env()
		for _, t := range g.Tasks {
			tasks[t] = t.common(groups[g])
		}
		common := g.common(tasks, groups[g])
		out = g.started(out, common)
		for _, t := range g.Tasks {
			out = t.moments(out, tasks[t])
		}
		out = g.ended(out, common, o)
	}
	for _, th := range p.Threads {
		out = th.moments(out, groups)
	}
	for _, a := range p.Answers {
		if !a.At.IsZero() {
			out = append(out, a.moment(tasks[a.Task]))
		}
	}
	slices.SortStableFunc(out, func(a, b Moment) int { return a.At.Compare(b.At) })
	return out
}

// common is what all moments of a task have in common.
func (t *Task) common(conversation map[string]any) *Moment {
	return &Moment{
		Fact: t.Fact.Key(), Task: t.Env(), Conversation: conversation, Usual: t.usual(),
		Worker: named(t.Worker, t.Fact.Text(fact.WorkerSID)),
		Queue:  named(t.Queue, t.Fact.Text(fact.QueueSID)),
	}
}

// as makes a moment of what it has in common with others; part tells several of
// one type apart.
func (m Moment) as(eventType, part string, at time.Time) Moment {
	m.Type, m.Mark, m.At = eventType, eventType, at
	if part == "" {
		m.Key = eventType + ":" + m.Fact.SID
	} else {
		m.Mark += ":" + part
		m.Key = m.Mark
	}
	m.Event = map[string]any{"type": m.Type, "id": m.Key, "at": at.UTC().Format(time.RFC3339)}
	return m
}

func (t *Task) moments(out []Moment, common *Moment) []Moment {
	add := func(eventType string, at time.Time) {
		if !at.IsZero() {
			out = append(out, common.as(eventType, "", at))
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
	out = t.transfers(out, common)
	return rawMoments(out, t.Fact, func(time.Time) *Moment { return common })
}

// transfers are the moments at which another agent took over: a further accepted
// reservation of the task, or the task itself when its group has an earlier one.
func (t *Task) transfers(out []Moment, common *Moment) []Moment {
	if t.Transfer && !t.startedAt.IsZero() {
		out = append(out, common.as(Transferred, t.SID, t.startedAt))
	}
	accepted := t.accepted()
	for i, r := range accepted {
		if i > 0 && r.movedFrom(accepted[i-1]) {
			m := common.as(Transferred, r.sid, r.accepted)
			m.Worker = named(r.worker, r.workerSID)
			out = append(out, m)
		}
	}
	return out
}

// rawMoments are the raw source events that were noted on a fact; common gives
// what one has in common with others of its time, nil for nothing.
func rawMoments(out []Moment, f *fact.Fact, common func(at time.Time) *Moment) []Moment {
	before := len(out)
	for name, p := range f.Parts {
		rest, ok := strings.CutPrefix(name, rawPart)
		if !ok {
			continue
		}
		eventType, key, _ := strings.Cut(rest, " ")
		at := p.Time(fact.Created)
		if c := common(at); c != nil && !at.IsZero() {
			out = append(out, c.as(eventType, key, at))
		}
	}
	slices.SortFunc(out[before:], func(a, b Moment) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// moments are a thread's raw events, which belong to the contact that was held in
// it at that time.
func (th *Thread) moments(out []Moment, groups map[*Group]map[string]any) []Moment {
	return rawMoments(out, th.Fact, func(at time.Time) *Moment {
		var g *Group
		for _, next := range th.groups {
			if g == nil || !next.StartedAt.After(at) {
				g = next
			}
		}
		if g == nil {
			return nil
		}
		return &Moment{Fact: th.Fact.Key(), Conversation: groups[g], Usual: g.usual()}
	})
}

// common is what both moments of a contact have in common: its last task tells
// who and where.
func (g *Group) common(tasks map[*Task]*Moment, conversation map[string]any) *Moment {
	m := Moment{Conversation: conversation}
	if n := len(g.Tasks); n > 0 {
		m = *tasks[g.Tasks[n-1]]
	}
	m.Fact, m.Members, m.Usual = g.Anchor, g.Members(), g.usual()
	return &m
}

func (g *Group) started(out []Moment, common *Moment) []Moment {
	if g.StartedAt.IsZero() {
		return out
	}
	return append(out, common.as(ConversationStarted, "", g.StartedAt))
}

func (g *Group) ended(out []Moment, common *Moment, o *Options) []Moment {
	if g.EndedAt.IsZero() {
		return out
	}
	m := common.as(ConversationEnded, "", g.EndedAt)
	if g.Quiet {
		m.NotBefore = g.EndedAt.Add(o.settle() + o.CaptureLag)
	}
	return append(out, m)
}

// moment is the answer's event; about is what the moments of the task that it is
// about have in common, nil when that is not known.
func (a *Answer) moment(about *Moment) Moment {
	m := Moment{
		Fact:   a.Fact.Key(),
		Survey: map[string]any{"score": a.Score, "comment": a.Comment, "channel": a.Channel},
		Usual:  map[string]any{"score": a.Score},
	}
	if a.Scale > 0 {
		m.Survey["scale"], m.Usual["scale"] = a.Scale, a.Scale
	}
	put(m.Usual, "channel", a.Channel)
	put(m.Usual, "task_sid", a.Fact.Text(fact.TaskSID))
	put(m.Usual, "conversation_sid", a.Fact.Text(fact.ConversationSID))
	if about != nil {
		m.Task, m.Worker, m.Queue = about.Task, about.Worker, about.Queue
		m.Conversation = about.Conversation
		for _, name := range [...]string{"task_sid", "conversation_sid", "direction", "queue", "agent"} {
			if v, ok := about.Usual[name]; ok {
				m.Usual[name] = v
			}
		}
	}
	return m.as(SurveyCompleted, "", a.At)
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
