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

	// What it is about. Of all that ever happened to a customer hardly anything is
	// new, so the maps are only made when they are asked for.
	task    *Task
	taken   *reservation // by which another agent took over
	group   *Group
	answer  *Answer
	message *Message
	usual   func() map[string]any
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
	MessageReceived     = "message.received"
	MessageSent         = "message.sent"
	SurveyCompleted     = "survey.completed"
	Transferred         = "interaction.transferred"
)

// Raised says whether a source event type is one that Moments raises by itself;
// others must be noted with NoteRaw.
func Raised(eventType string) bool {
	switch eventType {
	case TaskCreated, TaskAssigned, TaskWrapup, TaskCompleted, TaskCanceled, TaskAbandoned,
		ConversationStarted, ConversationEnded, MessageReceived, MessageSent, SurveyCompleted, Transferred:
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
	out := make([]Moment, 0, 2*len(p.Groups)+6*len(p.Tasks)+len(p.Answers))
	for _, g := range p.Groups {
		out = g.started(out)
		for _, t := range g.Tasks {
			out = t.moments(out)
		}
		out = g.ended(out, o)
	}
	for _, th := range p.Threads {
		out = th.written(th.moments(out))
	}
	for _, a := range p.Answers {
		out = a.completed(out)
	}
	slices.SortStableFunc(out, func(a, b Moment) int { return a.At.Compare(b.At) })
	return out
}

// at makes a moment of what it has in common with others; part tells several of
// one type apart.
func (m Moment) at(at time.Time, eventType, part string) Moment {
	m.Type, m.Mark, m.At = eventType, eventType, at
	if part == "" {
		m.Key = eventType + ":" + m.Fact.SID
	} else {
		m.Mark += ":" + part
		m.Key = m.Mark
	}
	return m
}

// common is what all moments of a task have in common.
func (t *Task) common() Moment {
	return Moment{Fact: t.Fact.Key(), task: t, group: t.group, usual: t.usual}
}

func (t *Task) moments(out []Moment) []Moment {
	common := t.common()
	add := func(eventType string, at time.Time) {
		if !at.IsZero() {
			out = append(out, common.at(at, eventType, ""))
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
	out = t.transfers(out)
	return rawMoments(out, t.Fact, func(time.Time) (Moment, bool) { return common, true })
}

// transfers are the moments at which another agent took over: a further accepted
// reservation of the task, or the task itself when its group has an earlier one.
func (t *Task) transfers(out []Moment) []Moment {
	if t.Transfer && !t.startedAt.IsZero() {
		out = append(out, t.common().at(t.startedAt, Transferred, t.SID))
	}
	accepted := t.accepted()
	for i := 1; i < len(accepted); i++ {
		if r := accepted[i]; r.movedFrom(accepted[i-1]) {
			m := t.common().at(r.accepted, Transferred, r.sid)
			m.taken = &r
			out = append(out, m)
		}
	}
	return out
}

// rawMoments are the raw source events that were noted on a fact; common gives
// what one of that time has in common with others, false for nothing.
func rawMoments(out []Moment, f *fact.Fact, common func(at time.Time) (Moment, bool)) []Moment {
	before := len(out)
	for name, p := range f.Parts {
		rest, ok := strings.CutPrefix(name, rawPart)
		if !ok {
			continue
		}
		eventType, key, _ := strings.Cut(rest, " ")
		at := p.Time(fact.Created)
		if m, ok := common(at); ok && !at.IsZero() {
			out = append(out, m.at(at, eventType, key))
		}
	}
	slices.SortFunc(out[before:], func(a, b Moment) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// moments are a thread's raw events, which belong to the contact that was held in
// it at that time.
func (th *Thread) moments(out []Moment) []Moment {
	return rawMoments(out, th.Fact, func(at time.Time) (Moment, bool) {
		var g *Group
		for _, next := range th.groups {
			if g == nil || !next.StartedAt.After(at) {
				g = next
			}
		}
		if g == nil {
			return Moment{}, false
		}
		return Moment{Fact: th.Fact.Key(), group: g, usual: g.usual}, true
	})
}

// common is what both moments of a contact have in common: its last task tells
// who and where.
func (g *Group) common() Moment {
	m := Moment{Fact: g.Anchor, Members: g.Members(), group: g, usual: g.usual}
	if n := len(g.Tasks); n > 0 {
		m.task = g.Tasks[n-1]
	}
	return m
}

func (g *Group) started(out []Moment) []Moment {
	if g.StartedAt.IsZero() {
		return out
	}
	return append(out, g.common().at(g.StartedAt, ConversationStarted, ""))
}

func (g *Group) ended(out []Moment, o *Options) []Moment {
	if g.EndedAt.IsZero() {
		return out
	}
	m := g.common().at(g.EndedAt, ConversationEnded, "")
	m.usual = func() map[string]any { return g.whole(o) }
	if g.Quiet {
		m.NotBefore = g.EndedAt.Add(o.settle() + o.CaptureLag)
	}
	if g.answer == nil && o.ScoreWait > 0 {
		m.NotBefore = latest(m.NotBefore, g.EndedAt.Add(o.ScoreWait))
	}
	return append(out, m)
}

func (a *Answer) completed(out []Moment) []Moment {
	if a.At.IsZero() {
		return out
	}
	m := Moment{Fact: a.Fact.Key(), answer: a, task: a.Task, usual: a.usual}
	if a.Task != nil {
		m.group = a.Task.group
	}
	return append(out, m.at(a.At, SurveyCompleted, ""))
}
