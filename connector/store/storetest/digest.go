package storetest

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var digestTests = map[string]func(*fixture){
	"a digested record waits no more": func(f *fixture) {
		f.capture(page(rec("EV1"), rec("EV2"), rec("EV3"), rec("EV4")))
		w := f.undigested()
		f.digest(store.Digest{Records: []store.RecordResult{
			{ID: w[0].ID, State: store.Digested},
			{ID: w[1].ID, State: store.Ignored, Reason: "no customer"},
			{ID: w[2].ID, State: store.Failed, Reason: "no JSON"},
		}})
		if got := keysOf(f.undigested()); !reflect.DeepEqual(got, []string{"EV4"}) {
			f.Errorf("waiting %q", got)
		}
		f.digest(store.Digest{Records: []store.RecordResult{{ID: w[2].ID, State: store.Waiting}}})
		if got := keysOf(f.undigested()); !reflect.DeepEqual(got, []string{"EV3", "EV4"}) {
			f.Errorf("waiting after asking for another digest %q", got)
		}
		want := map[store.RecordState]int{store.Waiting: 2, store.Digested: 1, store.Ignored: 1}
		if got := f.summary().Records; !reflect.DeepEqual(got, want) {
			f.Errorf("summary %v, want %v", got, want)
		}
	},
	"what is under way is left out of the next batch": func(f *fixture) {
		past := func(key string) record.Record {
			r := rec(key)
			r.Lane = record.Backfill
			return r
		}
		f.capture(page(past("EV1"), past("EV2"), past("EV3")))
		first, err := f.s.LoadUndigested(f.ctx, connector, 2)
		if err != nil || len(first) != 2 {
			f.Fatalf("%d records, %v", len(first), err)
		}
		f.capture(page(rec("EV4")))
		next, err := f.s.LoadUndigested(f.ctx, connector, 2, first[0].ID, first[1].ID)
		if got := keysOf(next); err != nil || !reflect.DeepEqual(got, []string{"EV4", "EV3"}) {
			f.Errorf("beside %q: %q, %v", keysOf(first), got, err)
		}
	},
	"records that wait are called one by one, each with its own body": func(f *fixture) {
		large, past, empty := rec("EV1"), rec("EV2"), rec("EV3")
		large.Body, past.Lane, empty.Body = bytes.Repeat([]byte("large "), 30_000), record.Backfill, nil
		f.capture(page(past, large, empty, rec("EV4"), rec("EV5")))
		want := f.undigested()
		for _, beside := range [][]int64{nil, {want[1].ID}} {
			var got []record.Record
			f.must(f.s.EachUndigested(f.ctx, connector, 4, beside, func(r record.Record) {
				r.Body = bytes.Clone(r.Body)
				got = append(got, r)
			}))
			expected, err := f.s.LoadUndigested(f.ctx, connector, 4, beside...)
			f.must(err)
			for i := range expected {
				expected[i].Body = bytes.Clone(expected[i].Body) // nil where there is none
			}
			if len(got) != 4 || !reflect.DeepEqual(got, expected) {
				f.Errorf("beside %v called with %q, want %q, with their bodies", beside, keysOf(got), keysOf(expected))
			}
		}
	},
	"records are read again by their ids": func(f *fixture) {
		past := rec("EV1")
		past.Lane = record.Backfill
		f.capture(page(past, rec("EV2"), rec("EV3")))
		_, err := f.s.Capture(f.ctx, []store.Batch{{Connector: "other", At: noon, Pages: []record.Page{page(rec("EV2"))}}})
		f.must(err)
		w := f.undigested() // in the order of their lanes
		f.digest(store.Digest{Records: []store.RecordResult{{ID: w[0].ID, State: store.Digested}}})
		all := []int64{w[2].ID, w[1].ID, w[0].ID, 1 << 40}
		for i := range w {
			all = append(all, w[i].ID+1, w[i].ID+2) // one of them is another connector's
		}
		slices.Sort(all)
		found, err := f.s.LoadRecords(f.ctx, connector, slices.Compact(all))
		if err != nil || !reflect.DeepEqual(found, w) {
			f.Errorf("%q, %v, want %q as they were", keysOf(found), err, keysOf(w))
		}
		if none, err := f.s.LoadRecords(f.ctx, connector, nil); err != nil || len(none) != 0 {
			f.Errorf("%d records of no ids, %v", len(none), err)
		}
	},
	"a digest is saved whole": func(f *fixture) {
		want := task("WT1", 7)
		f.capture(page(rec("EV1")))
		f.digest(store.Digest{
			Records:   []store.RecordResult{{ID: f.undigested()[0].ID, State: store.Digested}},
			Facts:     []store.StoredFact{want},
			Customers: []store.Customer{{ID: 7, CreatedAt: noon, Desired: "v1", Conversations: 3}},
			Tokens:    []store.StoredToken{token("a@example.com", 7), {Token: store.Token{Kind: store.Phone, Value: "+33"}, CustomerID: 7, Shared: true}},
			Contacts:  []store.ContactChange{contact(7, "Zoë")},
			Events:    []store.EventChange{event(7, "E1", 0)},
		})
		n := f.neighbours(7)
		if len(n.Customers) != 1 || !reflect.DeepEqual(n.Customers[0], store.Customer{ID: 7, CreatedAt: noon, Desired: "v1", Conversations: 3}) {
			f.Errorf("customers %+v", n.Customers)
		}
		if len(n.Facts) != 1 || !reflect.DeepEqual(n.Facts[0], want) {
			f.Errorf("facts %+v, want %+v", n.Facts, want)
		}
		if len(n.Tokens) != 2 || !n.Tokens[1].Shared || n.Tokens[0] != token("a@example.com", 7) {
			f.Errorf("tokens %+v", n.Tokens)
		}
		if got := labels(n.Events); !reflect.DeepEqual(got, []string{"E1"}) {
			f.Errorf("events %q", got)
		}
		if got := labels(f.claim()); !reflect.DeepEqual(got, []string{"contact 7 Zoë", "E1"}) {
			f.Errorf("claimed %q", got)
		}
	},
	"a shared phone that leads nowhere is found when it is asked for": func(f *fixture) {
		phone := store.StoredToken{Token: store.Token{Kind: store.Phone, Value: "+33612345678"}, Shared: true}
		f.digest(store.Digest{Tokens: []store.StoredToken{phone}})
		n, err := f.s.LoadNeighbours(f.ctx, connector, []store.Token{phone.Token, {Kind: store.Phone, Value: "+33612345679"}}, nil)
		f.must(err)
		if want := []store.StoredToken{phone}; !reflect.DeepEqual(n.Tokens, want) || len(n.Customers) != 0 {
			f.Errorf("tokens %+v, want %+v; customers %+v", n.Tokens, want, n.Customers)
		}
	},
	"a digest that fails changes nothing": func(f *fixture) {
		f.capture(page(rec("EV1")))
		broken := filled(store.Digest{
			Records: []store.RecordResult{{ID: f.undigested()[0].ID, State: "eaten"}}, Customers: customersOf(7),
			Facts: []store.StoredFact{task("WT1", 7)}, Tokens: []store.StoredToken{token("a@example.com", 7)},
			Contacts: []store.ContactChange{contact(7, "a")}, Events: []store.EventChange{event(7, "E1", 0)},
		})
		if err := f.s.SaveDigest(f.ctx, f.digester, broken); err == nil {
			f.Fatal("a record was moved to a state that is none")
		}
		f.nothingDigested()
	},
	"a digest under a lost lease changes nothing": func(f *fixture) {
		f.capture(page(rec("EV1")))
		late := f.digester
		f.digester = f.takeOver(late)
		err := f.s.SaveDigest(f.ctx, late, filled(store.Digest{
			Records: []store.RecordResult{{ID: f.undigested()[0].ID, State: store.Digested}}, Customers: customersOf(7),
			Contacts: []store.ContactChange{contact(7, "a")}, Events: []store.EventChange{event(7, "E1", 0)},
		}))
		if !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("save digest: %v, want ErrLeaseLost", err)
		}
		f.nothingDigested()
	},
	"neighbours are found by token and by fact, with all that is theirs": func(f *fixture) {
		f.digest(store.Digest{
			Customers: customersOf(1, 2, 3),
			Facts:     []store.StoredFact{task("WT1", 1), task("WT2", 2), task("WT3", 3), task("WT4", 1)},
			Tokens:    []store.StoredToken{token("a@example.com", 1), token("b@example.com", 2), token("c@example.com", 3)},
			Events:    []store.EventChange{event(1, "E1", 0), event(3, "E3", 0)},
		})
		n, err := f.s.LoadNeighbours(f.ctx, connector,
			[]store.Token{{Kind: store.Email, Value: "a@example.com"}, {Kind: store.Email, Value: "nobody@example.com"}},
			[]fact.Key{{Kind: fact.Task, SID: "WT2"}, {Kind: fact.Task, SID: "WT9"}})
		f.must(err)
		var facts, tokens []string
		for _, s := range n.Facts {
			facts = append(facts, s.Fact.SID)
		}
		for _, s := range n.Tokens {
			tokens = append(tokens, s.Value)
		}
		if len(n.Customers) != 2 || !reflect.DeepEqual(facts, []string{"WT1", "WT2", "WT4"}) ||
			!reflect.DeepEqual(tokens, []string{"a@example.com", "b@example.com"}) || !reflect.DeepEqual(labels(n.Events), []string{"E1"}) {
			f.Errorf("customers %+v facts %q tokens %q events %q", n.Customers, facts, tokens, labels(n.Events))
		}
		if none, err := f.s.LoadNeighbours(f.ctx, "other", []store.Token{{Kind: store.Email, Value: "a@example.com"}}, nil); err != nil || len(none.Customers) != 0 {
			f.Errorf("another connector sees %+v, %v", none, err)
		}
	},
	"facts without a customer are found when named": func(f *fixture) {
		worker := store.StoredFact{Fact: &fact.Fact{Kind: fact.Worker, SID: "WK1"}}
		worker.Fact.SetValue(fact.WorkerName, "Ada", noon)
		f.digest(store.Digest{Facts: []store.StoredFact{worker, {Fact: &fact.Fact{Kind: fact.Queue, SID: "WQ1"}}}})
		n, err := f.s.LoadNeighbours(f.ctx, connector, nil, []fact.Key{worker.Fact.Key()})
		f.must(err)
		if len(n.Facts) != 1 || !reflect.DeepEqual(n.Facts[0], worker) || len(n.Customers) != 0 {
			f.Errorf("neighbours %+v", n)
		}
	},
	"a fact keeps every kind of value": func(f *fixture) {
		f.customers(1)
		s := task("WT1", 1)
		s.Fact.SetAttributes(map[string]any{
			"text": "a\x00b", "number": 12345678901234567, "share": 0.25, "yes": true,
			"list": []any{"a", 1}, "conversations": map[string]any{"outcome": "won"}, "tree": map[string]any{"a": map[string]any{"b": 1}},
		}, noon)
		s.Open, s.ReadAt = true, noon
		f.digest(store.Digest{Facts: []store.StoredFact{s}})
		if got := f.neighbours(1).Facts[0]; !reflect.DeepEqual(got, s) {
			f.Errorf("fact %+v, want %+v", got.Fact, s.Fact)
		}
	},
	"what is written of a fact again leaves its marks": func(f *fixture) {
		f.deliverOne(1, "E1")
		again := task("WTE1", 1)
		again.Marks = map[string]int64{"something.else": 1}
		f.digest(store.Digest{Facts: []store.StoredFact{again}})
		want := map[string]int64{"task.completed": noon.Add(time.Minute).UnixMilli()}
		if got := f.neighbours(1).Facts[0].Marks; !reflect.DeepEqual(got, want) {
			f.Errorf("marks %v, want %v", got, want)
		}
	},
	"what is written of a customer again leaves what the destination holds": func(f *fixture) {
		f.hold(1, record.Held{ID: 71, Attributes: map[string]any{"N": 5}})
		f.digest(store.Digest{Customers: []store.Customer{{ID: 1, CreatedAt: noon, Desired: "v2", Held: record.Held{ID: 99}}}})
		c := f.neighbours(1).Customers[0]
		if c.Desired != "v2" || !reflect.DeepEqual(c.Held, record.Held{ID: 71, Attributes: map[string]any{"N": 5}}) {
			f.Errorf("customer %+v", c)
		}
	},
	"tokens move and are forgotten": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1, 2), Tokens: []store.StoredToken{token("a", 1), token("b", 1), token("c", 1)}})
		f.digest(store.Digest{
			Tokens:    []store.StoredToken{token("a", 2), token("c", 2)},
			Forgotten: []store.StoredToken{token("b", 1), token("c", 1), token("a", 1)},
		})
		if one, two := f.neighbours(1).Tokens, f.neighbours(2).Tokens; len(one) != 0 || !reflect.DeepEqual(two, []store.StoredToken{token("a", 2), token("c", 2)}) {
			f.Errorf("the first has %+v, the second %+v", one, two)
		}
		f.digest(store.Digest{Forgotten: []store.StoredToken{token("a", 1)}})
		if two := f.neighbours(2).Tokens; len(two) != 2 {
			f.Errorf("forgetting another customer's token left %+v", two)
		}
	},
	"open conversations come by the longest unread": func(f *fixture) {
		var facts []store.StoredFact
		for sid, read := range map[string]time.Time{"CH1": noon, "CH2": {}, "CH3": noon.Add(-time.Hour), "CH4": noon.Add(time.Hour)} {
			facts = append(facts, store.StoredFact{Fact: &fact.Fact{Kind: fact.Conversation, SID: sid}, Open: true, ReadAt: read})
		}
		facts = append(facts, store.StoredFact{Fact: &fact.Fact{Kind: fact.Conversation, SID: "CH5"}})
		f.digest(store.Digest{Facts: facts})
		got, err := f.s.LoadOpenConversations(f.ctx, connector, noon.Add(time.Minute), 2)
		f.must(err)
		if !reflect.DeepEqual(got, []string{"CH2", "CH3"}) {
			f.Errorf("open %q", got)
		}
		all, err := f.s.LoadOpenConversations(f.ctx, connector, noon.Add(time.Minute), 9)
		f.must(err)
		if len(all) != 3 {
			f.Errorf("open %q, want those read before only", all)
		}
	},
	"a digest's omissions replace earlier ones of its customers": func(f *fixture) {
		omit := func(customer int64, what string) store.CustomerOmission {
			return store.CustomerOmission{CustomerID: customer, Omission: record.Omission{What: what, Value: "a**", Reason: "not a phone", Rule: "r"}}
		}
		f.digest(store.Digest{Customers: customersOf(1, 2), Omissions: []store.CustomerOmission{omit(1, "SMS"), omit(1, "SMS"), omit(2, "SMS"), omit(1, "OLD")}})
		f.digest(store.Digest{Customers: customersOf(1), Omissions: []store.CustomerOmission{omit(1, "SMS"), omit(1, "NEW")}})
		want := []store.OmissionCount{{Reason: "not a phone", What: "SMS", Count: 2}, {Reason: "not a phone", What: "NEW", Count: 1}}
		if got := f.summary().Omissions; !reflect.DeepEqual(got, want) {
			f.Errorf("omissions %+v, want %+v", got, want)
		}
	},
	"a customer's id is not taken over by another connector": func(f *fixture) {
		f.customers(1)
		other := filled(store.Digest{Customers: customersOf(1)})
		other.Connector = "other"
		if err := f.s.SaveDigest(f.ctx, f.digester, other); err == nil {
			f.Error("two connectors share a customer")
		}
	},
}

