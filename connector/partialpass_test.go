package connector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// leaky is a store that cannot keep the pages of one stream, so long as it is told.
type leaky struct {
	store.Store
	fails atomic.Bool
}

func (l *leaky) Capture(ctx context.Context, batch []store.Batch) (store.Captured, error) {
	for _, b := range batch {
		for _, p := range b.Pages {
			if p.Stream == twilio.ConversationsStream && l.fails.Load() {
				return store.Captured{}, fmt.Errorf("capture: %w", store.ErrUnavailable)
			}
		}
	}
	return l.Store.Capture(ctx, batch)
}

// TestAPassThatLostAPageTellsNothing: an event is told once, with what is known then, so that a pass of which the store
// kept only a part sends nothing, and the next one all.
func TestAPassThatLostAPageTellsNothing(t *testing.T) {
	t.Parallel()
	end := time.Now().UTC().Add(-6 * time.Hour)
	w := world.New(world.Options{Seed: 12, Start: end.Add(-24 * time.Hour), End: end, Contacts: 30, Customers: 10})
	brevo := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	source, destination := httptest.NewServer(twiliosim.New(twiliosim.Options{World: w})), httptest.NewServer(brevo)
	defer source.Close()
	defer destination.Close()
	env := map[string]string{"ACCOUNT": w.AccountSID, "TOKEN": w.AuthToken, "TWILIO": source.URL, "BREVO": destination.URL,
		"STORE": "sqlite://" + filepath.Join(t.TempDir(), "s.db")}
	cfg, err := config.Parse("c.yaml", []byte(`
connectors:
  c:
    account_sid: ${ACCOUNT}
    auth_token: ${TOKEN}
    base_url: ${TWILIO}
    region: FR
    field_mapping: {attributes.email: email, attributes.phone: SMS}
    event_mapping: {conversation.started: STARTED}
brevo: {api_key: key, base_url: "${BREVO}", tier: none}
store: {url: "${STORE}"}
`), config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := connector.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler), true, false)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	st := &leaky{Store: opened}
	pass := func() error {
		service, err := connector.New(connector.Options{Config: cfg, Store: st, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close()
		_, err = service.Sync(t.Context(), nil)
		return err
	}

	st.fails.Store(true)
	if err := pass(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a pass whose store kept only a part ended with %v", err)
	}
	if n := len(brevo.Events()) + len(brevo.Contacts()); n > 0 {
		t.Errorf("%d contacts and events were sent", n)
	}
	st.fails.Store(false)
	if err := pass(); err != nil {
		t.Fatal(err)
	}
	if n := len(brevo.Events()); n < 10 {
		t.Errorf("%d events are in Brevo after the next pass", n)
	}
}
