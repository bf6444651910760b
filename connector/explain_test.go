package connector_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

const explainConfig = `connectors:
  twilio_flex:
    account_sid: ${ACCOUNT}
    auth_token: ${TOKEN}
    base_url: ${TWILIO}
    region: FR
    lists: {support_contacts: "Support"}
    field_mapping:
      attributes.email: email
      attributes.phone: SMS
      last_conversation_date: LAST_SUPPORT_DATE
      customer_tier: {to: VIP_TIER, when: customer_tier == "platinum"}
      avg_wait_time: {to: WAIT, type: float}
    event_mapping:
      task.completed: SUPPORT_RESOLVED
      task.created: {event: LONG_AGO, when: task.channel == "pigeon"}
      conversation.ended: CONVERSATION_ENDED
    events: {max_age: 10h}
brevo: {api_key: key, base_url: "${BREVO}", tier: none}
store: {url: "sqlite://${STORE}"}
`

// synced is a day of a simulated contact centre, synced once.
type synced struct {
	cfg   *config.Config
	store store.Store
	world *world.World
	brevo *brevosim.Server
}

func newSynced(t *testing.T) *synced {
	t.Helper()
	now := time.Now().UTC()
	w := world.New(world.Options{Seed: 3, Start: now.Add(-20 * time.Hour), End: now.Add(-3 * time.Hour), Contacts: 80, Customers: 20, Odd: true})
	s := &synced{world: w, brevo: brevosim.New(brevosim.Options{Tier: brevosim.TierNone})}
	s.brevo.AddAttribute(brevosim.Attribute{Name: "WAIT", Category: "normal", Type: "text"}) // not what the rule wants
	twilio := httptest.NewServer(twiliosim.New(twiliosim.Options{World: w}))
	t.Cleanup(twilio.Close)
	brevo := httptest.NewServer(s.brevo)
	t.Cleanup(brevo.Close)
	env := map[string]string{
		"ACCOUNT": w.AccountSID, "TOKEN": w.AuthToken, "TWILIO": twilio.URL, "BREVO": brevo.URL,
		"STORE": filepath.Join(t.TempDir(), "flexbrevo.db"),
	}
	var err error
	s.cfg, err = config.Parse("explain.yaml", []byte(explainConfig), config.Options{
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	s.store, err = connector.OpenStore(context.Background(), s.cfg, logger, true, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	service, err := connector.New(connector.Options{Config: s.cfg, Store: s.store, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	if _, err := service.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *synced) explain(t *testing.T, what string) []pipeline.Explanation {
	t.Helper()
	found, err := connector.Explain(t.Context(), s.cfg, s.store, "", what)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		return nil
	}
	return found[0].Customers
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := newSynced(t)
	checked := 0
	for _, c := range s.brevo.Contacts() {
		if c.Email == "" {
			continue
		}
		checked++
		customers := s.explain(t, strings.ToUpper(c.Email))
		if len(customers) != 1 {
			t.Fatalf("an email leads to %d customers", len(customers))
		}
		e := customers[0]
		if e.ContactID != c.ID || e.Email != c.Email {
			t.Errorf("contact %d is explained as %d %s", c.ID, e.ContactID, e.Standing)
		}
		s.checkAttributes(t, e, c)
		s.checkEvents(t, e, c)
		for _, f := range e.Facts {
			if other := s.explain(t, f.SID); len(other) != 1 || other[0].CustomerID != e.CustomerID {
				t.Errorf("%s leads to %d customers", f.SID, len(other))
			}
		}
	}
	if checked < 3 {
		t.Fatalf("only %d contacts have an email", checked)
	}
	if got := s.explain(t, "nobody@example.com"); len(got) != 0 {
		t.Errorf("an unknown email is explained: %+v", got)
	}
	if _, err := connector.Explain(t.Context(), s.cfg, s.store, "", " "); err == nil {
		t.Error("an empty question got an answer")
	}
}

func (s *synced) checkAttributes(t *testing.T, e pipeline.Explanation, c brevosim.Contact) {
	t.Helper()
	lines := map[string]pipeline.AttributeLine{}
	for _, a := range e.Attributes {
		lines[a.Name] = a
		if !strings.HasPrefix(a.Rule, "explain.yaml:") {
			t.Errorf("%s has no place in the file: %q", a.Name, a.Rule)
		}
	}
	if a := lines["LAST_SUPPORT_DATE"]; a.State != "in Brevo" || a.Value != c.Attributes["LAST_SUPPORT_DATE"] || a.Source != "last_conversation_date" {
		t.Errorf("date: %+v, Brevo has %v", a, c.Attributes["LAST_SUPPORT_DATE"])
	}
	if a := lines["VIP_TIER"]; c.Attributes["VIP_TIER"] == nil && (a.State != "nothing to send" || a.Why == "") {
		t.Errorf("tier that was not sent: %+v", a)
	}
	if a := lines["WAIT"]; a.Value != nil && (a.State != "not sent" || !strings.Contains(a.Why, "type")) {
		t.Errorf("attribute of another type: %+v", a)
	}
	for _, l := range e.Lists {
		if !strings.HasPrefix(l.State, "membership was begun") {
			t.Errorf("list: %+v", l)
		}
	}
}

func (s *synced) checkEvents(t *testing.T, e pipeline.Explanation, c brevosim.Contact) {
	t.Helper()
	sent := map[any]bool{}
	for _, event := range s.brevo.Events() {
		if event.ContactID == c.ID {
			sent[event.Property("source_event_id")] = true
		}
	}
	for _, l := range e.Events {
		switch {
		case sent[l.ID] != (l.State == "delivered"):
			t.Errorf("event is explained as %s, sent is %v: %+v", l.State, sent[l.ID], l)
		case l.Name == "LONG_AGO" && !strings.HasPrefix(l.Why, "condition false"):
			t.Errorf("an event whose condition is false: %+v", l)
		case l.State == "skipped" && l.Why != "too old":
			t.Errorf("a skipped event: %+v", l)
		}
		delete(sent, l.ID)
	}
	if len(sent) > 0 {
		t.Errorf("events that are not explained: %v", sent)
	}
}
