package connector_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

const figuresConfig = `connectors:
  twilio_flex:
    account_sid: ${ACCOUNT}
    auth_token: ${TOKEN}
    base_url: ${TWILIO}
    region: FR
    timezone: Europe/Paris
    initial_lookback: 240h
    sync: {agent_activity: true, queue_analytics: true, conversations: false}
    field_mapping: {attributes.email: email, attributes.phone: SMS}
brevo: {api_key: key, base_url: "${BREVO}", tier: none}
store: {url: "sqlite://${STORE}"}
`

// TestFiguresOfDaysWithAndWithoutAnHour compares the figures of days on which the
// clocks change with a calculation from the world alone.
func TestFiguresOfDaysWithAndWithoutAnHour(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]time.Time{
		"23 hours": time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), "25 hours": time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(world.Options{
				Seed: 11, Start: change.Add(-50 * time.Hour), End: change.Add(60 * time.Hour), Contacts: 900, Customers: 300, Agents: 8,
			})
			now := change.Add(90 * time.Hour)
			st := syncedAt(t, w, now)
			agents, err := st.LoadAgentDays(t.Context(), "twilio_flex", "2026-01-01", "2027-01-01")
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, a := range agents {
				got[a.Day+" "+a.Worker+" "+a.Activity] = fmt.Sprint(a.Offered, a.Accepted, a.Rejected, a.TimedOut, a.Handled, a.Talk, a.Wrap, a.CSATCount, a.CSATSum, a.Lasted/1000)
			}
			compareFigures(t, "agent day", got, oracle.AgentDays(w, paris))
			queues, err := st.LoadQueueHours(t.Context(), "twilio_flex", w.Options().Start.Add(-time.Hour), now)
			if err != nil {
				t.Fatal(err)
			}
			got = map[string]string{}
			for _, q := range queues {
				got[q.Hour.Format(time.RFC3339)+" "+q.Queue+" "+q.Channel] = fmt.Sprint(q.Offered, q.Accepted, q.Abandoned, q.ShortAbandoned, q.InService, q.Waited, q.Longest)
			}
			compareFigures(t, "queue hour", got, oracle.QueueHours(w))
			scores, err := st.LoadCSATDays(t.Context(), "twilio_flex", "2026-01-01", "2027-01-01")
			if err != nil {
				t.Fatal(err)
			}
			counts := map[string]int64{}
			for _, s := range scores {
				if s.Channel == "" || s.Queue == "" {
					t.Errorf("answers of an unknown channel or queue: %+v", s)
				}
				counts[fmt.Sprint(s.Day, " ", float64(s.Score)/100)] += s.Count
			}
			got = map[string]string{}
			for key, n := range counts {
				got[key] = fmt.Sprint(n)
			}
			compareFigures(t, "answers", got, oracle.CSATDays(w, paris))
		})
	}
}

func compareFigures(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	keys := map[string]bool{}
	for k := range got {
		keys[k] = true
	}
	for k := range want {
		keys[k] = true
	}
	wrong := 0
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if got[k] != want[k] {
			if wrong++; wrong <= 10 {
				t.Errorf("%s %s: %q, want %q", what, k, got[k], want[k])
			}
		}
	}
	if len(want) < 20 {
		t.Errorf("only %d of %s: the test tells little", len(want), what)
	}
}

// syncedAt syncs a world as at a moment and returns the store.
func syncedAt(t *testing.T, w *world.World, now time.Time) store.Store {
	t.Helper()
	clock := func() time.Time { return now }
	twilio := httptest.NewServer(twiliosim.New(twiliosim.Options{World: w, Clock: clock}))
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
	s, err := connector.New(connector.Options{Config: cfg, Store: st, Logger: logger, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if _, err := s.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return st
}

// configOf is the configuration with sides that nobody calls.
func configOf(t *testing.T) *config.Config {
	t.Helper()
	return configWith(t, map[string]string{
		"ACCOUNT": "AC00000000000000000000000000000001", "TOKEN": "token", "TWILIO": "http://127.0.0.1:1", "BREVO": "http://127.0.0.1:1", "STORE": "unused.db",
	})
}

func configWith(t *testing.T, env map[string]string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("f.yaml", []byte(figuresConfig), config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
