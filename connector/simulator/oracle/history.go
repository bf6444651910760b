package oracle

import (
	"slices"
	"time"

	"flexbrevo/connector/simulator/world"
)

// group is one time that a customer and the centre were in touch: a contact of the world, with its tasks and
// the thread that began with it. A thread that goes on in a later contact stays with the first: the later one has
// an interaction of its own (design 3.1).
type group struct {
	contact int // index into World.Contacts
	channel string
	tasks   []*world.Task // contact tasks in the order of their beginning
	thread  *world.Conversation
}

// answer is one satisfaction score. It is given once the task that holds it is over: until then it may change.
type answer struct {
	sid    string // of the task, or of the thread
	score  float64
	at     time.Time
	within time.Duration // how exactly at can be known
	posted bool          // a survey tool told, not the task
}

// history is all that happened between a customer and the centre.
type history struct {
	groups  []*group // in the order of their beginning
	tasks   []*world.Task
	answers []answer // in the order of time
	threads []*world.Conversation
}

func (c *calculation) history(p person) history {
	var h history
	byContact := map[int]*group{}
	at := func(contact int) *group {
		if byContact[contact] == nil {
			byContact[contact] = &group{contact: contact, channel: c.Contacts[contact].Channel}
			h.groups = append(h.groups, byContact[contact])
		}
		return byContact[contact]
	}
	for _, e := range p.shown {
		if e.conversation >= 0 {
			if v := &c.Conversations[e.conversation]; c.inScope(v.Channel) {
				at(v.Talks[0].Contact).thread = v
				h.threads = append(h.threads, v)
				h.answers = append(h.answers, c.threadAnswers(v)...)
			}
			continue
		}
		t := &c.Tasks[e.task]
		if !c.inScope(t.Channel) {
			continue
		}
		if !t.Survey {
			g := at(t.Contact)
			g.tasks, h.tasks = append(g.tasks, t), append(h.tasks, t)
		}
		if c.CSAT && t.Scored && c.knows(t.EndedAt) && (t.Survey || !c.SurveysOnly) {
			h.answers = append(h.answers, answer{sid: t.SID, score: t.Score * c.ScoreFactor, at: t.EndedAt})
		}
		h.answers = append(h.answers, c.posted(t)...)
	}
	slices.SortStableFunc(h.groups, func(a, b *group) int { return a.start().Compare(b.start()) })
	slices.SortStableFunc(h.answers, func(a, b answer) int { return a.at.Compare(b.at) })
	return h
}

// threadAnswers is the score in a thread's attributes, once all its tasks are over; it is dated by the thread's
// last change, in whole seconds.
func (c *calculation) threadAnswers(v *world.Conversation) []answer {
	score, at, ok := c.Rated(v.ID)
	if !ok || !c.CSAT || !c.ThreadScores || !c.knows(at) {
		return nil
	}
	for _, talk := range v.Talks {
		for _, task := range c.Contacts[talk.Contact].Tasks {
			if t := &c.Tasks[task]; !t.Survey && c.knows(t.CreatedAt) && !c.knows(t.EndedAt) {
				return nil
			}
		}
	}
	if _, changed := v.State(c.Until); changed.After(at) {
		at = changed
	}
	return []answer{{sid: v.SID, score: float64(score) * c.ScoreFactor, at: at, within: time.Second}}
}

func (g *group) start() time.Time {
	if g.ledByThread() {
		return g.thread.CreatedAt
	}
	return g.tasks[0].CreatedAt
}

// ledByThread tells whether the earliest member of the group is its thread.
func (g *group) ledByThread() bool {
	return g.thread != nil && (len(g.tasks) == 0 || !g.thread.CreatedAt.After(g.tasks[0].CreatedAt))
}

// leader is the SID that names the group in events: its first task's, or its thread's where no task was
// made of it. Not the earliest member's, because which contact opened a thread that is used again may
// turn out late.
func (g *group) leader() string {
	if len(g.tasks) == 0 {
		return g.thread.SID
	}
	return g.tasks[0].SID
}

// end is when the group ended, and false while it goes on: the first of its thread's closing, and of the
// moment when all its tasks were over and none began within the settling time.
func (g *group) end(s *Settings) (time.Time, bool) {
	at, ok := g.tasksEnd(s.Settle)
	ok = ok && s.knows(at.Add(s.Settle))
	if g.thread != nil && !g.thread.ClosedAt.IsZero() && s.knows(g.thread.ClosedAt) && (!ok || g.thread.ClosedAt.Before(at)) {
		return g.thread.ClosedAt, true
	}
	return at, ok
}

func (g *group) tasksEnd(settle time.Duration) (end time.Time, ok bool) {
	for _, t := range g.tasks {
		if ok && t.CreatedAt.After(end.Add(settle)) {
			return end, true
		}
		if t.EndedAt.After(end) {
			end = t.EndedAt
		}
		ok = true
	}
	return end, ok
}
