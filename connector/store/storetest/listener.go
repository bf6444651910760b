package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// refusals are refused requests with the numbers from first to last.
func refusals(first, last int) []store.Refusal {
	var out []store.Refusal
	for i := first; i <= last; i++ {
		out = append(out, store.Refusal{At: noon.Add(time.Duration(i) * time.Second), Data: fmt.Appendf(nil, `{"n":%d}`, i)})
	}
	return out
}

func (f *fixture) sender(name string) store.Sender {
	f.Helper()
	senders, err := f.s.LoadSenders(f.ctx, connector)
	f.must(err)
	for _, s := range senders {
		if s.Name == name {
			return s
		}
	}
	f.Fatalf("no sender %q among %+v", name, senders)
	return store.Sender{}
}

func (f *fixture) arrive(a store.Arrivals) {
	f.Helper()
	f.must(f.s.SaveArrivals(f.ctx, connector, a))
}

// posted is one accepted post of Event Streams, minutes after noon.
func posted(minutes int) store.Arrivals {
	return store.Arrivals{Posts: []store.Posted{{Sender: "event_streams", LastAt: noon.Add(time.Duration(minutes) * time.Minute), Accepted: 1}}}
}

// ended is a task's end seen by polling, minutes after noon.
func ended(minutes int) store.Arrivals {
	return store.Arrivals{TaskEndedAt: noon.Add(time.Duration(minutes) * time.Minute)}
}

