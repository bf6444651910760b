package storetest

import (
	"errors"
	"reflect"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
)

var factTests = map[string]func(*fixture){
	"a fact is read by its kind and SID": func(f *fixture) {
		one := &fact.Fact{Kind: fact.Conversation, SID: "CH1"}
		one.SetValue(fact.PolledIndex, 7, noon)
		f.digest(store.Digest{
			Customers: customersOf(4),
			Facts:     []store.StoredFact{{Fact: one, CustomerID: 4, Open: true, ReadAt: noon}, {Fact: &fact.Fact{Kind: fact.Task, SID: "WT1"}}},
		})
		got, err := f.s.LoadFact(f.ctx, connector, fact.Key{Kind: fact.Conversation, SID: "CH1"})
		f.must(err)
		if !reflect.DeepEqual(got, store.StoredFact{Fact: one, CustomerID: 4, Open: true, ReadAt: noon}) {
			f.Errorf("read %+v", got)
		}
		for _, absent := range []fact.Key{{Kind: fact.Task, SID: "CH1"}, {Kind: fact.Conversation, SID: "CH2"}} {
			if _, err := f.s.LoadFact(f.ctx, connector, absent); !errors.Is(err, store.ErrNotFound) {
				f.Errorf("%v: %v", absent, err)
			}
		}
		if _, err := f.s.LoadFact(f.ctx, "other", one.Key()); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("another connector reads it: %v", err)
		}
	},
	"open facts come by the longest unread": func(f *fixture) {
		var facts []store.StoredFact
		for sid, read := range map[string]time.Time{"WT1": noon, "WT2": {}, "WT3": noon.Add(-time.Hour), "WT4": noon.Add(time.Hour)} {
			facts = append(facts, store.StoredFact{Fact: &fact.Fact{Kind: fact.Task, SID: sid}, Open: true, ReadAt: read})
		}
		facts = append(facts,
			store.StoredFact{Fact: &fact.Fact{Kind: fact.Task, SID: "WT5"}},
			store.StoredFact{Fact: &fact.Fact{Kind: fact.Conversation, SID: "CH1"}, Open: true})
		f.digest(store.Digest{Facts: facts})
		var got []string
		found, err := f.s.LoadOpenFacts(f.ctx, connector, fact.Task, noon.Add(time.Minute), 2)
		f.must(err)
		for _, one := range found {
			got = append(got, one.Fact.SID)
		}
		if !reflect.DeepEqual(got, []string{"WT2", "WT3"}) {
			f.Errorf("open %q", got)
		}
	},
}
