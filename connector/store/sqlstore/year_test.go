package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"flexbrevo/migrations"
)

// Beside each task of a year (docs/postgres.md has the table) there are so many rows.
const (
	conversationsPerTask = 0.4
	customersPerTask     = 0.3
	recordsPerTask       = 0.9 // of 30 days; a year makes eleven times as many
)

// age fills an empty store as a year does, with so many tasks and as many deliveries: all
// settled but the last few hundred, and some ready to be pruned.
func age(b *testing.B, s *Store, tasks int) {
	b.Helper()
	indexes := s.dropDerived(b)
	now := time.Now().UnixMilli()
	spread := func(days int) string { // moments of the last days, in order
		return fmt.Sprintf(`(%d + CAST(n * (%d.0 / {most}) AS BIGINT))`, now-int64(days)*86_400_000, days*86_400_000)
	}
	month, year := spread(31), spread(365)
	fill := func(rows float64, text string) {
		s.fill(b, int(rows*float64(tasks)), text)
	}
	fill(customersPerTask, `INSERT INTO customers (id, connector, created_at, conversations, desired, contact_id, linked, held)
		SELECT n, 'c', `+year+`, 3, '0123456789abcdef0123456789abcdef', 1000 + n, 1, '{"ID":1,"Attributes":{"FIRSTNAME":"Ada","SMS":"+33612345678"}}'`)
	fill(customersPerTask, `INSERT INTO identifiers (connector, kind, value, customer_id, shared) SELECT 'c', 'email', 'c' || n || '@example.com', n, 0`)
	fill(customersPerTask, `INSERT INTO identifiers (connector, kind, value, customer_id, shared) SELECT 'c', 'phone', '+336' || (10000000 + n), n, 0`)
	fill(customersPerTask/10, `INSERT INTO omissions (customer_id, connector, origin, what, value, reason, rule, first_at, last_at)
		SELECT n, 'c', 'digest', 'phone', '+3…', 'not a phone number', 'connector.yaml:12', n, n`)
	body := `'{"k":"task","v":{"` + strings.Repeat(`queue":"Support FR","agent":"WK0123","`, 6) + `channel":"voice"}}'`
	fill(1, `INSERT INTO facts (connector, kind, sid, customer_id, open, body) SELECT 'c', 'task', 'WT' || (100000000 + n), 1 + n % {customers}, 0, `+body)
	fill(conversationsPerTask, `INSERT INTO facts (connector, kind, sid, customer_id, open, body)
		SELECT 'c', 'conversation', 'CH' || (100000000 + n), 1 + n % {customers}, 0, `+body)
	fill(1, `INSERT INTO marks (connector, key, kind, sid, type, at)
		SELECT 'c', 'task.completed:WT' || (100000000 + n), 'task', 'WT' || (100000000 + n), 'task.completed', `+year)
	fill(1, `INSERT INTO agent_parts (connector, source, day, worker, activity, offered, accepted, rejected, timed_out, handled, talk, wrap, csat_count, csat_sum, lasted)
		SELECT 'c', 'WT' || (100000000 + n), {day}, 'WK' || (n % 500), '', 1, 1, 0, 0, 1, 200000, 30000, 0, 0, 0`)
	fill(1, `INSERT INTO queue_parts (connector, source, hour, queue, channel, offered, accepted, abandoned, short_abandoned, in_service, waited, longest)
		SELECT 'c', 'WT' || (100000000 + n), `+year+` / 3600000 * 3600000, 'WQ' || (n % 30), 'voice', 1, 1, 0, 0, 1, 12000, 12000`)
	fill(recordsPerTask, `INSERT INTO records (connector, key, stream, type, via, lane, at, captured_at, state, reason, digested_at, body)
		SELECT 'c', 'EV' || (100000000 + n), 'events', 'task.completed', 'poll', 0, `+month+`, `+month+`,
			CASE WHEN n % 6 = 0 THEN 'ignored' ELSE 'digested' END, CASE WHEN n % 6 = 0 THEN 'tells nothing' ELSE '' END, `+month+`, {blob}`)
	fill(1, `INSERT INTO deliveries (connector, account, customer_id, kind, key, fact_kind, fact_sid, type, lane, any_age,
			event_at, next_attempt_at, created_at, payload, state, settled_at, reason)
		SELECT 'c', 'a', 1 + n / 3 % {customers}, 'event', 'task.completed:WT' || (100000000 + n), 'task', 'WT' || (100000000 + n), 'task.completed', 0, 0,
			`+month+`, `+month+`, `+month+`, '{"Name":"SUPPORT_RESOLVED","Properties":{"queue":"Support FR","agent":"Ada","wait_time":12,"channel":"voice"}}',
			CASE WHEN n > {most} - 600 THEN 'pending' WHEN n % 50000 = 0 THEN 'dead' ELSE 'delivered' END,
			CASE WHEN n <= {most} - 600 THEN `+month+` END, CASE WHEN n % 50000 = 0 THEN 'invalid' ELSE '' END`)
	fill(1, `INSERT INTO queue (account, customer_id, lane, due_at) SELECT DISTINCT 'a', 1 + n / 3 % {customers}, 0, 1 {from} WHERE n > {most} - 600`)
	s.plain(b, append(indexes, countAll,
		`INSERT INTO waiting (connector, lane, id, captured_at) SELECT connector, lane, id, captured_at FROM records WHERE state = 'digested' ORDER BY id DESC LIMIT 500`,
		`ANALYZE`)...)
	if s.dialect.name == migrations.Postgres { // as autovacuum will have done
		err := s.maintain(b.Context(), "vacuum", func(ctx context.Context, ss session) error { return do(ctx, ss, `VACUUM ANALYZE`) })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%d tasks, %.1f GB", tasks, float64(s.size(b))/1e9)
}

// countAll is what triggers would have counted.
const countAll = `INSERT INTO counts (connector, what, kind, state, n)
	SELECT connector, 'facts', kind, '', COUNT(*) FROM facts GROUP BY connector, kind
	UNION ALL SELECT connector, 'deliveries', kind, state, COUNT(*) FROM deliveries
		WHERE state IN ('delivered', 'skipped', 'withdrawn') GROUP BY connector, kind, state
	UNION ALL SELECT connector, 'records', '', state, COUNT(*) FROM records WHERE state IN ('digested', 'ignored') GROUP BY connector, state
	UNION ALL SELECT connector, 'omissions', reason, what, COUNT(*) FROM omissions GROUP BY connector, reason, what
	UNION ALL SELECT connector, 'customers', 'all', '', COUNT(*) FROM customers GROUP BY connector
	UNION ALL SELECT connector, 'customers', 'linked', '', SUM(linked) FROM customers GROUP BY connector
	UNION ALL SELECT connector, 'customers', 'conversations', '', SUM(conversations) FROM customers GROUP BY connector`

// dropDerived takes away what slows filling down, and returns what puts it back.
func (s *Store) dropDerived(b *testing.B) []string {
	b.Helper()
	made := `SELECT name, type, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL AND tbl_name <> 'goose_db_version'`
	if s.dialect.name == migrations.Postgres {
		made = `SELECT CAST(indexname AS TEXT), 'index', indexdef FROM pg_indexes
			WHERE schemaname = current_schema() AND tablename <> 'goose_db_version'
				AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = indexname)`
	}
	var drops, makes []string
	err := s.read(b.Context(), "list indexes", func(t *tx) error {
		return t.query(made, func(r row) error {
			var name, kind, text string
			err := r.Scan(&name, &kind, &text)
			drops, makes = append(drops, "DROP "+kind+" "+name), append(makes, text)
			return err
		})
	})
	if err != nil {
		b.Fatal(err)
	}
	s.plain(b, drops...)
	return makes
}

// plain runs statements without triggers, each in a transaction of its own.
func (s *Store) plain(b *testing.B, statements ...string) {
	b.Helper()
	for _, text := range statements {
		err := s.write(b.Context(), "age", func(t *tx) error {
			if s.dialect.name == migrations.Postgres {
				err := t.each(`SET LOCAL session_replication_role = replica`, `SET LOCAL maintenance_work_mem = '1GB'`, `SET LOCAL synchronous_commit = off`)
				if err != nil {
					return err
				}
			}
			return do(t.ctx, t.session, text)
		})
		if err != nil {
			b.Fatalf("%s: %v", text, err)
		}
	}
}

// fill adds rows for n from 1 to most, some hundred thousand in a transaction.
func (s *Store) fill(b *testing.B, most int, text string) {
	b.Helper()
	const atOnce = 500_000
	for from := 1; from <= most; from += atOnce {
		series := fmt.Sprintf(` FROM generate_series(%d, %d) AS g (n) `, from, min(from+atOnce-1, most))
		blob, day := `decode(repeat('7b7d', 150), 'hex')`, `CAST(DATE '2026-01-01' + CAST(n * (365.0 / {most}) AS INTEGER) AS TEXT)`
		if s.dialect.name == migrations.SQLite {
			series = fmt.Sprintf(` FROM (WITH RECURSIVE g (n) AS (SELECT %d UNION ALL SELECT n + 1 FROM g WHERE n < %d) SELECT n FROM g) AS g `,
				from, min(from+atOnce-1, most))
			blob, day = `zeroblob(300)`, `date('2026-01-01', '+' || CAST(n * (365.0 / {most}) AS INTEGER) || ' days')`
		}
		full := text
		if !strings.Contains(full, "{from}") {
			full += "{from}"
		}
		full = strings.NewReplacer("{from}", series, "{blob}", blob, "{day}", day).Replace(full)
		full = strings.NewReplacer("{most}", fmt.Sprint(most), "{customers}", fmt.Sprint(max(1, int(customersPerTask*float64(most))))).Replace(full)
		s.plain(b, full)
	}
}

// size is how many bytes the database has.
func (s *Store) size(b *testing.B) (bytes int64) {
	b.Helper()
	text := `SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()`
	if s.dialect.name == migrations.Postgres {
		text = `SELECT pg_database_size(current_database())`
	}
	if err := s.read(b.Context(), "size", func(t *tx) error { return t.one(text, []any{&bytes}) }); err != nil {
		b.Fatal(err)
	}
	return bytes
}
