package connector_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

const (
	publicURL    = "https://connector.example.com"
	callbackPath = "/webhooks/twilio/taskrouter"
)

// BenchmarkMachine is what the machine can do at best: what the other figures are
// to be held against.
func BenchmarkMachine(b *testing.B) {
	b.Run("fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "probe"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		page := make([]byte, 8192)
		for b.Loop() {
			if _, err := f.WriteAt(page, 0); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "syncs/s")
	})
	b.Run("copy", func(b *testing.B) {
		conn, err := pgx.Connect(b.Context(), durable(b).Database(b))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(b.Context()))
		if _, err := conn.Exec(b.Context(), `CREATE TABLE bare (key TEXT, body BYTEA)`); err != nil {
			b.Fatal(err)
		}
		const rows = 1000
		body := bytes.Repeat([]byte("x"), 1000)
		for b.Loop() {
			_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"bare"}, []string{"key", "body"},
				pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return []any{fmt.Sprint("EV", i), body}, nil }))
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("sync", benchBare)
}

// run starts the daemon, until the benchmark ends, and returns where it takes posts.
func (s *stands) run(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s.env["LISTEN"] = l.Addr().String()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	s.parse(b)
	service, st := s.service(b, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx, nil) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		service.Close()
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	for {
		resp, err := http.Get("http://" + s.env["LISTEN"] + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return s.env["LISTEN"]
			}
		}
		select {
		case err := <-ended:
			b.Fatalf("the daemon ended early: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
}

// callback is a signed event of 0.6 KB about a task of its own.
func callback(token string, n int64, customer string) (body, signature string) {
	task := fmt.Sprintf("WT%032x", n)
	form := url.Values{
		"EventType": {"task.completed"}, "Sid": {fmt.Sprintf("EV%032x", n)}, "AccountSid": {"AC" + strings.Repeat("0", 32)},
		"WorkspaceSid": {"WS" + strings.Repeat("0", 32)}, "EventDescription": {"Task completed"}, "ResourceType": {"task"},
		"ResourceSid": {task}, "TaskSid": {task}, "Timestamp": {fmt.Sprint(time.Now().Unix())}, "TimestampMs": {fmt.Sprint(time.Now().UnixMilli())},
		"TaskAttributes": {`{"from":"+33612345678","email":"` + customer + `","direction":"inbound"}`}, "TaskAge": {"42"},
		"TaskPriority": {"0"}, "TaskAssignmentStatus": {"completed"}, "TaskQueueName": {"Support FR"}, "TaskChannelUniqueName": {"voice"},
	}
	return form.Encode(), twiliosim.SignForm(token, publicURL+callbackPath, form)
}

func post(client *http.Client, target, body, signature string) int {
	request, err := http.NewRequest(http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set(twiliosim.SignatureHeader, signature)
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection can be used again
	_ = response.Body.Close()
	return response.StatusCode
}

// BenchmarkLag is the time from posting an event about a new customer to an idle
// daemon until Brevo is called about them; ms-start is that from opening an existing
// store to being ready.
func BenchmarkLag(b *testing.B) {
	for name, newStore := range map[string]func(b *testing.B) string{
		"sqlite":   func(b *testing.B) string { return "sqlite://" + filepath.Join(b.TempDir(), "bench.db") },
		"postgres": func(b *testing.B) string { return durable(b).Database(b) },
	} {
		b.Run(name, func(b *testing.B) {
			called := make(chan string, 64)
			s := newStands(b, world.New(world.Options{Contacts: -1}), newStore(b), func(sim *brevosim.Server) http.Handler { return watch(sim, called) })
			_, st := s.service(b, slog.New(slog.DiscardHandler)) // makes the schema
			if err := st.Close(); err != nil {
				b.Fatal(err)
			}
			began := time.Now()
			address := s.run(b)
			start := time.Since(began)
			var took []time.Duration
			for b.Loop() {
				for range 100 {
					took = append(took, lag(b, "http://"+address+callbackPath, s.world.AuthToken, int64(len(took)), called))
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(start.Milliseconds()), "ms-start") // the loop forgets what is reported before it
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
			p99 := took[len(took)*99/100]
			b.ReportMetric(float64(p99.Microseconds())/1000, "ms-p99")
			b.ReportMetric(p99.Seconds()/0.1, "of-100ms")
			b.ReportMetric(start.Seconds()/0.3, "of-300ms-start")
		})
	}
}

// watch tells of the contacts that are written.
func watch(next http.Handler, called chan<- string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/contacts") {
			called <- string(body)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// lag posts one event and waits for its contact; then it lets the daemon come to rest.
func lag(b *testing.B, target, token string, n int64, called <-chan string) time.Duration {
	b.Helper()
	customer := fmt.Sprintf("c%d@example.com", n)
	body, signature := callback(token, n, customer)
	began := time.Now()
	if status := post(http.DefaultClient, target, body, signature); status != http.StatusNoContent {
		b.Fatalf("status %d", status)
	}
	limit := time.After(30 * time.Second)
	for {
		select {
		case text := <-called:
			if strings.Contains(text, customer) {
				return time.Since(began)
			}
		case <-limit:
			b.Fatal("Brevo was not called within 30 s")
		}
	}
}
