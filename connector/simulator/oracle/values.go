package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/simulator/world"
)

// customer is the contact that a person must have, over what Brevo holds of it.
func (c *calculation) customer(p person, h history, held int) Customer {
	out := Customer{Split: c.Live && p.split, Contact: Contact{Email: p.email, Phone: digits(p.phone), Attributes: map[string]any{}}}
	if held >= 0 {
		was := c.Held[held]
		maps.Copy(out.Attributes, was.Attributes)
		out.Email, out.Phone = cmp.Or(was.Email, out.Email), cmp.Or(was.Phone, out.Phone)
		out.Lists = slices.Clone(was.Lists)
	}
	for attribute, name := range c.Settings.Attributes {
		value := c.value(name, p, h)
		if text, ok := value.(string); ok && !isClean(text) {
			out.Open = append(out.Open, attribute)
			continue
		}
		if value != nil && value != "" {
			out.Attributes[attribute] = value
		}
	}
	out.Lists = append(out.Lists, c.lists(h)...)
	slices.Sort(out.Lists)
	out.Lists = slices.Compact(out.Lists)
	return out
}

func (c *calculation) lists(h history) (lists []string) {
	if c.Supported != "" && len(h.groups) > 0 {
		lists = append(lists, c.Supported)
	}
	if c.Respondents != "" && len(h.answers) > 0 {
		lists = append(lists, c.Respondents)
	}
	return lists
}

// value is a customer's value by its name in the rules (design 3.2), nil or "" where there is none.
func (c *calculation) value(name string, p person, h history) any {
	switch name {
	case "identity":
		return p.identity
	case "friendly_name":
		return p.name
	case "customer_tier":
		return c.shownLast(p, func(t *world.Task) string { return t.Tier })
	case "account_id":
		return c.shownLast(p, func(t *world.Task) string { return t.AccountID })
	case "total_conversations":
		return float64(len(h.groups))
	case "total_tasks":
		return float64(len(h.tasks))
	case "last_conversation_date":
		return c.date(h, len(h.groups)-1)
	case "first_conversation_date":
		return c.date(h, 0)
	case "avg_wait_time":
		return c.averageWait(h)
	case "last_csat_score":
		if len(h.answers) > 0 {
			return h.answers[len(h.answers)-1].score
		}
		return nil
	case "preferred_channel":
		return h.preferredChannel()
	}
	panic(fmt.Sprintf("oracle: no value %q", name))
}

// shownLast is the newest non-empty value of a task attribute, over contact tasks.
func (c *calculation) shownLast(p person, of func(*world.Task) string) string {
	value, at := "", time.Time{}
	for _, e := range p.shown {
		if e.task < 0 || c.Tasks[e.task].Survey || !c.inScope(c.Tasks[e.task].Channel) {
			continue
		}
		if text := of(&c.Tasks[e.task]); text != "" && !e.to.Before(at) {
			value, at = text, e.to
		}
	}
	return value
}

func (c *calculation) date(h history, n int) any {
	if len(h.groups) == 0 {
		return nil
	}
	return h.groups[n].start().In(c.Zone).Format(time.DateOnly)
}

// averageWait is the mean over the accepted contact tasks, in seconds with the milliseconds dropped before
// subtracting (facts/twilio.md 1.8).
func (c *calculation) averageWait(h history) any {
	sum, count := int64(0), 0
	for _, t := range h.tasks {
		if at, ok := t.AcceptedAt(); ok && c.knows(at) {
			sum, count = sum+at.Unix()-t.QueuedAt.Unix(), count+1
		}
	}
	if count == 0 {
		return nil
	}
	return float64(sum) / float64(count)
}

// preferredChannel has the most groups; among equals it is that of the most recent group.
func (h *history) preferredChannel() string {
	counts, best := map[string]int{}, ""
	for _, g := range h.groups {
		counts[g.channel]++
	}
	for _, g := range h.groups {
		if counts[g.channel] >= counts[best] {
			best = g.channel
		}
	}
	return best
}

// moments are the events of a person.
func (c *calculation) moments(p person, h history) []Moment {
	var list []Moment
	add := func(kind, sid string, at time.Time, within time.Duration) *Moment {
		name := c.Settings.Events[kind]
		if name == "" || !c.knows(at) {
			return &Moment{}
		}
		list = append(list, Moment{Event: Event{kind + ":" + sid, name, at, p.email, digits(p.phone)}, Within: within})
		return &list[len(list)-1]
	}
	for _, t := range h.tasks {
		add("task.created", t.SID, t.CreatedAt, 0)
		switch t.End {
		case world.EndCompleted:
			add("task.completed", t.SID, t.EndedAt, 0)
		case world.EndCanceled:
			add("task.canceled", t.SID, t.EndedAt, 0)
			if isAbandoned(t) {
				add("task.abandoned", t.SID, t.EndedAt, 0)
			}
		}
	}
	for _, a := range h.answers {
		if m := add("survey.completed", a.sid, a.at, a.within); a.posted {
			m.ID = ""
		}
	}
	for _, v := range h.threads {
		for _, m := range c.Messages(v.ID) {
			switch {
			case !c.knowsCustomerOf(v):
			case m.Agent == world.Unknown:
				add("message.received", m.SID, m.At, time.Second)
			default:
				add("message.sent", m.SID, m.At, time.Second)
			}
		}
	}
	for _, g := range h.groups {
		m := add("conversation.started", g.leader(), g.start(), g.resolution())
		c.loosen(m, g, g.start())
		if at, ok := g.end(&c.Settings); ok {
			m := add("conversation.ended", g.leader(), at, g.resolution())
			c.loosen(m, g, at)
		}
	}
	return list
}

// loosen lets the event of a group rest, where that is Live, on those of its members that were known when it was
// sent: it is not recalled when a later record moves its moment (design 1, promise 2).
func (c *calculation) loosen(m *Moment, g *group, at time.Time) {
	if !c.Live {
		return
	}
	kind, _, _ := strings.Cut(m.ID, ":")
	rest := func(sid string, moments ...time.Time) {
		m.Also = append(m.Also, kind+":"+sid)
		for _, on := range moments {
			if !on.IsZero() {
				m.Within = max(m.Within, at.Sub(on).Abs()+time.Second)
			}
		}
	}
	for _, t := range g.tasks {
		rest(t.SID, t.CreatedAt, t.EndedAt)
	}
	if n := c.Contacts[g.contact].Conversation; n >= 0 { // also a thread of before, before that is known
		thread := &c.Conversations[n]
		rest(thread.SID, thread.CreatedAt, thread.ClosedAt)
	}
}

// isAbandoned is the default of abandoned_when: the customer hung up, or the records say so.
func isAbandoned(t *world.Task) bool {
	_, accepted := t.AcceptedAt()
	return !accepted && (t.Reason == world.ReasonHangup || t.AbandonedFlag())
}

// resolution is how exactly the moments of a group can be known: threads are dated in whole seconds.
func (g *group) resolution() time.Duration {
	if g.thread != nil {
		return time.Second
	}
	return 0
}