// task is a task's fact that belongs to a customer.
func task(sid string, customer int64) store.StoredFact {
	s := store.StoredFact{Fact: &fact.Fact{Kind: fact.Task, SID: sid}, CustomerID: customer}
	s.Fact.SetTime(fact.Created, noon)
	s.Fact.SetValue(fact.Channel, "voice", noon)
	return s
}

func token(value string, customer int64) store.StoredToken {
	return store.StoredToken{Token: store.Token{Kind: store.Email, Value: value}, CustomerID: customer}
}

// nothingDigested checks that a record waits and nothing came of it.
func (f *fixture) nothingDigested() {
	f.Helper()
	sum := f.summary()
	if len(f.undigested()) != 1 || sum.Customers != 0 || len(sum.Facts) != 0 || len(sum.Deliveries) != 0 {
		f.Errorf("%d records wait beside %+v, want one and nothing else", len(f.undigested()), sum)
	}
	if got := f.claim(); len(got) != 0 {
		f.Errorf("claimed %q", labels(got))
	}
}

// deliverOne makes a customer with a fact, and delivers an event of it.
func (f *fixture) deliverOne(customer int64, key string) {
	f.Helper()
	f.digest(store.Digest{
		Customers: customersOf(customer), Facts: []store.StoredFact{task("WT"+key, customer)},
		Events: []store.EventChange{event(customer, key, 0)},
	})
	f.settle(store.Delivered, f.claim()...)
}

// hold makes a customer of whom the destination holds something.
func (f *fixture) hold(customer int64, held record.Held) {
	f.Helper()
	f.digest(store.Digest{Customers: customersOf(customer), Contacts: []store.ContactChange{contact(customer, "held")}})
	f.settleAll(store.Settlement{Delivery: f.claim()[0], State: store.Delivered, Held: &held})
}
