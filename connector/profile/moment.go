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
	return p.MomentsOf(o, func(string) bool { return true })
}

// MomentsOf are those Moments whose type is wanted.
func (p *Profile) MomentsOf(o *Options, wanted func(eventType string) bool) []Moment {
	s := &story{o: o, wanted: wanted}
	s.room(p)
	for _, g := range p.Groups {
		s.started(g)
		for _, t := range g.Tasks {
			s.task(t)
		}
		s.ended(g)
	}
	for _, th := range p.Threads {
		s.thread(th)
		s.written(th)
	}
	for _, a := range p.Answers {
		s.completed(a)
	}
	slices.SortStableFunc(s.moments, func(a, b Moment) int { return a.At.Compare(b.At) })
	return s.moments
}

// story collects moments.
type story struct {
	o       *Options
	wanted  func(eventType string) bool
	moments []Moment
}

// room makes room for about as many moments as there usually are.
func (s *story) room(p *Profile) {
	n := len(p.Answers)
	for _, of := range [...]struct {
		eventType string
		times     int
	}{
		{ConversationStarted, len(p.Groups)}, {ConversationEnded, len(p.Groups)},
		{TaskCreated, len(p.Tasks)}, {TaskAssigned, len(p.Tasks)}, {TaskWrapup, len(p.Tasks)}, {TaskCompleted, len(p.Tasks)},
	} {
		if s.wanted(of.eventType) {
			n += of.times
		}
	}
	s.moments = make([]Moment, 0, n)
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

func (s *story) task(t *Task) {
	s.ofTask(t, TaskCreated, t.CreatedAt)
	s.ofTask(t, TaskAssigned, t.AcceptedAt)
	s.ofTask(t, TaskWrapup, t.WrapupAt)
	switch {
	case t.Completed:
		s.ofTask(t, TaskCompleted, t.EndedAt)
	case t.Canceled:
		s.ofTask(t, TaskCanceled, t.EndedAt)
		if t.Abandoned {
			s.ofTask(t, TaskAbandoned, t.EndedAt)
		}
	}
	s.transfers(t)
	s.raw(t.Fact, func(time.Time) (Moment, bool) { return t.common(), true })
}

func (s *story) ofTask(t *Task, eventType string, at time.Time) {
	if !at.IsZero() && s.wanted(eventType) {
		s.moments = append(s.moments, t.common().at(at, eventType, ""))
	}
}

// transfers are the moments at which another agent took over: a further accepted
// reservation of the task, or the task itself when its group has an earlier one.
func (s *story) transfers(t *Task) {
	if !s.wanted(Transferred) {
		return
	}
	if t.Transfer && !t.startedAt.IsZero() {
		s.moments = append(s.moments, t.common().at(t.startedAt, Transferred, t.SID))
	}
	accepted := t.accepted()
	for i := 1; i < len(accepted); i++ {
		if r := accepted[i]; r.movedFrom(accepted[i-1]) {
			m := t.common().at(r.accepted, Transferred, r.sid)
			m.taken = &r
			s.moments = append(s.moments, m)
		}
	}
}

// raw are the raw source events that were noted on a fact; common gives
// what one of that time has in common with others, false for nothing.
func (s *story) raw(f *fact.Fact, common func(at time.Time) (Moment, bool)) {
	before := len(s.moments)
	for name, p := range f.Parts {
		rest, ok := strings.CutPrefix(name, rawPart)
		if !ok {
			continue
		}
		eventType, key, _ := strings.Cut(rest, " ")
		if !s.wanted(eventType) {
			continue
		}
		at := p.Time(fact.Created)
		if m, ok := common(at); ok && !at.IsZero() {
			s.moments = append(s.moments, m.at(at, eventType, key))
		}
	}
	slices.SortFunc(s.moments[before:], func(a, b Moment) int { return strings.Compare(a.Key, b.Key) })
}

// thread are a thread's raw events, which belong to the contact that was held in
// it at that time.
func (s *story) thread(th *Thread) {
	s.raw(th.Fact, func(at time.Time) (Moment, bool) {
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

func (s *story) started(g *Group) {
	if !g.StartedAt.IsZero() && s.wanted(ConversationStarted) {
		s.moments = append(s.moments, g.common().at(g.StartedAt, ConversationStarted, ""))
	}
}

func (s *story) ended(g *Group) {
	if g.EndedAt.IsZero() || !s.wanted(ConversationEnded) {
		return
	}
	m := g.common().at(g.EndedAt, ConversationEnded, "")
	m.usual = func() map[string]any { return g.whole(s.o) }
	if g.Quiet {
		m.NotBefore = g.EndedAt.Add(s.o.settle() + s.o.CaptureLag)
	}
	if g.answer == nil && s.o.ScoreWait > 0 {
		m.NotBefore = latest(m.NotBefore, g.EndedAt.Add(s.o.ScoreWait))
	}
	s.moments = append(s.moments, m)
}

func (s *story) completed(a *Answer) {
	if a.At.IsZero() || !s.wanted(SurveyCompleted) {
		return
	}
	m := Moment{Fact: a.Fact.Key(), answer: a, task: a.Task, usual: a.usual}
	if a.Task != nil {
		m.group = a.Task.group
	}
	s.moments = append(s.moments, m.at(a.At, SurveyCompleted, ""))
}
