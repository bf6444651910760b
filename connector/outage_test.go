package connector_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

// fragile is a store that can be taken away.
type fragile struct {
	store.Store
	away, hanging atomic.Bool
}

// Capture fails at once while the store is away, or hangs until its caller gives up.
func (f *fragile) Capture(ctx context.Context, batch []store.Batch) (store.Captured, error) {
	if f.hanging.Load() {
		<-ctx.Done()
		return store.Captured{}, fmt.Errorf("capture: %w", store.ErrUnavailable)
	}
	if f.away.Load() {
		return store.Captured{}, fmt.Errorf("capture: %w", store.ErrUnavailable)
	}
	return f.Store.Capture(ctx, batch)
}

// Ping says what Capture would.
func (f *fragile) Ping(ctx context.Context) error {
	if f.away.Load() || f.hanging.Load() {
		return store.ErrUnavailable
	}
	return f.Store.Ping(ctx)
}

// readyLog is a log handler that waits for the line that tells where the service listens.
type readyLog struct {
	slog.Handler
	listen chan string
}

func (l readyLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "ready" {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "listen" {
				l.listen <- a.Value.String()
			}
			return true
		})
	}
	return nil
}

func (l readyLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l readyLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l readyLog) WithGroup(string) slog.Handler                    { return l }

// serving is a running service with its simulators and a store that can fail.
type serving struct {
	twilio *twiliosim.Server
	store  *fragile
	listen string
	stop   func()
}

const outageURL = "https://connector.example.com"

const outageConfig = `
connectors:
  twilio_flex:
    account_sid: ${ACCOUNT}
    auth_token: ${TOKEN}
    base_url: ${TWILIO}
    sync: {conversations: false}
    schedule: {events: "@every 9h", workers: "@every 9h"}
    field_mapping: {attributes.email: email}
brevo: {api_key: key, base_url: "${BREVO}", tier: none}
store: {url: "sqlite://${STORE}"}
server: {listen: "127.0.0.1:0", admin_listen: "127.0.0.1:0", public_url: "` + outageURL + `"}
`

