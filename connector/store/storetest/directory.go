package storetest

import (
	"errors"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// person is a customer with a waiting contact and what leads to them.
func (f *fixture) person(id int64, email, phone string) {
	f.Helper()
	d := store.Digest{Customers: customersOf(id), Contacts: []store.ContactChange{contact(id, "a")}}
	for kind, value := range map[store.TokenKind]string{store.Email: email, store.Phone: phone} {
		if value != "" {
			d.Tokens = append(d.Tokens, store.StoredToken{Token: store.Token{Kind: kind, Value: value}, CustomerID: id})
		}
	}
	f.digest(d)
}

// entry is a contact of the destination.
func entry(contact int64, email, phone string) store.DirectoryEntry {
	return store.DirectoryEntry{Email: email, Phone: phone, Held: record.Held{ID: contact, Attributes: map[string]any{"NOTE": "there"}}}
}

func (f *fixture) link(final bool, entries ...store.DirectoryEntry) (int, []store.DirectoryEntry) {
	f.Helper()
	n, later, err := f.s.Link(f.ctx, f.deliver, account, []string{connector, "idle"}, entries, final)
	f.must(err)
	return n, later
}

func (f *fixture) holds(customer int64) record.Held {
	f.Helper()
	return f.neighbours(customer).Customers[0].Held
}

var directoryTests = map[string]func(*fixture){
	"customers are linked by email, and by phone where nothing contradicts": func(f *fixture) {
		f.person(1, "a@example.com", "")
		f.person(2, "", "+331")
		f.person(3, "c@example.com", "+333")
		f.person(4, "", "+334")
		n, later := f.link(false, entry(71, "a@example.com", "+339"), entry(72, "", "+331"), entry(73, "", "+333"), entry(74, "other@example.com", "+334"), entry(75, "x@example.com", ""))
		if n != 2 || len(later) != 1 || later[0].Held.ID != 73 {
			f.Errorf("linked %d, later %+v", n, later)
		}
		if f.holds(1).ID != 71 || f.holds(2).ID != 72 || f.holds(3).ID != 0 || f.holds(4).ID != 0 || f.holds(1).Attributes["NOTE"] != "there" {
			f.Errorf("held %+v, %+v, %+v, %+v", f.holds(1), f.holds(2), f.holds(3), f.holds(4))
		}
		if n, _ := f.link(true, later...); n != 1 || f.holds(3).ID != 73 {
			f.Errorf("by phone after all: %d, %+v", n, f.holds(3))
		}
		if got := f.claim(); len(got) != 4 || got[0].Held.ID != 71 {
			f.Errorf("claimed %q, holding %+v", labels(got), got[0].Held)
		}
	},
	"what changed in the destination is refreshed until something is written": func(f *fixture) {
		f.person(1, "a@example.com", "")
		f.person(2, "b@example.com", "")
		f.link(false, entry(71, "a@example.com", ""), entry(72, "b@example.com", ""))
		changed := entry(71, "a@example.com", "")
		changed.Held.Attributes, changed.Held.Lists = map[string]any{"NOTE": "changed"}, []string{"32"}
		unwritten := func() int {
			n, err := f.s.CountUnwritten(f.ctx, account, 10)
			f.must(err)
			return n
		}
		if n := unwritten(); n != 2 {
			f.Errorf("%d unwritten, want 2", n)
		}
		refresh := func(entries ...store.DirectoryEntry) int {
			n, err := f.s.Refresh(f.ctx, f.deliver, account, []string{connector, "idle"}, entries)
			f.must(err)
			return n
		}
		if n := refresh(changed, entry(99, "z@example.com", "")); n != 1 || f.holds(1).Attributes["NOTE"] != "changed" || len(f.holds(1).Lists) != 1 {
			f.Errorf("%d refreshed, held %+v", n, f.holds(1))
		}
		if f.holds(2).Attributes["NOTE"] != "there" {
			f.Errorf("another customer: %+v", f.holds(2))
		}
		f.noteConflict("written")
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "b")}})
		written := f.holds(1)
		if n := unwritten(); n != 0 {
			f.Errorf("%d unwritten after a write", n)
		}
		changed.Held.ID = written.ID
		if n := refresh(changed); n != 0 || f.holds(1).Attributes["NOTE"] != written.Attributes["NOTE"] {
			f.Errorf("%d refreshed after a write, held %+v", n, f.holds(1))
		}
		lost := f.deliver
		f.takeOver(lost)
		if _, err := f.s.Refresh(f.ctx, lost, account, []string{connector}, []store.DirectoryEntry{changed}); !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("without the lease: %v", err)
		}
	},
	"the email's contact goes before the phone's": func(f *fixture) {
		f.person(1, "a@example.com", "+331")
		if n, _ := f.link(true, entry(71, "", "+331"), entry(72, "a@example.com", "")); n != 1 || f.holds(1).ID != 72 {
			f.Errorf("linked %d, holds %d", n, f.holds(1).ID)
		}
	},
	"who is linked, is under way or owes no contact is left alone": func(f *fixture) {
		f.hold(1, record.Held{ID: 70})
		f.person(1, "a@example.com", "")
		f.person(2, "b@example.com", "")
		f.settle(store.Delivered, f.claim()...)
		f.person(3, "c@example.com", "")
		c := f.claim()
		n, _ := f.link(true, entry(71, "a@example.com", ""), entry(72, "b@example.com", ""), entry(73, "c@example.com", ""))
		if n != 0 || f.holds(1).ID != 70 || f.holds(2).ID != 0 || f.holds(3).ID != 0 {
			f.Errorf("linked %d", n)
		}
		f.settle(store.Delivered, c...)
	},
	"one contact is linked to one customer": func(f *fixture) {
		f.hold(1, record.Held{ID: 71})
		f.person(2, "b@example.com", "")
		f.link(true, entry(71, "b@example.com", ""))
		if f.holds(2).ID != 0 {
			f.Error("two customers have one contact")
		}
	},
	"linking needs the lease": func(f *fixture) {
		f.person(1, "a@example.com", "")
		late := f.deliver
		f.deliver = f.takeOver(late)
		_, _, err := f.s.Link(f.ctx, late, account, []string{connector}, []store.DirectoryEntry{entry(71, "a@example.com", "")}, true)
		if !errors.Is(err, store.ErrLeaseLost) || f.holds(1).ID != 0 {
			f.Errorf("link: %v, holds %d", err, f.holds(1).ID)
		}
	},
	"unlinked customers are counted as far as the sample goes": func(f *fixture) {
		count := func(since time.Time, sample int) int {
			n, err := f.s.CountUnlinked(f.ctx, account, since, sample)
			f.must(err)
			return n
		}
		f.hold(1, record.Held{ID: 70})
		for id, email := range map[int64]string{1: "a", 2: "b", 3: "c", 4: "d"} {
			f.person(id, email+"@example.com", "")
		}
		if all, some, late := count(time.Time{}, 100), count(time.Time{}, 2), count(noon.Add(time.Hour), 100); all != 3 || some > 2 || late != 0 {
			f.Errorf("counted %d, %d of a sample of 2, %d later", all, some, late)
		}
	},
}
