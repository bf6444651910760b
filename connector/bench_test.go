package connector_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

const benchConfig = `
connectors:
  twilio_flex:
    account_sid: ${ACCOUNT}
    auth_token: ${TOKEN}
    base_url: ${TWILIO}
    region: FR
    lists: {support_contacts: 3}
    sync: {conversations: false}
    field_mapping:
      attributes.email: email
      attributes.phone: SMS
      friendly_name: FIRSTNAME
      last_conversation_date: LAST_SUPPORT_DATE
      total_conversations: SUPPORT_TICKET_COUNT
      avg_wait_time: AVG_WAIT_TIME
    event_mapping:
      task.completed: SUPPORT_RESOLVED
brevo: {api_key: key, base_url: "${BREVO}", tier: none}
store: {url: "sqlite://${STORE}"}
`

// BenchmarkSync is the whole way of a day's records, pull to settled, on SQLite:
// records/s is the figure of design section 8.
func BenchmarkSync(b *testing.B) {
	now := time.Now().UTC()
	w := world.New(world.Options{Start: now.Add(-40 * time.Hour), End: now.Add(-2 * time.Hour), Contacts: 3000, Customers: 1200, Agents: 60})
	twilio := httptest.NewServer(twiliosim.New(twiliosim.Options{World: w}))
	defer twilio.Close()
	for range b.N {
		b.StopTimer()
		sim := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
		sim.AddList(3, "support")
		brevo := httptest.NewServer(sim)
		env := map[string]string{
			"ACCOUNT": w.AccountSID, "TOKEN": w.AuthToken, "TWILIO": twilio.URL, "BREVO": brevo.URL,
			"STORE": filepath.Join(b.TempDir(), "bench.db"),
		}
		cfg, err := config.Parse("bench.yaml", []byte(benchConfig), config.Options{
			Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		records := syncOnce(b, cfg)
		b.StopTimer()
		b.ReportMetric(float64(records)/b.Elapsed().Seconds()*float64(b.N), "records/s")
		brevo.Close()
	}
}

func syncOnce(b *testing.B, cfg *config.Config) int {
	ctx := context.Background()
	logger := slog.New(slog.DiscardHandler)
	st, err := connector.OpenStore(ctx, cfg, logger, true, false)
	if err != nil {
		b.Fatal(err)
	}
	s, err := connector.New(connector.Options{Config: cfg, Store: st, Logger: logger})
	if err != nil {
		b.Fatal(err)
	}
	at := time.Now()
	report, err := s.Sync(ctx, func(step string, r connector.Report) {
		if testing.Verbose() && step != "deliver" {
			b.Log(time.Since(at).Round(time.Millisecond), step, r)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	s.Close()
	if err := st.Close(); err != nil {
		b.Fatal(err)
	}
	b.Log(time.Since(at), report)
	return report.Digested
}
