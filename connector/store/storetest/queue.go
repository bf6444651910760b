package storetest

import (
	"reflect"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var queueTests = map[string]func(*fixture){
	"a claim for one account leaves the customer in the queue of another": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E1", 1)}})
		elsewhere := filled(store.Digest{Events: []store.EventChange{event(1, "E2", 2)}})
		elsewhere.Account = "other"
		f.must(f.s.SaveDigest(f.ctx, f.digester, elsewhere))
		claimed := f.claim()
		if !reflect.DeepEqual(labels(claimed), []string{"E1"}) {
			f.Errorf("claimed %q", labels(claimed))
		}
		if due, err := f.s.NextDue(f.ctx, "other"); err != nil || due.IsZero() {
			f.Errorf("next due at the other account %v, %v", due, err)
		}
		f.settle(store.Delivered, claimed...)
		got, err := f.s.Claim(f.ctx, f.deliver, "other", noon.Add(time.Minute), 10, 10)
		f.must(err)
		if !reflect.DeepEqual(labels(got), []string{"E2"}) {
			f.Errorf("claimed %q for the other account", labels(got))
		}
	},
	"who waits moves up with what is more urgent and back without it": func(f *fixture) {
		slow := func(customer int64, l record.Lane) store.ContactChange {
			c := contact(customer, "a")
			c.Lane = l
			return c
		}
		f.digest(store.Digest{Customers: customersOf(1, 2),
			Contacts: []store.ContactChange{slow(1, record.Backfill), slow(2, record.Retry)}})
		f.digest(store.Digest{Events: []store.EventChange{event(1, "E1", 1)}})
		f.first("contact 1 a")
		f.digest(store.Digest{Withdrawn: []int64{f.delivery("E1").ID}})
		f.first("contact 2 a")
	},
	"an event given back after its contact died dies with it": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E1", 1)}})
		f.settle(store.Unknown, f.claim()...)
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(1, "a")}})
		f.die("invalid")
		f.settle(store.Pending, f.unknown()...)
		if d := f.delivery("E1"); d.State != store.Dead || d.Reason != "contact dead" {
			f.Errorf("the event is %s: %s", d.State, d.Reason)
		}
		if due, err := f.s.NextDue(f.ctx, account); err != nil || !due.IsZero() {
			f.Errorf("next due %v, %v", due, err)
		}
	},
	"what a merge hands on while it is under way is settled for the heir": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2), Events: []store.EventChange{event(1, "E1", 1)}})
		claimed := f.claim()
		f.digest(store.Digest{Customers: []store.Customer{{ID: 1, CreatedAt: noon, MergedInto: 2}, {ID: 2, CreatedAt: noon}}})
		f.digest(store.Digest{Events: []store.EventChange{event(2, "E2", 2)}})
		if got := f.claim(); len(got) != 0 {
			f.Errorf("claimed %q beside what the heir is being sent", labels(got))
		}
		f.settle(store.Delivered, claimed...)
		if d := f.delivery("E1"); d.State != store.Delivered || d.CustomerID != 2 {
			f.Errorf("the event is %s of customer %d", d.State, d.CustomerID)
		}
		if got := labels(f.claim()); !reflect.DeepEqual(got, []string{"E2"}) {
			f.Errorf("claimed %q next", got)
		}
	},
	"a merged customer's contact that fails is not tried again": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2), Contacts: []store.ContactChange{contact(1, "a")}})
		claimed := f.claim()
		f.digest(store.Digest{Customers: []store.Customer{{ID: 1, CreatedAt: noon, MergedInto: 2}, {ID: 2, CreatedAt: noon}}})
		f.settle(store.Pending, claimed...)
		if d := f.delivery("contact 1 a"); d.State != store.Withdrawn {
			f.Errorf("the contact is %s", d.State)
		}
	},
}

// first checks what a claim of one customer would take, and gives it back.
func (f *fixture) first(label string) {
	f.Helper()
	claimed, err := f.s.Claim(f.ctx, f.deliver, account, noon.Add(time.Minute), 1, 1)
	f.must(err)
	if len(claimed) != 1 || labels(claimed)[0] != label {
		f.Fatalf("claimed %q, want %s", labels(claimed), label)
	}
	f.settleAll(store.Settlement{Delivery: claimed[0], State: store.Pending, NextAttemptAt: noon, Uncounted: true})
}
