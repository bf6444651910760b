package storetest

import (
	"reflect"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var historyTests = map[string]func(*fixture){
	"a customer's history has every delivery and omission, and nobody else's": func(f *fixture) {
		f.digest(store.Digest{
			Customers: customersOf(7, 8),
			Contacts:  []store.ContactChange{contact(7, "a"), contact(8, "b")},
			Events:    []store.EventChange{event(7, "E1", 0), event(7, "E2", 1), event(8, "E3", 0)},
			Omissions: []store.CustomerOmission{
				{CustomerID: 7, Omission: record.Omission{What: "phone", Value: "+3*", Reason: "not a phone number", Rule: "c.yaml:1:2"}},
				{CustomerID: 8, Omission: record.Omission{What: "email", Reason: "not an e-mail address"}},
			},
		})
		f.settle(store.Delivered, f.claim()...)
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(7, "c")}})
		h, err := f.s.LoadHistory(f.ctx, connector, 7, 10)
		f.must(err)
		if got, want := labels(h.Deliveries), []string{"contact 7 c", "E2", "E1", "contact 7 a"}; !reflect.DeepEqual(got, want) {
			f.Errorf("deliveries %q, want %q", got, want)
		}
		if len(h.Omissions) != 1 || h.Omissions[0].What != "phone" || h.Omissions[0].Rule != "c.yaml:1:2" || h.Omissions[0].At.IsZero() {
			f.Errorf("omissions %+v", h.Omissions)
		}
		h, err = f.s.LoadHistory(f.ctx, connector, 7, 2)
		f.must(err)
		if got := labels(h.Deliveries); len(got) != 2 || got[0] != "contact 7 c" {
			f.Errorf("the newest two are %q", got)
		}
	},
	"a customer's history has by which call what was sent": func(f *fixture) {
		f.digest(store.Digest{
			Customers: customersOf(7), Contacts: []store.ContactChange{contact(7, "a")}, Events: []store.EventChange{event(7, "E1", 0)},
		})
		for _, d := range f.claim() {
			s := store.Settlement{Delivery: d, State: store.Delivered, Status: 204, Call: "POST /events"}
			if d.Kind == store.ContactDelivery {
				s.Call, s.Sent = "POST /contacts", []string{"email", "list 32"}
			}
			f.must(f.s.Settle(f.ctx, f.deliver, noon, []store.Settlement{s}))
		}
		h, err := f.s.LoadHistory(f.ctx, connector, 7, 10)
		f.must(err)
		if e := h.Deliveries[0]; e.Call != "POST /events" || e.Sent != nil {
			f.Errorf("event by %q with %q", e.Call, e.Sent)
		}
		if c := h.Deliveries[1]; c.Call != "POST /contacts" || !reflect.DeepEqual(c.Sent, []string{"email", "list 32"}) {
			f.Errorf("contact by %q with %q", c.Call, c.Sent)
		}
	},
	"a settlement without a call leaves the last one": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(7), Contacts: []store.ContactChange{contact(7, "a")}})
		f.must(f.s.Settle(f.ctx, f.deliver, noon, []store.Settlement{{
			Delivery: f.claim()[0], State: store.Pending, NextAttemptAt: noon, Reason: "transient", Call: "POST /contacts", Sent: []string{"email"},
		}}))
		f.must(f.s.Settle(f.ctx, f.deliver, noon, []store.Settlement{{Delivery: f.claim()[0], State: store.Skipped, Reason: "unchanged"}}))
		h, err := f.s.LoadHistory(f.ctx, connector, 7, 10)
		f.must(err)
		if d := h.Deliveries[0]; d.State != store.Skipped || d.Call != "POST /contacts" || len(d.Sent) != 1 {
			f.Errorf("delivery %+v", d)
		}
	},
	"a customer's history has who was merged into them and what is owed": func(f *fixture) {
		rows := customersOf(7, 8, 9)
		rows[1].MergedInto = 7
		f.digest(store.Digest{Customers: rows, Owed: []int64{7}})
		for id, want := range map[int64]store.History{7: {Absorbed: []int64{8}, Owed: true}, 9: {}} {
			got, err := f.s.LoadHistory(f.ctx, connector, id, 10)
			f.must(err)
			if !reflect.DeepEqual(got, want) {
				f.Errorf("customer %d: %+v, want %+v", id, got, want)
			}
		}
	},
}
