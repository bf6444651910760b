package connector_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/storetest/pgtest"
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
store: {url: "${STORE}"}
server: {listen: "${LISTEN:-127.0.0.1:0}", admin_listen: "127.0.0.1:0", public_url: "https://connector.example.com"}
`

// durable is the PostgreSQL of a benchmark, which writes to its disk before it acknowledges.
func durable(b *testing.B) *pgtest.Server { return pgtest.Own(b, &pgtest.Server{Durable: true}) }

// BenchmarkSync is the whole way of a day's records, pull to settled, on both
// databases: records/s is the figure of design section 8, captured/s that of its
// first part.
func BenchmarkSync(b *testing.B) {
	w := benchWorld()
	b.Run("sqlite", func(b *testing.B) {
		benchSync(b, w, func() string { return "sqlite://" + filepath.Join(b.TempDir(), "bench.db") })
	})
	b.Run("postgres", func(b *testing.B) {
		server := durable(b)
		benchSync(b, w, func() string { return server.Database(b) })
	})
}

// benchWorld is a centre with a busy day behind it; FLEXBREVO_CONTACTS makes it
// another size.
func benchWorld() *world.World {
	contacts, err := strconv.Atoi(os.Getenv("FLEXBREVO_CONTACTS"))
	if err != nil {
		contacts = 3000
	}
	now := time.Now().UTC()
	return world.New(world.Options{
		Start: now.Add(-40 * time.Hour), End: now.Add(-2 * time.Hour),
		Contacts: contacts, Customers: contacts * 2 / 5, Agents: 60,
	})
}

// stands are the two simulators of a benchmark and the configuration for them.
type stands struct {
	world  *world.World
	brevo  *brevosim.Server
	env    map[string]string
	config *config.Config
}

func newStands(b *testing.B, w *world.World, storeURL string, brevo func(*brevosim.Server) http.Handler) *stands {
	b.Helper()
	s := &stands{world: w, brevo: brevosim.New(brevosim.Options{Tier: brevosim.TierNone})}
	s.brevo.AddList(3, "support")
	twilio, destination := httptest.NewServer(twiliosim.New(twiliosim.Options{World: w})), httptest.NewServer(brevo(s.brevo))
	b.Cleanup(twilio.Close)
	b.Cleanup(destination.Close)
	s.env = map[string]string{
		"ACCOUNT": w.AccountSID, "TOKEN": w.AuthToken, "TWILIO": twilio.URL, "BREVO": destination.URL, "STORE": storeURL,
	}
	s.parse(b)
	return s
}

func (s *stands) parse(b *testing.B) {
	b.Helper()
	var err error
	s.config, err = config.Parse("bench.yaml", []byte(benchConfig), config.Options{
		Env: func(name string) (string, bool) { v, ok := s.env[name]; return v, ok },
	})
	if err != nil {
		b.Fatal(err)
	}
}

// service opens the store and assembles the service of a benchmark.
func (s *stands) service(b *testing.B, logger *slog.Logger) (*connector.Service, store.Store) {
	b.Helper()
	st, err := connector.OpenStore(b.Context(), s.config, logger, true, false)
	if err != nil {
		b.Fatal(err)
	}
	service, err := connector.New(connector.Options{Config: s.config, Store: st, Logger: logger})
	if err != nil {
		b.Fatal(err)
	}
	return service, st
}

func benchSync(b *testing.B, w *world.World, newStore func() string) {
	var records, captured, whole float64
	for b.Loop() {
		b.StopTimer()
		s := newStands(b, w, newStore(), func(s *brevosim.Server) http.Handler { return s })
		service, st := s.service(b, slog.New(slog.DiscardHandler))
		b.StartTimer()
		began, capturedIn := time.Now(), time.Duration(0)
		seen := 0
		report, err := service.Sync(b.Context(), func(_ string, r connector.Report) {
			if r.Captured > seen {
				seen, capturedIn = r.Captured, time.Since(began)
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		records, captured, whole = records+float64(report.Digested), captured+capturedIn.Seconds(), whole+time.Since(began).Seconds()
		service.Close()
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(records/whole, "records/s")
	b.ReportMetric(records/captured, "captured/s")
	b.ReportMetric(records/captured/30000, "of-30000/s")
}
