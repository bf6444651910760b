package connector_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
	"flexbrevo/connector/webhook"
)

const (
	benchToken       = "0123456789abcdef0123456789abcdef"
	benchURL         = "https://connector.example.com"
	benchPath        = "/webhooks/twilio/events"
	benchConnections = 64
)

// BenchmarkWebhook posts signed events of 0.6 KB over 64 connections, each a new one, and counts those answered 2xx:
// the figure of design section 8. Beside it stand a handler that only verifies and one that verifies and commits in
// groups, which are the machine's own limits; the load comes from this same process. of-10000/s is the ratio to what
// is asked for, of-bare that to the second of these handlers, of which 0.6 is asked for.
func BenchmarkWebhook(b *testing.B) {
	b.Run("verify", func(b *testing.B) { load(b, bare(func(context.Context, []byte) error { return nil })) })
	for name, open := range map[string]func(*testing.B) store.Store{"sqlite": benchSQLite, "postgres": benchPostgres} {
		var limit float64
		b.Run(name+"/verify and commit in groups", func(b *testing.B) {
			intake, stop := startIntake(open(b))
			defer stop()
			limit = load(b, bare(func(ctx context.Context, body []byte) error {
				sum := sha256.Sum256(body)
				_, err := intake.Keep(ctx, "flex", record.Page{Stream: "events", Records: []record.Record{{
					Key: hex.EncodeToString(sum[:]), Stream: "events", Type: "event", Via: record.EventStreams, At: time.Now(), Body: body,
				}}})
				return err
			}))
		})
		b.Run(name+"/accept", func(b *testing.B) {
			intake, stop := startIntake(open(b))
			defer stop()
			h, err := webhook.New(webhook.Options{
				PublicURL: benchURL, Logger: slog.New(slog.DiscardHandler),
				Connectors: []webhook.Connector{{
					Name: "flex", AuthTokens: func() []string { return []string{benchToken} },
					Keep: func(ctx context.Context, records []record.Record) error {
						_, err := intake.Keep(ctx, "flex", record.Page{Records: records})
						return err
					},
				}},
			})
			if err != nil {
				b.Fatal(err)
			}
			rate := load(b, h)
			b.ReportMetric(rate/10000, "of-10000/s")
			if limit > 0 { // it was run, too
				b.ReportMetric(rate/limit, "of-bare")
			}
		})
	}
}

func benchSQLite(b *testing.B) store.Store {
	return benchOpen(b, "sqlite://"+filepath.Join(b.TempDir(), "bench.db"))
}

func benchPostgres(b *testing.B) store.Store {
	server := durable(b)
	return benchOpen(b, server.Database(b))
}

func benchOpen(b *testing.B, url string) store.Store {
	s, err := sqlstore.Open(b.Context(), url, sqlstore.Options{Logger: slog.New(slog.DiscardHandler), Pipeline: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func startIntake(s store.Store) (*pipeline.Intake, func()) {
	intake := pipeline.NewIntake(s, time.Now, func(string) {})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { intake.Run(ctx) })
	return intake, func() { cancel(); running.Wait() }
}

// bare is the least that a handler must do to believe a post.
func bare(keep func(context.Context, []byte) error) http.Handler {
	verifier, err := webhook.NewTwilioSignature(benchURL, func() []string { return []string{benchToken} })
	if err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || verifier.Verify(webhook.Signed{Method: r.Method, URI: r.RequestURI, Header: r.Header, Body: body}) != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if keep(r.Context(), body) != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// load posts b.N events and reports the rate, which it returns, and the slowest percent.
func load(b *testing.B, h http.Handler) float64 {
	server := httptest.NewServer(h)
	defer server.Close()
	took := make([][]time.Duration, benchConnections)
	b.ResetTimer()
	var posting sync.WaitGroup
	for c := range benchConnections {
		posting.Go(func() {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			answers := bufio.NewReader(conn)
			for n := c; n < b.N; n += benchConnections {
				request := benchRequest(n)
				began := time.Now()
				if _, err := conn.Write(request); err != nil {
					b.Error(err)
					return
				}
				response, err := http.ReadResponse(answers, nil)
				if err != nil || response.StatusCode != http.StatusNoContent {
					b.Errorf("answer %v, %v", response, err)
					return
				}
				took[c] = append(took[c], time.Since(began))
			}
		})
	}
	posting.Wait()
	b.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	rate := float64(len(all)) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "posts/s")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	return rate
}

// benchRequest is the n-th event as it comes over the wire, signed.
func benchRequest(n int) []byte {
	body := fmt.Sprintf(`[{"specversion":"1.0","type":"com.twilio.taskrouter.task.canceled","source":"AB00000000000000000000000000000001","id":"EZ%032x",`+
		`"time":"2026-01-02T03:04:05.123Z","datacontenttype":"application/json","data":{"sid":"EV%032x","name":"task.canceled","payload":{"sid":"EV%032x",`+
		`"eventtype":"task.canceled","timestamp":"2026-01-02T03:04:05.123Z","task_sid":"WT%032x","task_attributes":"{\"from\":\"+33612345678\"}","task_age":42,`+
		`"task_assignment_status":"canceled","task_canceled_reason":"hangup","task_channel_unique_name":"voice"}}}]`, n, n, n, n)
	sum := sha256.Sum256([]byte(body))
	uri := benchPath + "?bodySHA256=" + hex.EncodeToString(sum[:])
	mac := hmac.New(sha1.New, []byte(benchToken))
	_, _ = io.WriteString(mac, benchURL+uri) // never fails
	return []byte(strings.Join([]string{
		"POST " + uri + " HTTP/1.1", "Host: connector.example.com", "Content-Type: application/json",
		"X-Twilio-Signature: " + base64.StdEncoding.EncodeToString(mac.Sum(nil)), "Content-Length: " + strconv.Itoa(len(body)), "", body,
	}, "\r\n"))
}
