package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
	"flexbrevo/connector/store/storetest"
	"flexbrevo/connector/store/storetest/pgtest"
)

// postgres is the server of this package's tests. Its databases have the schema.
var postgres = pgtest.Server{Prepare: func(url string) error {
	s, err := sqlstore.Open(context.Background(), url, sqlstore.Options{})
	if err != nil {
		return err
	}
	return s.Close()
}}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := postgres.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return openCounted(t, "sqlite://"+filepath.Join(t.TempDir(), "store of tests?.db"))
	})
}

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return openCounted(t, postgres.Database(t))
	})
}

// open opens a store that the test closes.
func open(t testing.TB, url string, opts sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// openCounted opens a store whose counts must be right in the end, whatever the test
// did to it.
func openCounted(t *testing.T, url string) store.Store {
	t.Helper()
	s := open(t, url, sqlstore.Options{Pipeline: true})
	t.Cleanup(func() {
		if s.Ping(context.Background()) != nil {
			return // the test was about closing it
		}
		if err := s.CheckCounts(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestPostgresStartingTogether(t *testing.T) {
	url := postgres.Database(t)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `DROP SCHEMA public CASCADE; CREATE SCHEMA public`); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.Open(t.Context(), url, sqlstore.Options{ReadOnly: true}); err == nil {
		t.Error("an empty database was opened for reading")
	}
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() {
			s, err := sqlstore.Open(t.Context(), url, sqlstore.Options{})
			if err == nil {
				err = errors.Join(s.Ping(t.Context()), s.Close())
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestPostgresConnectionsCut(t *testing.T) {
	url := postgres.Database(t)
	s := open(t, url, sqlstore.Options{})
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for round := range 5 {
		_, err := db.ExecContext(t.Context(), `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'flexbrevo' AND datname = current_database()`)
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprint("EV", round)
		if _, err = s.Capture(t.Context(), batch(key)); err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("round %d: %v, want ErrUnavailable", round, err)
		}
		got, err := s.Capture(t.Context(), batch(key))
		if err != nil || got.New+got.Known != 1 {
			t.Errorf("round %d: captured %+v again, %v", round, got, err)
		}
	}
}

// A flexbrevo from before records had a list of those that wait may still capture
// beside this one: what it takes is digested by this one.
func TestPostgresRecordsOfAnOlderFlexbrevo(t *testing.T) {
	url := postgres.Database(t)
	s := open(t, url, sqlstore.Options{})
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `
		INSERT INTO records (connector, key, stream, type, via, lane, captured_at, body) VALUES ('flex', 'EV1', 'events', '', 'poll', 0, 7, '{}')`)
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := s.LoadUndigested(t.Context(), "flex", 9)
	if err != nil || len(waiting) != 1 || waiting[0].Key != "EV1" {
		t.Errorf("waiting %v, %v", waiting, err)
	}
	if sum, err := s.LoadSummary(t.Context(), "flex", time.Now()); err != nil || sum.Records[store.Waiting] != 1 || len(sum.Records) != 1 {
		t.Errorf("summary %+v, %v", sum, err)
	}
}
