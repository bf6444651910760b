package connector_test

import (
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"flexbrevo/connector"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

// TestAPassRemovesWhatIsOlderThanTheRetention: where passes by cron are all there is, the
// store would else grow for ever.
func TestAPassRemovesWhatIsOlderThanTheRetention(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	w := world.New(world.Options{Start: now.Add(-time.Hour), End: now, Contacts: -1})
	twilio := httptest.NewServer(twiliosim.New(twiliosim.Options{World: w}))
	t.Cleanup(twilio.Close)
	brevo := httptest.NewServer(brevosim.New(brevosim.Options{Tier: brevosim.TierNone}))
	t.Cleanup(brevo.Close)
	cfg := configWith(t, map[string]string{
		"ACCOUNT": w.AccountSID, "TOKEN": w.AuthToken, "TWILIO": twilio.URL, "BREVO": brevo.URL, "STORE": filepath.Join(t.TempDir(), "f.db"),
	})
	logger := slog.New(slog.DiscardHandler)
	st, err := connector.OpenStore(t.Context(), cfg, logger, true, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	s, err := connector.New(connector.Options{Config: cfg, Store: st, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for key, at := range map[string]time.Time{"old": now.AddDate(0, 0, -31), "new": now.AddDate(0, 0, -29)} {
		_, err := st.Capture(t.Context(), []store.Batch{{Connector: "twilio_flex", At: at, Pages: []record.Page{{
			Stream: "events", Records: []record.Record{{Key: key, Stream: "events", Type: "nothing.known", At: at, Body: []byte(`{}`)}},
		}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	known, err := st.LoadKnownRecords(t.Context(), "twilio_flex", []string{"old", "new"})
	if err != nil || known["old"] || !known["new"] {
		t.Errorf("after the pass there are %v, %v; want the new one alone", known, err)
	}
}
