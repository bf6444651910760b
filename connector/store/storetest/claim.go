package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var claimTests = map[string]func(*fixture){
	"a customer's contact goes first and then the events by time": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2),
			Contacts: []store.ContactChange{contact(2, "b"), contact(1, "a")},
			Events:   []store.EventChange{event(1, "E3", 3), event(2, "F1", 1), event(1, "E1", 1), event(1, "E2", 2)}})
		got := map[int64][]string{}
		var customers []int64
		for _, d := range f.claim() {
			if n := len(customers); n == 0 || customers[n-1] != d.CustomerID {
				customers = append(customers, d.CustomerID)
			}
			got[d.CustomerID] = append(got[d.CustomerID], labels([]store.Delivery{d})...)
			if d.State != store.Sending || d.Account != account || d.Connector != connector {
				f.Errorf("claimed %+v", d)
			}
		}
		want := map[int64][]string{1: {"contact 1 a", "E1", "E2", "E3"}, 2: {"contact 2 b", "F1"}}
		if !reflect.DeepEqual(got, want) || len(customers) != 2 {
			f.Errorf("claimed %v in groups of %v, want %v", got, customers, want)
		}
	},
	"nothing of a customer is claimed twice or beside what is under way": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E1", 1)}})
		first := f.claim()
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(1, "a")}, Events: []store.EventChange{event(1, "E0", 0), event(1, "E2", 2)}})
		if got := f.claim(); len(got) != 0 {
			f.Fatalf("claimed %q beside one under way", labels(got))
		}
		f.settle(store.Delivered, first...)
		if got := labels(f.claim()); !reflect.DeepEqual(got, []string{"contact 1 a", "E0", "E2"}) {
			f.Errorf("claimed %q", got)
		}
	},
	"events wait for a contact that waits": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "a")}})
		f.settle(store.Pending, f.claim()...)
		f.digest(store.Digest{Events: []store.EventChange{event(1, "E1", 1)}})
		if got := f.claim(); len(got) != 0 {
			f.Errorf("claimed %q before the contact", labels(got))
		}
		if due, err := f.s.NextDue(f.ctx, account); err != nil || !due.Equal(noon.Add(time.Hour)) {
			f.Errorf("next due %v, %v", due, err)
		}
		if got := labels(f.claimAt(noon.Add(time.Hour))); !reflect.DeepEqual(got, []string{"contact 1 a", "E1"}) {
			f.Errorf("claimed %q", got)
		}
	},
	"an event that waits holds up the later ones only": func(f *fixture) {
		late := event(1, "E2", 2)
		late.NotBefore = noon.Add(time.Hour)
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E3", 3), late, event(1, "E1", 1)}})
		got := f.claim()
		if !reflect.DeepEqual(labels(got), []string{"E1"}) {
			f.Fatalf("claimed %q", labels(got))
		}
		f.settle(store.Delivered, got...)
		if got := f.claim(); len(got) != 0 {
			f.Errorf("claimed %q past one that waits", labels(got))
		}
		if got := labels(f.claimAt(noon.Add(time.Hour))); !reflect.DeepEqual(got, []string{"E2", "E3"}) {
			f.Errorf("claimed %q", got)
		}
	},
	"an unknown outcome holds up the later ones only": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E2", 2)}})
		f.settle(store.Unknown, f.claim()...)
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(1, "a")}, Events: []store.EventChange{event(1, "E1", 1), event(1, "E3", 3)}})
		got := f.claim()
		if !reflect.DeepEqual(labels(got), []string{"contact 1 a", "E1"}) {
			f.Fatalf("claimed %q", labels(got))
		}
		f.settle(store.Delivered, append(got, f.unknown()...)...)
		if got := labels(f.claim()); !reflect.DeepEqual(got, []string{"E3"}) {
			f.Errorf("claimed %q", got)
		}
	},
	"nothing passes a contact whose outcome is unknown": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "a")}})
		f.settle(store.Unknown, f.claim()...)
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(1, "b")}, Events: []store.EventChange{event(1, "E1", 1)}})
		if got := f.claim(); len(got) != 0 {
			f.Errorf("claimed %q", labels(got))
		}
	},
	"lanes go in their order and a customer goes in the most urgent": func(f *fixture) {
		lane := func(customer int64, l record.Lane) store.ContactChange {
			c := contact(customer, "a")
			c.Lane = l
			return c
		}
		f.digest(store.Digest{Customers: customersOf(1, 2, 3, 4),
			Contacts: []store.ContactChange{lane(1, record.Backfill), lane(2, record.Retry), lane(4, record.Backfill)},
			Events:   []store.EventChange{event(4, "E1", 1)}})
		f.digest(store.Digest{At: noon.Add(time.Second), Contacts: []store.ContactChange{lane(3, record.Live)}})
		want := []string{"contact 4 a", "E1", "contact 3 a", "contact 2 a", "contact 1 a"}
		if got := labels(f.claim()); !reflect.DeepEqual(got, want) {
			f.Errorf("claimed %q, want %q", got, want)
		}
	},
	"a claim keeps to its limits": func(f *fixture) {
		d := store.Digest{Customers: customersOf(1, 2, 3)}
		for customer := range int64(3) {
			for i := range 5 {
				d.Events = append(d.Events, event(customer+1, fmt.Sprintf("E%d%d", customer+1, i), i))
			}
		}
		f.digest(d)
		got, err := f.s.Claim(f.ctx, f.deliver, account, noon.Add(time.Minute), 2, 3)
		f.must(err)
		if want := []string{"E10", "E11", "E12", "E20", "E21", "E22"}; !reflect.DeepEqual(labels(got), want) {
			f.Errorf("claimed %q, want %q", labels(got), want)
		}
		got = f.claim()
		if want := []string{"E30", "E31", "E32", "E33", "E34"}; !reflect.DeepEqual(labels(got), want) {
			f.Errorf("claimed %q next, want %q", labels(got), want)
		}
	},
	"accounts do not see each other": func(f *fixture) {
		d := filled(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "a")}})
		d.Account = "other"
		f.must(f.s.SaveDigest(f.ctx, f.digester, d))
		if got := f.claim(); len(got) != 0 {
			f.Errorf("claimed %q of another account", labels(got))
		}
		if due, err := f.s.NextDue(f.ctx, account); err != nil || !due.IsZero() {
			f.Errorf("next due %v, %v", due, err)
		}
	},
	"a claim brings what the destination holds": func(f *fixture) {
		held := record.Held{
			ID: 71, Identifiers: map[string]string{"email": "c1@example.com"}, Lists: []string{"32"},
			Attributes: map[string]any{"N": 12345678901234567, "S": "a", "F": 0.5, "B": true, "L": []any{"x"}},
			Refused:    map[string]any{"SMS": "+33"},
		}
		f.hold(1, held)
		f.digest(store.Digest{Events: []store.EventChange{event(1, "E1", 0)}})
		if got := f.claim(); len(got) != 1 || !reflect.DeepEqual(got[0].Held, held) {
			f.Errorf("claimed %+v, want held %+v", got, held)
		}
	},
	"payloads come back as they went in": func(f *fixture) {
		c := contact(1, "a")
		c.Contact.Attributes = append(c.Contact.Attributes,
			record.Attribute{Name: "N", Value: 12345678901234567, Type: "float", Overwrite: record.Never, Clear: true, Rule: "r", Source: "s"},
			record.Attribute{Name: "L", Value: []any{"a", 2, true}})
		c.Contact.Lists, c.Contact.Phone = []string{"32"}, "+33612345678"
		e := event(1, "E1", 0)
		e.Event.At = e.Event.At.Add(123456789 * time.Nanosecond)
		e.Event.Properties = map[string]any{"wait": 3, "share": 0.5, "note": "<&>\x00é", "none": nil}
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{c}, Events: []store.EventChange{e}})
		got := f.claim()
		if !reflect.DeepEqual(*got[0].Contact, c.Contact) || !reflect.DeepEqual(*got[1].Event, e.Event) {
			f.Errorf("claimed %+v and %+v", *got[0].Contact, *got[1].Event)
		}
		if d := got[1]; d.Fact != e.Fact || d.Type != e.Type || d.Key != e.Key || !d.CreatedAt.Equal(noon) {
			f.Errorf("claimed %+v", d)
		}
	},
	"a claim under a lost lease takes nothing": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E1", 0)}})
		late := f.deliver
		f.deliver = f.takeOver(late)
		if got, err := f.s.Claim(f.ctx, late, account, noon.Add(time.Minute), 9, 9); !errors.Is(err, store.ErrLeaseLost) || got != nil {
			f.Errorf("claimed %q, %v", labels(got), err)
		}
		if got := f.claim(); len(got) != 1 {
			f.Errorf("the holder claimed %q", labels(got))
		}
	},
	"a new holder finds what the last one left under way": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2), Contacts: []store.ContactChange{contact(1, "a"), contact(2, "a")},
			Events: []store.EventChange{event(1, "E1", 1), event(1, "E2", 2)}})
		f.claim()
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(2, "b")}})
		late := f.deliver
		f.deliver = f.takeOver(late)
		if _, err := f.s.Recover(f.ctx, late, account, noon); !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("the dead holder recovers: %v", err)
		}
		if n, err := f.s.Recover(f.ctx, f.deliver, account, noon.Add(time.Minute)); err != nil || n != 4 {
			f.Fatalf("recovered %d, %v, want 4", n, err)
		}
		want := map[string]store.DeliveryState{
			"contact 1 a": store.Pending, "E1": store.Unknown, "E2": store.Unknown, "contact 2 a": store.Withdrawn, "contact 2 b": store.Pending,
		}
		if got := f.states(); !reflect.DeepEqual(got, want) {
			f.Errorf("states %v, want %v", got, want)
		}
		if d := f.delivery("E1"); !d.UnknownSince.Equal(noon.Add(time.Minute)) || d.Attempts != 0 {
			f.Errorf("unknown since %v after %d attempts", d.UnknownSince, d.Attempts)
		}
		if got := labels(f.claim()); !reflect.DeepEqual(got, []string{"contact 1 a", "contact 2 b"}) {
			f.Errorf("claimed %q", got)
		}
	},
}

func (f *fixture) unknown() []store.Delivery {
	f.Helper()
	got, err := f.s.LoadUnknown(f.ctx, account, 100)
	f.must(err)
	return got
}
