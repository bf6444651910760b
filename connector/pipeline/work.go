package pipeline

import (
	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// work computes, without touching the store, everything that follows from a
// batch: facts, customers, tokens, contacts and events.
func (d *Digest) work(b *batch) *store.Digest {
	w := &worker{d: d, b: b, out: &store.Digest{
		Connector: d.o.Connector, Account: d.o.Account, At: b.at, Records: b.results(),
		Buried: b.buried, Tombs: b.tombs, Feed: d.feed,
	}}
	w.looseFacts()
	w.spells()
	people := d.people(b)
	owned := make(map[store.Token]store.StoredToken, len(b.touched))
	for _, p := range people {
		w.person(p, owned)
	}
	w.tokens(owned)
	w.withdraw()
	return w.out
}

type worker struct {
	d   *Digest
	b   *batch
	out *store.Digest
	// wanted are open deliveries that are still owed.
	wanted map[int64]bool
}

// looseFacts writes facts that belong to no customer.
func (w *worker) looseFacts() {
	for _, k := range sortedKeys(w.b.deltas) {
		if s := w.b.facts[k]; s.changed && (k.Kind == fact.Worker || k.Kind == fact.Queue) {
			w.out.Facts = append(w.out.Facts, s.StoredFact)
		}
	}
}

func (w *worker) person(p *person, owned map[store.Token]store.StoredToken) {
	w.foresee(p)
	for _, s := range p.states {
		if s.changed || s.CustomerID != p.row.ID {
			s.CustomerID = p.row.ID
			w.out.Facts = append(w.out.Facts, s.StoredFact)
		}
	}
	w.own(p, owned)
	absorb(p, w.out)
	if w.owes(p) {
		w.out.Customers = append(w.out.Customers, p.row)
		return
	}
	profiled := profile.BuildRead(p.read(), p.shared, &w.d.o.Profile)
	w.foreseeAddress(p, profiled)
	w.figures(profiled)
	contact, omissions := w.d.contact(profiled)
	w.omit(p.row.ID, omissions...)
	if contact != nil && !w.leaves(profiled) {
		print := fingerprint(contact)
		if changed := print != p.row.Desired; w.foreseeContact(p, contact, changed) || changed {
			p.row.Desired = print
			w.out.Contacts = append(w.out.Contacts, store.ContactChange{CustomerID: p.row.ID, Lane: p.lane, Contact: *contact})
		}
		w.events(p, profiled)
	}
	p.row.Conversations = profiled.Contacts
	w.out.Customers = append(w.out.Customers, p.row)
}

// own collects the tokens that lead to a person.
func (w *worker) own(p *person, owned map[store.Token]store.StoredToken) {
	for _, t := range p.component.Tokens {
		token := store.Token{Kind: store.TokenKind(t.Kind), Value: t.Value}
		owned[token] = store.StoredToken{
			Token: token, CustomerID: p.row.ID,
			Shared: t.Kind == profile.PhoneToken && p.shared[t.Value],
		}
	}
	if len(p.shared) == 0 {
		return
	}
	// Shared phones are remembered though they lead nowhere; but only where the
	// store was asked for them, because another customer may hold one.
	for _, s := range p.states {
		for _, list := range [...][]profile.Token{s.read.Links.Now, s.read.Links.Seen} {
			for _, t := range list {
				token := store.Token{Kind: store.TokenKind(t.Kind), Value: t.Value}
				if _, ok := owned[token]; !ok && t.Kind == profile.PhoneToken && p.shared[t.Value] && w.b.touched[token] {
					owned[token] = store.StoredToken{Token: token, Shared: true}
				}
			}
		}
	}
}

// absorb marks the customers whose facts a person took over. Where both have been
// written, that two contacts are one person is noted for good.
func absorb(p *person, out *store.Digest) {
	for _, c := range p.absorbed {
		if c.Held.ID != 0 && p.row.Held.ID != 0 && c.Held.ID != p.row.Held.ID && c.MergedInto == 0 {
			out.Lasting = append(out.Lasting, store.CustomerOmission{CustomerID: p.row.ID, Omission: record.Omission{What: "contact", Reason: reasonBothWritten}})
		}
		c.MergedInto = p.row.ID
		out.Customers = append(out.Customers, c)
	}
}

func (w *worker) omit(customer int64, omissions ...record.Omission) {
	for _, o := range omissions {
		w.out.Omissions = append(w.out.Omissions, store.CustomerOmission{CustomerID: customer, Omission: o})
	}
}

// events puts in the outbox what happened to the person and was not told yet.
func (w *worker) events(p *person, profiled *profile.Profile) {
	e := env(profiled)
	for _, m := range profiled.MomentsOf(&w.d.o.Profile, w.d.wantsEvent) {
		if w.told(&m) {
			continue
		}
		event, err := w.d.event(e, &m)
		if err != nil {
			w.omit(p.row.ID, record.Omission{What: m.Type, Reason: "rule gave an error", Rule: w.d.o.Rules.Events[m.Type].At.String()})
		}
		if event == nil {
			continue
		}
		w.event(p, &m, event)
	}
}

// told says whether the event was delivered, or rightly skipped, before: a mark
// on its fact, or on another member of what it is about, outlives the delivery.
func (w *worker) told(m *profile.Moment) bool {
	for _, key := range append(m.Members, m.Fact) {
		if s, ok := w.b.facts[key]; ok {
			if _, marked := s.Marks[m.Mark]; marked {
				return true
			}
		}
	}
	return false
}

func (w *worker) event(p *person, m *profile.Moment, event *record.Event) {
	change := store.EventChange{
		Key: m.Key, CustomerID: p.row.ID, Fact: m.Fact, Type: m.Mark, Lane: p.lane,
		NotBefore: m.NotBefore, Event: *event,
	}
	w.past(m, &change)
	if open := w.open(m); open != nil {
		w.want(open.ID)
		if open.State != store.Pending || same(open, &change) {
			return
		}
		if open.Key != change.Key {
			change.Replaces = open.ID
		}
		change.Lane = min(change.Lane, open.Lane)
	}
	w.foreseeEvent(p, &change)
	w.out.Events = append(w.out.Events, change)
}

// open finds the unsettled delivery of a moment, under its own key or, for a
// contact with the centre that is now named otherwise, under another member's.
func (w *worker) open(m *profile.Moment) *store.Delivery {
	for i := range w.b.known.Events {
		e := &w.b.known.Events[i]
		if e.Key == m.Key {
			return e
		}
	}
	for i := range w.b.known.Events {
		e := &w.b.known.Events[i]
		if e.Type != m.Mark {
			continue
		}
		for _, member := range m.Members {
			if e.Fact == member {
				return e
			}
		}
	}
	return nil
}

func (w *worker) want(id int64) {
	if w.wanted == nil {
		w.wanted = map[int64]bool{}
	}
	w.wanted[id] = true
}

// withdraw takes back events that wait and are owed no more, because a later
// record showed them in another light.
func (w *worker) withdraw() {
	for _, e := range w.b.known.Events {
		if e.State == store.Pending && !w.wanted[e.ID] {
			w.out.Withdrawn = append(w.out.Withdrawn, e.ID)
		}
	}
}

// tokens writes what leads to whom now, and takes away what leads nowhere.
func (w *worker) tokens(owned map[store.Token]store.StoredToken) {
	known := make(map[store.Token]store.StoredToken, len(w.b.known.Tokens))
	for _, t := range w.b.known.Tokens {
		known[t.Token] = t
		if _, ok := owned[t.Token]; !ok && !t.Shared {
			w.out.Forgotten = append(w.out.Forgotten, t)
		}
	}
	for _, t := range sortedTokens(owned) {
		if known[t] != owned[t] {
			w.out.Tokens = append(w.out.Tokens, owned[t])
		}
	}
}
