package profile

import (
	"sort"
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
	// Anchor names the group in events: its earliest member.
	Anchor    fact.Key
	StartedAt time.Time
	// EndedAt is zero while the contact goes on.
	EndedAt time.Time
	// Quiet says that EndedAt rests on no further task having begun, so that it is
	// only certain some time after it.
	Quiet   bool
	Channel string
}

// Members are the facts the group is made of.
func (g *Group) Members() []fact.Key {
	var out []fact.Key
	for _, t := range g.Tasks {
		out = append(out, t.Fact.Key())
	}
	if g.Thread != nil {
		out = append(out, g.Thread.Fact.Key())
	}
	return out
}

// read sorts facts into tasks and threads.
func (b *builder) read(facts []*fact.Fact) {
	for _, f := range facts {
		switch f.Kind {
		case fact.Task:
			b.tasks = append(b.tasks, newTask(f, b.o))
		case fact.Conversation:
			b.threads = append(b.threads, newThread(f, b.o))
		}
	}
	sort.Slice(b.tasks, func(i, j int) bool {
		return before(b.tasks[i].startedAt(), b.tasks[i].SID, b.tasks[j].startedAt(), b.tasks[j].SID)
	})
	sort.Slice(b.threads, func(i, j int) bool {
		return before(b.threads[i].CreatedAt, b.threads[i].SID, b.threads[j].CreatedAt, b.threads[j].SID)
	})
	for _, t := range b.tasks {
		if !t.Survey && t.InScope {
			b.Tasks = append(b.Tasks, t)
		}
	}
}

func before(a time.Time, aSID string, b time.Time, bSID string) bool {
	if !a.Equal(b) {
		return a.Before(b)
	}
	return aSID < bSID
}

// group divides the contact tasks in scope by what they say they belong to, and
// gives each thread to the tasks that name it. A thread that is used again and
// again opens the first contact only.
func (b *builder) group() {
	u := newUnion(len(b.Tasks))
	owner := map[string]int{}
	for i, t := range b.Tasks {
		for _, key := range []string{groupKey(t), t.SID} {
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
		t.group = g
		t.Transfer = len(g.Tasks) > 0
		g.Tasks = append(g.Tasks, t)
	}
	b.giveThreads()
	for _, g := range b.Groups {
		b.span(g)
	}
	sort.SliceStable(b.Groups, func(i, j int) bool {
		return before(b.Groups[i].StartedAt, b.Groups[i].Anchor.SID, b.Groups[j].StartedAt, b.Groups[j].Anchor.SID)
	})
	b.Contacts = len(b.Groups)
}

// groupKey is what the task's group is called: the first of these that it has.
func groupKey(t *Task) string {
	return first(
		str(t.Attributes, "conversations", "conversation_id"),
		str(t.Attributes, "flexInteractionSid"),
		t.ConversationSID,
		str(t.Attributes, "call_sid"),
		t.SID,
	)
}

func (b *builder) giveThreads() {
	users := map[string][]*Group{}
	for _, g := range b.Groups { // in order of their first task
		for _, t := range g.Tasks {
			if t.ConversationSID != "" {
				users[t.ConversationSID] = append(users[t.ConversationSID], g)
			}
		}
	}
	for _, th := range b.threads {
		groups := users[th.SID]
		if len(groups) > 0 {
			th.Channel, th.InScope = groups[0].Tasks[0].Channel, true
		}
		if !th.InScope {
			continue
		}
		b.Threads = append(b.Threads, th)
		if len(groups) == 0 {
			if !b.usedOutOfScope(th) {
				b.Groups = append(b.Groups, &Group{Thread: th})
			}
			continue
		}
		for _, g := range groups {
			if g.Thread == nil {
				g.Thread = th
			}
		}
	}
}

// usedOutOfScope says whether a thread is the thread of tasks that are not
// counted, so that it is no contact of its own.
func (b *builder) usedOutOfScope(th *Thread) bool {
	for _, t := range b.tasks {
		if t.ConversationSID == th.SID && !t.InScope {
			return true
		}
	}
	return false
}

// span finds when a group began and ended: at the first of its thread having
// been closed and all its tasks having ended with no other beginning soon after.
func (b *builder) span(g *Group) {
	first := true // is this the contact that opened the thread?
	if len(g.Tasks) > 0 {
		t := g.Tasks[0]
		g.StartedAt, g.Anchor, g.Channel = t.startedAt(), t.Fact.Key(), t.Channel
		g.EndedAt = b.quiet(g.Tasks)
		g.Quiet = !g.EndedAt.IsZero()
		first = b.opens(g)
	}
	th := g.Thread
	if th == nil {
		return
	}
	if g.Channel == "" {
		g.Channel = th.Channel
	}
	if first && !th.CreatedAt.IsZero() && (g.StartedAt.IsZero() || !th.CreatedAt.After(g.StartedAt)) {
		g.StartedAt, g.Anchor = th.CreatedAt, th.Fact.Key()
	}
	if g.Anchor == (fact.Key{}) {
		g.Anchor = th.Fact.Key()
	}
	if closed := th.ClosedAt; !closed.IsZero() && (g.EndedAt.IsZero() || closed.Before(g.EndedAt)) && !closed.Before(g.StartedAt) {
		g.EndedAt, g.Quiet = closed, false
	}
}

// opens says whether no earlier group uses the same thread.
func (b *builder) opens(g *Group) bool {
	for _, other := range b.Groups {
		if other == g || other.Thread != g.Thread || len(other.Tasks) == 0 {
			continue
		}
		if before(other.Tasks[0].startedAt(), other.Tasks[0].SID, g.Tasks[0].startedAt(), g.Tasks[0].SID) {
			return false
		}
	}
	return true
}

// quiet is the first moment at which all tasks that had begun were over and none
// began within the settling time; zero when there is none yet.
func (b *builder) quiet(tasks []*Task) time.Time {
	var end time.Time
	for i, t := range tasks {
		if t.EndedAt.IsZero() {
			return time.Time{}
		}
		end = latest(end, t.EndedAt)
		if i+1 < len(tasks) && tasks[i+1].startedAt().After(end.Add(b.o.settle())) {
			return end
		}
	}
	return end
}
