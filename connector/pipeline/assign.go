package pipeline

import (
	"hash/fnv"
	"sort"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// person is one component on its way to becoming, or staying, a customer.
type person struct {
	component profile.Component
	states    []*state
	shared    map[string]bool
	row       store.Customer
	// absorbed are earlier customers whose facts this one took over.
	absorbed []store.Customer
	lane     record.Lane
}

func (p *person) read() []*profile.Reading {
	out := make([]*profile.Reading, len(p.states))
	for i, s := range p.states {
		out[i] = s.read
	}
	return out
}

// divide divides the facts at hand into customers.
func (b *batch) divide(o *profile.Options) {
	b.states = b.ordered()
	links := make([]profile.Links, len(b.states))
	for i, s := range b.states {
		links[i] = s.read.Links
	}
	known := map[string]bool{}
	for _, t := range b.known.Tokens {
		if t.Shared {
			known[t.Value] = true
		}
	}
	b.components, b.shared = profile.Components(links, known, o)
}

// people decides which customer each component is.
func (d *Digest) people(b *batch) []*person {
	people := make([]*person, len(b.components))
	for i, c := range b.components {
		p := &person{component: c, shared: b.shared, lane: record.Backfill}
		for _, j := range c.Facts {
			p.states = append(p.states, b.states[j])
			if lane, ok := b.lanes[b.states[j].Fact.Key()]; ok {
				p.lane = min(p.lane, lane)
			}
		}
		people[i] = p
	}
	d.assign(people, b)
	return people
}

// ordered returns the facts that may belong to a customer, in a fixed order.
func (b *batch) ordered() []*state {
	out := make([]*state, 0, len(b.facts))
	for _, k := range sortedKeys(b.facts) {
		if k.Kind != fact.Worker && k.Kind != fact.Queue {
			out = append(out, b.facts[k])
		}
	}
	return out
}

// assign gives each component the customer it continues: of the customers whose
// facts it holds, one that has a contact in the destination before one that has
// none, then the older. A customer whose facts fell apart continues where its
// contact's address is, else where its first fact is.
func (d *Digest) assign(people []*person, b *batch) {
	customers := map[int64]store.Customer{}
	for _, c := range b.known.Customers {
		customers[c.ID] = c
	}
	claims := map[int64][]*person{}
	for _, p := range people {
		for id := range p.owners() {
			claims[id] = append(claims[id], p)
		}
	}
	won := map[*person][]store.Customer{}
	for id, claimants := range claims {
		c, ok := customers[id]
		if !ok {
			continue
		}
		p := heir(c, claimants)
		won[p] = append(won[p], c)
	}
	for _, p := range people {
		candidates := won[p]
		sort.Slice(candidates, func(i, j int) bool { return olderContact(candidates[i], candidates[j]) })
		if len(candidates) == 0 {
			p.row = store.Customer{ID: d.nextID(b), CreatedAt: b.at}
			continue
		}
		p.row, p.absorbed = candidates[0], candidates[1:]
	}
}

func (p *person) owners() map[int64]bool {
	out := map[int64]bool{}
	for _, s := range p.states {
		if s.CustomerID != 0 {
			out[s.CustomerID] = true
		}
	}
	return out
}

func heir(c store.Customer, claimants []*person) *person {
	for _, p := range claimants {
		for _, t := range p.component.Tokens {
			if (t.Kind == profile.EmailToken && t.Value == c.Held.Identifiers["email"]) ||
				(t.Kind == profile.PhoneToken && t.Value == c.Held.Identifiers["SMS"]) {
				return p
			}
		}
	}
	return claimants[0] // people are in the order of their first fact
}

func olderContact(a, b store.Customer) bool {
	if x, y := a.Held.ID != 0 && !a.Held.Deleted, b.Held.ID != 0 && !b.Held.Deleted; x != y {
		return x
	}
	if !a.CreatedAt.Equal(b.CreatedAt) {
		return a.CreatedAt.Before(b.CreatedAt)
	}
	return a.ID < b.ID
}

// nextID gives ids that grow with time, so that an older customer has a smaller
// one. One process digests a connector at a time; the last ten bits tell
// connectors that digest in the same millisecond apart.
func (d *Digest) nextID(b *batch) int64 {
	const connectorBits = 10
	h := fnv.New32a()
	_, _ = h.Write([]byte(d.o.Connector)) // never fails
	d.last = max(d.last+1, b.at.UnixMilli()<<connectorBits)
	return d.last<<connectorBits | int64(h.Sum32()&(1<<connectorBits-1))
}
