package storetest

import (
	"errors"
	"reflect"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var settleTests = map[string]func(*fixture){
	"every outcome is kept with its reason": func(f *fixture) {
		for _, c := range []struct {
			state    store.DeliveryState
			attempts int
		}{{store.Delivered, 1}, {store.Skipped, 1}, {store.Dead, 1}, {store.Unknown, 1}, {store.Pending, 1}} {
			key := "E-" + string(c.state)
			f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, key, 0)}})
			f.settleAll(store.Settlement{
				Delivery: f.claim()[0], State: c.state, Reason: "said " + string(c.state), Status: 418, NextAttemptAt: noon.Add(time.Hour),
			})
			d := f.delivery(key)
			if d.State != c.state || d.Reason != "said "+string(c.state) || d.Status != 418 || d.Attempts != c.attempts {
				f.Errorf("%s: delivery %+v", c.state, d)
			}
			settled := c.state == store.Delivered || c.state == store.Skipped || c.state == store.Dead
			if settled != d.SettledAt.Equal(noon.Add(time.Minute)) || (c.state == store.Unknown) != d.UnknownSince.Equal(noon.Add(time.Minute)) {
				f.Errorf("%s: settled at %v, unknown since %v", c.state, d.SettledAt, d.UnknownSince)
			}
			if c.state == store.Unknown {
				f.settle(store.Delivered, d)
			}
		}
		if d := f.delivery("E-pending"); !d.NextAttemptAt.Equal(noon.Add(time.Hour)) {
			f.Errorf("next attempt at %v", d.NextAttemptAt)
		}
	},
	"an attempt that we cut short is not counted": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E1", 0)}})
		f.settleAll(store.Settlement{Delivery: f.claim()[0], State: store.Pending, Uncounted: true})
		if got := f.claim(); len(got) != 1 || got[0].Attempts != 0 {
			f.Errorf("claimed %+v", got)
		}
	},
	"finding out an unknown outcome is no attempt": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E1", 0)}})
		f.settle(store.Unknown, f.claim()...)
		u := f.unknown()
		if len(u) != 1 || u[0].Attempts != 1 {
			f.Fatalf("unknown %+v", u)
		}
		f.settle(store.Unknown, u...)
		f.must(f.s.Settle(f.ctx, f.deliver, noon.Add(time.Hour), []store.Settlement{{Delivery: u[0], State: store.Unknown, Reason: "still"}}))
		if d := f.delivery("E1"); d.Attempts != 1 || !d.UnknownSince.Equal(noon.Add(time.Minute)) {
			f.Errorf("after %d attempts unknown since %v", d.Attempts, d.UnknownSince)
		}
		f.settle(store.Pending, u...)
		if d := f.delivery("E1"); d.Attempts != 1 || d.State != store.Pending || len(f.unknown()) != 0 {
			f.Errorf("delivery %+v", d)
		}
	},
	"a settlement under a lost lease changes nothing": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "a")}, Events: []store.EventChange{event(1, "E1", 0)}})
		c := f.claim()
		late := f.deliver
		f.deliver = f.takeOver(late)
		err := f.s.Settle(f.ctx, late, noon, []store.Settlement{
			{Delivery: c[0], State: store.Delivered, Held: &record.Held{ID: 71}, Omissions: []record.Omission{{What: "SMS", Reason: "bad"}}},
			{Delivery: c[1], State: store.Delivered},
		})
		if !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("settle: %v, want ErrLeaseLost", err)
		}
		f.stillSending(c)
	},
	"a settlement that fails changes nothing": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "a")}, Events: []store.EventChange{event(1, "E1", 0)}})
		c := f.claim()
		err := f.s.Settle(f.ctx, f.deliver, noon, []store.Settlement{
			{Delivery: c[0], State: store.Delivered, Held: &record.Held{ID: 71}}, {Delivery: c[1], State: "eaten"},
		})
		if err == nil {
			f.Error("settled as what is no outcome")
		}
		f.stillSending(c)
	},
	"a settlement may be repeated": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E1", 0)}})
		c := f.claim()
		f.settle(store.Delivered, c...)
		before := f.delivery("E1")
		f.settle(store.Dead, c...)
		if after := f.delivery("E1"); !reflect.DeepEqual(after, before) {
			f.Errorf("changed from %+v to %+v", before, after)
		}
	},
	"a contact's try ends where a newer change waits": func(f *fixture) {
		for customer, outcome := range map[int64]store.DeliveryState{1: store.Pending, 2: store.Dead} {
			f.digest(store.Digest{Customers: customersOf(customer), Contacts: []store.ContactChange{contact(customer, "a")}})
			c := f.claim()
			f.digest(store.Digest{Contacts: []store.ContactChange{contact(customer, "b")}, Events: []store.EventChange{event(customer, string(outcome), 0)}})
			f.settle(outcome, c...)
			if d := f.delivery(labels(c)[0]); d.State != store.Withdrawn {
				f.Errorf("%s: the older contact is %s", outcome, d.State)
			}
			if got := f.claim(); len(got) != 2 || labels(got)[1] != string(outcome) {
				f.Errorf("%s: claimed %q, want the newer contact and its event", outcome, labels(got))
			}
		}
	},
	"a mark is left by what was delivered or rightly skipped": func(f *fixture) {
		for _, state := range []store.DeliveryState{store.Skipped, store.Dead, store.Delivered} {
			key := string(state)
			f.digest(store.Digest{Customers: customersOf(1), Facts: []store.StoredFact{task("WT"+key, 1)}, Events: []store.EventChange{event(1, key, 0)}})
			f.settle(state, f.claim()...)
		}
		at := noon.Add(time.Minute).UnixMilli()
		for _, s := range f.neighbours(1).Facts {
			want := map[string]map[string]int64{"WTdelivered": {"task.completed": at}, "WTskipped": {"task.completed": -at}}[s.Fact.SID]
			if !reflect.DeepEqual(s.Marks, want) {
				f.Errorf("%s has marks %v, want %v", s.Fact.SID, s.Marks, want)
			}
		}
	},
	"the destination's contact has one owner": func(f *fixture) {
		f.hold(1, record.Held{ID: 71})
		f.digest(store.Digest{Customers: customersOf(2, 3), Contacts: []store.ContactChange{contact(2, "a"), contact(3, "a")}})
		c := f.claim()
		f.settleAll(
			store.Settlement{Delivery: c[0], State: store.Delivered, Held: &record.Held{ID: 71}},
			store.Settlement{Delivery: c[1], State: store.Delivered, Held: &record.Held{ID: 73}},
		)
		for contact, owner := range map[int64]int64{71: 1, 73: 3} {
			if got, err := f.s.LoadContactOwner(f.ctx, connector, contact); err != nil || got != owner {
				f.Errorf("contact %d belongs to %d, %v, want %d", contact, got, err, owner)
			}
		}
		if held := f.neighbours(2).Customers[0].Held; held.ID != 0 || f.delivery("contact 2 a").State != store.Delivered {
			f.Errorf("the second holds %+v", held)
		}
		if _, err := f.s.LoadContactOwner(f.ctx, connector, 99); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("nobody's contact: %v", err)
		}
		if _, err := f.s.LoadContactOwner(f.ctx, "other", 71); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("another connector's contact: %v", err)
		}
	},
	"a deleted contact is linked no more": func(f *fixture) {
		f.hold(1, record.Held{ID: 71})
		f.hold(1, record.Held{ID: 71, Deleted: true})
		if sum := f.summary(); sum.Customers != 1 || sum.Linked != 0 {
			f.Errorf("%d customers, %d linked", sum.Customers, sum.Linked)
		}
	},
	"a contact's omissions replace earlier ones and an event's are added": func(f *fixture) {
		omit := func(whats ...string) (list []record.Omission) {
			for _, what := range whats {
				list = append(list, record.Omission{What: what, Value: "a*", Reason: "refused", Rule: "r"})
			}
			return list
		}
		deliver := func(d store.Digest, omitted []record.Omission) {
			f.digest(d)
			f.settleAll(store.Settlement{Delivery: f.claim()[0], State: store.Delivered, Omissions: omitted})
		}
		f.digest(store.Digest{Customers: customersOf(1), Omissions: []store.CustomerOmission{{CustomerID: 1, Omission: omit("digested")[0]}}})
		deliver(store.Digest{Contacts: []store.ContactChange{contact(1, "a")}}, omit("OLD", "SMS"))
		deliver(store.Digest{Contacts: []store.ContactChange{contact(1, "b")}}, omit("SMS", "SMS"))
		deliver(store.Digest{Events: []store.EventChange{event(1, "E1", 0)}}, omit("price"))
		deliver(store.Digest{Events: []store.EventChange{event(1, "E2", 0)}}, omit("price", "colour"))
		want := map[string]int{"digested": 1, "SMS": 1, "price": 1, "colour": 1}
		got := map[string]int{}
		for _, o := range f.summary().Omissions {
			got[o.What] = o.Count
		}
		if !reflect.DeepEqual(got, want) {
			f.Errorf("omissions %v, want %v", got, want)
		}
	},
}

// stillSending checks that claimed deliveries are as the claim left them, and that
// nothing else of their settlement was written.
func (f *fixture) stillSending(claimed []store.Delivery) {
	f.Helper()
	for _, label := range labels(claimed) {
		if d := f.delivery(label); d.State != store.Sending || d.Attempts != 0 {
			f.Errorf("%s is %s after %d attempts", label, d.State, d.Attempts)
		}
	}
	if sum := f.summary(); sum.Linked != 0 || len(sum.Omissions) != 0 {
		f.Errorf("%d linked, omissions %v", sum.Linked, sum.Omissions)
	}
}
