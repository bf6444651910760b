package profile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/fact"
)

// Message is one message of a thread. It holds a text only where a rule reads it.
type Message struct {
	SID    string
	Index  int // increasing, with gaps (facts/twilio.md 2.3)
	At     time.Time
	Author string // an address, an identity, or "system"
	Body   string
	Side   Side

	member string // SID of the participant who wrote it
	thread *Thread
	group  *Group
}

// Side is who wrote a message.
type Side string

// The sides. Nobody's is what the system or a program wrote, and what came in a thread of
// which it is not known yet who the customer is.
const (
	OfCustomer Side = "customer"
	OfCentre   Side = "centre"
	OfNobody   Side = ""
)

// readMessages are the messages that a thread's records tell, in order of their index.
func readMessages(t *Thread) []*Message {
	var out []*Message
	for name, p := range t.Fact.Parts {
		sid, ok := strings.CutPrefix(name, fact.Message)
		at := p.Time(fact.Created)
		if !ok || at.IsZero() {
			continue
		}
		index, _ := p.Values[fact.Index].V.(int)
		out = append(out, &Message{
			SID: sid, Index: index, At: at, Author: p.Text(fact.Author), Body: p.Text(fact.Body),
			member: p.Text(fact.ParticipantSID), thread: t,
		})
	}
	slices.SortFunc(out, func(a, b *Message) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), strings.Compare(a.SID, b.SID))
	})
	return out
}

// messages gives the messages of the threads in scope to whom they are from and to the
// contacts that they belong to.
func (b *builder) messages() {
	for _, th := range b.Threads {
		th.Messages = readMessages(th)
		if len(th.Messages) == 0 {
			continue
		}
		customers := b.customersOf(th)
		for _, m := range th.Messages {
			m.Side = customers.side(m)
			m.group = th.groupAt(m.At)
			if m.group != nil {
				m.group.Messages = append(m.group.Messages, m)
			}
		}
	}
}

// authors are the names under which a thread's customers write.
type authors struct{ names, members map[string]bool }

// customersOf finds a thread's customers: who takes part with an address of a messaging
// channel, and whom a task held in the thread names. Who takes part with an identity only
// may be the visitor of a web chat or an agent (facts/twilio.md 2.3), so by itself that
// tells nothing.
func (b *builder) customersOf(th *Thread) authors {
	a := authors{map[string]bool{}, map[string]bool{}}
	for name, p := range th.Fact.Parts {
		member, ok := strings.CutPrefix(name, fact.Participant)
		if address := p.Text(fact.Address); ok && address != "" {
			a.names[address], a.members[member] = true, true
		}
	}
	for _, t := range b.tasks {
		if t.ConversationSID != th.SID {
			continue
		}
		if address := str(t.Attributes, "customerAddress"); address != "" {
			a.names[address] = true
		}
	}
	return a
}

func (a authors) side(m *Message) Side {
	switch {
	case len(a.names) == 0 || m.Author == "" || strings.EqualFold(m.Author, "system"):
		return OfNobody
	case a.names[m.Author] || a.members[m.member]:
		return OfCustomer
	case m.member == "":
		return OfNobody // a program, which takes part in no conversation
	}
	return OfCentre
}

// groupAt is the contact that was held in a thread at a moment. What is written after one
// has ended belongs to the next: a customer writes first, and the task is made of it then.
func (th *Thread) groupAt(at time.Time) *Group {
	var g *Group
	for _, next := range th.groups {
		over := g != nil && !g.EndedAt.IsZero() && at.After(g.EndedAt)
		if g == nil || over || !next.StartedAt.After(at) {
			g = next
		}
	}
	return g
}

// figures counts a contact's messages: those of the customer and of the centre, and the
// whole seconds from the customer's first to the first of the centre that comes after it
// by its index; answered says whether there is one.
func (g *Group) figures() (received, sent, response int, answered bool) {
	var asked *Message
	for _, m := range g.Messages {
		switch m.Side {
		case OfCustomer:
			received++
			if asked == nil {
				asked = m
			}
		case OfCentre:
			sent++
			if asked != nil && !answered {
				response, answered = seconds(asked.At, m.At), true
			}
		}
	}
	return received, sent, response, answered
}

// putMessages adds what is known of a contact's messages to what an expression sees of it.
func (g *Group) putMessages(m map[string]any) {
	if len(g.Messages) == 0 {
		return
	}
	received, sent, response, answered := g.figures()
	m["messages"], m["messages_received"], m["messages_sent"] = len(g.Messages), received, sent
	if answered {
		m["first_response_time"] = response
	}
}

// written are the moments of a thread's messages. The thread's fact carries their marks.
func (s *story) written(th *Thread) {
	for _, m := range th.Messages {
		eventType := MessageSent
		switch {
		case m.group == nil || m.Side == OfNobody:
			continue
		case m.Side == OfCustomer:
			eventType = MessageReceived
		}
		if !s.wanted(eventType) {
			continue
		}
		common := Moment{Fact: th.Fact.Key(), group: m.group, task: m.group.taskAt(m.At), message: m}
		common.usual = m.group.usual
		if common.task != nil {
			common.usual = func() map[string]any { return m.group.named(common.task.usual()) }
		}
		s.moments = append(s.moments, common.at(m.At, eventType, m.SID))
	}
}

// taskAt is the contact's task at a moment: the latest that had begun, else the first.
func (g *Group) taskAt(at time.Time) *Task {
	var found *Task
	for _, t := range g.Tasks {
		if found == nil || !t.startedAt.After(at) {
			found = t
		}
	}
	return found
}

// scene is the message as an expression sees it, beside what every event shows.
func (m *Message) scene(event map[string]any) {
	event["message_sid"], event["index"] = m.SID, m.Index
	put(event, "author", m.Author)
	put(event, "body", m.Body)
}
