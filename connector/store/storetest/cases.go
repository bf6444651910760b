package storetest

import (
	"reflect"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// aCase is a waiting case that is due at noon.
func aCase(key string, customer int64, body string) store.Case {
	return store.Case{Key: key, CustomerID: customer, State: store.CaseWaiting, Body: []byte(body), EventAt: noon.Add(-time.Minute), DueAt: noon}
}

// add stores cases and returns how many were new.
func (f *fixture) add(cases ...store.Case) int {
	f.Helper()
	n, err := f.s.AddCases(f.ctx, connector, cases)
	f.must(err)
	return n
}

// cases are the keys of those in a state that are due.
func (f *fixture) cases(state store.CaseState, at time.Time) (keys []string) {
	f.Helper()
	found, err := f.s.LoadCases(f.ctx, connector, state, at, 100)
	f.must(err)
	for _, c := range found {
		keys = append(keys, c.Key)
	}
	return keys
}

// withContacts makes customers that have a contact each.
func (f *fixture) withContacts(ids ...int64) {
	f.Helper()
	f.digest(store.Digest{Customers: customersOf(ids...)})
	for _, id := range ids {
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(id, "x")}})
	}
	var settled []store.Settlement
	for _, d := range f.claim() {
		settled = append(settled, store.Settlement{Delivery: d, State: store.Delivered, Held: &record.Held{ID: 100 + d.CustomerID}})
	}
	f.settleAll(settled...)
}

var caseTests = map[string]func(*fixture){
	"a case is new once, and is replaced only while it waits": func(f *fixture) {
		f.withContacts(1, 2)
		if n := f.add(aCase("a", 1, "first"), aCase("b", 1, "x"), aCase("a", 1, "second")); n != 2 {
			f.Errorf("%d new, want 2", n)
		}
		if n := f.add(aCase("a", 2, "third")); n != 0 {
			f.Errorf("%d new, want none", n)
		}
		got, err := f.s.LoadCases(f.ctx, connector, store.CaseWaiting, noon, 100)
		f.must(err)
		want := aCase("a", 2, "third")
		want.ContactID, want.TriedAt = 102, time.UnixMilli(0).UTC()
		if len(got) != 2 || !reflect.DeepEqual(got[0], want) && !got[0].TriedAt.IsZero() {
			f.Fatalf("%+v, want %+v first", got, want)
		}
		taken, err := f.s.TakeCase(f.ctx, connector, "a", noon)
		f.must(err)
		again, err := f.s.TakeCase(f.ctx, connector, "a", noon)
		f.must(err)
		if !taken || again {
			f.Errorf("taken %t, and again %t", taken, again)
		}
		f.add(aCase("a", 1, "fourth"))
		got, err = f.s.LoadCases(f.ctx, connector, store.CaseSending, noon, 100)
		f.must(err)
		if len(got) != 1 || string(got[0].Body) != "third" || !got[0].TriedAt.Equal(noon) {
			f.Errorf("one that is being sent was replaced: %+v", got)
		}
	},
	"only what is due and has a contact is returned, and what is old in any case": func(f *fixture) {
		f.withContacts(1)
		f.digest(store.Digest{Customers: customersOf(7)})
		later := aCase("later", 1, "x")
		later.DueAt = noon.Add(time.Hour)
		f.add(aCase("due", 1, "x"), later, aCase("nobody", 7, "x"))
		if got := f.cases(store.CaseWaiting, noon); !reflect.DeepEqual(got, []string{"due"}) {
			f.Errorf("due are %v", got)
		}
		if got := f.cases(store.CaseWaiting, noon.Add(time.Hour)); !reflect.DeepEqual(got, []string{"due", "later"}) {
			f.Errorf("an hour later %v", got)
		}
		old, err := f.s.LoadOldCases(f.ctx, connector, noon, 100)
		f.must(err)
		none, err := f.s.LoadOldCases(f.ctx, connector, noon.Add(-time.Minute), 100)
		f.must(err)
		if len(old) != 3 || len(none) != 0 {
			f.Errorf("%d are about something before noon, want 3; %d before that", len(old), len(none))
		}
	},
	"what a holder that died left sending is unknown, and final is final": func(f *fixture) {
		f.withContacts(1)
		f.add(aCase("a", 1, "secret"), aCase("b", 1, "x"))
		for _, key := range []string{"a", "b"} {
			_, err := f.s.TakeCase(f.ctx, connector, key, noon)
			f.must(err)
		}
		f.must(f.s.SaveCase(f.ctx, connector, store.Case{Key: "b", State: store.CaseWritten, Body: []byte("secret"), WrittenID: "n1"}))
		f.must(f.s.RecoverCases(f.ctx, connector))
		if got := f.cases(store.CaseUnknown, noon); !reflect.DeepEqual(got, []string{"a"}) {
			f.Errorf("unknown are %v", got)
		}
		f.must(f.s.SaveCase(f.ctx, connector, store.Case{Key: "b", State: store.CaseWaiting}))
		f.must(f.s.SaveCase(f.ctx, connector, store.Case{Key: "a", State: store.CaseLeftOut, Reason: "too old"}))
		written, err := f.s.LoadWritten(f.ctx, connector, 1)
		f.must(err)
		counts, err := f.s.CountCases(f.ctx, connector)
		f.must(err)
		want := store.CaseCounts{States: map[store.CaseState]int{store.CaseWritten: 1, store.CaseLeftOut: 1}, LeftOut: map[string]int{"too old": 1}}
		if !reflect.DeepEqual(counts, want) || !reflect.DeepEqual(written, []string{"n1"}) {
			f.Errorf("%+v, %v", counts, written)
		}
		got, err := f.s.LoadCases(f.ctx, connector, store.CaseWritten, noon.Add(time.Hour), 100)
		f.must(err)
		if len(got) != 1 || len(got[0].Body) != 0 {
			f.Errorf("what was written is still there: %+v", got)
		}
		if n := f.add(aCase("a", 1, "again"), aCase("b", 1, "again")); n != 0 || len(f.cases(store.CaseWaiting, noon)) != 0 {
			f.Errorf("%d that were final are new", n)
		}
		known, err := f.s.LoadKnownCases(f.ctx, connector, []string{"a", "c"})
		f.must(err)
		if !reflect.DeepEqual(known, map[string]bool{"a": true}) {
			f.Errorf("known are %v", known)
		}
	},
	"who is forgotten has no cases": func(f *fixture) {
		f.withContacts(1, 3)
		f.add(aCase("a", 1, "secret"), aCase("b", 3, "x"))
		_, err := f.s.Erase(f.ctx, f.digester, &store.Erasure{Connector: connector, Customers: []int64{1}})
		f.must(err)
		if got := f.cases(store.CaseWaiting, noon); !reflect.DeepEqual(got, []string{"b"}) {
			f.Errorf("left are %v", got)
		}
	},
}
