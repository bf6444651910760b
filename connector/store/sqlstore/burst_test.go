package sqlstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/storetest/pgtest"
)

// TestPostgresPlansInABurst measures the tables while nothing waits, as it is most of
// the time, and then lets much wait: it must still be read from its index up to the
// limit, not collected and sorted for every batch.
func TestPostgresPlansInABurst(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, &pgtest.Server{})
	s, err := Open(t.Context(), server.Database(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	arrive(t, s, 0, 20000)
	plainly(t, s, `DELETE FROM waiting WHERE id > 10`)
	plainly(t, s, `ANALYZE records`)
	plainly(t, s, `ANALYZE waiting`)
	arrive(t, s, 20000, 3000)
	if _, err := s.LoadUndigested(t.Context(), "c", 500); err != nil {
		t.Fatal(err)
	}
	if plan := planOf(t, s, "SELECT id FROM waiting", "c", 500); !strings.Contains(plan, "waiting_pkey") || strings.Contains(plan, "Sort") {
		t.Errorf("what waits is read by\n%s", plan)
	}
}

// arrive captures records.
func arrive(t *testing.T, s *Store, from, count int) {
	t.Helper()
	var page record.Page
	for n := from; n < from+count; n++ {
		page.Records = append(page.Records, record.Record{
			Key: fmt.Sprint("EV", n), Stream: "events", Type: "task.created", Via: record.Poll, At: time.UnixMilli(int64(n)), Body: []byte("{}"),
		})
	}
	if _, err := s.Capture(t.Context(), []store.Batch{{Connector: "c", At: time.UnixMilli(1), Pages: []record.Page{page}}}); err != nil {
		t.Fatal(err)
	}
}

// planOf is the plan, by index, of the statement that was run and contains a part, for
// these arguments.
func planOf(t *testing.T, s *Store, part string, args ...any) string {
	t.Helper()
	var statement string
	s.dialect.rendered.Range(func(_, value any) bool {
		if text := value.(string); strings.Contains(text, part) {
			statement = text
		}
		return true
	})
	var steps []string
	err := s.read(t.Context(), "explain", func(tx *tx) error {
		if err := tx.byIndex(); err != nil {
			return err
		}
		return tx.query("EXPLAIN "+statement, func(r row) error {
			var step string
			err := r.Scan(&step)
			steps = append(steps, step)
			return err
		}, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "\n")
}
