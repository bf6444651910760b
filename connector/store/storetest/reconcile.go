package storetest

import (
	"errors"
	"reflect"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var reconcileTests = map[string]func(*fixture){
	"found events are not told, and others are": func(f *fixture) {
		f.customers(1)
		f.digest(store.Digest{Events: []store.EventChange{event(1, "a", 0), event(1, "b", 1)}})
		n, err := f.s.MarkFound(f.ctx, f.deliver, connector, []store.FoundEvent{{Key: "a", At: noon}, {Key: "later", At: noon}}, noon)
		f.must(err)
		f.digest(store.Digest{Events: []store.EventChange{event(1, "later", 2), event(1, "a", 0)}})
		if got := labels(f.claim()); n != 2 || !reflect.DeepEqual(got, []string{"b"}) {
			f.Errorf("%d were marked, then %q are to be told", n, got)
		}
		if d := f.delivery("a"); d.State != store.Delivered {
			f.Errorf("the found one is %s", d.State)
		}
		n, err = f.s.MarkFound(f.ctx, f.deliver, connector, []store.FoundEvent{{Key: "a", At: noon}}, noon)
		if n != 0 || err != nil {
			f.Errorf("marked again: %d, %v", n, err)
		}
		marked, err := f.s.LoadMarked(f.ctx, connector, []string{"a", "b"})
		f.must(err)
		if len(marked) != 1 || marked["a"] != noon.UnixMilli() {
			f.Errorf("marked are %v", marked)
		}
		f.takeOver(f.deliver)
		if _, err := f.s.MarkFound(f.ctx, f.deliver, connector, []store.FoundEvent{{Key: "b", At: noon}}, noon); !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("marked under a lost lease: %v", err)
		}
	},

	"an event that is told once more is looked up first": func(f *fixture) {
		f.customers(1)
		f.digest(store.Digest{Events: []store.EventChange{event(1, "a", 0)}})
		f.settle(store.Delivered, f.claim()...)
		got, err := f.s.Retell(f.ctx, f.digester, connector, []string{"a", "unknown"}, noon)
		f.must(err)
		unknown, err := f.s.LoadUnknown(f.ctx, account, 10)
		f.must(err)
		if !reflect.DeepEqual(got, []string{"a"}) || len(unknown) != 1 || !unknown[0].UnknownSince.Equal(noon) {
			f.Errorf("told again are %q, unknown %+v", got, unknown)
		}
		marked, err := f.s.LoadMarked(f.ctx, connector, []string{"a"})
		if len(marked) != 0 || err != nil {
			f.Errorf("marked are %v, %v", marked, err)
		}
		earliest, err := f.s.EarliestOwed(f.ctx, account)
		if !earliest.Equal(noon) || err != nil {
			f.Errorf("the earliest owed is of %v, %v", earliest, err)
		}
	},

	"what is held is corrected unless something is under way": func(f *fixture) {
		f.digest(store.Digest{Customers: []store.Customer{{ID: 1, CreatedAt: noon, Desired: "x"}, {ID: 2, CreatedAt: noon, Desired: "x"}}})
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(2, "Max")}, Customers: []store.Customer{{ID: 2, CreatedAt: noon, Desired: "x"}}})
		f.claim()
		n, err := f.s.CorrectHeld(f.ctx, f.digester, connector, map[int64]record.Held{1: {ID: 11}, 2: {ID: 12}})
		f.must(err)
		one, two := f.neighbours(1).Customers[0], f.neighbours(2).Customers[0]
		if n != 1 || one.Held.ID != 11 || one.Desired != "" || two.Held.ID != 0 || two.Desired != "x" {
			f.Errorf("%d were corrected: %+v %+v", n, one, two)
		}
	},

	"records wait again, unless they were emptied": func(f *fixture) {
		f.capture(page(rec("EV1"), record.Record{Key: "EV2", Stream: "events", Type: "x", At: noon, Via: record.Poll}))
		var results []store.RecordResult
		for _, r := range f.undigested() {
			results = append(results, store.RecordResult{ID: r.ID, State: store.Digested})
		}
		f.digest(store.Digest{Records: results})
		known, err := f.s.LoadKnownRecords(f.ctx, connector, []string{"EV1", "EV2", "EV3"})
		f.must(err)
		n, err := f.s.DigestAgain(f.ctx, connector, []string{"EV1", "EV2", "EV3"})
		if got := keysOf(f.undigested()); n != 1 || err != nil || len(known) != 2 || !reflect.DeepEqual(got, []string{"EV1"}) {
			f.Errorf("known %v; %d wait again: %q, %v", known, n, got, err)
		}
	},

	"a sign of life is the last one": func(f *fixture) {
		if at, err := f.s.LoadLife(f.ctx, account); !at.IsZero() || err != nil {
			f.Errorf("before any: %v, %v", at, err)
		}
		for _, at := range []time.Time{noon, noon.Add(time.Hour)} {
			f.must(f.s.SaveLife(f.ctx, account, at))
		}
		if at, err := f.s.LoadLife(f.ctx, account); !at.Equal(noon.Add(time.Hour)) || err != nil {
			f.Errorf("the last one is of %v, %v", at, err)
		}
	},
}
