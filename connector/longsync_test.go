package connector_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"flexbrevo/connector"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

// TestAPassDeliversForAsLongAsItTakes lets minutes go by, on the clock of the service,
// while it delivers: it is not done before all is.
func TestAPassDeliversForAsLongAsItTakes(t *testing.T) {
	t.Parallel()
	start := time.Now().UTC().Truncate(time.Second)
	w := world.New(world.Options{Seed: 41, Start: start.Add(-30 * time.Hour), End: start.Add(-6 * time.Hour), Contacts: 900, Customers: 700})
	twilio := httptest.NewServer(twiliosim.New(twiliosim.Options{World: w, Clock: func() time.Time { return start }}))
	t.Cleanup(twilio.Close)
	sim := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	brevo := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			time.Sleep(50 * time.Millisecond) // what takes time is what this is about
		}
		sim.ServeHTTP(rw, r)
	}))
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
	began := time.Now()
	clock := func() time.Time { return start.Add(1000 * time.Since(began)) }
	s, err := connector.New(connector.Options{Config: cfg, Store: st, Logger: logger, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if _, err := s.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	sum, err := st.LoadSummary(t.Context(), "twilio_flex", clock())
	if err != nil {
		t.Fatal(err)
	}
	states := sum.Deliveries[store.ContactDelivery]
	if left := states[store.Pending] + states[store.Sending] + states[store.Unknown]; left != 0 || states[store.Delivered] < 50 {
		t.Errorf("the pass ended with %d contacts left; %v", left, states)
	}
}
