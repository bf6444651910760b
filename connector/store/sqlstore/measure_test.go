package sqlstore

import (
	"fmt"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/storetest/pgtest"
)

// TestPostgresKnowsTablesOfAFirstLoad digests a thousand records at once into an empty
// store: PostgreSQL must know then how large tables are, which by itself it would look
// at a minute later. -1 stands for never.
func TestPostgresKnowsTablesOfAFirstLoad(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, &pgtest.Server{})
	s, err := Open(t.Context(), server.Database(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lease, err := s.Acquire(t.Context(), "all", "me", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	digest := &store.Digest{Connector: "c", Account: "a", At: time.Now()}
	for id := int64(1); id <= measureEvery; id++ {
		digest.Records = append(digest.Records, store.RecordResult{ID: id, State: store.Digested})
		digest.Customers = append(digest.Customers, store.Customer{ID: id, Desired: "{}"})
		digest.Tokens = append(digest.Tokens, store.StoredToken{
			Token: store.Token{Kind: store.Email, Value: fmt.Sprint("somebody", id, "@example.com")}, CustomerID: id,
		})
		digest.Facts = append(digest.Facts, store.StoredFact{Fact: &fact.Fact{Kind: fact.Task, SID: fmt.Sprint("WT", id)}, CustomerID: id})
	}
	arrive(t, s, 0, measureEvery)
	if err := s.SaveDigest(t.Context(), lease, digest); err != nil {
		t.Fatal(err)
	}
	err = s.read(t.Context(), "look", func(tx *tx) error {
		return tx.query(`SELECT relname, CAST(reltuples AS BIGINT) FROM pg_class WHERE relname IN ('customers', 'identifiers', 'facts', 'records')`,
			func(r row) error {
				var table string
				var known int
				err := r.Scan(&table, &known)
				if known != measureEvery {
					t.Errorf("PostgreSQL takes %s for %d rows", table, known)
				}
				return err
			})
	})
	if err != nil {
		t.Fatal(err)
	}
	// As if the largest tables had half a gigabyte and more.
	err = s.write(t.Context(), "grow", func(tx *tx) error {
		if _, err := tx.exec(`UPDATE pg_class SET relpages = 2000000000 WHERE relname IN ('records', 'facts')`); err != nil {
			return err
		}
		return measureGrown(tx)
	})
	if err != nil {
		t.Errorf("large tables: %v", err)
	}
	if waiting, err := s.LoadUndigested(t.Context(), "c", 1); err != nil || len(waiting) != 0 {
		t.Errorf("%d records wait, %v", len(waiting), err)
	}
}

// TestWaitEndsForThoseNamed takes records off the list that lie apart, in several lanes.
func TestWaitEndsForThoseNamed(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite://"+t.TempDir()+"/s.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var page record.Page
	for n := range 9 {
		page.Records = append(page.Records, record.Record{Key: fmt.Sprint(n), Lane: record.Lane(n % 3), Body: []byte("{}")})
	}
	if _, err := s.Capture(t.Context(), []store.Batch{{Connector: "c", At: time.Now(), Pages: []record.Page{page}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), "end", func(tx *tx) error { return tx.endWait("c", ints{8, 2, 5}) }); err != nil {
		t.Fatal(err)
	}
	left, err := s.LoadUndigested(t.Context(), "c", 9)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, r := range left {
		ids = append(ids, r.ID)
	}
	if got := fmt.Sprint(ids); got != "[1 4 7 3 6 9]" {
		t.Errorf("left to wait: %s", got)
	}
}
