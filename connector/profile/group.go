package profile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
)

// Group is one contact with the centre: tasks and threads that belong together
// (design 3.1, facts/twilio.md 1.8).
type Group struct {
	// Tasks are contact tasks in scope, in order of their start.
	Tasks []*Task
	// Thread is the conversation the contact was held in; nil for calls.
	Thread *Thread
	// Anchor names the group in events: its first task, or the thread that no task
	// was made of.
	Anchor    fact.Key
	StartedAt time.Time
	// EndedAt is zero while the contact goes on.
	EndedAt time.Time
	// Quiet says that EndedAt rests on no further task having begun, so that it is
	// only certain some time after it.
	Quiet   bool
	Channel string
	// answer is the latest survey answer about one of the tasks, nil for none.
	answer *Answer
	// Messages are those of its thread that belong to it, where they were read.
	Messages []*Message
	// opens says that the contact is the first that was held in its thread.
	opens bool
}

// Members are the facts that stand for the group and for no other: its tasks, and
// its thread where it opened it. A thread that is used again belongs to the first.
func (g *Group) Members() []fact.Key {
	var out []fact.Key
	for _, t := range g.Tasks {
		out = append(out, t.Fact.Key())
	}
	if g.Thread != nil && (g.opens || len(g.Tasks) == 0) {
		out = append(out, g.Thread.Fact.Key())
	}
	return out
}

// sort makes tasks and threads of the facts, in order of their start.
func (b *builder) sort() {
	for _, r := range b.readings {
		switch r.Kind {
		case fact.Task:
			if !told(r.Fact) {
				continue
			}
			b.tasks = append(b.tasks, newTask(r, b.o))
		case fact.Conversation:
			b.threads = append(b.threads, newThread(r, b.o))
		}
	}
	slices.SortFunc(b.tasks, func(x, y *Task) int { return order(x.startedAt, x.SID, y.startedAt, y.SID) })
	slices.SortFunc(b.threads, func(x, y *Thread) int { return order(x.CreatedAt, x.SID, y.CreatedAt, y.SID) })
	for _, t := range b.tasks {
		if !t.Survey && t.InScope {
			b.Tasks = append(b.Tasks, t)
		}
	}
}

// order compares by time, and things of one time by SID.
func order(x time.Time, xSID string, y time.Time, ySID string) int {
	return cmp.Or(x.Compare(y), strings.Compare(xSID, ySID))
}

// group divides the contact tasks in scope by what they say they belong to, and
// gives each thread to the tasks that name it. A thread that is used again and
// again opens the first contact only.
func (b *builder) group() {
	u := newUnion(len(b.Tasks))
	owner := make(map[string]int, 2*len(b.Tasks))
	for i, t := range b.Tasks {
		for _, key := range [...]string{t.groupKey, t.SID} {
			if j, ok := owner[key]; ok {
				u.join(i, j)
			} else {
				owner[key] = i
			}
		}
	}
	index := map[int]*Group{}
	for i, t := range b.Tasks {
		g, ok := index[u.find(i)]
		if !ok {
			g = &Group{}
			index[u.find(i)] = g
			b.Groups = append(b.Groups, g)
		}
		t.group, t.Transfer = g, len(g.Tasks) > 0
		g.Tasks = append(g.Tasks, t)
	}
	b.giveThreads()
	for _, g := range b.Groups {
		g.span(b.o.settle())
	}
	slices.SortStableFunc(b.Groups, func(x, y *Group) int {
		return order(x.StartedAt, x.Anchor.SID, y.StartedAt, y.Anchor.SID)
	})
	b.Contacts = len(b.Groups)
}

// giveThreads gives each thread in scope to the contacts that were held in it; one
// that no known task used is a contact of its own.
func (b *builder) giveThreads() {
	users := map[string][]*Group{}
	for _, g := range b.Groups { // in order of their first task
		for _, t := range g.Tasks {
			if t.ConversationSID != "" {
				users[t.ConversationSID] = appendNew(users[t.ConversationSID], g)
			}
		}
	}
	elsewhere := b.threadsOutOfScope()
	for _, th := range b.threads {
		groups := users[th.SID]
		if len(groups) > 0 {
			th.Channel, th.InScope = groups[0].Tasks[0].Channel, true
		} else if th.InScope && !elsewhere[th.SID] {
			groups = []*Group{{}}
			b.Groups = append(b.Groups, groups[0])
		}
		if !th.InScope {
			continue
		}
		b.Threads = append(b.Threads, th)
		th.give(groups)
	}
}

// give makes th the thread of those groups that have none yet, the first of which
// it opens.
func (th *Thread) give(groups []*Group) {
	for _, g := range groups {
		if g.Thread == nil {
			g.Thread, g.opens = th, len(th.groups) == 0
			th.groups = append(th.groups, g)
		}
	}
}

// threadsOutOfScope are the threads of tasks that are not counted, and that are
// therefore no contacts of their own.
func (b *builder) threadsOutOfScope() map[string]bool {
	out := map[string]bool{}
	for _, t := range b.tasks {
		if !t.InScope {
			out[t.ConversationSID] = true
		}
	}
	return out
}

// span finds when a group began and ended: at the first of its thread having
// been closed and all its tasks having ended with no other beginning soon after.
func (g *Group) span(settle time.Duration) {
	if len(g.Tasks) > 0 {
		t := g.Tasks[0]
		g.StartedAt, g.Anchor, g.Channel = t.startedAt, t.Fact.Key(), t.Channel
		g.EndedAt = quiet(g.Tasks, settle)
		g.Quiet = !g.EndedAt.IsZero()
	}
	th := g.Thread
	if th == nil {
		return
	}
	g.Channel = first(g.Channel, th.Channel)
	if g.opens && !th.CreatedAt.IsZero() && (g.StartedAt.IsZero() || !th.CreatedAt.After(g.StartedAt)) {
		g.StartedAt = th.CreatedAt
	}
	if len(g.Tasks) == 0 {
		// Named after the thread only while there is no task: which contact opened a
		// thread that is used again may turn out late, whose task it is never does.
		g.Anchor = th.Fact.Key()
	}
	if closed := th.ClosedAt; !closed.IsZero() && (g.EndedAt.IsZero() || closed.Before(g.EndedAt)) && !closed.Before(g.StartedAt) {
		g.EndedAt, g.Quiet = closed, false
	}
}

// quiet is the first moment at which all tasks that had begun were over and none
// began within the settling time; zero when there is none yet.
func quiet(tasks []*Task, settle time.Duration) time.Time {
	var end time.Time
	for i, t := range tasks {
		if t.EndedAt.IsZero() {
			return time.Time{}
		}
		end = latest(end, t.EndedAt)
		if i+1 < len(tasks) && tasks[i+1].startedAt.After(end.Add(settle)) {
			return end
		}
	}
	return end
}
