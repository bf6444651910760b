package brevosim

import (
	"container/heap"
	"container/list"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// account is everything that is stored. Its methods are called with the server's lock held.
type account struct {
	contacts   map[int64]*contact
	holder     [kinds]map[string]*contact
	byCreation []*contact // ascending ids; only what the lagging reads may see
	byChange   *list.List // of *contact, oldest modification first; likewise
	lastID     int64

	attributes     []Attribute
	attributeNames map[string]Attribute

	lists    map[int64]*contactList
	folders  map[int64]string
	lastList int64 // lists and folders number independently of contacts

	events eventStore

	processes []*process
	applied   int // processes before this one have run

	waiting waitingQueue
	longest time.Duration // the longest lag; zero shows every write at once
	lag     func() time.Duration

	deleted    map[deletedKey]struct{} // identifiers of contacts that marketing deleted
	takenOff   map[listing]struct{}    // memberships that marketing ended
	violations []string
	merges     int

	notes           []Note
	tasks           []Task                              // of the CRM
	objects         map[string]map[string]*ObjectRecord // of custom objects, by type and ext_id
	lastObject      int64
	objectProcesses int // upserts that were accepted
}

type deletedKey struct {
	kind  kind
	value string
}

type listing struct{ contact, list int64 }

// contactList is a list with its members.
type contactList struct {
	id, folder int64
	name       string
	created    time.Time
	members    map[int64]struct{}
}

// newAccount makes an account as Brevo opens one: the built-in attributes, one folder and one list.
func newAccount(longest time.Duration, lag func() time.Duration, now time.Time) *account {
	a := &account{
		contacts: map[int64]*contact{},
		byChange: list.New(),
		lists:    map[int64]*contactList{},
		folders:  map[int64]string{1: "Your first folder"},
		lastList: 2,
		longest:  longest,
		lag:      lag,
		deleted:  map[deletedKey]struct{}{},
		takenOff: map[listing]struct{}{},
		objects:  map[string]map[string]*ObjectRecord{},
	}
	for k := range kinds {
		a.holder[k] = map[string]*contact{}
	}
	a.setAttributes(builtIn())
	a.lists[2] = &contactList{id: 2, folder: 1, name: "Your first list", created: now, members: map[int64]struct{}{}}
	return a
}

// setAttributes replaces the definitions. The map is a new one each time, so that requests may keep reading the old.
func (a *account) setAttributes(attributes []Attribute) {
	a.attributes = attributes
	a.attributeNames = make(map[string]Attribute, len(attributes))
	for _, attribute := range attributes {
		a.attributeNames[attribute.Name] = attribute
	}
}

// violate notes something that the caller must not do. The text names contacts by id only.
func (a *account) violate(format string, args ...any) {
	a.violations = append(a.violations, fmt.Sprintf(format, args...))
}

// insert stores a new contact under its identifiers and returns it.
func (a *account) insert(data contactData, now time.Time) *contact {
	a.lastID++
	data.id = a.lastID
	data.created, data.modified = now, now
	c := &contact{contactData: data}
	a.contacts[c.id] = c
	for k, value := range c.ids {
		if value != "" {
			a.holder[k][value] = c
		}
	}
	a.changed(c, now)
	return c
}

// identify gives a contact other identifiers; those left empty in values are removed.
func (a *account) identify(c *contact, values identifiers) {
	for k, value := range values {
		if c.ids[k] == value {
			continue
		}
		if c.ids[k] != "" {
			delete(a.holder[k], c.ids[k])
		}
		if value != "" {
			a.holder[k][value] = c
		}
		c.ids[k] = value
	}
}

// holders returns the contacts that hold any of the identifiers, strongest kind first, each once, and the kinds that
// are held by somebody else than self.
func (a *account) holders(values identifiers, self *contact) (found []*contact, taken []kind) {
	for k, value := range values {
		c := a.holder[k][value]
		if value == "" || c == nil {
			continue
		}
		if c != self {
			taken = append(taken, kind(k))
		}
		if !slices.Contains(found, c) {
			found = append(found, c)
		}
	}
	return found, taken
}

// find looks a contact up by any of the identifiers, strongest kind first.
func (a *account) find(values identifiers) *contact {
	for k, value := range values {
		if c := a.holder[k][value]; value != "" && c != nil {
			return c
		}
	}
	return nil
}

// remove deletes a contact, and its history with it.
func (a *account) remove(c *contact) {
	a.identify(c, identifiers{})
	for _, id := range c.lists {
		delete(a.lists[id].members, c.id)
	}
	a.events.forget(c.events)
	delete(a.contacts, c.id)
	if i, found := a.place(c); found {
		a.byCreation = slices.Delete(a.byCreation, i, i+1)
	}
	if c.recent != nil {
		a.byChange.Remove(c.recent)
		c.recent = nil
	}
}

// merge moves the identifiers of the others to the survivor and deletes them. Identifiers that the survivor has stay.
func (a *account) merge(survivor *contact, others []*contact) {
	for _, other := range others {
		if other == survivor {
			continue
		}
		values := survivor.ids
		for k, value := range other.ids {
			if values[k] == "" {
				values[k] = value
			}
		}
		a.remove(other)
		a.identify(survivor, values)
		a.merges++
	}
}

// enlist adds a contact to a list.
func (a *account) enlist(c *contact, id int64) {
	c.lists = with(c.lists, id)
	a.lists[id].members[c.id] = struct{}{}
}

// delist takes a contact off a list.
func (a *account) delist(c *contact, id int64) {
	c.lists = without(c.lists, id)
	delete(a.lists[id].members, c.id)
}

// changed stamps a modification and makes it visible, now or after the account's lag.
func (a *account) changed(c *contact, now time.Time) {
	c.modified = now
	if a.longest <= 0 {
		a.publish(c)
	} else if !c.publishing {
		c.publishing = true
		heap.Push(&a.waiting, waiting{at: now.Add(a.lag()), contact: c})
	}
}

// publish shows the present state of a contact to the lagging reads.
func (a *account) publish(c *contact) {
	c.publishing = false
	if a.contacts[c.id] != c {
		return
	}
	if a.longest > 0 {
		shown := c.contactData
		c.shown = &shown
	}
	if i, found := a.place(c); !found {
		a.byCreation = slices.Insert(a.byCreation, i, c)
	}
	if c.recent == nil {
		c.recent = a.byChange.PushBack(c)
	} else {
		a.byChange.MoveToBack(c.recent)
	}
}

// visible returns what the lagging reads see of a contact; nil means nothing yet.
func (a *account) visible(c *contact) *contactData {
	if a.longest > 0 {
		return c.shown
	}
	return &c.contactData
}

// place finds a contact among those by creation, from the end, where nearly all are looked for.
func (a *account) place(c *contact) (int, bool) {
	if n := len(a.byCreation); n == 0 || a.byCreation[n-1].id < c.id {
		return n, false
	}
	return slices.BinarySearchFunc(a.byCreation, c.id, func(c *contact, id int64) int { return int(c.id - id) })
}

// advance does what time has brought since the last call: writes become visible, imports end.
func (a *account) advance(now time.Time) {
	for len(a.waiting) > 0 && !a.waiting[0].at.After(now) {
		w := heap.Pop(&a.waiting).(waiting)
		if w.contact != nil {
			a.publish(w.contact)
		} else {
			a.events.index(w.event)
		}
	}
	for a.applied < len(a.processes) && !a.processes[a.applied].done.After(now) {
		p := a.processes[a.applied]
		a.applied++
		if p.run != nil {
			p.run(p)
			p.run = nil
		}
	}
}

// unknownList returns a refusal if any of the lists does not exist.
func (a *account) unknownList(ids []int64) (answer, bool) {
	for _, id := range ids {
		if a.lists[id] == nil {
			return refuse(http.StatusBadRequest, codeInvalid, "List ID is invalid"), true
		}
	}
	return answer{}, false
}

// waiting is a write that is not visible yet: of a contact, or of an event where contact is nil.
type waiting struct {
	at      time.Time
	contact *contact
	event   uint32
}

// waitingQueue is a heap by time.
type waitingQueue []waiting

func (q waitingQueue) Len() int           { return len(q) }
func (q waitingQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q waitingQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *waitingQueue) Push(x any) { *q = append(*q, x.(waiting)) }

// Pop implements heap.Interface.
func (q *waitingQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
