package storetest

import (
	"reflect"
	"slices"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// later is when the subtests of this file look at what died.
var later = noon.Add(time.Hour)

// die delivers what is due and has it die for a reason.
func (f *fixture) die(reason string) {
	f.Helper()
	var s []store.Settlement
	for _, d := range f.claim() {
		s = append(s, store.Settlement{Delivery: d, State: store.Dead, Reason: reason, Status: 400})
	}
	f.settleAll(s...)
}

// contactDies has the first of what is due die and gives the rest back.
func (f *fixture) contactDies() {
	f.Helper()
	var s []store.Settlement
	for i, d := range f.claim() {
		state := store.Pending
		if i == 0 {
			state = store.Dead
		}
		s = append(s, store.Settlement{Delivery: d, State: state, Reason: "invalid", NextAttemptAt: noon, Uncounted: i > 0})
	}
	f.settleAll(s...)
}

func (f *fixture) dead(filter store.DeadFilter) []store.DeadLetter {
	f.Helper()
	filter.Connector = connector
	found, err := f.s.LoadDead(f.ctx, filter, 100)
	f.must(err)
	return found
}

// whole requeues or drops by as many calls as it takes.
func (f *fixture) whole(act func(store.DeadFilter, int) (int, error), filter store.DeadFilter) (total int) {
	f.Helper()
	filter.Connector = connector
	for {
		n, err := act(filter, 2)
		f.must(err)
		if total += n; n == 0 {
			return total
		}
	}
}

func (f *fixture) requeueDead(filter store.DeadFilter) int {
	f.Helper()
	return f.whole(func(d store.DeadFilter, limit int) (int, error) { return f.s.RequeueDead(f.ctx, d, later, limit) }, filter)
}

func (f *fixture) dropDead(filter store.DeadFilter) int {
	f.Helper()
	return f.whole(func(d store.DeadFilter, limit int) (int, error) { return f.s.DropDead(f.ctx, d, later, limit) }, filter)
}

// failedRecord captures a record that cannot be digested.
func (f *fixture) failedRecord(key, reason string) {
	f.Helper()
	f.capture(page(rec(key)))
	var results []store.RecordResult
	for _, r := range f.undigested() {
		results = append(results, store.RecordResult{ID: r.ID, State: store.Failed, Reason: reason})
	}
	f.digest(store.Digest{Records: results})
}

var deadTests = map[string]func(*fixture){
	"dead letters are chosen by kind, reason, time and id": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2), Contacts: []store.ContactChange{contact(1, "a")}})
		f.die("invalid: 100% wrong")
		f.digest(store.Digest{Events: []store.EventChange{event(2, "E1", 0)}})
		f.die("Transient")
		f.failedRecord("EV1", "decoder panicked")
		all := f.dead(store.DeadFilter{})
		if len(all) != 3 || all[0].Kind != store.DeadContact || all[1].Kind != store.DeadEvent || all[2].Kind != store.DeadRecord {
			f.Fatalf("dead letters %+v", all)
		}
		if all[0].Delivery == nil || all[0].Delivery.Contact == nil || all[0].Delivery.Status != 400 || all[2].Record == nil || len(all[2].Record.Body) == 0 {
			f.Errorf("what died is not told: %+v", all)
		}
		for _, c := range []struct {
			filter store.DeadFilter
			want   []store.DeadKind
		}{
			{store.DeadFilter{Kind: store.DeadEvent}, []store.DeadKind{store.DeadEvent}},
			{store.DeadFilter{Reason: "TRANS"}, []store.DeadKind{store.DeadEvent}},
			{store.DeadFilter{Reason: "100%"}, []store.DeadKind{store.DeadContact}},
			{store.DeadFilter{Reason: "1_0"}, nil},
			{store.DeadFilter{Since: noon.Add(2 * time.Minute)}, nil},
			{store.DeadFilter{Until: noon.Add(time.Minute)}, []store.DeadKind{store.DeadRecord}},
			{store.DeadFilter{Deliveries: []int64{all[1].ID}}, []store.DeadKind{store.DeadEvent}},
			{store.DeadFilter{Records: []int64{all[2].ID}}, []store.DeadKind{store.DeadRecord}},
			{store.DeadFilter{Records: []int64{all[2].ID + 99}}, nil},
		} {
			var got []store.DeadKind
			for _, l := range f.dead(c.filter) {
				got = append(got, l.Kind)
			}
			if !slices.Equal(got, c.want) {
				f.Errorf("%+v: %v, want %v", c.filter, got, c.want)
			}
		}
		if other, err := f.s.LoadDead(f.ctx, store.DeadFilter{Connector: "other"}, 9); err != nil || len(other) != 0 {
			f.Errorf("another connector's: %v, %v", other, err)
		}
	},
	"a requeued contact comes back with its events and starts to count anew": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "a")},
			Events: []store.EventChange{event(1, "E1", 0), event(1, "E2", 1)}})
		f.contactDies()
		if n := f.requeueDead(store.DeadFilter{Kind: store.DeadContact}); n != 1 {
			f.Errorf("requeued %d", n)
		}
		got := f.claimAt(later)
		if len(got) != 3 || got[0].Attempts != 0 || got[0].Reason != "" {
			f.Errorf("claimed %q: %+v", labels(got), got)
		}
	},
	"a requeued event whose contact is dead brings it back": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "a")}, Events: []store.EventChange{event(1, "E1", 0)}})
		f.contactDies()
		if n := f.requeueDead(store.DeadFilter{Kind: store.DeadEvent}); n != 1 {
			f.Errorf("requeued %d", n)
		}
		if got := f.claimAt(later); len(got) != 2 {
			f.Errorf("claimed %q", labels(got))
		}
	},
	"a requeued event that may have counted is looked up first": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Events: []store.EventChange{event(1, "E1", 0)}})
		f.die("unknown")
		f.requeueDead(store.DeadFilter{})
		if got := f.claimAt(later); len(got) != 0 {
			f.Errorf("claimed %q", labels(got))
		}
		if u := f.unknown(); len(u) != 1 || !u[0].UnknownSince.Equal(noon.Add(time.Minute)) {
			f.Errorf("unknown %+v", u)
		}
	},
	"an event that was told is never told again": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Facts: []store.StoredFact{task("WTE1", 1)}, Events: []store.EventChange{event(1, "E1", 0)}})
		f.settle(store.Delivered, f.claim()...)
		before := f.states()
		if n := f.requeueDead(store.DeadFilter{}); n != 0 {
			f.Errorf("requeued %d of none", n)
		}
		if after := f.states(); !reflect.DeepEqual(before, after) {
			f.Errorf("states %v became %v", before, after)
		}
	},
	"a merged customer's contact does not come back": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2), Contacts: []store.ContactChange{contact(1, "a")}})
		f.die("invalid")
		f.digest(store.Digest{Customers: []store.Customer{{ID: 1, CreatedAt: noon, MergedInto: 2}}})
		f.requeueDead(store.DeadFilter{})
		if d := f.delivery("contact 1 a"); d.State != store.Withdrawn {
			f.Errorf("the contact is %s", d.State)
		}
	},
	"a failed record is digested again": func(f *fixture) {
		f.failedRecord("EV1", "not JSON")
		f.requeueDead(store.DeadFilter{Kind: store.DeadRecord})
		if got := f.undigested(); len(got) != 1 || got[0].Key != "EV1" {
			f.Errorf("undigested %q", keysOf(got))
		}
	},
	"what is dropped is gone for good, and nothing else": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2), Contacts: []store.ContactChange{contact(1, "a")},
			Events: []store.EventChange{event(1, "E1", 0), event(2, "E2", 0), event(2, "E3", 1)}})
		for _, d := range f.claim() {
			if d.Key != "E1" {
				f.settleAll(store.Settlement{Delivery: d, State: store.Dead, Reason: "refused " + d.Key})
			}
		}
		f.failedRecord("EV1", "refused too")
		if n := f.dropDead(store.DeadFilter{Reason: "E2"}); n != 1 {
			f.Errorf("dropped %d", n)
		}
		if got := f.states(); got["E2"] != store.Skipped || got["E3"] != store.Dead || got["E1"] == store.Skipped {
			f.Errorf("states %v", got)
		}
		f.dropDead(store.DeadFilter{})
		if left := f.dead(store.DeadFilter{}); len(left) != 0 {
			f.Errorf("left %+v", left)
		}
		if d := f.delivery("contact 1 a"); d.State != store.Skipped || d.Reason != store.DroppedReason {
			f.Errorf("the contact is %s: %s", d.State, d.Reason)
		}
		f.digest(store.Digest{Events: []store.EventChange{event(2, "E2", 0)}})
		if got := f.claimAt(later); len(got) != 0 {
			f.Errorf("claimed %q after the drop", labels(got))
		}
	},
	"what was linked after both contacts were written stays noted": func(f *fixture) {
		note := record.Omission{What: "contact", Reason: "linked after both contacts were written"}
		f.digest(store.Digest{Customers: customersOf(1), Lasting: []store.CustomerOmission{{CustomerID: 1, Omission: note}},
			Omissions: []store.CustomerOmission{{CustomerID: 1, Omission: record.Omission{What: "SMS", Reason: "bad"}}}})
		f.digest(store.Digest{Customers: customersOf(1), Contacts: []store.ContactChange{contact(1, "a")}})
		f.settle(store.Delivered, f.claim()...)
		got := f.summary().Omissions
		if len(got) != 1 || got[0].Reason != note.Reason {
			f.Errorf("omissions %+v", got)
		}
	},
}
