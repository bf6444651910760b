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
}
