package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"flexbrevo/connector/simulator/world"
)

// evidence is what one task or conversation shows of the person behind it.
type evidence struct {
	task, conversation int // one of them is -1
	thread             int // the conversation of a task or itself; -1 for none
	phone, email       string
	identity, name     string
	from, to           time.Time // when it was shown first and last
}

// person is one customer as the records let know.
type person struct {
	shown                        []evidence // in the order of from
	phone, email, identity, name string
	split                        bool
}

func (p *person) hasAddress() bool { return p.email != "" || p.phone != "" }

// evidence lists everything that shows, or fails to show, a person. Who somebody is, is also learnt from the
// channels that do not count.
func (c *calculation) evidence() []evidence {
	var list []evidence
	for i := range c.Tasks {
		if t := &c.Tasks[i]; c.knows(t.CreatedAt) {
			list = append(list, c.ofTask(t))
		}
	}
	for i := range c.Conversations {
		if v := &c.Conversations[i]; c.knows(v.CreatedAt) {
			list = append(list, ofConversation(v))
		}
	}
	slices.SortStableFunc(list, func(a, b evidence) int { return a.from.Compare(b.from) })
	return list
}

// ofTask follows the rule of thumb of facts/twilio.md 3.5. A Messenger address is a chat identity like that of
// a web chat: "phone, whatsapp:phone, or chat identity".
func (c *calculation) ofTask(t *world.Task) evidence {
	e := evidence{task: t.ID, conversation: -1, thread: c.Contacts[t.Contact].Conversation, phone: t.Shown.Phone, email: t.Shown.Email, identity: t.Shown.Identity, name: t.Shown.Name, from: t.CreatedAt}
	if t.Channel == world.ChannelMessenger {
		e.identity = t.Shown.Address
	}
	_, e.to = c.TaskChanges(t.ID, c.Until)
	return e
}

// ofConversation reads no identity: a participant that has one, and no address, may as well be an agent
// (facts/twilio.md 2.3), so that a web chat's visitor is known by its tasks and by the form before it.
func ofConversation(v *world.Conversation) evidence {
	e := evidence{task: -1, conversation: v.ID, thread: v.ID, email: v.Email, from: v.CreatedAt, to: v.CreatedAt}
	switch v.Channel {
	case world.ChannelWebchat:
	case world.ChannelMessenger:
		e.identity = v.Address
	case world.ChannelEmail:
		e.email = v.Address
	default:
		e.phone = strings.TrimPrefix(v.Address, "whatsapp:")
	}
	return e
}

// people sorts evidence by customer: what shares an identifier is one person's (design 3.3).
func people(all []evidence, declared []string) []person {
	known := map[string]bool{}
	for _, phone := range declared {
		known[phone] = true
	}
	shared := sharedPhones(all, known)
	groups := map[int][]evidence{}
	labels := label(all, shared)
	for i, e := range all {
		groups[labels[i]] = append(groups[labels[i]], e)
	}
	var list []person
	for i := range all {
		if shown, ok := groups[i]; ok {
			list = append(list, newPerson(shown, shared, known))
		}
	}
	return list
}

// sharedPhones are the phones that do not link: those declared, and those seen with two emails.
func sharedPhones(all []evidence, declared map[string]bool) map[string]bool {
	first, shared := map[string]string{}, maps.Clone(declared)
	for _, e := range all {
		if e.phone == "" || e.email == "" {
			continue
		}
		if first[e.phone] == "" {
			first[e.phone] = e.email
		}
		if first[e.phone] != e.email {
			shared[e.phone] = true
		}
	}
	return shared
}

// identifiers are what evidence links by; a conversation links the tasks that were held in it. A shared phone links only the calls that show nothing else: they
// stay with a customer of their own.
func (e *evidence) identifiers(shared map[string]bool) []string {
	var list []string
	if e.email != "" {
		list = append(list, "email "+e.email)
	}
	if e.identity != "" {
		list = append(list, "identity "+e.identity)
	}
	if e.phone != "" && (!shared[e.phone] || len(list) == 0) {
		list = append(list, "phone "+e.phone)
	}
	if e.thread >= 0 {
		list = append(list, fmt.Sprint("thread ", e.thread))
	}
	return list
}

// label gives each piece of evidence the number of the first of its person, by handing the smaller number to
// whoever shares an identifier until nobody's changes.
func label(all []evidence, shared map[string]bool) []int {
	labels := make([]int, len(all))
	for i := range labels {
		labels[i] = i
	}
	for changed := true; changed; {
		changed = false
		least := map[string]int{}
		for i := range all {
			for _, id := range all[i].identifiers(shared) {
				if n, ok := least[id]; !ok || labels[i] < n {
					least[id] = labels[i]
				}
			}
		}
		for i := range all {
			for _, id := range all[i].identifiers(shared) {
				if least[id] < labels[i] {
					labels[i], changed = least[id], true
				}
			}
		}
	}
	return labels
}

func newPerson(shown []evidence, shared, declared map[string]bool) person {
	p := person{shown: shown}
	newest := slices.Clone(shown)
	slices.SortStableFunc(newest, func(a, b evidence) int { return a.to.Compare(b.to) })
	for _, e := range newest {
		p.email = cmp.Or(e.email, p.email)
		p.identity = cmp.Or(e.identity, p.identity)
		if slices.Contains(e.identifiers(shared), "phone "+e.phone) {
			p.phone = e.phone
		}
	}
	for _, e := range newest {
		if !p.isAddress(e.name) {
			p.name = cmp.Or(e.name, p.name)
		}
	}
	p.split = p.wasSplit(shared, declared)
	return p
}

// isAddress tells whether a name is no name: a phone number, an address, or an identifier.
func (p *person) isAddress(name string) bool {
	return name == p.identity || strings.Contains(name, "@") || name != "" && strings.Trim(name, "+0123456789 ") == ""
}

// wasSplit tells whether the person could be taken for two, each with an address, before all was known: streams
// are read side by side, so that any two records may be the first. A phone that turned out to be shared may have
// linked anything before it did.
func (p *person) wasSplit(shared, declared map[string]bool) bool {
	for i, e := range p.shown {
		if shared[e.phone] && !declared[e.phone] {
			return true
		}
		for _, other := range p.shown[:i] {
			if e.hasAddress(declared) && other.hasAddress(declared) && !e.sharesWith(&other, declared) {
				return true
			}
		}
	}
	return false
}

func (e *evidence) hasAddress(shared map[string]bool) bool {
	return e.email != "" || e.phone != "" && !shared[e.phone]
}

func (e *evidence) sharesWith(other *evidence, shared map[string]bool) bool {
	ids := other.identifiers(shared)
	return slices.ContainsFunc(e.identifiers(shared), func(id string) bool { return slices.Contains(ids, id) })
}

// isClean tells whether a text survives every format: no NUL, no half characters.
func isClean(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

func digits(phone string) string { return strings.TrimPrefix(phone, "+") }
