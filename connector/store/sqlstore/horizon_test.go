package sqlstore_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
)

// forgotten opens a transaction on a database and leaves it open, as somebody does in
// psql before lunch. It ends when the returned function is called.
func forgotten(t testing.TB, url string) (end func()) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["application_name"] = "somebody's psql"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`BEGIN ISOLATION LEVEL REPEATABLE READ`, `SELECT COUNT(*) FROM queue`} {
		if _, err := conn.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	return func() { _ = conn.Close(context.Background()) }
}

func TestAForgottenTransactionIsFound(t *testing.T) {
	t.Parallel()
	url := postgres.Database(t)
	s := open(t, url, sqlstore.Options{})
	if old, err := s.LoadOldSnapshot(t.Context()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("found %+v, %v, where nobody reads", old, err)
	}
	end := forgotten(t, url)
	defer end()
	old, err := s.LoadOldSnapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(old.Holder, "somebody's psql (process ") || old.Since.IsZero() || old.Age < 0 || old.Age > time.Hour {
		t.Errorf("found %+v", old)
	}
}

func TestSQLiteHasNoOldSnapshot(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite://"+filepath.Join(t.TempDir(), "s.db"), sqlstore.Options{})
	if old, err := s.LoadOldSnapshot(t.Context()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("found %+v, %v", old, err)
	}
}

// BenchmarkOldSnapshot delivers 100,000 events, 500 at a time, and gives the median time
// of the last hundred claims: alone, and while somebody left a transaction open.
func BenchmarkOldSnapshot(b *testing.B) {
	for _, left := range []bool{false, true} {
		name := "alone"
		if left {
			name = "one transaction left open"
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(lastClaims(b, left), "ms-claim")
			}
		})
	}
}

func lastClaims(b *testing.B, left bool) float64 {
	url := postgres.Database(b)
	s := open(b, url, sqlstore.Options{})
	if left {
		defer forgotten(b, url)()
	}
	digest, deliver := acquire(b, s, "digest"), acquire(b, s, "deliver")
	var took []time.Duration
	for id := int64(0); id < 50_000; {
		d := &store.Digest{Connector: "flex", Account: "brevo", At: time.Now()}
		for range 250 {
			id++
			addCustomer(d, id)
		}
		if err := s.SaveDigest(b.Context(), digest, d); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		claimed, err := s.Claim(b.Context(), deliver, "brevo", began.Add(time.Hour), 250, 2)
		if err != nil || len(claimed) != 500 {
			b.Fatal(len(claimed), err)
		}
		took = append(took, time.Since(began))
		settlements := make([]store.Settlement, len(claimed))
		for i, c := range claimed {
			settlements[i] = store.Settlement{Delivery: c, State: store.Delivered}
		}
		if err := s.Settle(b.Context(), deliver, began, settlements); err != nil {
			b.Fatal(err)
		}
	}
	last := took[len(took)/2:]
	slices.Sort(last)
	return float64(last[len(last)/2].Microseconds()) / 1000
}
