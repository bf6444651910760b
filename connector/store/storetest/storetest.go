// Package storetest says whether a store keeps the contract of package store: one
// named subtest for each promise. Every implementation runs it; a new promise
// lands here first.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// Run runs the suite. Each subtest opens an empty store of its own with open,
// which also closes it and removes what it left.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, group := range []map[string]func(*fixture){
		ageTests,
		aheadTests,
		answerTests,
		caseTests,
		backfillTests,
		bodyTests,
		captureTests, captureMixedTests,
		careTests,
		claimTests,
		csatTests,
		deadTests,
		digestTests,
		directoryTests,
		factTests,
		figureTests,
		followTests,
		forgetTests,
		historyTests,
		importTests,
		leaseTests,
		listenerTests,
		mergeTests,
		outboxTests,
		publishTests,
		queueTests,
		readTests,
		reconcileTests,
		replayTests,
		settleTests,
		snapshotTests,
	} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(newFixture(t, open(t)))
			})
		}
	}
}

// The names that all subtests use.
const (
	connector = "flex"
	account   = "brevo"
)

// noon is when the subtests begin.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// fixture is a store with the two leases that writing needs, and short words for
// what subtests do. A failed call ends the test.
type fixture struct {
	*testing.T
	ctx      context.Context
	s        store.Store
	digester store.Lease
	deliver  store.Lease
}

func newFixture(t *testing.T, s store.Store) *fixture {
	f := &fixture{T: t, ctx: t.Context(), s: s}
	f.digester = f.acquire("digest:"+connector, "one")
	f.deliver = f.acquire("deliver:"+account, "one")
	return f
}

// must ends the test on an error.
func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) acquire(role, holder string) store.Lease {
	f.Helper()
	lease, err := f.s.Acquire(f.ctx, role, holder, time.Minute)
	f.must(err)
	return lease
}

// takeOver gives a role to another holder, as after the death of the first.
func (f *fixture) takeOver(lease store.Lease) store.Lease {
	f.Helper()
	f.must(f.s.Release(f.ctx, lease))
	return f.acquire(lease.Role, "two")
}

// rec is a record that waits to be captured.
func rec(key string) record.Record {
	return record.Record{
		Key: key, Stream: "events", Type: "task.completed", At: noon.Add(-time.Minute), Via: record.Poll,
		Body: []byte(`{"key":"` + key + `"}`),
	}
}

func page(records ...record.Record) record.Page {
	return record.Page{Stream: "events", Records: records}
}

// capture stores pages of the connector.
func (f *fixture) capture(pages ...record.Page) store.Captured {
	f.Helper()
	got, err := f.s.Capture(f.ctx, []store.Batch{{Connector: connector, At: noon, Pages: pages}})
	f.must(err)
	return got
}

func (f *fixture) undigested() []record.Record {
	f.Helper()
	got, err := f.s.LoadUndigested(f.ctx, connector, 1000)
	f.must(err)
	return got
}

func keysOf(records []record.Record) []string {
	keys := make([]string, len(records))
	for i, r := range records {
		keys[i] = r.Key
	}
	return keys
}

// digest saves a digest under the lease, filling in its connector, account and
// time.
func (f *fixture) digest(d store.Digest) {
	f.Helper()
	f.must(f.s.SaveDigest(f.ctx, f.digester, filled(d)))
}

func filled(d store.Digest) *store.Digest {
	d.Connector, d.Account = connector, account
	if d.At.IsZero() {
		d.At = noon
	}
	return &d
}

// customers saves customers with nothing else.
func (f *fixture) customers(ids ...int64) {
	f.Helper()
	f.digest(store.Digest{Customers: customersOf(ids...)})
}

func customersOf(ids ...int64) []store.Customer {
	list := make([]store.Customer, len(ids))
	for i, id := range ids {
		list[i] = store.Customer{ID: id, CreatedAt: noon}
	}
	return list
}

// contact is a change of a customer's contact that carries a name to know it by.
func contact(customer int64, word string) store.ContactChange {
	return store.ContactChange{CustomerID: customer, Contact: record.Contact{
		Email: fmt.Sprintf("c%d@example.com", customer), Create: true,
		Attributes: []record.Attribute{{Name: "FIRSTNAME", Value: word}},
	}}
}

// event is an event of a customer, minutes after noon by its own time.
func event(customer int64, key string, minutes int) store.EventChange {
	return store.EventChange{
		CustomerID: customer, Key: key, Fact: fact.Key{Kind: fact.Task, SID: "WT" + key}, Type: "task.completed",
		Event: record.Event{Name: "SUPPORT_RESOLVED", ID: key, At: noon.Add(time.Duration(minutes) * time.Minute)},
	}
}

// claimAt claims what is due at a moment, for up to 100 customers, 10 of each.
func (f *fixture) claimAt(now time.Time) []store.Delivery {
	f.Helper()
	got, err := f.s.Claim(f.ctx, f.deliver, account, now, 100, 10)
	f.must(err)
	return got
}

// claim claims what is due a minute after noon.
func (f *fixture) claim() []store.Delivery {
	f.Helper()
	return f.claimAt(noon.Add(time.Minute))
}

// labels names deliveries in short: an event by its key, a contact by its
// customer and the name it carries.
func labels(deliveries []store.Delivery) []string {
	out := make([]string, len(deliveries))
	for i, d := range deliveries {
		out[i] = d.Key
		if d.Kind == store.ContactDelivery {
			out[i] = fmt.Sprintf("contact %d %v", d.CustomerID, d.Contact.Attributes[0].Value)
		}
	}
	return out
}

// settle settles deliveries in one state with one reason, a minute after noon.
func (f *fixture) settle(state store.DeliveryState, deliveries ...store.Delivery) {
	f.Helper()
	settlements := make([]store.Settlement, len(deliveries))
	for i, d := range deliveries {
		settlements[i] = store.Settlement{Delivery: d, State: state, Reason: "because", NextAttemptAt: noon.Add(time.Hour)}
	}
	f.settleAll(settlements...)
}

func (f *fixture) settleAll(settlements ...store.Settlement) {
	f.Helper()
	f.must(f.s.Settle(f.ctx, f.deliver, noon.Add(time.Minute), settlements))
}

// delivery loads the one delivery with a label.
func (f *fixture) delivery(label string) store.Delivery {
	f.Helper()
	all, err := f.s.LoadDeliveries(f.ctx, connector, "", 1000)
	f.must(err)
	var found []store.Delivery
	for i, l := range labels(all) {
		if l == label {
			found = append(found, all[i])
		}
	}
	if len(found) != 1 {
		f.Fatalf("%d deliveries %q, want one; there are %q", len(found), label, labels(all))
	}
	return found[0]
}

// states returns where all deliveries stand, by label.
func (f *fixture) states() map[string]store.DeliveryState {
	f.Helper()
	all, err := f.s.LoadDeliveries(f.ctx, connector, "", 1000)
	f.must(err)
	out := map[string]store.DeliveryState{}
	for i, l := range labels(all) {
		out[l] = all[i].State
	}
	return out
}

func (f *fixture) summary() *store.Summary {
	f.Helper()
	sum, err := f.s.LoadSummary(f.ctx, connector, noon.Add(time.Minute))
	f.must(err)
	return sum
}

// neighbours loads everything about one customer.
func (f *fixture) neighbours(customer int64) *store.Neighbours {
	f.Helper()
	n, err := f.s.LoadCustomer(f.ctx, connector, customer)
	f.must(err)
	return n
}
