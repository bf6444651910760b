package storetest

import (
	"reflect"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var outboxTests = map[string]func(*fixture){
	"contact changes that wait become one": func(f *fixture) {
		slow := contact(1, "a")
		slow.Lane = record.Backfill
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{slow}})
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(1, "b")}})
		slow = contact(1, "c")
		slow.Lane = record.Retry
		f.digest(store.Digest{Contacts: []store.ContactChange{slow}})
		got := f.claim()
		if !reflect.DeepEqual(labels(got), []string{"contact 1 c"}) || got[0].Lane != record.Live {
			f.Errorf("claimed %q in lane %d, want the last word in the most urgent lane", labels(got), got[0].Lane)
		}
	},
	"a contact change beside one under way waits its turn": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "a")}})
		first := f.claim()
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(1, "b")}})
		if got := f.claim(); len(got) != 0 {
			f.Fatalf("claimed %q beside one under way", labels(got))
		}
		f.settle(store.Delivered, first...)
		if got := labels(f.claim()); !reflect.DeepEqual(got, []string{"contact 1 b"}) {
			f.Errorf("claimed %q", got)
		}
	},
	"a contact that waits for its next try keeps waiting when it changes": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "a")}})
		f.settle(store.Pending, f.claim()...)
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(1, "b")}})
		if got := f.claim(); len(got) != 0 {
			f.Errorf("claimed %q before its time", labels(got))
		}
		got := f.claimAt(noon.Add(2 * time.Hour))
		if !reflect.DeepEqual(labels(got), []string{"contact 1 b"}) || got[0].Attempts != 1 {
			f.Errorf("claimed %q after %d attempts", labels(got), got[0].Attempts)
		}
	},
	"a dead contact is revived with the events that died with it": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2),
			Contacts: []store.ContactChange{contact(1, "a"), contact(2, "a")}, Events: []store.EventChange{event(1, "E1", 1), event(1, "E2", 2), event(2, "F1", 1)}})
		c := f.claim()
		f.settleAll(
			store.Settlement{Delivery: c[0], State: store.Dead, Reason: "invalid"},
			store.Settlement{Delivery: c[1], State: store.Dead, Reason: "refused for itself"},
			store.Settlement{Delivery: c[2], State: store.Pending, Uncounted: true},
			store.Settlement{Delivery: c[3], State: store.Dead, Reason: "invalid"},
			store.Settlement{Delivery: c[4], State: store.Pending, Uncounted: true},
		)
		want := map[string]store.DeliveryState{
			"contact 1 a": store.Dead, "E1": store.Dead, "E2": store.Dead, "contact 2 a": store.Dead, "F1": store.Dead,
		}
		if got := f.states(); !reflect.DeepEqual(got, want) {
			f.Fatalf("states %v, want %v", got, want)
		}
		if d := f.delivery("E2"); d.Reason != "contact dead" {
			f.Errorf("the event died for %q", d.Reason)
		}
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(1, "b")}, Events: []store.EventChange{event(2, "F2", 2)}})
		want = map[string]store.DeliveryState{
			"contact 1 b": store.Pending, "E1": store.Dead, "E2": store.Pending, "contact 2 a": store.Dead, "F1": store.Dead, "F2": store.Dead,
		}
		if got := f.states(); !reflect.DeepEqual(got, want) {
			f.Errorf("states %v, want %v", got, want)
		}
		got := f.claim()
		if !reflect.DeepEqual(labels(got), []string{"contact 1 b", "E2"}) || got[0].Attempts != 0 {
			f.Errorf("claimed %q, attempts %d", labels(got), got[0].Attempts)
		}
	},
	"an event is put once for ever": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E1", 0), event(1, "E1", 0)}})
		before := f.delivery("E1")
		f.digest(store.Digest{At: noon.Add(time.Hour), Events: []store.EventChange{event(1, "E1", 0)}})
		if after := f.delivery("E1"); !reflect.DeepEqual(after, before) {
			f.Errorf("the same event changed its delivery from %+v to %+v", before, after)
		}
	},
	"an event that waits takes a change": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2), Events: []store.EventChange{event(1, "E1", 0)}})
		moved := event(2, "E1", 5)
		moved.AnyAge = true
		f.digest(store.Digest{Events: []store.EventChange{moved}})
		d := f.delivery("E1")
		if d.CustomerID != 2 || !d.Event.At.Equal(noon.Add(5*time.Minute)) || !d.AnyAge || d.State != store.Pending {
			f.Errorf("delivery %+v", d)
		}
		if got := f.claim(); len(got) != 1 || got[0].CustomerID != 2 {
			f.Errorf("claimed %+v", got)
		}
	},
	"an event that does not wait is never touched": func(f *fixture) {
		for _, state := range []store.DeliveryState{store.Sending, store.Unknown, store.Delivered, store.Skipped, store.Dead} {
			key := "E-" + string(state)
			f.digest(store.Digest{Customers: customersOf(1, 2), Events: []store.EventChange{event(1, key, 0)}})
			switch state {
			case store.Sending:
				f.claim()
			default:
				f.settle(state, f.claim()...)
			}
			before := f.delivery(key)
			change := event(2, key, 9)
			moved := event(2, key+" moved", 9)
			moved.Replaces = before.ID
			f.digest(store.Digest{Events: []store.EventChange{change, moved}, Withdrawn: []int64{before.ID}})
			if after := f.delivery(key); before.State != state || !reflect.DeepEqual(after, before) {
				f.Errorf("%s: changed from %+v to %+v", state, before, after)
			}
			if _, made := f.states()[moved.Key]; made {
				f.Errorf("%s: a second delivery was made under the moved key", state)
			}
			if state == store.Sending || state == store.Unknown { // let the next one through
				f.settle(store.Delivered, before)
			}
		}
	},
	"an event that was withdrawn is owed again when it is put again": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2), Events: []store.EventChange{event(1, "E1", 0)}})
		f.digest(store.Digest{Withdrawn: []int64{f.delivery("E1").ID}})
		if d := f.delivery("E1"); d.State != store.Withdrawn || len(f.claim()) != 0 {
			f.Fatalf("withdrawn, it is %s", d.State)
		}
		f.digest(store.Digest{Events: []store.EventChange{event(2, "E1", 7)}})
		if got := f.claim(); len(got) != 1 || got[0].CustomerID != 2 || !got[0].Event.At.Equal(noon.Add(7*time.Minute)) {
			f.Errorf("claimed %+v", got)
		}
	},
	"an event that waits is renamed": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "old", 0)}})
		id := f.delivery("old").ID
		moved := event(1, "new", 3)
		moved.Replaces = id
		for range 2 { // a digest may be repeated
			f.digest(store.Digest{Events: []store.EventChange{moved}})
			if d := f.delivery("new"); d.ID != id || d.Event.ID != "new" || len(f.states()) != 1 {
				f.Fatalf("delivery %+v among %v", d, f.states())
			}
		}
	},
	"an event is not renamed to one that is owed already": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "old", 0), event(1, "new", 1)}})
		moved := event(1, "new", 2)
		moved.Replaces = f.delivery("old").ID
		f.digest(store.Digest{Events: []store.EventChange{moved}})
		want := map[string]store.DeliveryState{"old": store.Withdrawn, "new": store.Pending}
		if got := f.states(); !reflect.DeepEqual(got, want) {
			f.Errorf("states %v, want %v", got, want)
		}
	},
	"an event waits for its moment": func(f *fixture) {
		late := event(1, "E1", 0)
		late.NotBefore = noon.Add(5 * time.Minute)
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{late}})
		if got := f.claim(); len(got) != 0 {
			f.Errorf("claimed %q too early", labels(got))
		}
		if due, err := f.s.NextDue(f.ctx, account); err != nil || !due.Equal(late.NotBefore) {
			f.Errorf("next due %v, %v, want %v", due, err, late.NotBefore)
		}
		if got := f.claimAt(late.NotBefore); len(got) != 1 {
			f.Errorf("claimed %q at its moment", labels(got))
		}
	},
	"a mark outlives its delivery and forbids that event only": func(f *fixture) {
		f.deliverOne(1, "E1")
		if n, err := f.s.Prune(f.ctx, store.Retention{Deliveries: noon.Add(time.Hour)}, 100); err != nil || n != 1 {
			f.Fatalf("pruned %d, %v", n, err)
		}
		other := event(1, "E1 again, another one", 1)
		other.Fact = event(1, "E1", 0).Fact
		f.digest(store.Digest{Events: []store.EventChange{event(1, "E1", 0), other}})
		if got := labels(f.claim()); !reflect.DeepEqual(got, []string{other.Key}) {
			f.Errorf("claimed %q", got)
		}
	},
	"a merge hands on what is under way, and holds up the heir's events": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2), Contacts: []store.ContactChange{contact(1, "a"), contact(2, "a")}})
		f.settle(store.Delivered, f.claim()...)
		f.digest(store.Digest{Events: []store.EventChange{event(1, "E1", 1), event(1, "E2", 2), event(1, "E3", 3), event(2, "F4", 4)}})
		under := f.claimAt(noon)
		f.settleAll(
			store.Settlement{Delivery: under[0], State: store.Dead, Reason: "invalid"},
			store.Settlement{Delivery: under[1], State: store.Unknown},
		)
		f.digest(store.Digest{Customers: []store.Customer{{ID: 1, CreatedAt: noon, MergedInto: 2}, {ID: 2, CreatedAt: noon}}})
		if got := f.neighbours(1).Events; len(got) != 0 {
			f.Errorf("the merged customer has %q", labels(got))
		}
		if got := labels(f.neighbours(2).Events); !reflect.DeepEqual(got, []string{"E1", "E2", "E3", "F4"}) {
			f.Errorf("the heir has %q", got)
		}
		if got := f.claim(); len(got) != 0 {
			f.Errorf("claimed %q of the heir beside what is under way", labels(got))
		}
		f.settle(store.Delivered, under[2:]...)
		f.settle(store.Delivered, f.unknown()...)
		for _, key := range []string{"E2", "E3", "F4"} {
			if d := f.delivery(key); d.State != store.Delivered {
				f.Errorf("%s is %s", key, d.State)
			}
		}
	},
	"a merge moves events, ends the contact and keeps what is held": func(f *fixture) {
		f.hold(1, record.Held{ID: 71})
		f.hold(2, record.Held{ID: 72})
		f.digest(store.Digest{
			Contacts: []store.ContactChange{contact(1, "b"), contact(2, "b")}, Events: []store.EventChange{event(2, "E1", 0)},
			Tokens: []store.StoredToken{token("two", 2)}, Facts: []store.StoredFact{task("WT2", 2)},
		})
		f.digest(store.Digest{
			Customers: []store.Customer{{ID: 1, CreatedAt: noon}, {ID: 2, CreatedAt: noon, MergedInto: 1}},
			Tokens:    []store.StoredToken{token("two", 1)}, Facts: []store.StoredFact{task("WT2", 1)},
			Contacts: []store.ContactChange{contact(1, "c")}, Events: []store.EventChange{event(1, "E1", 0)},
		})
		if d := f.delivery("contact 2 b"); d.State != store.Withdrawn {
			f.Errorf("the merged customer's contact is %s", d.State)
		}
		if got := labels(f.claim()); !reflect.DeepEqual(got, []string{"contact 1 c", "E1"}) {
			f.Errorf("claimed %q", got)
		}
		two := f.neighbours(2)
		if c := two.Customers[0]; c.MergedInto != 1 || c.Held.ID != 72 || len(two.Facts)+len(two.Tokens)+len(two.Events) != 0 {
			f.Errorf("the merged customer has %+v", two)
		}
		if sum := f.summary(); sum.Customers != 1 || sum.Linked != 1 {
			f.Errorf("%d customers, %d linked, want the survivor alone", sum.Customers, sum.Linked)
		}
		for contact := range int64(2) {
			if owner, err := f.s.LoadContactOwner(f.ctx, connector, 71+contact); err != nil || owner != 1 {
				f.Errorf("contact %d belongs to %d, %v, want the survivor", 71+contact, owner, err)
			}
		}
	},
}
