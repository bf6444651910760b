package storetest

import (
	"errors"
	"reflect"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// aBackfill is of the month before noon.
func aBackfill() store.Backfill {
	return store.Backfill{
		Connector: connector, RunID: 7, Since: noon.AddDate(0, -1, 0), Until: noon,
		Events: store.EventsNone, Request: []byte(`{"yes":true}`),
	}
}

var backfillTests = map[string]func(*fixture){
	"a backfill is one for each connector and lasts until it ends": func(f *fixture) {
		if _, err := f.s.LoadBackfill(f.ctx, connector); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("without a backfill: %v, want ErrNotFound", err)
		}
		want := aBackfill()
		f.must(f.s.SaveBackfill(f.ctx, want))
		want.Held, want.Events = true, store.EventsAll
		f.must(f.s.SaveBackfill(f.ctx, want))
		got, err := f.s.LoadBackfill(f.ctx, connector)
		f.must(err)
		if !reflect.DeepEqual(got, want) {
			f.Errorf("backfill %+v, want %+v", got, want)
		}
		if _, err := f.s.LoadBackfill(f.ctx, "another"); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("another connector's: %v, want ErrNotFound", err)
		}
		f.must(f.s.EndBackfill(f.ctx, connector))
		f.must(f.s.EndBackfill(f.ctx, connector))
		if _, err := f.s.LoadBackfill(f.ctx, connector); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("after its end: %v, want ErrNotFound", err)
		}
	},
	"customers are owed until a digest says they are not": func(f *fixture) {
		facts := []store.StoredFact{
			{Fact: &fact.Fact{Kind: fact.Task, SID: "WT1"}, CustomerID: 1},
			{Fact: &fact.Fact{Kind: fact.Task, SID: "WT2"}, CustomerID: 2},
		}
		f.digest(store.Digest{Customers: customersOf(1, 2), Facts: facts, Owed: []int64{2, 1, 2}})
		f.mustOwe(10, []int64{1, 2}, "WT1", "WT2")
		f.mustOwe(1, []int64{1}, "WT1")
		f.digest(store.Digest{Unowed: []int64{1}})
		f.mustOwe(10, []int64{2}, "WT2")
		f.digest(store.Digest{Unowed: []int64{2}, Owed: []int64{2}})
		f.mustOwe(10, []int64{2}, "WT2")
	},
	"records are counted by stream and by when they happened": func(f *fixture) {
		at := func(key string, at time.Time) record.Record {
			r := rec(key)
			r.At = at
			return r
		}
		f.capture(page(at("a", noon), at("b", noon.Add(time.Minute)), at("c", noon.Add(time.Hour))))
		for _, c := range []struct {
			stream string
			until  time.Time
			want   int
		}{
			{"events", noon.Add(time.Minute), 1}, {"events", noon.Add(time.Hour), 2},
			{"events", noon.Add(time.Hour + 1), 2}, {"events", noon.Add(2 * time.Hour), 3}, {"tasks", noon.Add(2 * time.Hour), 0},
		} {
			got, err := f.s.CountRecords(f.ctx, connector, c.stream, noon, c.until)
			f.must(err)
			if got != c.want {
				f.Errorf("%s until %s: %d records, want %d", c.stream, c.until, got, c.want)
			}
		}
	},
	"what waits is told by its lane": func(f *fixture) {
		f.mustWait(record.Backfill, store.Waits{})
		past := rec("past")
		past.Lane = record.Backfill
		f.capture(page(past, rec("now")))
		f.mustWait(record.Backfill, store.Waits{Records: true})
		f.mustWait(record.Retry, store.Waits{})
		owed := contact(1, "a")
		owed.Lane = record.Backfill
		f.digest(store.Digest{
			Customers: customersOf(1),
			Records:   []store.RecordResult{{ID: f.undigested()[1].ID, State: store.Digested}},
			Contacts:  []store.ContactChange{owed},
		})
		f.mustWait(record.Backfill, store.Waits{Deliveries: true})
		f.mustWait(record.Live, store.Waits{Records: true})
		claimed := f.claim()
		f.mustWait(record.Backfill, store.Waits{Deliveries: true})
		f.settle(store.Delivered, claimed...)
		f.mustWait(record.Backfill, store.Waits{})
	},
}

// mustWait checks what of a lane is not done.
func (f *fixture) mustWait(lane record.Lane, want store.Waits) {
	f.Helper()
	got, err := f.s.LoadWaiting(f.ctx, connector, lane)
	f.must(err)
	if got != want {
		f.Errorf("lane %d: %+v, want %+v", lane, got, want)
	}
}

// mustOwe checks who is owed something, and the tasks that belong to them.
func (f *fixture) mustOwe(limit int, customers []int64, tasks ...string) {
	f.Helper()
	got, keys, err := f.s.LoadOwed(f.ctx, connector, limit)
	f.must(err)
	var sids []string
	for _, k := range keys {
		sids = append(sids, k.SID)
	}
	if !reflect.DeepEqual(got, customers) || !reflect.DeepEqual(sids, tasks) {
		f.Errorf("owed %v with %v, want %v with %v", got, sids, customers, tasks)
	}
	n, err := f.s.CountOwed(f.ctx, connector)
	f.must(err)
	if limit > len(customers) && n != len(customers) {
		f.Errorf("%d are owed, want %d", n, len(customers))
	}
}
