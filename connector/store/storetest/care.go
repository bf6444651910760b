package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var careTests = map[string]func(*fixture){
	"pruning takes what is old and done, within its limit": func(f *fixture) {
		f.capture(page(rec("EV1"), rec("EV2"), rec("EV3"), rec("EV4")))
		w := f.undigested()
		f.digest(store.Digest{Customers: customersOf(1, 2, 3, 4),
			Records: []store.RecordResult{
				{ID: w[0].ID, State: store.Digested}, {ID: w[1].ID, State: store.Ignored, Reason: "r"}, {ID: w[2].ID, State: store.Failed, Reason: "r"},
			},
			Events: []store.EventChange{event(1, "delivered", 0), event(2, "dead", 0), event(3, "unknown", 0), event(4, "skipped", 0)}})
		for _, d := range f.claim() {
			f.settle(store.DeliveryState(d.Key), d)
		}
		f.digest(store.Digest{Events: []store.EventChange{event(1, "pending", 0)}})
		prune := func(p store.Retention, limit, want int) {
			f.Helper()
			if n, err := f.s.Prune(f.ctx, p, limit); err != nil || n != want {
				f.Fatalf("pruned %d, %v, want %d", n, err, want)
			}
		}
		later := noon.Add(time.Hour)
		prune(store.Retention{}, 10, 0)
		prune(store.Retention{Records: noon, Deliveries: noon}, 10, 0)
		prune(store.Retention{Records: later, Deliveries: later}, 1, 2)
		prune(store.Retention{Records: later, Deliveries: later}, 10, 2)
		prune(store.Retention{Records: later, Deliveries: later}, 10, 0)
		want := map[string]store.DeliveryState{"dead": store.Dead, "unknown": store.Unknown, "pending": store.Pending}
		if got := f.states(); !reflect.DeepEqual(got, want) {
			f.Errorf("left %v, want %v", got, want)
		}
		if got := f.summary().Records; !reflect.DeepEqual(got, map[store.RecordState]int{store.Failed: 1, store.Waiting: 1}) {
			f.Errorf("left %v", got)
		}
	},
	"an ended context ends every call and changes nothing": func(f *fixture) {
		why := errors.New("the reason")
		ctx, cancel := context.WithCancelCause(f.ctx)
		cancel(why)
		for name, call := range f.calls(ctx) {
			began := time.Now()
			if err := call(); !errors.Is(err, why) {
				f.Errorf("%s: %v, want the context's cause", name, err)
			}
			if took := time.Since(began); took > 10*time.Second {
				f.Errorf("%s took %v", name, took)
			}
		}
		sum := f.summary()
		if sum.Customers != 0 || len(sum.Records) != 0 {
			f.Errorf("left %+v", sum)
		}
		f.must(f.s.Ping(f.ctx)) // and what was interrupted blocks nothing
	},
	"a store that works says so": func(f *fixture) { f.must(f.s.Ping(f.ctx)) },
	"closing twice is closing once": func(f *fixture) {
		f.must(f.s.Close())
		f.must(f.s.Close())
		if err := f.s.Ping(f.ctx); err == nil {
			f.Error("a closed store can be written to")
		}
	},
	"digest and delivery beside each other lose nothing": func(f *fixture) {
		const customers, rounds = 8, 12
		done := make(chan error, 1)
		go func() { done <- f.digestRounds(customers, rounds) }()
		told := map[string]int{}
		for working := true; working; {
			select {
			case err := <-done:
				f.must(err)
				working = false
			default:
			}
			for claimed := f.claimAt(noon.Add(time.Hour)); len(claimed) > 0; claimed = f.claimAt(noon.Add(time.Hour)) {
				for _, d := range claimed {
					told[labels([]store.Delivery{d})[0]]++
				}
				f.settle(store.Delivered, claimed...)
			}
		}
		events := 0
		for label, n := range told {
			if n > 1 && label[:2] == "E " {
				f.Errorf("%s was told %d times", label, n)
			}
			if label[:2] == "E " {
				events++
			}
		}
		if events != customers*rounds {
			f.Errorf("%d events told, want %d", events, customers*rounds)
		}
		for customer := range customers {
			last := fmt.Sprintf("contact %d %d", customer+1, rounds-1)
			if told[last] != 1 {
				f.Errorf("%s was told %d times; told %v", last, told[last], told)
			}
		}
	},
}

// digestRounds changes each customer's contact and adds an event, round by round.
func (f *fixture) digestRounds(customers, rounds int) error {
	for round := range rounds {
		var d store.Digest
		for customer := range int64(customers) {
			d.Customers = append(d.Customers, store.Customer{ID: customer + 1})
			d.Contacts = append(d.Contacts, contact(customer+1, fmt.Sprint(round)))
			d.Events = append(d.Events, event(customer+1, fmt.Sprintf("E %d %d", customer+1, round), round))
		}
		if err := f.s.SaveDigest(f.ctx, f.digester, filled(d)); err != nil {
			return err
		}
	}
	return nil
}

