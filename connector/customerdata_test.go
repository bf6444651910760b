package connector_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

const customersConfig = `connectors:
  twilio_flex:
    account_sid: ${ACCOUNT}
    auth_token: ${TOKEN}
    base_url: ${TWILIO}
    region: FR
    sync: {conversations: false}
    sync_objects: [{service: default, map: crm, as: customer, key: email}]
    field_mapping: {attributes.email: email, attributes.phone: SMS, loyalty: LOYALTY}
brevo: {api_key: key, base_url: "${BREVO}", tier: none}
store: {url: "sqlite://${STORE}"}
`

// TestCustomerDataOfSync maps data that Sync keeps by email or phone like any other:
// on the contacts of those who had contact with the centre, and for nobody else. When
// the items expire, nothing is taken back.
func TestCustomerDataOfSync(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(24 * time.Hour)
	w := world.New(world.Options{Seed: 31, Start: now.Add(-30 * time.Hour), End: now.Add(-6 * time.Hour), Contacts: 80, Customers: 30})
	var expired atomic.Bool
	items := crmItems(w)
	sim := twiliosim.New(twiliosim.Options{World: w, Clock: func() time.Time { return now }})
	twilio := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/Maps/crm/Items") {
			sim.ServeHTTP(rw, r)
			return
		}
		rows := items
		if expired.Load() {
			rows = nil
		}
		rw.Header().Set("Date", now.Format(http.TimeFormat))
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, `{"meta":{"page_size":100,"next_page_url":null},"items":[`+strings.Join(rows, ",")+`]}`)
	}))
	t.Cleanup(twilio.Close)
	brevo := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	brevoServer := httptest.NewServer(brevo)
	t.Cleanup(brevoServer.Close)
	env := map[string]string{
		"ACCOUNT": w.AccountSID, "TOKEN": w.AuthToken, "TWILIO": twilio.URL, "BREVO": brevoServer.URL, "STORE": filepath.Join(t.TempDir(), "f.db"),
	}
	cfg, err := config.Parse("f.yaml", []byte(customersConfig), config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	st, err := connector.OpenStore(t.Context(), cfg, logger, true, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	for _, step := range []string{"read", "expired"} {
		expired.Store(step == "expired")
		s, err := connector.New(connector.Options{Config: cfg, Store: st, Logger: logger, Clock: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Sync(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		s.Close()
		found := 0
		for _, c := range brevo.Contacts() {
			if c.Email == "stranger@example.com" {
				t.Errorf("%s: somebody who never had contact became a contact", step)
			}
			got, _ := c.Attributes["LOYALTY"].(string)
			for _, address := range []string{c.Email, c.SMS} {
				if known := strings.Contains(strings.Join(items, "\n"), fmt.Sprintf("%q", address)); known && !strings.HasPrefix(got, "of ") {
					t.Errorf("%s: the loyalty of a contact that Sync knows is %q", step, got)
				}
			}
			if got != "" {
				found++
			}
		}
		if found < 5 {
			t.Errorf("%s: only %d contacts have what Sync tells of them", step, found)
		}
	}
}

// crmItems are one for each customer with an address, keyed by it, and one of a
// stranger.
func crmItems(w *world.World) []string {
	keys := []string{"stranger@example.com"}
	for i := range w.Customers {
		if address := w.Customers[i].Email; address != "" {
			keys = append(keys, address)
		} else if address := w.Customers[i].Phone; address != "" {
			keys = append(keys, address)
		}
	}
	var items []string
	for _, key := range keys {
		item, err := json.Marshal(map[string]any{
			"key": key, "revision": "1", "date_created": "2026-01-01T00:00:00Z", "date_updated": "2026-01-01T00:00:00Z",
			"data": map[string]any{"loyalty": "of " + key},
		})
		if err != nil {
			panic(err) // only text
		}
		items = append(items, string(item))
	}
	return items
}
