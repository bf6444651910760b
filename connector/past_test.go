package connector_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// TestStatusShowsGaps reads the status of a store whose events have one.
func TestStatusShowsGaps(t *testing.T) {
	t.Parallel()
	env := map[string]string{"ACCOUNT": "AC00000000000000000000000000000001", "TOKEN": "t", "TWILIO": "http://127.0.0.1:1", "BREVO": "http://127.0.0.1:1", "STORE": filepath.Join(t.TempDir(), "s.db")}
	cfg, err := config.Parse("c.yaml", []byte(explainConfig), config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	st, err := connector.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler), false, false)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	page := record.Page{Stream: "events", Through: now, Cursor: `{"at":"2026-11-21T12:00:00Z","gaps":[{"from":"2026-10-01T00:00:00Z","to":"2026-10-22T00:00:00Z"}]}`}
	past := record.Page{Stream: "backfill:events", Cursor: "{}"}
	if _, err := st.Capture(t.Context(), []store.Batch{{Connector: "twilio_flex", At: now, Pages: []record.Page{page, past}}}); err != nil {
		t.Fatal(err)
	}
	id, err := st.AddRun(t.Context(), store.Run{Kind: "backfill", CreatedAt: now})
	if err != nil {
		t.Fatal(err)
	}
	since := now.AddDate(0, 0, -20)
	if _, err := connector.BeginBackfill(t.Context(), st, connector.BackfillRequest{Connector: "twilio_flex", Since: since}, id, now); err != nil {
		t.Fatal(err)
	}
	status, err := connector.ReadStatus(t.Context(), cfg, st, "", now)
	if err != nil {
		t.Fatal(err)
	}
	c := status.Connectors[0]
	if len(c.Gaps) != 1 || c.Gaps[0].To.Sub(c.Gaps[0].From) != 21*24*time.Hour {
		t.Errorf("gaps %+v", c.Gaps)
	}
	if !strings.Contains(strings.Join(c.Problems, "\n"), "no events from 2026-10-01") {
		t.Errorf("problems %q do not tell of the gap", c.Problems)
	}
	if c.Backfill == nil || !c.Backfill.Since.Equal(since) {
		t.Errorf("backfill %+v", c.Backfill)
	}
	if _, shown := c.Streams["backfill:events"]; shown {
		t.Error("the past is shown as a stream")
	}
}

// TestBackfillRange checks the ends that a request leaves open.
func TestBackfillRange(t *testing.T) {
	t.Parallel()
	s := newSynced(t)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	begin := func(since, until, now time.Time) (store.Backfill, error) {
		return connector.BeginBackfill(t.Context(), s.store, connector.BackfillRequest{Connector: "twilio_flex", Since: since, Until: until}, 1, now)
	}
	since := now.AddDate(0, 0, -5)
	first, err := begin(since, time.Time{}, now)
	if err != nil || !first.Until.Before(now) {
		t.Fatalf("open end: %+v, %v", first, err)
	}
	if again, err := begin(since, time.Time{}, now.Add(time.Hour)); err != nil || !again.Until.Equal(first.Until) {
		t.Errorf("the same again ends at %s, %v; want %s", again.Until, err, first.Until)
	}
	if other, err := begin(since.Add(time.Hour), now.Add(time.Hour), now); err != nil || other.Until.After(now) {
		t.Errorf("an end in the future became %s, %v", other.Until, err)
	}
	if _, err := begin(now, now.Add(-time.Hour), now); err == nil {
		t.Error("an empty range is taken")
	}
}
