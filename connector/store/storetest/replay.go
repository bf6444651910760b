package storetest

import (
	"errors"
	"reflect"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
)

// taskKey is a task's key, and taskFact a task with one value to know it by.
func taskKey(sid string) fact.Key { return fact.Key{Kind: fact.Task, SID: sid} }

func taskFact(sid, word string) *fact.Fact {
	return &fact.Fact{Kind: fact.Task, SID: sid, Values: map[string]fact.Value{"word": {T: 1, V: word}}}
}

var replayTests = map[string]func(*fixture){
	"a replay is one for each connector and lasts until its run ends it": func(f *fixture) {
		if _, err := f.s.LoadReplay(f.ctx, connector); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("without a replay: %v, want ErrNotFound", err)
		}
		want := store.Replay{Connector: connector, RunID: 7, Request: []byte(`{"since":1}`), Position: []byte(`{}`)}
		f.must(f.s.SaveReplay(f.ctx, want))
		want.Position = []byte(`{"customer":4}`)
		f.must(f.s.SaveReplay(f.ctx, want))
		got, err := f.s.LoadReplay(f.ctx, connector)
		f.must(err)
		if !reflect.DeepEqual(got, want) {
			f.Errorf("replay %+v, want %+v", got, want)
		}
		f.must(f.s.EndReplay(f.ctx, connector, 8, noon))
		if _, err := f.s.LoadReplay(f.ctx, connector); err != nil {
			f.Errorf("another run ended it: %v", err)
		}
		f.must(f.s.EndReplay(f.ctx, connector, 7, noon))
		f.must(f.s.EndReplay(f.ctx, connector, 7, noon))
		if _, err := f.s.LoadReplay(f.ctx, connector); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("after its end: %v, want ErrNotFound", err)
		}
	},
	"records are handed out again once they are digested": func(f *fixture) {
		old := rec("old")
		old.At = noon.AddDate(0, 0, -3)
		f.capture(page(old, rec("waits"), rec("told"), rec("ignored"), rec("failed")))
		ids := map[string]int64{}
		for _, r := range f.undigested() {
			ids[r.Key] = r.ID
		}
		f.digest(store.Digest{Records: []store.RecordResult{
			{ID: ids["old"], State: store.Digested}, {ID: ids["told"], State: store.Digested},
			{ID: ids["ignored"], State: store.Ignored, Reason: "x"}, {ID: ids["failed"], State: store.Failed, Reason: "x"},
		}})
		for _, c := range []struct {
			after int64
			since time.Time
			limit int
			want  []string
		}{
			{0, time.Time{}, 10, []string{"old", "told", "ignored"}},
			{0, noon.AddDate(0, 0, -1), 10, []string{"told", "ignored"}},
			{ids["told"], time.Time{}, 10, []string{"ignored"}},
			{0, time.Time{}, 2, []string{"old", "told"}},
			{ids["ignored"], time.Time{}, 2, []string{}},
		} {
			got, err := f.s.LoadRecordsAgain(f.ctx, connector, c.after, c.since, c.limit)
			f.must(err)
			if !reflect.DeepEqual(keysOf(got), c.want) {
				f.Errorf("after %d since %s: %v, want %v", c.after, c.since, keysOf(got), c.want)
			}
		}
	},
	"customers are handed out again with their facts": func(f *fixture) {
		merged := customersOf(1, 2, 3)
		merged[1].MergedInto = 1
		f.digest(store.Digest{Customers: merged, Facts: []store.StoredFact{
			{Fact: taskFact("WT1", "a"), CustomerID: 1}, {Fact: taskFact("WT2", "b"), CustomerID: 1}, {Fact: taskFact("WT3", "c"), CustomerID: 3},
		}})
		for _, c := range []struct {
			after int64
			limit int
			ids   []int64
			keys  []fact.Key
		}{
			{0, 1, []int64{1}, []fact.Key{taskKey("WT1"), taskKey("WT2")}},
			{1, 5, []int64{3}, []fact.Key{taskKey("WT3")}},
			{3, 5, nil, nil},
		} {
			ids, keys, err := f.s.LoadCustomersAgain(f.ctx, connector, c.after, c.limit)
			f.must(err)
			if !reflect.DeepEqual(ids, c.ids) || !reflect.DeepEqual(keys, c.keys) {
				f.Errorf("after %d: %v with %v, want %v with %v", c.after, ids, keys, c.ids, c.keys)
			}
		}
	},
	"staged facts belong to their run": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Facts: []store.StoredFact{{Fact: taskFact("WT1", "a"), CustomerID: 1}}})
		stage := func(run int64, facts ...*fact.Fact) { f.must(f.s.StageFacts(f.ctx, connector, run, facts)) }
		staged := func(run int64) (words []any) {
			got, err := f.s.LoadStaged(f.ctx, connector, run, []fact.Key{taskKey("WT1"), taskKey("WT2"), taskKey("WT3")})
			f.must(err)
			for _, one := range got {
				words = append(words, one.Values["word"].V)
			}
			return words
		}
		dry, forgotten := store.DryRun(noon), store.DryRun(noon.AddDate(0, 0, -2))
		stage(7, taskFact("WT1", "first"), taskFact("WT2", "new"), taskFact("WT3", "new too"))
		stage(7, taskFact("WT1", "second"))
		stage(dry, taskFact("WT1", "dry"))
		stage(forgotten, taskFact("WT1", "left behind"))
		if got := staged(7); !reflect.DeepEqual(got, []any{"second", "new", "new too"}) {
			f.Errorf("staged %v", got)
		}
		keys, err := f.s.LoadStagedNew(f.ctx, connector, 7, fact.Key{}, 10)
		f.must(err)
		later, err := f.s.LoadStagedNew(f.ctx, connector, 7, taskKey("WT2"), 10)
		f.must(err)
		if !reflect.DeepEqual(keys, []fact.Key{taskKey("WT2"), taskKey("WT3")}) || !reflect.DeepEqual(later, []fact.Key{taskKey("WT3")}) {
			f.Errorf("new ones %v, then %v", keys, later)
		}
		f.must(f.s.SaveReplay(f.ctx, store.Replay{Connector: connector, RunID: 8}))
		if got := staged(7); got != nil {
			f.Errorf("another run took its place, and %v is still staged", got)
		}
		f.must(f.s.EndReplay(f.ctx, connector, 8, noon))
		if got, left := staged(dry), staged(forgotten); len(got) != 1 || left != nil {
			f.Errorf("a dry run under way has %v, one left behind %v", got, left)
		}
		f.must(f.s.EndReplay(f.ctx, connector, dry, noon))
		if got := staged(dry); got != nil {
			f.Errorf("the dry run ended, and %v is still staged", got)
		}
	},
}
