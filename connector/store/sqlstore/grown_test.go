package sqlstore

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/store"
	"flexbrevo/connector/store/storetest/pgtest"
	"flexbrevo/migrations"
)

// BenchmarkGrown times what a daemon and an operator wait for in a store that holds a
// year of settled work: FLEXBREVO_ROWS deliveries and as many facts, 50,000 unless
// given. docs/postgres.md has the figures for five million.
func BenchmarkGrown(b *testing.B) {
	rows := 50_000
	if text := os.Getenv("FLEXBREVO_ROWS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatalf("FLEXBREVO_ROWS: %v", err)
		}
		rows = n
	}
	b.Run("sqlite", func(b *testing.B) {
		s, err := Open(b.Context(), "sqlite://"+filepath.Join(b.TempDir(), "s.db"), Options{Pipeline: true})
		if err != nil {
			b.Fatal(err)
		}
		grown(b, s, rows)
	})
	b.Run("postgres", func(b *testing.B) {
		var server pgtest.Server
		b.Cleanup(func() {
			if err := server.Stop(); err != nil {
				b.Error(err)
			}
		})
		s, err := Open(b.Context(), server.Database(b), Options{})
		if err != nil {
			b.Fatal(err)
		}
		grown(b, s, rows)
	})
}

func grown(b *testing.B, s *Store, rows int) {
	defer s.Close()
	began := time.Now()
	age(b, s, rows)
	b.Logf("%d deliveries and facts made in %s", rows, time.Since(began).Round(time.Second))
	lease, err := s.Acquire(b.Context(), "all", "me", time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	var claimed []store.Delivery
	claim := func() (err error) {
		claimed, err = s.Claim(b.Context(), lease, "a", time.Now(), 64, 32)
		return err
	}
	back := func() error {
		if len(claimed) < 2*64 { // three each, but for the last ones
			b.Fatalf("claimed %d", len(claimed))
		}
		settlements := make([]store.Settlement, len(claimed))
		for i, d := range claimed {
			settlements[i] = store.Settlement{Delivery: d, State: store.Pending, Uncounted: true, NextAttemptAt: time.Unix(1, 0)}
		}
		return s.Settle(b.Context(), lease, time.Now(), settlements)
	}
	nothing := func() error { return nil }
	b.Run("claim 64 customers", func(b *testing.B) { timed(b, claim, back) })
	b.Run("summary", func(b *testing.B) {
		timed(b, func() error { _, err := s.LoadSummary(b.Context(), "c", time.Now()); return err }, nothing)
	})
	b.Run("ages of the outbox", func(b *testing.B) {
		now := time.Now()
		timed(b, func() error {
			_, err := s.LoadOutboxAges(b.Context(), "c", [4]time.Time{now, now, now, now})
			return err
		}, nothing)
	})
	b.Run("dead list", func(b *testing.B) {
		timed(b, func() error { _, err := s.LoadDeliveries(b.Context(), "c", store.Dead, 100); return err }, nothing)
	})
	b.Run("customer", func(b *testing.B) {
		timed(b, func() error { _, err := s.LoadCustomer(b.Context(), "c", 7); return err }, nothing)
	})
	b.Run("prune 500", func(b *testing.B) {
		timed(b, func() error {
			_, err := s.Prune(b.Context(), store.Retention{Deliveries: time.Now().AddDate(-1, 0, 0)}, 500)
			return err
		}, nothing)
	})
	if s.dialect.name == migrations.Postgres {
		explainClaim(b, s)
	}
}

// timed reports the median of do, which one slow fsync does not move; undo is not
// counted.
func timed(b *testing.B, do, undo func() error) {
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		if err := undo(); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
}

// explainClaim logs how PostgreSQL finds what is due.
func explainClaim(b *testing.B, s *Store) {
	b.Helper()
	err := s.write(b.Context(), "explain", func(t *tx) error {
		var lines []string
		err := t.query(`EXPLAIN (ANALYZE, BUFFERS)
			SELECT customer_id FROM queue WHERE account = 'a' AND lane = 0 AND due_at <= $1 ORDER BY due_at, customer_id LIMIT 64`, func(r row) error {
			var line string
			err := r.Scan(&line)
			lines = append(lines, line)
			return err
		}, time.Now().UnixMilli())
		b.Log("\n" + strings.Join(lines, "\n"))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// age fills a store as a year does: everything settled but the last few hundred.
func age(b *testing.B, s *Store, rows int) {
	b.Helper()
	series := func(text string) string { return text + ` FROM generate_series(1, $1) AS g(n)` }
	if s.dialect.name == migrations.SQLite {
		series = func(text string) string {
			return text + ` FROM (WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < $1) SELECT n FROM g) AS g`
		}
	}
	year := strconv.FormatInt(time.Now().AddDate(-1, 0, -1).UnixMilli(), 10)
	for _, text := range []string{
		series(`INSERT INTO customers (id, connector, conversations, desired, contact_id, linked) SELECT n, 'c', 3, '', 1000 + n, 1`),
		series(`INSERT INTO facts (connector, kind, sid, customer_id, open, body) SELECT 'c', 'task', 'WT' || n, 1 + n / 3, 0, '{"k":"task"}'`),
		series(`INSERT INTO marks (connector, key, kind, sid, type, at) SELECT 'c', 'E' || n, 'task', 'WT' || n, 'task.completed', n`),
		series(`INSERT INTO deliveries (connector, account, customer_id, kind, key, fact_kind, fact_sid, type, lane, any_age,
				event_at, next_attempt_at, created_at, payload, state, settled_at, reason)
			SELECT 'c', 'a', 1 + n / 3, 'event', 'E' || n, 'task', 'WT' || n, 'task.completed', 0, 0, n, n, n, '{"Name":"E"}',
				CASE WHEN n > $1 - 600 THEN 'pending' ELSE 'delivered' END, CASE WHEN n <= $1 - 600 THEN ` + year + ` + n END, ''`),
		series(`INSERT INTO queue (account, customer_id, lane, due_at) SELECT DISTINCT 'a', 1 + n / 3, 0, 1`) + ` WHERE n > $1 - 600`,
		`ANALYZE`,
	} {
		args := []any{rows}
		if text == `ANALYZE` {
			args = nil
		}
		if err := s.write(b.Context(), "age", func(t *tx) error { _, err := t.exec(text, args...); return err }); err != nil {
			b.Fatalf("%s: %v", text, err)
		}
	}
}
