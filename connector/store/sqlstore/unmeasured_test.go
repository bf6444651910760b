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

// TestPostgresPlansUnmeasured fills a database that was never analysed, as a first
// load does: what waits must be read from its index up to the limit, not sorted whole
// for every batch.
func TestPostgresPlansUnmeasured(t *testing.T) {
	t.Parallel()
	var server pgtest.Server
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(t.Context(), server.Database(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var page record.Page
	for n := range 3000 {
		page.Records = append(page.Records, record.Record{
			Key: fmt.Sprint("EV", n), Stream: "events", Type: "task.created", Via: record.Poll, At: time.UnixMilli(int64(n)), Body: []byte("{}"),
		})
	}
	if _, err := s.Capture(t.Context(), []store.Batch{{Connector: "c", At: time.UnixMilli(1), Pages: []record.Page{page}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.LoadUndigested(t.Context(), "c", 500); err != nil {
		t.Fatal(err)
	}
	var waiting string
	s.dialect.rendered.Range(func(_, value any) bool {
		if text := value.(rendered).text; strings.Contains(text, "state = 'waiting'") {
			waiting = text
		}
		return true
	})
	var steps []string
	err = s.read(t.Context(), "explain", func(tx *tx) error {
		return tx.query("EXPLAIN "+waiting, func(r row) error {
			var step string
			err := r.Scan(&step)
			steps = append(steps, step)
			return err
		}, "c", 500)
	})
	if err != nil {
		t.Fatal(err)
	}
	if plan := strings.Join(steps, "\n"); !strings.Contains(plan, "records_waiting") || strings.Contains(plan, "Sort") {
		t.Errorf("what waits is read by\n%s", plan)
	}
}