var listenerTests = map[string]func(*fixture){
	"the ring of refusals holds the latest of each connector": func(f *fixture) {
		f.must(f.s.KeepRefusals(f.ctx, "other", refusals(1, 2)))
		f.must(f.s.KeepRefusals(f.ctx, connector, nil))
		f.must(f.s.KeepRefusals(f.ctx, connector, refusals(1, 3)))
		f.must(f.s.KeepRefusals(f.ctx, connector, refusals(4, store.RefusalsKept+1)))
		got, err := f.s.LoadRefusals(f.ctx, connector, 2*store.RefusalsKept)
		f.must(err)
		want := refusals(2, store.RefusalsKept+1)
		slices.Reverse(want)
		if !reflect.DeepEqual(got, want) {
			f.Errorf("%d refusals from %+v, want %d from %+v", len(got), got[0], len(want), want[0])
		}
		f.must(f.s.KeepRefusals(f.ctx, connector, refusals(1000, 3*store.RefusalsKept+1000)))
		if got, err = f.s.LoadRefusals(f.ctx, connector, 2*store.RefusalsKept); err != nil || len(got) != store.RefusalsKept {
			f.Errorf("%d refusals, %v", len(got), err)
		}
		if other, err := f.s.LoadRefusals(f.ctx, "other", 1); err != nil || len(other) != 1 || string(other[0].Data) != `{"n":2}` {
			f.Errorf("another connector's %+v, %v", other, err)
		}
	},
	"senders are counted and moments go forward only": func(f *fixture) {
		f.arrive(store.Arrivals{Posts: []store.Posted{
			{Sender: "flex", Refused: 3}, {Sender: "event_streams", LastAt: noon.Add(time.Minute), Accepted: 2, Refused: 1, TestID: "t1"},
		}})
		f.arrive(store.Arrivals{Posts: []store.Posted{{Sender: "flex", LastAt: noon.Add(2 * time.Minute), Accepted: 1}, {Sender: "event_streams", LastAt: noon, Accepted: 1}}})
		f.arrive(store.Arrivals{Posts: []store.Posted{{Sender: "event_streams", Refused: 4}}})
		got, err := f.s.LoadSenders(f.ctx, connector)
		f.must(err)
		want := []store.Sender{
			{Name: "event_streams", FirstAt: noon.Add(time.Minute), LastAt: noon.Add(time.Minute), Accepted: 3, Refused: 5, TestID: "t1"},
			{Name: "flex", FirstAt: noon.Add(2 * time.Minute), LastAt: noon.Add(2 * time.Minute), Accepted: 1, Refused: 3},
		}
		if !reflect.DeepEqual(got, want) {
			f.Errorf("senders %+v, want %+v", got, want)
		}
		if other, err := f.s.LoadSenders(f.ctx, "other"); err != nil || len(other) != 0 {
			f.Errorf("another connector's %+v, %v", other, err)
		}
	},
	"a sender is silent since the first task that ended after its last post": func(f *fixture) {
		f.arrive(ended(0))
		f.arrive(posted(1))
		if since := f.sender("event_streams").SilentSince; !since.IsZero() {
			f.Errorf("silent since %s after a post", since)
		}
		f.arrive(ended(1))
		if since := f.sender("event_streams").SilentSince; !since.IsZero() {
			f.Errorf("silent since %s, an end that came with the post", since)
		}
		for _, minutes := range []int{5, 9, 3} {
			f.arrive(ended(minutes))
		}
		if since := f.sender("event_streams").SilentSince; !since.Equal(noon.Add(5 * time.Minute)) {
			f.Errorf("silent since %s, want five past noon", since)
		}
		f.arrive(store.Arrivals{Posts: []store.Posted{{Sender: "event_streams", Refused: 1}}})
		if f.sender("event_streams").SilentSince.IsZero() {
			f.Error("a refused post ended the silence")
		}
		f.arrive(posted(20))
		if since := f.sender("event_streams").SilentSince; !since.IsZero() {
			f.Errorf("silent since %s after another post", since)
		}
	},
	"a sender of whom all was refused is not silent": func(f *fixture) {
		f.arrive(store.Arrivals{Posts: []store.Posted{{Sender: "taskrouter", Refused: 1}}})
		f.arrive(ended(5))
		if s := f.sender("taskrouter"); !s.SilentSince.IsZero() || !s.LastAt.IsZero() {
			f.Errorf("sender %+v", s)
		}
	},
	"arrivals of several processes add up": func(f *fixture) {
		var saving sync.WaitGroup
		for range 8 {
			saving.Go(func() {
				for i := range 5 {
					if err := f.s.SaveArrivals(f.ctx, connector, posted(i)); err != nil {
						f.Error(err)
					}
				}
			})
		}
		saving.Wait()
		if s := f.sender("event_streams"); s.Accepted != 40 || !s.LastAt.Equal(noon.Add(4*time.Minute)) {
			f.Errorf("sender %+v, want 40 accepted", s)
		}
	},
	"plugin posts are found by when they were captured": func(f *fixture) {
		post := func(key string) record.Record {
			r := rec(key)
			r.Via, r.Stream = record.Plugin, "plugin"
			return r
		}
		f.capture(page(post("P1"), rec("EV1"), post("P2")))
		got, err := f.s.LoadPluginPosts(f.ctx, connector, noon.Add(-time.Hour), noon.Add(time.Hour), 10)
		f.must(err)
		if len(got) != 2 || got[0].Key != "P2" || got[1].Key != "P1" || got[1].Via != record.Plugin || len(got[1].Body) == 0 {
			f.Errorf("posts %+v", got)
		}
		for _, none := range [][2]time.Time{{noon.Add(time.Hour), noon.Add(2 * time.Hour)}, {noon.Add(-time.Hour), noon.Add(-time.Minute)}} {
			if got, err := f.s.LoadPluginPosts(f.ctx, connector, none[0], none[1], 10); err != nil || len(got) != 0 {
				f.Errorf("posts %+v, %v", got, err)
			}
		}
		if got, err := f.s.LoadPluginPosts(f.ctx, connector, noon.Add(-time.Hour), noon.Add(time.Hour), 1); err != nil || len(got) != 1 || got[0].Key != "P2" {
			f.Errorf("posts %+v, %v", got, err)
		}
	},
	"facts are found by their keys, whoever owns them": func(f *fixture) {
		f.digest(store.Digest{
			Customers: customersOf(1), Facts: []store.StoredFact{task("WT1", 1), task("WT2", 1), {Fact: &fact.Fact{Kind: fact.Queue, SID: "WQ1"}}},
		})
		got, err := f.s.LoadFacts(f.ctx, connector, []fact.Key{{Kind: fact.Task, SID: "WT1"}, {Kind: fact.Queue, SID: "WQ1"}, {Kind: fact.Task, SID: "WT9"}})
		f.must(err)
		var sids []string
		for _, one := range got {
			sids = append(sids, one.Fact.SID)
		}
		slices.Sort(sids)
		if !reflect.DeepEqual(sids, []string{"WQ1", "WT1"}) {
			f.Errorf("facts %q", sids)
		}
		if none, err := f.s.LoadFacts(f.ctx, connector, nil); err != nil || len(none) != 0 {
			f.Errorf("facts %+v, %v", none, err)
		}
	},
}