// calls are all methods that take a context, with arguments that would change
// something.
func (f *fixture) calls(ctx context.Context) map[string]func() error {
	keep := func(call func() (any, error)) func() error {
		return func() error { _, err := call(); return err }
	}
	batch := []store.Batch{{Connector: connector, At: noon, Pages: pagesOf("EV1")}}
	return map[string]func() error{
		"Capture":               keep(func() (any, error) { return f.s.Capture(ctx, batch) }),
		"LoadCheckpoints":       keep(func() (any, error) { return f.s.LoadCheckpoints(ctx, connector) }),
		"LoadUndigested":        keep(func() (any, error) { return f.s.LoadUndigested(ctx, connector, 1) }),
		"EachUndigested":        func() error { return f.s.EachUndigested(ctx, connector, 1, nil, func(record.Record) {}) },
		"LoadNeighbours":        keep(func() (any, error) { return f.s.LoadNeighbours(ctx, connector, nil, []fact.Key{{}}) }),
		"SaveDigest":            func() error { return f.s.SaveDigest(ctx, f.digester, filled(store.Digest{Customers: customersOf(1)})) },
		"LoadFact":              keep(func() (any, error) { return f.s.LoadFact(ctx, connector, fact.Key{Kind: fact.Task, SID: "WT1"}) }),
		"LoadOpenFacts":         keep(func() (any, error) { return f.s.LoadOpenFacts(ctx, connector, fact.Task, noon, 1) }),
		"LoadOpenConversations": keep(func() (any, error) { return f.s.LoadOpenConversations(ctx, connector, noon, 1) }),
		"Claim":                 keep(func() (any, error) { return f.s.Claim(ctx, f.deliver, account, noon, 1, 1) }),
		"Settle": func() error {
			return f.s.Settle(ctx, f.deliver, noon, []store.Settlement{{State: store.Delivered}})
		},
		"Recover":          keep(func() (any, error) { return f.s.Recover(ctx, f.deliver, account, noon) }),
		"LoadUnknown":      keep(func() (any, error) { return f.s.LoadUnknown(ctx, account, 1) }),
		"LoadContactOwner": keep(func() (any, error) { return f.s.LoadContactOwner(ctx, connector, 1) }),
		"NextDue":          keep(func() (any, error) { return f.s.NextDue(ctx, account) }),
		"Acquire":          keep(func() (any, error) { return f.s.Acquire(ctx, "r", "h", time.Minute) }),
		"Extend":           func() error { return f.s.Extend(ctx, f.deliver, time.Minute) },
		"Release":          func() error { return f.s.Release(ctx, f.deliver) },
		"AddRun":           keep(func() (any, error) { return f.s.AddRun(ctx, store.Run{Kind: "sync"}) }),
		"NextRun":          keep(func() (any, error) { return f.s.NextRun(ctx, noon) }),
		"SaveRun":          func() error { return f.s.SaveRun(ctx, store.Run{ID: 1}) },
		"LoadRun":          keep(func() (any, error) { return f.s.LoadRun(ctx, 1) }),
		"LoadRuns":         keep(func() (any, error) { return f.s.LoadRuns(ctx, 1) }),
		"SaveSnapshots": func() error {
			return f.s.SaveSnapshots(ctx, connector, []store.Snapshot{snapshotOf("WQ1", 0, `{}`)})
		},
		"LoadSnapshots": keep(func() (any, error) {
			return f.s.LoadSnapshots(ctx, connector, store.QueueHourSnapshot, noon, noon)
		}),
		"LoadCSATDays":     keep(func() (any, error) { return f.s.LoadCSATDays(ctx, connector, "2026-11-20", "2026-11-21") }),
		"LoadOutboxAges":   keep(func() (any, error) { return f.s.LoadOutboxAges(ctx, connector, [4]time.Time{}) }),
		"LoadLastSnapshot": keep(func() (any, error) { return f.s.LoadLastSnapshot(ctx, connector, store.QueueHourSnapshot) }),
		"LoadKind":         keep(func() (any, error) { return f.s.LoadKind(ctx, connector, fact.Worker, "", 1) }),
		"LoadSummary":      keep(func() (any, error) { return f.s.LoadSummary(ctx, connector, noon) }),
		"LoadCustomer":     keep(func() (any, error) { return f.s.LoadCustomer(ctx, connector, 1) }),
		"LoadChanged":      keep(func() (any, error) { return f.s.LoadChanged(ctx, connector, 0, 1) }),
		"LoadShared":       keep(func() (any, error) { return f.s.LoadShared(ctx, connector, []string{"+331"}) }),
		"AskPublished":     func() error { return f.s.AskPublished(ctx, f.digester, connector, []int64{1}, noon) },
		"LoadDuePublished": keep(func() (any, error) { return f.s.LoadDuePublished(ctx, connector, noon, 1) }),
		"LoadPublished":    keep(func() (any, error) { return f.s.LoadPublished(ctx, connector, []int64{1}) }),
		"LoadPublishedAt":  keep(func() (any, error) { return f.s.LoadPublishedAt(ctx, connector, "k") }),
		"SavePublished":    func() error { return f.s.SavePublished(ctx, f.digester, connector, written(1, "k"), 0, noon) },
		"LetGo":            func() error { return f.s.LetGo(ctx, connector, []int64{1}, noon) },
		"CountPublished":   keep(func() (any, error) { return f.s.CountPublished(ctx, connector) }),
		"LoadDeliveries":   keep(func() (any, error) { return f.s.LoadDeliveries(ctx, connector, "", 1) }),
		"Prune":            keep(func() (any, error) { return f.s.Prune(ctx, store.Retention{Records: noon}, 1) }),
		"Ping":             func() error { return f.s.Ping(ctx) },
	}
}
