package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

// aMorning is a small world's records.
func aMorning(t *testing.T) []record.Record {
	t.Helper()
	w := world.New(world.Options{Seed: 9, Start: now.Add(-9 * time.Hour), End: now.Add(-3 * time.Hour), Contacts: 40, Customers: 15})
	return fetchAll(t, twiliosim.New(twiliosim.Options{World: w, Clock: clock}))
}

// poisonous is an expression with a fault of ours: it panics over the first customer
// with an email.
type poisonous struct {
	mu     sync.Mutex // the next batch is read while one is computed
	victim string
}

func (p *poisonous) email(attributes map[string]any) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	email, _ := attributes["email"].(string)
	if p.victim == "" {
		p.victim = email
	}
	if p.victim != "" && email == p.victim {
		panic("a fault of ours")
	}
	return ""
}

// TestPanicStopsOneCustomer lets our own code panic over what one customer's records
// hold. They fail where an operator sees them, all others are told of, and once the
// fault is mended nothing is missing.
func TestPanicStopsOneCustomer(t *testing.T) {
	t.Parallel()
	records := aMorning(t)
	whole := digestAll(t, records, len(records))
	var p poisonous
	st := openStore(t)
	lease, err := st.Acquire(t.Context(), "digest", "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	capture(t, st, records)
	untilDigested(t, newDigest(t, st, p.email), lease)

	failed := store.DeadFilter{Connector: "c", Kind: store.DeadRecord}
	letters, err := st.LoadDead(t.Context(), failed, len(records))
	if err != nil {
		t.Fatal(err)
	}
	if len(letters) == 0 || len(letters) > len(records)/4 || !strings.Contains(letters[0].Reason, "panicked") {
		t.Fatalf("%d of %d records failed: %+v", len(letters), len(records), letters)
	}
	told := owed(t, st)
	for _, other := range whole {
		if !slices.Contains(told, other) && !strings.Contains(other, p.victim) {
			t.Errorf("missing of another customer: %s", other)
		}
	}

	if _, err := st.RequeueDead(t.Context(), failed, now, len(records)); err != nil {
		t.Fatal(err)
	}
	untilDigested(t, newDigest(t, st), lease)
	compare(t, whole, owed(t, st))
}

// TestPanicStopsOneCustomerOfABackfill meets the same where a backfill ends.
func TestPanicStopsOneCustomerOfABackfill(t *testing.T) {
	t.Parallel()
	records := aMorning(t)
	for i := range records {
		records[i].Lane = record.Backfill
	}
	st := openStore(t)
	lease, err := st.Acquire(t.Context(), "digest", "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	past := store.Backfill{Connector: "c", Since: now.AddDate(0, 0, -1), Until: now, Events: store.EventsAll}
	if err := st.SaveBackfill(t.Context(), past); err != nil {
		t.Fatal(err)
	}
	capture(t, st, records)
	untilDigested(t, newDigest(t, st), lease)
	var p poisonous
	d := newDigest(t, st, p.email)
	var sum pipeline.Swept
	for {
		swept, err := d.SweepOwed(t.Context(), lease, pipeline.Sweep{})
		if err != nil {
			t.Fatal(err)
		}
		if swept.Customers == 0 {
			break
		}
		sum.Customers, sum.Left, sum.Contacts = sum.Customers+swept.Customers, sum.Left+swept.Left, sum.Contacts+swept.Contacts
	}
	if sum.Left != 1 || sum.Contacts < 5 {
		t.Errorf("swept %+v, want one left out and contacts of the others", sum)
	}
	summary, err := st.LoadSummary(t.Context(), "c", now)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(summary.Omissions, func(o store.OmissionCount) bool { return o.Reason == "profile could not be computed" && o.Count == 1 }) {
		t.Errorf("omissions %+v", summary.Omissions)
	}
}

// refusing is a store that refuses digests of some records, as a constraint would.
type refusing struct {
	store.Store
	refuses func(id int64) bool
}

var errRefused = errors.New("constraint failed")

// SaveDigest implements store.Digester.
func (r refusing) SaveDigest(ctx context.Context, lease store.Lease, d *store.Digest) error {
	for _, result := range d.Records {
		if result.State != store.Failed && r.refuses(result.ID) {
			return errRefused
		}
	}
	return r.Store.SaveDigest(ctx, lease, d)
}

// TestRefusedRecordStopsNobody lets the store refuse what one record says, and then
// what any says: that is no fault of theirs, and they wait.
func TestRefusedRecordStopsNobody(t *testing.T) {
	t.Parallel()
	records := aMorning(t)
	st := openStore(t)
	lease, err := st.Acquire(t.Context(), "digest", "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	capture(t, st, records)
	all := newDigest(t, refusing{st, func(int64) bool { return true }})
	if _, err := all.Once(t.Context(), lease); !errors.Is(err, errRefused) {
		t.Errorf("everything refused: %v, want errRefused", err)
	}
	summary := func() map[store.RecordState]int {
		s, err := st.LoadSummary(t.Context(), "c", now)
		if err != nil {
			t.Fatal(err)
		}
		return s.Records
	}
	if n := summary()[store.Waiting]; n != len(records) {
		t.Errorf("%d records wait, want all %d", n, len(records))
	}
	untilDigested(t, newDigest(t, refusing{st, func(id int64) bool { return id == 7 }}), lease)
	if got := summary(); got[store.Failed] != 1 || got[store.Waiting] != 0 {
		t.Errorf("records %v, want one failed and none waiting", got)
	}
}
