package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// somebody is customer 1, into whom 2 was merged, with a fact, a told event, a dead
// contact and an omission; customer 3 is somebody else.
func (f *fixture) somebody() {
	f.Helper()
	f.capture(page(rec("EV1"), rec("EV2"), rec("CH1:closed")))
	customers := customersOf(1, 3)
	customers = append(customers, store.Customer{ID: 2, CreatedAt: noon, MergedInto: 1})
	f.digest(store.Digest{
		Customers: customers,
		Facts:     []store.StoredFact{taskOf("WTa", 1), taskOf("WTb", 3)},
		Tokens: []store.StoredToken{
			{Token: store.Token{Kind: store.Email, Value: "zoe@example.com"}, CustomerID: 1},
			{Token: store.Token{Kind: store.Ref, Value: "WTa"}, CustomerID: 1},
			{Token: store.Token{Kind: store.Email, Value: "max@example.com"}, CustomerID: 3},
		},
		Events:     []store.EventChange{event(1, "a", 0), event(3, "b", 0)},
		Omissions:  []store.CustomerOmission{{CustomerID: 1, Omission: record.Omission{What: "phone", Reason: "refused"}}},
		Figured:    []string{"WTa"},
		AgentParts: []store.AgentPart{{Source: "WTa", Day: "2026-11-20", Worker: "WK1", Handled: 1}},
		Owed:       []int64{1},
	})
	f.settle(store.Delivered, f.claim()...)
	f.digest(store.Digest{Contacts: []store.ContactChange{contact(1, "Zoe"), contact(3, "Max")}})
}

func taskOf(sid string, customer int64) store.StoredFact {
	return store.StoredFact{CustomerID: customer, Fact: &fact.Fact{Kind: fact.Task, SID: sid}}
}

func (f *fixture) known(email string) *store.Person {
	f.Helper()
	p, err := f.s.LoadPerson(f.ctx, connector, []store.Token{{Kind: store.Email, Value: email}})
	f.must(err)
	return p
}

func tomb(digest string, until time.Time) store.Tomb {
	return store.Tomb{Kind: store.Email, Digest: digest, Until: until}
}

func (f *fixture) tombs(digests ...string) []store.Tomb {
	f.Helper()
	var asked []store.Tomb
	for _, d := range digests {
		asked = append(asked, tomb(d, time.Time{}))
	}
	found, err := f.s.LoadTombs(f.ctx, connector, asked)
	f.must(err)
	return found
}

