package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var readTests = map[string]func(*fixture){
	"an empty store has an empty summary": func(f *fixture) {
		sum := f.summary()
		want := &store.Summary{
			Records: map[store.RecordState]int{}, Deliveries: map[store.DeliveryKind]map[store.DeliveryState]int{},
			Facts: map[fact.Kind]int{}, Checkpoints: map[string]store.Checkpoint{},
		}
		if !reflect.DeepEqual(sum, want) {
			f.Errorf("summary %+v", sum)
		}
	},
	"a summary counts what a connector holds": func(f *fixture) {
		f.capture(record.Page{Stream: "events", Records: []record.Record{rec("EV1"), rec("EV2")}, Cursor: "c", Through: noon})
		f.digest(store.Digest{
			Records:   []store.RecordResult{{ID: f.undigested()[0].ID, State: store.Digested}},
			Customers: []store.Customer{{ID: 1, Conversations: 2}, {ID: 2, Conversations: 3}},
			Facts:     []store.StoredFact{task("WT1", 1), task("WT2", 2), {Fact: &fact.Fact{Kind: fact.Queue, SID: "WQ1"}}},
			Contacts:  []store.ContactChange{contact(1, "a"), contact(2, "a")}, Events: []store.EventChange{event(2, "E1", 0)},
		})
		c := f.claim()
		f.settleAll(store.Settlement{Delivery: c[0], State: store.Delivered, Held: &record.Held{ID: 71}}, store.Settlement{Delivery: c[1], State: store.Pending})
		want := &store.Summary{
			Records: map[store.RecordState]int{store.Digested: 1, store.Waiting: 1},
			Deliveries: map[store.DeliveryKind]map[store.DeliveryState]int{
				store.ContactDelivery: {store.Delivered: 1, store.Pending: 1}, store.EventDelivery: {store.Sending: 1},
			},
			Facts:     map[fact.Kind]int{fact.Task: 2, fact.Queue: 1},
			Customers: 2, Linked: 1, Conversations: 5,
			Checkpoints:   map[string]store.Checkpoint{"events": {Cursor: "c", Through: noon, At: noon}},
			OldestWaiting: noon, OldestPending: noon.Add(time.Minute), LastDelivered: noon.Add(time.Minute),
		}
		if got := f.summary(); !reflect.DeepEqual(got, want) {
			f.Errorf("summary %+v, want %+v", got, want)
		}
		if other, err := f.s.LoadSummary(f.ctx, "other", noon); err != nil || other.Customers != 0 || len(other.Records)+len(other.Deliveries)+len(other.Facts) != 0 {
			f.Errorf("another connector's summary %+v, %v", other, err)
		}
	},
	"deliveries are listed by state, the newest first": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2, 3), Contacts: []store.ContactChange{contact(1, "a"), contact(2, "a"), contact(3, "a")}})
		f.settle(store.Dead, f.claim()[:2]...)
		for state, want := range map[store.DeliveryState][]string{
			store.Dead: {"contact 2 a", "contact 1 a"}, store.Sending: {"contact 3 a"}, store.Unknown: {},
			"": {"contact 3 a", "contact 2 a", "contact 1 a"},
		} {
			got, err := f.s.LoadDeliveries(f.ctx, connector, state, 10)
			f.must(err)
			if !reflect.DeepEqual(labels(got), want) {
				f.Errorf("state %q: %q, want %q", state, labels(got), want)
			}
		}
		if got, err := f.s.LoadDeliveries(f.ctx, connector, store.Dead, 1); err != nil || len(got) != 1 {
			f.Errorf("%q, %v, want one", labels(got), err)
		}
	},
	"an unknown customer is not found": func(f *fixture) {
		f.customers(1)
		for connector, id := range map[string]int64{connector: 9, "other": 1} {
			if _, err := f.s.LoadCustomer(f.ctx, connector, id); !errors.Is(err, store.ErrNotFound) {
				f.Errorf("customer %d of %s: %v", id, connector, err)
			}
		}
	},
	"runs are taken in order, each once, and keep their progress": func(f *fixture) {
		if _, err := f.s.NextRun(f.ctx, noon); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("next run of none: %v", err)
		}
		var ids []int64
		for i := range 2 {
			id, err := f.s.AddRun(f.ctx, store.Run{Kind: "backfill", Connector: connector, Request: []byte{0, byte(i), 0xff}, Progress: []byte("0"), CreatedAt: noon})
			f.must(err)
			ids = append(ids, id)
		}
		first, err := f.s.NextRun(f.ctx, noon.Add(time.Second))
		f.must(err)
		want := store.Run{
			ID: ids[0], Kind: "backfill", Connector: connector, State: store.RunRunning, Request: []byte{0, 0, 0xff},
			Progress: []byte("0"), CreatedAt: noon, StartedAt: noon.Add(time.Second),
		}
		if !reflect.DeepEqual(first, want) {
			f.Fatalf("took %+v, want %+v", first, want)
		}
		first.State, first.Progress, first.Error, first.EndedAt = store.RunFailed, []byte("{}"), "lost", noon.Add(time.Hour)
		f.must(f.s.SaveRun(f.ctx, first))
		if got, err := f.s.LoadRun(f.ctx, ids[0]); err != nil || !reflect.DeepEqual(got, first) {
			f.Errorf("loaded %+v, %v, want %+v", got, err, first)
		}
		if second, err := f.s.NextRun(f.ctx, noon); err != nil || second.ID != ids[1] {
			f.Errorf("took %+v, %v", second, err)
		}
		runs, err := f.s.LoadRuns(f.ctx, 10)
		if err != nil || len(runs) != 2 || runs[0].ID != ids[1] {
			f.Errorf("runs %+v, %v, want the newest first", runs, err)
		}
		for _, err := range []error{f.s.SaveRun(f.ctx, store.Run{ID: 99, State: store.RunDone}), func() error { _, err := f.s.LoadRun(f.ctx, 99); return err }()} {
			if !errors.Is(err, store.ErrNotFound) {
				f.Errorf("a run that is none: %v", err)
			}
		}
	},
	"unknown outcomes come oldest first": func(f *fixture) {
		for i := range 3 {
			f.digest(store.Digest{Customers: customersOf(int64(i + 1)), Events: []store.EventChange{event(int64(i+1), fmt.Sprint("E", i), 0)}})
			f.must(f.s.Settle(f.ctx, f.deliver, noon.Add(-time.Duration(i)*time.Minute), []store.Settlement{{Delivery: f.claim()[0], State: store.Unknown}}))
		}
		if got := labels(f.unknown()); !reflect.DeepEqual(got, []string{"E2", "E1", "E0"}) {
			f.Errorf("unknown %q", got)
		}
		if got, err := f.s.LoadUnknown(f.ctx, account, 1); err != nil || !reflect.DeepEqual(labels(got), []string{"E2"}) {
			f.Errorf("unknown %q, %v", labels(got), err)
		}
	},
}
