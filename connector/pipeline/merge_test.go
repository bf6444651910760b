package pipeline_test

import (
	"testing"
	"time"

	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
)

// A merge that would take the contact of another customer of ours is not made,
// whoever agreed to it; one with a stranger's contact is.
func TestMergeTakesNobodysContact(t *testing.T) {
	t.Parallel()
	s := setup{
		sim:     brevosim.Options{Quirks: brevosim.Quirks{Allow: brevosim.Allow{ForceMerge: true}}},
		deliver: pipeline.DeliverOptions{Merges: map[string]bool{"c": true, "other": false}},
	}
	inBubble(t, s, func(l *lab) {
		phone := func(value string) record.Attribute { return record.Attribute{Name: "SMS", Value: value, Type: "text"} }
		stranger, err := l.sim.AddContact(brevosim.Contact{Email: "stranger@example.com", SMS: "33612345602"})
		if err != nil {
			l.Fatal(err)
		}
		l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(1, 1, phone("+33612345601"))}})
		l.settle(time.Minute)
		l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(2, 1, phone("+33612345601")), contactOf(3, 1, phone("+33612345602"))}})
		l.settle(time.Minute)
		ask := func(customer int64) {
			conflicted, err := l.store.LoadCustomer(l.Context(), "c", customer)
			if err != nil {
				l.Fatal(err)
			}
			with := conflicted.Customers[0].Held.Taken["SMS"]
			asks := []store.MergeAsk{{CustomerID: customer, Merge: map[string]record.Merge{"SMS": {With: with, Deletes: with}}}}
			if err := l.store.AskMerges(l.Context(), "c", "a", asks, time.Now()); err != nil {
				l.Fatal(err)
			}
			l.settle(time.Minute)
		}
		ask(2)
		if n := len(l.sim.Contacts()); n != 4 {
			l.Fatalf("%d contacts; the contact of customer 1 was merged away", n)
		}
		ask(3)
		if _, there := l.sim.Contact(stranger); there || len(l.sim.Contacts()) != 3 {
			l.Error("the stranger's contact was not merged")
		}
	})
}
