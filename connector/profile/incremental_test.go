package profile_test

import (
	"encoding/json"
	"slices"
	"strings"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

// incremental is a digest and its store reduced to what decides who belongs
// together: like the pipeline's, it loads for each batch only the customers that
// the batch touches, keeps facts as JSON, and leads from a token to one customer.
type incremental struct {
	o         *profile.Options
	facts     map[fact.Key]storedFact
	tokens    map[profile.Token]storedToken
	customers map[int64]customer
	last      int64
}

type storedFact struct {
	body     []byte
	customer int64
}

// storedToken leads to a customer, or to none where a shared phone is only
// remembered.
type storedToken struct {
	customer int64
	shared   bool
}

// customer is what was last computed of a customer.
type customer struct {
	facts   []fact.Key
	profile *profile.Profile
	moments []profile.Moment
}

func newIncremental(o *profile.Options) *incremental {
	return &incremental{
		o: o, facts: map[fact.Key]storedFact{}, tokens: map[profile.Token]storedToken{}, customers: map[int64]customer{},
	}
}

// batch is one digest on its way.
type batch struct {
	deltas map[fact.Key]*fact.Fact
	facts  map[fact.Key]*fact.Fact
	owner  map[fact.Key]int64
	tokens map[profile.Token]storedToken // as they were
	asked  map[profile.Token]bool        // whose rows are certainly among tokens
	keys   []fact.Key                    // of facts, in order
	links  []profile.Links               // of keys
	people []profile.Component
	shared map[string]bool
}

// digest takes what some records tell.
func (n *incremental) digest(deltas ...*fact.Fact) {
	b := &batch{deltas: map[fact.Key]*fact.Fact{}}
	for _, d := range deltas {
		if known, ok := b.deltas[d.Key()]; ok {
			known.Merge(d)
		} else {
			b.deltas[d.Key()] = d
		}
	}
	n.load(b)
	n.save(b, n.assign(b))
}

// load reads what the batch touches until nothing new is touched: by the deltas,
// by what they are merged to, and by what leads to the people that come out.
func (n *incremental) load(b *batch) {
	tokens, keys := map[profile.Token]bool{}, map[fact.Key]bool{}
	touch := func(l profile.Links) {
		for _, t := range slices.Concat(l.Now, l.Seen) {
			tokens[t] = true
			switch {
			case t.Kind == profile.RefToken && strings.HasPrefix(t.Value, "WT"):
				keys[fact.Key{Kind: fact.Task, SID: t.Value}] = true
			case t.Kind == profile.RefToken && strings.HasPrefix(t.Value, "CH"):
				keys[fact.Key{Kind: fact.Conversation, SID: t.Value}] = true
			}
		}
	}
	for k, d := range b.deltas {
		keys[k] = true
		touch(profile.LinksOf(d, n.o))
	}
	for {
		before := len(tokens) + len(keys)
		n.neighbours(b, tokens, keys)
		n.merge(b)
		for i, k := range b.keys {
			if _, ok := b.deltas[k]; ok {
				touch(b.links[i])
			}
		}
		for _, p := range b.people {
			for _, t := range p.Tokens {
				if _, known := b.tokens[t]; !known {
					tokens[t] = true
				}
			}
		}
		if len(tokens)+len(keys) == before {
			b.asked = tokens
			return
		}
	}
}

// neighbours loads the customers that are touched, with their facts and tokens,
// and the touched tokens themselves.
func (n *incremental) neighbours(b *batch, tokens map[profile.Token]bool, keys map[fact.Key]bool) {
	touched := map[int64]bool{}
	b.facts, b.owner, b.tokens = map[fact.Key]*fact.Fact{}, map[fact.Key]int64{}, map[profile.Token]storedToken{}
	for t := range tokens {
		if row, ok := n.tokens[t]; ok {
			touched[row.customer] = true
			b.tokens[t] = row
		}
	}
	for k := range keys {
		touched[n.facts[k].customer] = true
	}
	delete(touched, 0)
	for t, row := range n.tokens {
		if touched[row.customer] {
			b.tokens[t] = row
		}
	}
	for k, row := range n.facts {
		if !touched[row.customer] {
			continue
		}
		f := &fact.Fact{}
		if err := json.Unmarshal(row.body, f); err != nil {
			panic(err)
		}
		f.Kind, f.SID = k.Kind, k.SID
		b.facts[k], b.owner[k] = f, row.customer
	}
}

// merge joins the deltas to what is known, and divides all into people.
func (n *incremental) merge(b *batch) {
	for k, d := range b.deltas {
		if b.facts[k] == nil {
			b.facts[k] = &fact.Fact{Kind: k.Kind, SID: k.SID}
		}
		b.facts[k].Merge(d)
	}
	known := map[string]bool{}
	for t, row := range b.tokens {
		if row.shared {
			known[t.Value] = true
		}
	}
	b.keys = sortedKeys(b.facts)
	b.links = make([]profile.Links, len(b.keys))
	for i, k := range b.keys {
		b.links[i] = profile.LinksOf(b.facts[k], n.o)
	}
	b.people, b.shared = profile.Components(b.links, known, n.o)
}

// assign gives each of the people the oldest customer whose facts it holds and
// that nobody before it took, else a new one.
func (n *incremental) assign(b *batch) []int64 {
	taken := map[int64]bool{}
	ids := make([]int64, len(b.people))
	for i, p := range b.people {
		for _, j := range p.Facts {
			if id := b.owner[b.keys[j]]; id != 0 && !taken[id] && (ids[i] == 0 || id < ids[i]) {
				ids[i] = id
			}
		}
		if ids[i] == 0 {
			n.last++
			ids[i] = n.last
		}
		taken[ids[i]] = true
	}
	return ids
}

// save writes what came out, and takes away what leads nowhere.
func (n *incremental) save(b *batch, ids []int64) {
	for _, id := range b.owner {
		delete(n.customers, id)
	}
	for t, row := range b.tokens {
		if !row.shared {
			delete(n.tokens, t)
		}
	}
	for i := range b.links {
		for _, t := range slices.Concat(b.links[i].Now, b.links[i].Seen) {
			if t.Kind == profile.PhoneToken && b.shared[t.Value] && b.asked[t] {
				n.tokens[t] = storedToken{shared: true}
			}
		}
	}
	for i, p := range b.people {
		for _, t := range p.Tokens {
			n.tokens[t] = storedToken{ids[i], t.Kind == profile.PhoneToken && b.shared[t.Value]}
		}
		n.customers[ids[i]] = n.person(b, p, ids[i])
	}
}

func (n *incremental) person(b *batch, p profile.Component, id int64) customer {
	c := customer{}
	var facts []*fact.Fact
	for _, j := range p.Facts {
		k := b.keys[j]
		body, err := json.Marshal(b.facts[k])
		if err != nil {
			panic(err)
		}
		n.facts[k] = storedFact{body, id}
		facts = append(facts, b.facts[k])
		c.facts = append(c.facts, k)
	}
	c.profile = profile.Build(facts, b.shared, n.o)
	c.moments = c.profile.Moments(n.o)
	return c
}

// atOnce computes everything from all records in one go, without a store.
func atOnce(o *profile.Options, deltas ...*fact.Fact) []customer {
	n := newIncremental(o)
	n.digest(deltas...)
	return n.all()
}

// all returns the customers in order of their first fact.
func (n *incremental) all() []customer {
	var out []customer
	for _, c := range n.customers {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b customer) int { return compareKeys(a.facts[0], b.facts[0]) })
	return out
}

func sortedKeys[V any](m map[fact.Key]V) []fact.Key {
	var out []fact.Key
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, compareKeys)
	return out
}

func compareKeys(a, b fact.Key) int {
	if a.Kind != b.Kind {
		return strings.Compare(string(a.Kind), string(b.Kind))
	}
	return strings.Compare(a.SID, b.SID)
}