func serveFragile(t testing.TB) *serving {
	t.Helper()
	now := time.Now().UTC()
	w := world.New(world.Options{Seed: 4, Start: now.Add(-3 * time.Hour), End: now.Add(-2 * time.Hour), Contacts: 5, Customers: 5})
	s := &serving{twilio: twiliosim.New(twiliosim.Options{World: w}), store: &fragile{}}
	twilio, brevo := httptest.NewServer(s.twilio), httptest.NewServer(brevosim.New(brevosim.Options{Tier: brevosim.TierNone}))
	env := map[string]string{
		"ACCOUNT": w.AccountSID, "TOKEN": w.AuthToken, "TWILIO": twilio.URL, "BREVO": brevo.URL, "STORE": filepath.Join(t.TempDir(), "o.db"),
	}
	cfg, err := config.Parse("outage.yaml", []byte(outageConfig), config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	log := readyLog{listen: make(chan string, 1)}
	st, err := connector.OpenStore(t.Context(), cfg, slog.New(log), true, false)
	if err != nil {
		t.Fatal(err)
	}
	s.store.Store = st
	service, err := connector.New(connector.Options{Config: cfg, Store: s.store, Logger: slog.New(log), Grace: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx, nil) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
		service.Close()
		twilio.Close()
		brevo.Close()
	})
	t.Cleanup(func() {
		s.stop()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	select {
	case s.listen = <-log.listen:
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return s
}

// post posts the creation of a task and returns the answer.
func (s *serving) post(client *http.Client, n int) (status int, retryAfter string, err error) {
	at := time.Now().UTC().Format(time.RFC3339)
	body := fmt.Sprintf(`{"specversion":"1.0","type":"com.twilio.taskrouter.task.created","id":"EZ%032x","time":%q,`+
		`"data":{"payload":{"sid":"EV%032x","eventtype":"task.created","timestamp":%q,"task_sid":"WT%032x","task_attributes":"{}"}}}`, n, at, n, at, n)
	address, signature := s.twilio.SignJSON(outageURL+"/webhooks/twilio/events", []byte(body))
	r, err := http.NewRequest(http.MethodPost, "http://"+s.listen+strings.TrimPrefix(address, outageURL), strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header = http.Header{"X-Twilio-Signature": {signature}, "Content-Type": {"application/json"}}
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	return response.StatusCode, response.Header.Get("Retry-After"), response.Body.Close()
}

// outageLength is a few seconds for each way to be away; FLEXBREVO_OUTAGE=60s makes it the minute of the promise.
func outageLength(t *testing.T) time.Duration {
	text := os.Getenv("FLEXBREVO_OUTAGE")
	if text == "" {
		return 2 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestStoreAway takes the store away under load, once so that it refuses and once so that it hangs: there are only
// 503s with Retry-After, the listener answers for its health all along, and nothing that was answered 2xx is missing.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	s := serveFragile(t)
	const workers = 32
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	var loading sync.WaitGroup
	var mu sync.Mutex
	accepted, refused, enough := []int{}, 0, make(chan struct{})
	for w := range workers {
		loading.Go(func() {
			for n := w * 1_000_000; ; n++ {
				select {
				case <-enough:
					return
				default:
				}
				status, retryAfter, err := s.post(client, n)
				mu.Lock()
				switch {
				case err != nil:
					t.Error(err)
				case status == http.StatusNoContent:
					accepted = append(accepted, n)
				case status == http.StatusServiceUnavailable && retryAfter != "":
					refused++
				default:
					t.Errorf("status %d, Retry-After %q", status, retryAfter)
				}
				mu.Unlock()
				if status != http.StatusNoContent {
					time.Sleep(5 * time.Millisecond) // as a sender waits, so that the load is bounded
				}
			}
		})
	}
	count := func() (int, int) { mu.Lock(); defer mu.Unlock(); return len(accepted), refused }
	waitFor := func(what string, holds func() bool) {
		t.Helper()
		for until := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("not within 20s: %s", what)
			}
		}
	}
	waitFor("posts are accepted", func() bool { n, _ := count(); return n > 100 })
	for name, way := range map[string]*atomic.Bool{"away": &s.store.away, "hanging": &s.store.hanging} {
		way.Store(true)
		_, before := count()
		slowest := s.watchHealth(t, client, outageLength(t))
		waitFor("posts are refused while the store is "+name, func() bool { _, n := count(); return n > before })
		way.Store(false)
		n, _ := count()
		waitFor("posts are accepted again", func() bool { m, _ := count(); return m > n+100 })
		t.Logf("%s: slowest answer about health %s", name, slowest)
		if slowest > time.Second {
			t.Errorf("%s: an answer about health took %s", name, slowest)
		}
	}
	close(enough)
	loading.Wait()
	s.stop()
	missing := s.missing(t, accepted)
	n, m := count()
	t.Logf("%d accepted, %d refused", n, m)
	if missing > 0 {
		t.Errorf("%d of %d accepted posts are missing", missing, n)
	}
}

// watchHealth asks for health all along and returns the slowest answer.
func (s *serving) watchHealth(t *testing.T, client *http.Client, length time.Duration) (slowest time.Duration) {
	t.Helper()
	for until := time.Now().Add(length); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable} {
			began := time.Now()
			response, err := client.Get("http://" + s.listen + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("%s: %d, want %d", path, response.StatusCode, want)
			}
			slowest = max(slowest, time.Since(began))
		}
	}
	return slowest
}

// missing counts the posts that left nothing: neither a task nor a record that waits to become one.
func (s *serving) missing(t *testing.T, posts []int) int {
	t.Helper()
	there := map[string]bool{}
	waiting, err := s.store.LoadUndigested(t.Context(), "twilio_flex", 10_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range waiting {
		there["WT"+strings.TrimPrefix(r.Key, "EV")] = true
	}
	keys := make([]fact.Key, len(posts))
	for i, n := range posts {
		keys[i] = fact.Key{Kind: fact.Task, SID: fmt.Sprintf("WT%032x", n)}
	}
	facts, err := s.store.LoadFacts(t.Context(), "twilio_flex", keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facts {
		there[f.Fact.SID] = true
	}
	count := 0
	for _, k := range keys {
		if !there[k.SID] {
			count++
		}
	}
	return count
}
