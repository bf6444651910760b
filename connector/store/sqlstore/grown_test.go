package sqlstore

import (
	"context"
	"os"
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
	"flexbrevo/migrations"
)

// BenchmarkGrown times what a daemon and an operator wait for in a store that holds a
// year of a contact centre: FLEXBREVO_ROWS tasks, 50,000 unless given, with what belongs
// to them. docs/postgres.md has the figures for five million.
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
		server := pgtest.Own(b, &pgtest.Server{})
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
	b.Logf("made in %s", time.Since(began).Round(time.Second))
	lease, err := s.Acquire(b.Context(), "all", "me", 24*time.Hour)
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
	for _, q := range questions(b.Context(), s) {
		b.Run(q.name, func(b *testing.B) { timed(b, q.ask, nothing) })
	}
	b.Run("prune 500", func(b *testing.B) {
		month := time.Now().AddDate(0, 0, -30)
		gone := 0
		timed(b, func() error {
			n, err := s.Prune(b.Context(), store.Retention{Deliveries: month, Records: month}, 500)
			gone += n
			return err
		}, nothing)
		if gone == 0 {
			b.Error("there was nothing to prune")
		}
	})
	b.Run("claim 64 customers while pruning", func(b *testing.B) { defer pruning(b, s)(); timed(b, claim, back) })
	if s.dialect.name == migrations.Postgres {
		explained(b, s)
	}
}

// pruning prunes without a pause, sooner than a daemon does, until the returned function
// is called.
func pruning(b *testing.B, s *Store) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for day := 29; ctx.Err() == nil; {
			before := time.Now().AddDate(0, 0, -day)
			n, err := s.Prune(ctx, store.Retention{Deliveries: before, Records: before}, 500)
			switch {
			case err != nil && ctx.Err() == nil:
				b.Error(err)
				return
			case n == 0:
				day--
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// question is something that a command or the page asks a store.
type question struct {
	name string
	ask  func() error
}

func questions(ctx context.Context, s *Store) []question {
	now := time.Now()
	day := now.AddDate(0, 0, -1).Format(time.DateOnly)
	return []question{
		{"ages of the outbox", func() error {
			_, err := s.LoadOutboxAges(ctx, "c", [4]time.Time{now, now, now, now})
			return err
		}},
		{"summary (status, page, metrics)", func() error { _, err := s.LoadSummary(ctx, "c", now); return err }},
		{"dead letters (page, dead list)", func() error { _, err := s.LoadDead(ctx, store.DeadFilter{Connector: "c"}, 101); return err }},
		{"customer by address (explain)", func() error {
			_, err := s.LoadNeighbours(ctx, "c", []store.Token{{Kind: store.Email, Value: "c7@example.com"}}, nil)
			return err
		}},
		{"customer's history (explain)", func() error { _, err := s.LoadHistory(ctx, "c", 7, 100); return err }},
		{"task (explain)", func() error {
			_, err := s.LoadFact(ctx, "c", fact.Key{Kind: fact.Task, SID: "WT100000007"})
			return err
		}},
		{"agents' figures of a day", func() error { _, err := s.LoadAgentDays(ctx, "c", day, now.Format(time.DateOnly)); return err }},
		{"agents' figures of a week (page)", func() error {
			_, err := s.LoadAgentDays(ctx, "c", now.AddDate(0, 0, -6).Format(time.DateOnly), now.AddDate(0, 0, 1).Format(time.DateOnly))
			return err
		}},
		{"queues' figures of a day", func() error { _, err := s.LoadQueueHours(ctx, "c", now.AddDate(0, 0, -1), now); return err }},
		{"records of an hour (gaps in status)", func() error {
			_, err := s.CountRecords(ctx, "c", "events", now.Add(-time.Hour), now)
			return err
		}},
		{"records of a month (backfill, reconcile)", func() error {
			_, err := s.CountRecords(ctx, "c", "events", now.AddDate(0, 0, -30), now)
			return err
		}},
		{"what waits of a backfill", func() error { _, err := s.LoadWaiting(ctx, "c", record.Backfill); return err }},
		{"whom to forget by age", func() error { _, err := s.LoadAged(ctx, "c", now, 100); return err }},
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

// explained logs how PostgreSQL answers what costs most or is asked most.
func explained(b *testing.B, s *Store) {
	b.Helper()
	now := time.Now().UnixMilli()
	for _, q := range []struct {
		what, text string
		args       []any
	}{
		{"claim: who is due", `SELECT customer_id FROM queue WHERE account = 'a' AND lane = 0 AND due_at <= $1 ORDER BY due_at, customer_id LIMIT 64`, []any{now}},
		{"summary: sums", `SELECT what, kind, state, SUM(n) FROM counts WHERE connector = 'c' GROUP BY what, kind, state`, nil},
		{"summary: deliveries that are not settled", `SELECT kind, state, COUNT(*) FROM deliveries
			WHERE connector = 'c' AND state IN ('pending', 'sending', 'unknown', 'dead') GROUP BY state, kind`, nil},
		{"summary: records", `SELECT state, COUNT(*) FROM records WHERE connector = 'c' AND state = 'failed' GROUP BY state`, nil},
		{"summary: since when the oldest is due", `SELECT MIN(next_attempt_at) FROM deliveries WHERE connector = 'c' AND state = 'pending' AND next_attempt_at <= $1`, []any{now}},
		{"dead list", `SELECT id FROM deliveries WHERE connector = 'c' AND state = 'dead' AND kind = 'event' ORDER BY settled_at DESC, id DESC LIMIT 101`, nil},
		{"explain: a customer's deliveries", `SELECT id FROM deliveries WHERE connector = 'c' AND customer_id = 7 ORDER BY id DESC LIMIT 100`, nil},
		{"figures: agents of a day", `SELECT worker, SUM(handled) FROM agent_parts WHERE connector = 'c' AND day >= '2026-11-20' AND day < '2026-11-21' GROUP BY worker`, nil},
		{"gaps: records of an hour", `SELECT COUNT(*) FROM records
			WHERE connector = 'c' AND state IN ('waiting', 'digested', 'ignored', 'failed') AND captured_at >= $3
				AND stream = 'events' AND at >= $1 AND at < $2`, []any{now - 3_600_000, now, now - 2*3_600_000}},
		{"prune: deliveries", `SELECT id FROM deliveries WHERE connector = 'c' AND state IN ('delivered', 'skipped', 'withdrawn')
			AND kind IN ('contact', 'event') AND settled_at < $1 LIMIT 500`, []any{now - 30*86_400_000}},
	} {
		err := s.read(b.Context(), "explain", func(t *tx) error {
			lines := []string{q.what + ": " + strings.Join(strings.Fields(q.text), " ")}
			err := t.query(`EXPLAIN (ANALYZE, BUFFERS) `+q.text, func(r row) error {
				var line string
				err := r.Scan(&line)
				lines = append(lines, line)
				return err
			}, q.args...)
			b.Log("\n" + strings.Join(lines, "\n"))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
