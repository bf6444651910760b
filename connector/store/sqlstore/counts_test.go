package sqlstore_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
)

// tell digests so many customers, each with a fact, a contact, an event and an
// omission, and delivers half of what that makes.
func tell(t testing.TB, s store.Store, from, n int64) {
	t.Helper()
	digest, deliver := acquire(t, s, "digest"), acquire(t, s, "deliver")
	d := &store.Digest{Connector: "flex", Account: "brevo", At: time.Now()}
	for id := from; id < from+n; id++ {
		addCustomer(d, id)
		d.Omissions = append(d.Omissions, store.CustomerOmission{CustomerID: id})
	}
	if err := s.SaveDigest(t.Context(), digest, d); err != nil {
		t.Fatal(err)
	}
	claimed, err := s.Claim(t.Context(), deliver, "brevo", d.At.Add(time.Hour), int(n), 1)
	if err != nil || len(claimed) != int(n) {
		t.Fatal(len(claimed), err)
	}
	var settlements []store.Settlement
	for _, c := range claimed {
		settlements = append(settlements, store.Settlement{Delivery: c, State: store.Delivered})
	}
	if err := s.Settle(t.Context(), deliver, d.At, settlements); err != nil {
		t.Fatal(err)
	}
	for _, lease := range []store.Lease{digest, deliver} {
		if err := s.Release(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCountsOfAnExistingStore: a store that was filled before there were counts has the
// right ones after it was brought up to date.
func TestCountsOfAnExistingStore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ driver, url string }{
		"sqlite":   {driver: "sqlite", url: "sqlite://" + filepath.Join(t.TempDir(), "s.db")},
		"postgres": {driver: "pgx", url: postgres.Database(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sqlstore.Open(t.Context(), c.url, sqlstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			tell(t, s, 1, 20)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			forgetCounts(t, c.driver, strings.TrimPrefix(c.url, "sqlite://"))
			s = open(t, c.url, sqlstore.Options{})
			if err := s.CheckCounts(t.Context()); err != nil {
				t.Errorf("brought up to date: %v", err)
			}
			tell(t, s, 100, 20)
			if err := s.CheckCounts(t.Context()); err != nil {
				t.Errorf("and used: %v", err)
			}
			sum, err := s.LoadSummary(t.Context(), "flex", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			delivered := sum.Deliveries[store.ContactDelivery][store.Delivered] + sum.Deliveries[store.EventDelivery][store.Delivered]
			if sum.Customers != 40 || sum.Facts[fact.Task] != 40 || delivered != 40 {
				t.Errorf("summary %+v", sum)
			}
		})
	}
}

// forgetCounts takes a database back to before it had counts.
func forgetCounts(t *testing.T, driver, dsn string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	drops := `SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE type = 'trigger'`
	if driver == "pgx" {
		drops = `SELECT 'DROP FUNCTION ' || proname || ' CASCADE' FROM pg_proc WHERE proname LIKE 'count\_%' AND pronamespace = current_schema()::regnamespace`
	}
	found, err := db.QueryContext(t.Context(), drops)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	statements := []string{`DROP TABLE counts`, `DELETE FROM goose_db_version WHERE version_id >= 160`}
	for found.Next() {
		var statement string
		if err := found.Scan(&statement); err != nil {
			t.Fatal(err)
		}
		statements = append(statements, statement)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	if len(statements) < 5 {
		t.Fatalf("only %q counts", statements)
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// TestCountsAreFolded while others append to them: nothing is counted twice or lost, and
// what is left is a row for each count.
func TestCountsAreFolded(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Database(t), sqlstore.Options{})
	var folding sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		folding.Go(func() {
			for {
				if _, err := s.FoldCounts(t.Context()); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for round := range int64(20) {
		tell(t, s, 1+round*5, 5)
	}
	close(stop)
	folding.Wait()
	rows, err := s.FoldCounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Facts, told contacts and events, omissions, customers and conversations.
	if rows != 6 {
		t.Errorf("%d rows are left, want one for each of 6 counts", rows)
	}
	if err := s.CheckCounts(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCountsAppearBesideAnOldProgram that goes on writing while a newer one brings the
// schema up to date, and after: a rolling upgrade.
func TestCountsAppearBesideAnOldProgram(t *testing.T) {
	t.Parallel()
	url := postgres.Database(t)
	old := open(t, url, sqlstore.Options{})
	tell(t, old, 1, 20)
	forgetCounts(t, "pgx", url)
	var writing sync.WaitGroup
	begun, upgraded := make(chan struct{}), make(chan struct{})
	writing.Go(func() {
		rest := -1 // so many rounds are left after the upgrade
		for round := int64(0); rest != 0; round++ {
			tell(t, old, 100+round*5, 5)
			switch {
			case round == 2:
				close(begun)
			case rest > 0:
				rest--
			}
			select {
			case <-upgraded:
				if rest < 0 {
					rest = 3
				}
			default:
			}
		}
	})
	<-begun
	s := open(t, url, sqlstore.Options{})
	close(upgraded)
	writing.Wait()
	if err := s.CheckCounts(t.Context()); err != nil {
		t.Error(err)
	}
	sum, err := s.LoadSummary(t.Context(), "flex", time.Now())
	if err != nil || sum.Customers < 35 {
		t.Errorf("summary %+v, %v", sum, err)
	}
}
