package sqlstore

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// smallTables may be read whole.
var smallTables = []string{"leases", "runs", "checkpoints", "queue"}

// TestSQLitePlans runs every kind of statement once and asks SQLite how: no table
// that grows may be read whole, rows handed over lead and tables are looked up.
func TestSQLitePlans(t *testing.T) {
	s, err := Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"), Options{Pipeline: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	exercise(t, s)
	seen := 0
	s.dialect.rendered.Range(func(_, value any) bool {
		text := value.(rendered).text
		seen++
		for _, step := range plan(t, s, text) {
			table, scans := strings.CutPrefix(step, "SCAN ")
			// A search by connector or account alone reads all of its rows.
			scans = scans || strings.Contains(text, "json_each") &&
				(strings.HasSuffix(step, "(connector=?)") || strings.HasSuffix(step, "(account=?)"))
			if scans && growing(table) {
				t.Errorf("%s\nin\n%s", step, text)
			}
		}
		return true
	})
	if seen < 50 {
		t.Errorf("only %d statements were seen", seen)
	}
}

// plan returns the steps of a statement's plan.
func plan(t *testing.T, s *Store, text string) []string {
	t.Helper()
	var steps []string
	err := s.read(t.Context(), "explain", func(tx *tx) error {
		args := make([]any, strings.Count(text, "?")) // at least as many as it takes
		found, err := tx.session.conn.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+text, args...)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var id, parent, unused int
			var detail string
			if err := found.Scan(&id, &parent, &unused, &detail); err != nil {
				return err
			}
			steps = append(steps, detail)
		}
		return found.Err()
	})
	if err != nil {
		t.Fatalf("explain %s: %v", text, err)
	}
	return steps
}

// growing says whether a step reads a table that grows, and not an index that ends
// the reading early or rows handed over.
func growing(step string) bool {
	table, _, _ := strings.Cut(step, " ")
	for _, harmless := range append(smallTables, "json_each", "CONSTANT", "r", "seen", "standing", "s", "survivors", "merged", "newest", "contacts", "events") {
		if table == harmless || strings.HasPrefix(table, "(") {
			return false
		}
	}
	return true
}

// exercise calls everything once with something to do.
func exercise(t *testing.T, s *Store) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	lease, err := s.Acquire(ctx, "all", "me", time.Minute)
	must(err)
	_, err = s.Capture(ctx, []store.Batch{{Connector: "c", At: now, Pages: []record.Page{{Stream: "s", Cursor: "1", Records: []record.Record{{Key: "k"}}}}}})
	must(err)
	waiting, err := s.LoadUndigested(ctx, "c", 9)
	must(err)
	for round := range 3 {
		must(s.SaveDigest(ctx, lease, exercisedDigest(waiting, now, round)))
		claimed, err := s.Claim(ctx, lease, "a", now.Add(time.Hour), 9, 9)
		must(err)
		outcome := []store.DeliveryState{store.Dead, store.Delivered, store.Unknown}[round]
		var settlements []store.Settlement
		for _, d := range claimed {
			settlements = append(settlements, store.Settlement{
				Delivery: d, State: outcome, Held: &record.Held{ID: 7}, Omissions: []record.Omission{{What: "w" + string(rune('a'+round))}},
			})
		}
		must(s.Settle(ctx, lease, now, settlements))
	}
	must(s.SaveDigest(ctx, lease, exercisedDigest(nil, now, 4)))
	_, err = s.Claim(ctx, lease, "a", now.Add(time.Hour), 9, 9)
	must(err)
	_, err = s.Recover(ctx, lease, "a", now)
	must(err)
	_, err = s.LoadNeighbours(ctx, "c", []store.Token{{Kind: store.Email, Value: "a"}}, []fact.Key{{Kind: fact.Task, SID: "t"}, {Kind: fact.Queue, SID: "q"}})
	must(err)
	_, err = s.LoadCustomer(ctx, "c", 1)
	must(err)
	_, err = s.LoadSummary(ctx, "c", now)
	must(err)
	for _, state := range []store.DeliveryState{"", store.Dead} {
		_, err = s.LoadDeliveries(ctx, "c", state, 9)
		must(err)
	}
	_, err = s.LoadOpenConversations(ctx, "c", now, 9)
	must(err)
	_, err = s.LoadUnknown(ctx, "a", 9)
	must(err)
	_, err = s.LoadContactOwner(ctx, "c", 7)
	must(err)
	_, err = s.NextDue(ctx, "a")
	must(err)
	_, err = s.Prune(ctx, store.Retention{Records: now.Add(-time.Hour), Deliveries: now.Add(-time.Hour)}, 9)
	must(err)
	must(s.Ping(ctx))
	must(s.Extend(ctx, lease, time.Minute))
}

// exercisedDigest is a digest that reaches every statement of SaveDigest: in its
// rounds it adds, changes, renames, revives and withdraws.
func exercisedDigest(waiting []record.Record, now time.Time, round int) *store.Digest {
	d := &store.Digest{
		Connector: "c", Account: "a", At: now,
		Facts:     []store.StoredFact{{Fact: &fact.Fact{Kind: fact.Task, SID: "t"}, CustomerID: 1}, {Fact: &fact.Fact{Kind: fact.Queue, SID: "q"}}},
		Customers: []store.Customer{{ID: 1}, {ID: 2, MergedInto: 1}},
		Tokens:    []store.StoredToken{{Token: store.Token{Kind: store.Email, Value: "a"}, CustomerID: 1}},
		Forgotten: []store.StoredToken{{Token: store.Token{Kind: store.Email, Value: "b"}, CustomerID: 1}},
		Contacts:  []store.ContactChange{{CustomerID: 1}},
		Events: []store.EventChange{
			{Key: string(rune('e' + round)), CustomerID: 1}, {Key: "e", CustomerID: 1, Event: record.Event{Name: string(rune('n' + round))}},
			{Key: string(rune('p' + round)), CustomerID: 1, Replaces: 1},
		},
		Withdrawn: []int64{99},
		Omissions: []store.CustomerOmission{{CustomerID: 1, Omission: record.Omission{What: string(rune('o' + round))}}},
	}
	for _, r := range waiting {
		d.Records = append(d.Records, store.RecordResult{ID: r.ID, State: store.Digested})
	}
	return d
}
