package connector_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/config"
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
	s, st, clock := fastPass(t, 1000, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			time.Sleep(50 * time.Millisecond) // what takes time is what this is about
		}
		return false
	})
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

// TestAPassTellsOfWhatItCouldNotFindOut: nobody knows what became of the events, and Brevo does not
// say. A pass has only so much patience, but it is not done.
func TestAPassTellsOfWhatItCouldNotFindOut(t *testing.T) {
	t.Parallel()
	s, st, clock := fastPass(t, 100, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/events") {
			return false
		}
		if r.Method == http.MethodPost {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	if _, err := s.Sync(t.Context(), nil); !errors.Is(err, connector.ErrWaiting) {
		t.Errorf("the pass ended with %v", err)
	}
	sum, err := st.LoadSummary(t.Context(), "twilio_flex", clock())
	if err != nil {
		t.Fatal(err)
	}
	if sum.Deliveries[store.EventDelivery][store.Unknown] == 0 {
		t.Errorf("nothing is unknown: the test tells nothing; %v", sum.Deliveries)
	}
}

// fastPass is a service of a new store whose clock runs so many times as fast, before a Brevo of which
// meddle answers what it says it did.
func fastPass(t *testing.T, times time.Duration, meddle func(http.ResponseWriter, *http.Request) bool) (*connector.Service, store.Store, func() time.Time) {
	t.Helper()
	start := time.Now().UTC().Truncate(time.Second)
	sim := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	sim.AddList(3, "support")
	o := passOptions(t, benchConfig, start, world.New(world.Options{
		Seed: 41, Start: start.Add(-30 * time.Hour), End: start.Add(-6 * time.Hour), Contacts: 900, Customers: 700,
	}), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !meddle(rw, r) {
			sim.ServeHTTP(rw, r)
		}
	}))
	began := time.Now()
	o.Clock = func() time.Time { return start.Add(times * time.Since(began)) }
	return newService(t, o), o.Store, o.Clock
}

// passOptions are those of a service with a new SQLite store between a simulated Twilio, for which it is now, and a Brevo.
func passOptions(t *testing.T, yaml string, now time.Time, w *world.World, brevo http.Handler) connector.Options {
	t.Helper()
	source := httptest.NewServer(twiliosim.New(twiliosim.Options{World: w, Clock: func() time.Time { return now }}))
	t.Cleanup(source.Close)
	destination := httptest.NewServer(brevo)
	t.Cleanup(destination.Close)
	env := map[string]string{
		"ACCOUNT": w.AccountSID, "TOKEN": w.AuthToken, "TWILIO": source.URL, "BREVO": destination.URL,
		"STORE": "sqlite://" + filepath.Join(t.TempDir(), "f.db"),
	}
	cfg, err := config.Parse("pass.yaml", []byte(yaml), config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	st, err := connector.OpenStore(t.Context(), cfg, logger, true, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return connector.Options{Config: cfg, Store: st, Logger: logger}
}

func newService(t *testing.T, o connector.Options) *connector.Service {
	t.Helper()
	s, err := connector.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
