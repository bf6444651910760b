package connector_test

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/world"
)

// BenchmarkBudget is a first load into an account with Brevo's General limits, of which we take 80 % (facts/brevo.md 6):
// used-of-share is the part of the calls that we might have made which we made while work waited, writes/contact how
// often each contact was written though all of its changes came in that burst, answered-429 how often Brevo said that
// it was too much. Its time is that of Brevo's limits, whatever the machine.
func BenchmarkBudget(b *testing.B) {
	w := world.New(world.Options{
		Start: time.Now().UTC().Add(-40 * time.Hour), End: time.Now().UTC().Add(-2 * time.Hour),
		Contacts: 400, Customers: 100, Agents: 10,
	})
	for b.Loop() {
		c := &callLog{writes: map[string]int{}}
		s := newStands(b, w, "sqlite://"+filepath.Join(b.TempDir(), "bench.db"), func(*brevosim.Server) http.Handler { return c })
		s.brevo = brevosim.New(brevosim.Options{Tier: brevosim.TierGeneral})
		s.brevo.AddList(3, "support")
		c.next = s.brevo
		s.config.Connectors[0].Brevo.Tier, s.config.Brevo.Tier = "general", "general"
		share := s.config.Connectors[0].Brevo.Share
		service, st := s.service(b, slog.New(slog.DiscardHandler))
		if _, err := service.Sync(b.Context(), func(string, connector.Report) {}); err != nil {
			b.Fatal(err)
		}
		service.Close()
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		c.report(b, share)
		b.ReportMetric(float64(s.brevo.Summary().RateLimited), "answered-429")
	}
}

// callLog notes when the calls of the two buckets of a second came, and how often each
// contact was written.
type callLog struct {
	next http.Handler

	mu               sync.Mutex
	contacts, events []time.Time
	creates, updates int
	writes           map[string]int // by path of an update
}

// ServeHTTP implements http.Handler.
func (c *callLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.note(r.Method, r.URL.Path, time.Now())
	c.next.ServeHTTP(w, r)
}

func (c *callLog) note(method, path string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case strings.HasSuffix(path, "/events"):
		c.events = append(c.events, at)
	case strings.HasSuffix(path, "/contacts") && method == http.MethodPost:
		c.contacts = append(c.contacts, at)
		c.creates++
	case method == http.MethodPut:
		c.contacts = append(c.contacts, at)
		c.updates++
		c.writes[path]++
	}
}

func (c *callLog) report(b *testing.B, share float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.ReportMetric(used(c.events, share), "used-of-share")
	b.ReportMetric(used(c.events, share)/0.98, "of-0.98")
	b.ReportMetric(float64(c.creates+c.updates)/float64(c.creates), "writes/contact")
	b.ReportMetric(float64(len(c.contacts)), "contact-calls")
	b.ReportMetric(float64(len(c.events)), "event-calls")
}

// used is the part of our share of 10 calls a second that was used from the first call
// to the last.
func used(calls []time.Time, share float64) float64 {
	if len(calls) < 2 {
		return 0
	}
	lasted := calls[len(calls)-1].Sub(calls[0]).Seconds()
	return float64(len(calls)-1) / lasted / (10 * share)
}
