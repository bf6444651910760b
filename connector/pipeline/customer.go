package pipeline

import (
	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
	"flexbrevo/mapping"
)

// Customer is a customer as the rules of now see them.
type Customer struct {
	store.Customer
	Profile *profile.Profile
	// Env is what an expression of the customer sees.
	Env *mapping.Env
	// Moments are what happened to them and is in scope, in order of time.
	Moments []profile.Moment
}

// Phones are the phones, in E.164, that the facts of a customer name, which may be
// others' too.
func (d *Digest) Phones(n *store.Neighbours) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range n.Facts {
		links := profile.LinksOf(s.Fact, &d.o.Profile)
		for _, list := range [...][]profile.Token{links.Now, links.Seen} {
			for _, t := range list {
				if t.Kind == profile.PhoneToken && !seen[t.Value] {
					seen[t.Value] = true
					out = append(out, t.Value)
				}
			}
		}
	}
	return out
}

// Customer computes one customer of whom everything was loaded. shared says which of
// their phones are others' too; it is added to.
func (d *Digest) Customer(n *store.Neighbours, id int64, shared map[string]bool) *Customer {
	out := &Customer{}
	for _, c := range n.Customers {
		if c.ID == id {
			out.Customer = c
		}
	}
	for phone := range sharedOf(n) {
		shared[phone] = true
	}
	for _, phone := range d.o.Profile.SharedPhones {
		shared[phone] = true
	}
	var facts []*fact.Fact
	for _, s := range n.Facts {
		if s.CustomerID == id {
			facts = append(facts, s.Fact)
		}
	}
	out.Profile = profile.Build(facts, shared, &d.o.Profile)
	out.Env = env(out.Profile)
	out.Moments = out.Profile.Moments(&d.o.Profile)
	return out
}