var forgetTests = map[string]func(*fixture){
	"a person is everything that hangs on a token": func(f *fixture) {
		f.somebody()
		p := f.known("zoe@example.com")
		ids := p.IDs()
		slices.Sort(ids)
		if !reflect.DeepEqual(ids, []int64{1, 2}) || len(p.Merged) != 1 || len(p.Facts) != 1 || len(p.Tokens) != 2 || !reflect.DeepEqual(p.Events, []string{"a"}) {
			f.Errorf("found %+v", p)
		}
		if p := f.known("nobody@example.com"); len(p.IDs()) != 0 {
			f.Errorf("nobody is %+v", p)
		}
		other, err := f.s.LoadPersonOf(f.ctx, connector, []int64{3})
		f.must(err)
		if len(other.Customers) != 1 || len(other.Facts) != 1 {
			f.Errorf("by id there is %+v", other)
		}
	},

	"erasing leaves nothing of a person and everything of others": func(f *fixture) {
		f.somebody()
		waiting := f.undigested()
		erased, err := f.s.Erase(f.ctx, f.digester, &store.Erasure{
			Connector: connector, Customers: []int64{1, 2}, Facts: []fact.Key{{Kind: fact.Task, SID: "WTa"}},
			Records: []store.BuriedRecord{{ID: waiting[0].ID, Key: "EV1"}, {ID: waiting[2].ID, Key: "hidden"}},
			Sources: map[string]string{"WTa": "hidden"}, Tombs: []store.Tomb{tomb("z", noon)},
		})
		f.must(err)
		want := store.Erased{Customers: 2, Facts: 1, Records: 2, Deliveries: 2, Omissions: 1, Events: 1}
		if erased != want {
			f.Errorf("erased %+v, want %+v", erased, want)
		}
		if p := f.known("zoe@example.com"); len(p.IDs())+len(p.Facts)+len(p.Tokens)+len(p.Events) != 0 {
			f.Errorf("left is %+v", p)
		}
		if p := f.known("max@example.com"); len(p.IDs()) != 1 || len(p.Events) != 1 {
			f.Errorf("of somebody else there is %+v", p)
		}
		if got := keysOf(f.undigested()); !reflect.DeepEqual(got, []string{"EV2"}) {
			f.Errorf("%q wait for their digest", got)
		}
		if n := f.summary().Records[store.Ignored]; n != 2 {
			f.Errorf("%d records are kept as ignored, want 2", n)
		}
		days, err := f.s.LoadAgentDays(f.ctx, connector, "2026-11-20", "2026-11-21")
		f.must(err)
		if len(days) != 1 || days[0].Handled != 1 {
			f.Errorf("the agent's day is %+v", days)
		}
		if n, err := f.s.CountOwed(f.ctx, connector); n != 0 || err != nil {
			f.Errorf("%d are owed, %v", n, err)
		}
	},

	"a buried record that comes again is not kept twice": func(f *fixture) {
		f.capture(page(rec("CH1:closed")))
		bury := func() {
			r := f.undigested()[0]
			f.digest(store.Digest{
				Records: []store.RecordResult{{ID: r.ID, State: store.Ignored, Reason: store.ForgottenReason}},
				Buried:  []store.BuriedRecord{{ID: r.ID, Key: "hidden"}}, Tombs: []store.Tomb{tomb("z", noon)},
			})
		}
		bury()
		f.capture(page(rec("CH1:closed")))
		bury()
		if n := f.summary().Records[store.Ignored]; n != 1 || len(f.tombs("z")) != 1 {
			f.Errorf("%d records are kept", n)
		}
	},

	"a tomb keeps its latest moment": func(f *fixture) {
		if any, err := f.s.AnyTombs(f.ctx, connector); any || err != nil {
			f.Errorf("somebody was forgotten: %v", err)
		}
		for _, until := range []time.Time{noon, noon.Add(time.Hour), noon.Add(-time.Hour)} {
			f.must(f.s.SaveTombs(f.ctx, connector, []store.Tomb{tomb("a", until)}))
		}
		if got := f.tombs("a", "b"); len(got) != 1 || !got[0].Until.Equal(noon.Add(time.Hour)) {
			f.Errorf("tombs are %+v", got)
		}
		if any, err := f.s.AnyTombs(f.ctx, connector); !any || err != nil {
			f.Errorf("nobody was forgotten: %v", err)
		}
	},

	"erasing needs the lease": func(f *fixture) {
		f.somebody()
		f.takeOver(f.digester)
		_, err := f.s.Erase(f.ctx, f.digester, &store.Erasure{Connector: connector, Customers: []int64{1, 2}})
		if !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("erased under a lost lease: %v", err)
		}
		if _, err := f.s.HoldBack(f.ctx, f.digester, connector, []int64{1}, noon); !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("held back under a lost lease: %v", err)
		}
		if p := f.known("zoe@example.com"); len(p.IDs()) != 2 {
			f.Errorf("left is %+v", p)
		}
	},

	"holding back stops what waits and tells what is under way": func(f *fixture) {
		f.somebody()
		n, err := f.s.HoldBack(f.ctx, f.digester, connector, []int64{1, 2}, noon)
		f.must(err)
		if got := labels(f.claim()); n != 0 || !reflect.DeepEqual(got, []string{"contact 3 Max"}) {
			f.Errorf("%d are under way, claimed %q", n, got)
		}
		if n, err = f.s.HoldBack(f.ctx, f.digester, connector, []int64{3}, noon); n != 1 || err != nil {
			f.Errorf("%d are under way, want 1, %v", n, err)
		}
	},

	"another key is refused": func(f *fixture) {
		for i, step := range []struct {
			proof string
			adopt bool
			want  error
		}{{"", false, nil}, {"a", false, nil}, {"b", true, nil}, {"b", false, nil}, {"a", true, store.ErrOtherKey}, {"", false, store.ErrOtherKey}} {
			if err := f.s.ProveKey(f.ctx, step.proof, step.adopt); !errors.Is(err, step.want) || (step.want == nil && err != nil) {
				f.Errorf("step %d: %v, want %v", i, err, step.want)
			}
		}
	},

	"an asked run is found until it ends, and its request goes": func(f *fixture) {
		id, err := f.s.AddRun(f.ctx, store.Run{Kind: "forget", Connector: connector, Request: []byte("zoe"), CreatedAt: noon})
		f.must(err)
		if runs, err := f.s.LoadAsked(f.ctx, connector, "forget"); len(runs) != 0 || err != nil {
			f.Errorf("before it is taken there are %v, %v", runs, err)
		}
		_, err = f.s.NextRun(f.ctx, noon)
		f.must(err)
		runs, err := f.s.LoadAsked(f.ctx, connector, "forget")
		f.must(err)
		if len(runs) != 1 || runs[0].ID != id || string(runs[0].Request) != "zoe" {
			f.Fatalf("asked are %+v", runs)
		}
		run := runs[0]
		run.State, run.EndedAt, run.Progress = store.RunDone, noon, []byte("{}")
		f.must(f.s.EndAsked(f.ctx, run))
		run, err = f.s.LoadRun(f.ctx, id)
		f.must(err)
		if run.State != store.RunDone || len(run.Request) != 0 || string(run.Progress) != "{}" {
			f.Errorf("it ended as %+v", run)
		}
	},

	"aged customers are found once, and again when it is time": func(f *fixture) {
		f.customers(1, 2, 3)
		aged := func(now time.Time) []int64 {
			ids, err := f.s.LoadAged(f.ctx, connector, now, 2)
			f.must(err)
			return ids
		}
		if got := aged(noon); !reflect.DeepEqual(got, []int64{1, 2}) {
			f.Errorf("first %v", got)
		}
		f.must(f.s.LookAgain(f.ctx, connector, map[int64]time.Time{1: noon.Add(time.Hour), 2: noon.Add(2 * time.Hour)}))
		if got := aged(noon); !reflect.DeepEqual(got, []int64{3}) {
			f.Errorf("then %v", got)
		}
		if got := aged(noon.Add(time.Hour)); !reflect.DeepEqual(got, []int64{1, 3}) {
			f.Errorf("after an hour %v", got)
		}
	},

	"a compacted store is the same store": func(f *fixture) {
		f.somebody()
		f.must(f.s.Compact(f.ctx))
		f.must(f.s.Flush(f.ctx))
		if p := f.known("zoe@example.com"); len(p.IDs()) != 2 || len(f.undigested()) != 3 {
			f.Errorf("after it there is %+v", p)
		}
	},

	"a compacted store is written as before": func(f *fixture) {
		f.somebody()
		for i := range 3 {
			f.must(f.s.Compact(f.ctx))
			key := fmt.Sprintf("r%d", i)
			before := len(f.undigested())
			f.capture(page(rec(key)))
			if n := len(f.undigested()); n != before+1 {
				f.Errorf("%d records wait after one more was captured, %d before", n, before)
			}
			f.deliverOne(int64(100+i), key)
		}
	},
}
