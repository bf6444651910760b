package brevosim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	always := 1.0
	tests := []struct {
		name    string
		faults  brevosim.Faults
		status  int // 0 means a dropped connection
		text    string
		applied bool
	}{
		{"bad key", brevosim.Faults{BadKey: always}, 401, "Key not found", false},
		{"unknown ip", brevosim.Faults{UnknownIP: always, IP: "198.51.100.4"}, 401, "unrecognised IP address 198.51.100.4.", false},
		{"payment", brevosim.Faults{PaymentRequired: always}, 402, "not_enough_credits", false},
		{"forbidden", brevosim.Faults{Forbidden: always}, 403, "permission_denied", false},
		{"too early", brevosim.Faults{TooEarly: always}, 425, "account_in_process", false},
		{"too many", brevosim.Faults{TooMany: always}, 429, "rate limit", false},
		{"server error", brevosim.Faults{ServerError: always}, 500, "<html>", false},
		{"bad gateway", brevosim.Faults{BadGateway: always}, 502, "<html>", false},
		{"bad gateway, applied", brevosim.Faults{BadGatewayApplied: always}, 502, "<html>", true},
		{"dropped", brevosim.Faults{Dropped: always}, 0, "", false},
		{"dropped, applied", brevosim.Faults{DroppedApplied: always}, 0, "", true},
		{"html success", brevosim.Faults{HTMLSuccess: always}, 200, "<html>", false},
		{"broken json", brevosim.Faults{BrokenJSON: always}, 201, `{"id`, true},
		{"empty success", brevosim.Faults{EmptySuccess: always}, 204, "", true},
		{"elsewhere", brevosim.Faults{Dropped: always, Only: []string{"POST /events", "GET"}}, 201, `{"id":1}`, true},
		{"here", brevosim.Faults{Forbidden: always, Only: []string{"POST /contacts"}}, 403, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, brevosim.Options{Faults: test.faults})
			r, err := s.try("POST", "/contacts", object{"email": "a@example.com"})
			switch {
			case test.status == 0:
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("error %v, want a dropped connection", err)
				}
			case err != nil || r.status != test.status || !strings.Contains(r.body, test.text):
				t.Errorf("answered %d %q, %v; want %d %q", r.status, r.body, err, test.status, test.text)
			}
			if test.name == "broken json" && len(r.body) >= len(`{"id":1}`) {
				t.Errorf("body %q is whole", r.body)
			}
			if applied := len(s.Contacts()) == 1; applied != test.applied {
				t.Errorf("applied: %v, want %v", applied, test.applied)
			}
			if n := s.Calls()[brevosim.Call{Method: "POST", Path: "/contacts", Status: test.status}]; n != 1 {
				t.Errorf("calls %v", s.Calls())
			}
		})
	}
}

func TestFaultShareAndSeed(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (pattern string, failed int) {
		s := newSim(t, brevosim.Options{Seed: seed, Faults: brevosim.Faults{BadGateway: 0.2, TooEarly: 0.1}})
		var statuses strings.Builder
		for range 1000 {
			r, err := s.try("GET", "/contacts/lists", nil)
			if err != nil {
				t.Fatal(err)
			}
			statuses.WriteString(http.StatusText(r.status))
			if r.status != 200 {
				failed++
			}
		}
		return statuses.String(), failed
	}
	first, failed := run(7)
	if failed < 250 || failed > 350 {
		t.Errorf("%d of 1000 failed, want about 300", failed)
	}
	if again, _ := run(7); again != first {
		t.Error("the same seed gave another pattern")
	}
	if other, _ := run(8); other == first {
		t.Error("another seed gave the same pattern")
	}
}

func TestFaultsEnd(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{Faults: brevosim.Faults{Forbidden: 1, AtMost: 2}})
	for _, status := range []int{403, 403, 200, 200} {
		s.send("GET", "/account", nil, status)
	}
	s.SetFaults(brevosim.Faults{Forbidden: 1, AtMost: 1})
	s.send("GET", "/account", nil, 403)
	s.send("GET", "/account", nil, 200)
	if got := s.Summary().FaultsFired; got != 3 {
		t.Errorf("%d faults fired, want 3", got)
	}
}

func TestSlowAndLatency(t *testing.T) {
	t.Parallel()
	body := object{"email": "a@example.com"}
	t.Run("slow after applying", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, brevosim.Options{Faults: brevosim.Faults{SlowApplied: 1, SlowFor: 30 * time.Second}})
			start := time.Now()
			s.send("POST", "/contacts", body, 201)
			if took := time.Since(start); took != 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("caller gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, brevosim.Options{Faults: brevosim.Faults{SlowApplied: 1}})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, "POST", "http://brevo.test/contacts", strings.NewReader(`{"email":"a@example.com"}`))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("api-key", "key")
			client := http.Client{Transport: s.Transport()}
			start := time.Now()
			response, err := client.Do(request)
			if err == nil {
				response.Body.Close()
			}
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("error %v after %v", err, time.Since(start))
			}
			if len(s.Contacts()) != 1 {
				t.Error("the write was not applied")
			}
		})
	})
	t.Run("latency", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, brevosim.Options{Faults: brevosim.Faults{Latency: time.Second, Jitter: time.Second}})
			start := time.Now()
			s.send("POST", "/contacts", body, 201)
			if took := time.Since(start); took < time.Second || took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		})
	})
}

// TestDroppedOverTheNetwork shows that the faults reach a client through a real connection.
func TestDroppedOverTheNetwork(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{Faults: brevosim.Faults{DroppedApplied: 1, AtMost: 1}})
	server := httptest.NewServer(s)
	defer server.Close()
	client := server.Client()
	defer client.CloseIdleConnections()
	post := func() (*http.Response, error) {
		request, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/v3/contacts", strings.NewReader(`{"email":"a@example.com"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("api-key", "key")
		return client.Do(request)
	}
	if response, err := post(); err == nil {
		response.Body.Close()
		t.Fatalf("answered %d, want a dropped connection", response.StatusCode)
	}
	response, err := post()
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 400 || len(s.Contacts()) != 1 {
		t.Errorf("the second try was answered %d; %d contacts", response.StatusCode, len(s.Contacts()))
	}
}
