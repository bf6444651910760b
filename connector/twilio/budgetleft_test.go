package twilio

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestCallLogTellsTheBudget calls an API that then asks for patience: the log has of each call what it was, how long it
// took and what is left, and nothing that was sent or answered.
func TestCallLogTellsTheBudget(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"private":"answer"}`))
	}))
	defer server.Close()
	var log bytes.Buffer
	s, err := New(Options{
		AccountSID: "AC00000000000000000000000000000001", AuthToken: "secret", BaseURL: server.URL, LogCalls: true,
		Logger: slog.New(slog.NewJSONHandler(&log, nil)), Budgets: map[string]float64{taskrouterAPI: 8, eventsBudget: 4},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	call := func() (line struct {
		Method, Path string
		Status       int
		BudgetLeft   int     `json:"budget_left"`
		PerSecond    float64 `json:"budget_per_second"`
	}) {
		t.Helper()
		log.Reset()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, taskrouterURL+"WS00000000000000000000000000000001/Events?TaskSid=private", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := s.client.rt.(*retry).next.RoundTrip(r); err == nil {
			_ = resp.Body.Close()
		}
		if bytes.Contains(log.Bytes(), []byte("private")) || bytes.Contains(log.Bytes(), []byte("secret")) {
			t.Errorf("the log tells too much: %s", log.String())
		}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("%v: %s", err, log.String())
		}
		return line
	}
	if got := call(); got.Method != http.MethodGet || got.Status != http.StatusOK || got.BudgetLeft != maxInFlight-1 || got.PerSecond != 4 {
		t.Errorf("logged %+v, want the tighter of two rates and one of %d places taken", got, maxInFlight)
	}
	status = http.StatusTooManyRequests
	call()
	status = http.StatusOK
	if got := call(); got.PerSecond != 2 {
		t.Errorf("logged %+v after a 429, want half the rate", got)
	}
}
