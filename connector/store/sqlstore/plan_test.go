package sqlstore

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/storetest/pgtest"
)

// smallTables and smallIndexes hold only what is under way: they may be read whole.
var smallTables = []string{"leases", "runs", "checkpoints", "queue"}

var smallIndexes = []string{"deliveries_contact", "deliveries_sending", "deliveries_unsettled", "customers_survivor"}

// TestSQLitePlans runs every kind of statement once and asks SQLite how: no table
// that grows may be read whole, rows handed over lead and tables are looked up.
func TestSQLitePlans(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"), Options{Pipeline: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	exercise(t, s)
	seen := 0
	s.dialect.rendered.Range(func(_, value any) bool {
		text := value.(string)
		seen++
		for _, step := range plan(t, s, text) {
			table, scans := strings.CutPrefix(step, "SCAN ")
			// A search by connector or account alone reads all of its rows.
			scans = scans || strings.Contains(text, "handed(") &&
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
		found, err := tx.session.(*fileSession).conn.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+text, args...)
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
	if slices.Contains(smallTables, table) {
		return false
	}
	for _, harmless := range []string{"handed", "CONSTANT", "r", "seen", "standing", "s", "survivors", "merged", "newest", "waiting", "contacts", "events"} {
		if table == harmless || strings.HasPrefix(table, "(") {
			return false
		}
	}
	return true
}

// TestPostgresPlans does the same on PostgreSQL, for the plans that it would use for
// any values.
func TestPostgresPlans(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, &pgtest.Server{})
	s, err := Open(t.Context(), server.Database(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	exercise(t, s)
	grow(t, s)
	s.dialect.rendered.Range(func(_, value any) bool {
		text := value.(string)
		if !strings.Contains(text, "unnest(") && !strings.Contains(text, "FROM queue") {
			return true // counts read all there is of a connector
		}
		for _, fault := range postgresPlan(t, s, text).faults(false) {
			t.Errorf("%s\nin\n%s", fault, text)
		}
		return true
	})
}

// grow adds a year of settled work, in small, to what exercise left.
func grow(t *testing.T, s *Store) {
	t.Helper()
	err := s.write(t.Context(), "grow", func(tx *tx) error {
		for _, text := range []string{
			`INSERT INTO customers (id, connector, conversations, desired, contact_id, linked)
				SELECT n, 'c', 1, '', 1000 + n, 1 FROM generate_series(100, 20000) AS n`,
			`INSERT INTO records (connector, key, stream, type, via, lane, captured_at, state, digested_at, body)
				SELECT 'c', 'EV' || n, 's', 't', 'poll', 0, n, 'digested', n, '' FROM generate_series(1, 50000) AS n`,
			`INSERT INTO waiting (connector, lane, id, captured_at) SELECT 'c', 0, 1000 + n, n FROM generate_series(1, 50000) AS n`,
			`INSERT INTO identifiers (connector, kind, value, customer_id, shared)
				SELECT 'c', 'email', 'e' || n, n, 0 FROM generate_series(100, 20000) AS n`,
			`INSERT INTO facts (connector, kind, sid, customer_id, open, body)
				SELECT 'c', 'task', 'WT' || n, n, 0, '{}' FROM generate_series(100, 20000) AS n`,
			`INSERT INTO marks (connector, key, kind, sid, type, at)
				SELECT 'c', 'E' || n, 'task', 'WT' || n, 't', n FROM generate_series(100, 20000) AS n`,
			`INSERT INTO omissions (connector, customer_id, origin, what, value, reason, rule, first_at, last_at)
				SELECT 'c', n, 'digest', 'w', '', '', '', n, n FROM generate_series(100, 20000) AS n`,
			`INSERT INTO owed (connector, customer_id) SELECT 'c', n FROM generate_series(100, 20000) AS n`,
			`INSERT INTO published (customer_id, connector, state, key, revision, hash, reason, attempts)
				SELECT n, 'c', 'written', 'k' || n, '1', 'h', '', 0 FROM generate_series(100, 20000) AS n`,
			`INSERT INTO agent_parts (connector, source, day, worker, activity, offered, accepted, rejected, timed_out,
					handled, talk, wrap, csat_count, csat_sum, lasted)
				SELECT 'c', 'WT' || n, '2026-11-20', 'w', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(100, 20000) AS n`,
			`INSERT INTO queue_parts (connector, source, hour, queue, channel, offered, accepted, abandoned, short_abandoned,
					in_service, waited, longest)
				SELECT 'c', 'WT' || n, n, 'q', '', 0, 0, 0, 0, 0, 0, 0 FROM generate_series(100, 20000) AS n`,
			`INSERT INTO csat_parts (connector, source, day, channel, queue, score, scale)
				SELECT 'c', 'csat:WT' || n, '2026-11-20', 'voice', 'q', 400, 500 FROM generate_series(100, 20000) AS n`,
			`INSERT INTO deliveries (connector, account, customer_id, kind, key, fact_kind, fact_sid, type, lane, any_age,
					event_at, next_attempt_at, created_at, payload, state, settled_at, reason)
				SELECT 'c', 'a', 100 + n % 19900, 'event', 'E' || n, '', '', '', 0, 0, n, n, n, '{}',
					CASE WHEN n % 10 > 0 THEN 'delivered' ELSE 'pending' END, CASE WHEN n % 10 > 0 THEN n END, ''
				FROM generate_series(1, 50000) AS n`,
		} {
			if _, err := tx.exec(text); err != nil {
				return err
			}
		}
		_, err := tx.exec(`ANALYZE`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// planNode is a node of PostgreSQL's plan.
type planNode struct {
	Type      string     `json:"Node Type"`
	Table     string     `json:"Relation Name"`
	Index     string     `json:"Index Name"`
	Condition string     `json:"Index Cond"`
	Plans     []planNode `json:"Plans"`
}

// faults are reads of whole tables. What stands below a limit may read an index in
// its order.
func (n planNode) faults(limited bool) []string {
	var found []string
	limited = limited || n.Type == "Limit"
	whole := n.Type == "Seq Scan" || strings.Contains(n.Type, "Index") && n.Condition == "" && !limited
	if whole && !slices.Contains(smallTables, n.Table) && !slices.Contains(smallIndexes, n.Index) {
		found = append(found, n.Type+" of "+n.Table+" "+n.Index)
	}
	for _, child := range n.Plans {
		found = append(found, child.faults(limited)...)
	}
	return found
}

func postgresPlan(t *testing.T, s *Store, text string) planNode {
	t.Helper()
	var plans []struct{ Plan planNode }
	err := s.write(t.Context(), "explain", func(tx *tx) error {
		if err := do(t.Context(), tx.session, "SET LOCAL plan_cache_mode = force_generic_plan"); err != nil {
			return err
		}
		if err := do(t.Context(), tx.session, "PREPARE explained AS "+text); err != nil {
			return err
		}
		last := 0
		for _, m := range scalarName.FindAllString(text, -1) {
			n, err := strconv.Atoi(m[1:])
			if err != nil {
				return err
			}
			last = max(last, n)
		}
		execute := "EXPLAIN (FORMAT JSON) EXECUTE explained"
		if last > 0 {
			execute += "(" + strings.Repeat("NULL, ", last-1) + "NULL)"
		}
		var out string
		if err := tx.session.(*serverSession).conn.QueryRow(t.Context(), execute).Scan(&out); err != nil {
			return err
		}
		if err := do(t.Context(), tx.session, "DEALLOCATE explained"); err != nil {
			return err
		}
		return json.Unmarshal([]byte(out), &plans)
	})
	if err != nil {
		t.Fatalf("explain %s: %v", text, err)
	}
	return plans[0].Plan
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
	_, err = s.LoadNoted(ctx, "c", "r", 0, 9)
	must(err)
	_, err = s.LoadChanged(ctx, "c", 0, 9)
	must(err)
	_, err = s.LoadShared(ctx, "c", []string{"p"})
	must(err)
	must(s.AskPublished(ctx, lease, "c", []int64{1, 2}, now))
	must(s.LetGo(ctx, "c", []int64{2}, now))
	must(s.SavePublished(ctx, lease, "c", store.Published{CustomerID: 1, State: store.PublishedWaiting, Key: "k"}, 2, now))
	_, err = s.LoadDuePublished(ctx, "c", now, 9)
	must(err)
	_, err = s.LoadPublished(ctx, "c", []int64{1})
	must(err)
	_, err = s.LoadPublishedAt(ctx, "c", "k")
	must(err)
	_, err = s.CountPublished(ctx, "c")
	must(err)
	_, err = s.CountUnlinked(ctx, "a", now, 9)
	must(err)
	_, _, err = s.Link(ctx, lease, "a", []string{"c"}, []store.DirectoryEntry{{Email: "a", Held: record.Held{ID: 8}}}, true)
	must(err)
	_, err = s.CountUnwritten(ctx, "a", 9)
	must(err)
	_, err = s.Refresh(ctx, lease, "a", []string{"c"}, []store.DirectoryEntry{{Held: record.Held{ID: 7}}})
	must(err)
	must(s.AskMerges(ctx, "c", "a", []store.MergeAsk{{CustomerID: 1}}, now))
	_, err = s.LoadSummary(ctx, "c", now)
	must(err)
	for _, state := range []store.DeliveryState{"", store.Dead} {
		_, err = s.LoadDeliveries(ctx, "c", state, 9)
		must(err)
	}
	_, err = s.LoadOpenConversations(ctx, "c", now, 9)
	must(err)
	_, err = s.LoadOpenFacts(ctx, "c", fact.Task, now, 9)
	must(err)
	_, err = s.LoadFact(ctx, "c", fact.Key{Kind: fact.Task, SID: "t"})
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
		Connector: "c", Account: "a", At: now, Feed: true,
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
