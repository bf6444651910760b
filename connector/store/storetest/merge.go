package storetest

import (
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// noteConflict delivers what is due and notes a conflict on its customers.
func (f *fixture) noteConflict(reason string) {
	f.Helper()
	var s []store.Settlement
	for _, d := range f.claim() {
		s = append(s, store.Settlement{
			Delivery: d, State: store.Delivered, Held: &record.Held{ID: 100 + d.CustomerID, Taken: map[string]int64{"SMS": 7}},
			Omissions: []record.Omission{{What: "SMS", Value: "+33*** of contact 7", Reason: reason}},
		})
	}
	f.settleAll(s...)
}

func (f *fixture) noted(reason string, after int64, limit int) []store.Customer {
	f.Helper()
	found, err := f.s.LoadNoted(f.ctx, connector, reason, after, limit)
	f.must(err)
	return found
}

// agreed is an agreement to one merge.
func agreed(customer int64) store.MergeAsk {
	return store.MergeAsk{
		CustomerID: customer, Merge: map[string]record.Merge{"SMS": {With: 7, Deletes: 7}},
		Contact: record.Contact{Phone: "+331"},
	}
}

var mergeTests = map[string]func(*fixture){
	"customers are found by what was noted on them": func(f *fixture) {
		for id := range int64(3) {
			f.person(id+1, "", "")
		}
		f.noteConflict("taken")
		f.person(4, "", "")
		f.noteConflict("other")
		got := f.noted("taken", 0, 2)
		if len(got) != 2 || got[0].ID != 1 || got[1].ID != 2 || got[0].Held.Taken["SMS"] != 7 {
			f.Errorf("found %+v", got)
		}
		if got := f.noted("taken", 2, 2); len(got) != 1 || got[0].ID != 3 {
			f.Errorf("after the second: %+v", got)
		}
	},
	"a merge agreed to goes out with what was last wanted": func(f *fixture) {
		f.person(1, "a@example.com", "")
		f.noteConflict("taken")
		for range 2 { // it may be repeated
			f.must(f.s.AskMerges(f.ctx, connector, account, []store.MergeAsk{agreed(1)}, noon))
		}
		got := f.claim()
		want := contact(1, "a").Contact
		if len(got) != 1 || got[0].Contact.Merge["SMS"] != (record.Merge{With: 7, Deletes: 7}) || got[0].Contact.Email != want.Email || got[0].Held.ID != 101 {
			f.Errorf("claimed %+v", got)
		}
	},
	"a merge goes into the contact that waits, and with a newer one it is gone": func(f *fixture) {
		f.person(1, "a@example.com", "")
		f.must(f.s.AskMerges(f.ctx, connector, account, []store.MergeAsk{agreed(1)}, noon))
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "b")}})
		got := f.claim()
		if len(got) != 1 || got[0].Contact.Merge != nil {
			f.Errorf("claimed %+v", got)
		}
	},
	"a merge of a customer of whom nothing is kept goes out by itself": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1)})
		f.must(f.s.AskMerges(f.ctx, connector, account, []store.MergeAsk{agreed(1)}, noon))
		got := f.claim()
		if len(got) != 1 || got[0].Contact.Phone != "+331" || got[0].Contact.Merge == nil {
			f.Errorf("claimed %+v", got)
		}
	},
}
