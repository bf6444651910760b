package twiliosim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	for _, c := range []struct {
		name, user, password string
		status               int
	}{
		{"account and token", f.w.AccountSID, f.w.AuthToken, 200},
		{"API key", f.w.APIKeySID, f.w.APIKeySecret, 200},
		{"wrong token", f.w.AccountSID, "nonsense", 401},
		{"mixed up", f.w.APIKeySID, f.w.AuthToken, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/flex-api/v1/Configuration", nil)
			r.SetBasicAuth(c.user, c.password)
			rec := httptest.NewRecorder()
			f.ServeHTTP(rec, r)
			var p struct{ Code int }
			if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			if rec.Code != c.status || c.status == 401 && p.Code != 20003 {
				t.Errorf("status %d, code %d, want %d", rec.Code, p.Code, c.status)
			}
		})
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	server := httptest.NewServer(f)
	defer server.Close()
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ask := func() (*http.Response, string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/flex-api/v1/Configuration", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(f.w.AccountSID, f.w.AuthToken)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return response, string(body), err
	}
	f.SetFaults(twiliosim.Faults{RetryAfterSeconds: 3, SkewSeconds: 120})
	for _, c := range []struct {
		fault  twiliosim.Fault
		status int
		body   string
	}{
		{twiliosim.TooManyRequests, 429, `"code":20429`},
		{twiliosim.BadGateway, 502, "<html>"},
		{twiliosim.Redirect, 302, "Moved"},
		{twiliosim.StrayUnauthorized, 401, `"code":20003`},
		{twiliosim.NoFault, 200, f.w.WorkspaceSID},
	} {
		f.FailNext(c.fault, 1)
		response, body, err := ask()
		if err != nil || response.StatusCode != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s: status %d, body %.80q, error %v", c.fault, response.StatusCode, body, err)
		}
		if retry := response.Header.Get("Retry-After"); (c.status == 429) != (retry == "3") {
			t.Errorf("%s: Retry-After %q", c.fault, retry)
		}
		if date, err := http.ParseTime(response.Header.Get("Date")); err != nil || date.Sub(f.clock.Now()).Round(time.Second) != 2*time.Minute {
			t.Errorf("%s: Date %s with clock %s", c.fault, response.Header.Get("Date"), f.clock.Now())
		}
	}
	f.FailNext(twiliosim.Reset, 1)
	if _, body, err := ask(); err == nil || body == "" {
		t.Errorf("reset: error %v after %d bytes", err, len(body))
	}
	f.SetFaults(twiliosim.Faults{UnknownFields: 1})
	if _, body, _ := ask(); !strings.Contains(body, "x_undocumented") {
		t.Error("no unknown field in the answer")
	}
	if calls := f.Calls(); calls[twiliosim.Call{API: "flex-api", Path: "/flex-api/v1/Configuration", Status: 429}] != 1 {
		t.Errorf("calls: %v", calls)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	wall := &clock{}
	wall.Set(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
	f := newFixture(twiliosim.Options{Wall: wall.Now, Faults: twiliosim.Faults{RequestsPerSecond: map[string]float64{"taskrouter": 2}}})
	statuses := func(n int) (codes []int) {
		for range n {
			codes = append(codes, f.do(f.workspace()).Code)
		}
		return codes
	}
	if got := statuses(3); got[1] != 200 || got[2] != 429 {
		t.Errorf("three at once: %v", got)
	}
	if code := f.do("/flex-api/v1/Configuration").Code; code != 200 {
		t.Errorf("another API: %d", code)
	}
	wall.Set(wall.Now().Add(500 * time.Millisecond))
	if got := statuses(2); got[0] != 200 || got[1] != 429 {
		t.Errorf("half a second later: %v", got)
	}
}

// watched is a context that tells when somebody begins to wait for it.
type watched struct {
	context.Context
	waiting chan struct{}
	once    *sync.Once
}

func (w watched) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waiting) })
	return w.Context.Done()
}

func TestSlowAnswersAndConcurrency(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{Faults: twiliosim.Faults{Concurrent: 1, SlowMillis: 3_600_000}})
	f.FailNext(twiliosim.Slow, 1)
	inner, cancel := context.WithCancel(t.Context())
	defer cancel()
	ctx := watched{inner, make(chan struct{}), &sync.Once{}}
	done := make(chan *httptest.ResponseRecorder)
	go func() {
		rec := httptest.NewRecorder()
		f.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/flex-api/v1/Configuration", nil))
		done <- rec
	}()
	<-ctx.waiting
	rec := f.do("/flex-api/v1/Configuration")
	if rec.Code != http.StatusTooManyRequests || rec.Header().Get("Twilio-Concurrent-Requests") != "2" || rec.Header().Get("Retry-After") != "" {
		t.Errorf("beside a slow request: status %d, headers %v", rec.Code, rec.Header())
	}
	cancel()
	if slow := <-done; slow.Body.Len() != 0 {
		t.Errorf("a client that went away was answered: %s", slow.Body)
	}
	if rec := f.do("/flex-api/v1/Configuration"); rec.Code != http.StatusOK {
		t.Errorf("alone again: status %d", rec.Code)
	}
	f.SetFaults(twiliosim.Faults{SlowMillis: 1})
	f.FailNext(twiliosim.Slow, 1)
	if rec := f.do("/flex-api/v1/Configuration"); rec.Code != http.StatusOK {
		t.Errorf("a little slow: status %d", rec.Code)
	}
}

func TestControlPlane(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	post := func(path, body string) int {
		rec := httptest.NewRecorder()
		f.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
		return rec.Code
	}
	if code := post("/_sim/faults", `{"bad_gateway": 1}`); code != 200 {
		t.Errorf("set faults: %d", code)
	}
	if code := f.do("/flex-api/v1/Configuration").Code; code != 502 {
		t.Errorf("after that: %d", code)
	}
	if code := post("/_sim/faults", `{"bad_gatevay": 1}`); code != 400 {
		t.Errorf("a misspelt fault: %d", code)
	}
	if code := post("/_sim/fail", `{"fault": "redirect", "times": 1}`); code != 204 {
		t.Errorf("fail next: %d", code)
	}
	if code := f.do("/flex-api/v1/Configuration").Code; code != 302 {
		t.Errorf("after that: %d", code)
	}
	got := get[struct {
		Workspace string `json:"workspace_sid"`
		Contacts  int
	}](t, f, "/_sim/world", 200)
	if got.Workspace != f.w.WorkspaceSID || got.Contacts != 400 {
		t.Errorf("world: %+v", got)
	}
	calls := get[[]struct {
		API           string
		Status, Count int
	}](t, f, "/_sim/calls", 200)
	if len(calls) != 2 || calls[0].API != "flex-api" {
		t.Errorf("calls: %+v", calls)
	}
}

func TestFaultsOfOneAPI(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{Faults: twiliosim.Faults{Only: "conversations", BadGateway: 1}})
	if code := f.do("/conversations/v1/Configuration").Code; code != http.StatusBadGateway {
		t.Errorf("the API named: status %d", code)
	}
	if code := f.do("/flex-api/v1/Configuration").Code; code != http.StatusOK {
		t.Errorf("another API: status %d", code)
	}
}
