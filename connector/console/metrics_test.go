package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"flexbrevo/connector/console"
)

type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

func scrape(m *console.Metrics, read func(context.Context) ([]console.Reading, error)) string {
	w := httptest.NewRecorder()
	m.Handler(read).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := console.NewMetrics("v1")
	calls := m.Calls("brevo", carrier(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost {
			return nil, errors.New("no connection")
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}))
	for _, c := range []struct{ method, url string }{
		{http.MethodGet, "https://api.brevo.com/v3/contacts/jane@example.com?identifierType=email_id"},
		{http.MethodPost, "https://api.brevo.com/v3/events"},
		{http.MethodGet, "https://taskrouter.twilio.com/v1/Workspaces/WS1/Events"},
		{http.MethodGet, "https://elsewhere.example/+33612345678"},
	} {
		resp, err := calls.RoundTrip(httptest.NewRequest(c.method, c.url, nil))
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	public := m.Requests(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	for _, path := range []string{"/webhooks/survey", "/c/main/webhooks/survey", "/jane@example.com"} {
		public.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, nil))
	}
	lag := console.Metric{Name: "flexbrevo_lag_seconds", Help: "Lag.", Labels: []string{"connector"}}
	text := scrape(m, func(context.Context) ([]console.Reading, error) {
		return []console.Reading{{Metric: lag, Values: []string{"main"}, Value: 3}}, nil
	})
	for _, want := range []string{
		`flexbrevo_api_call_duration_seconds_count{api="contacts",side="brevo",status="200"} 1`,
		`flexbrevo_api_call_duration_seconds_count{api="events",side="brevo",status="0"} 1`,
		`flexbrevo_api_call_duration_seconds_count{api="taskrouter",side="brevo",status="200"} 1`,
		`flexbrevo_api_call_duration_seconds_count{api="other",side="brevo",status="200"} 1`,
		`flexbrevo_webhook_request_duration_seconds_count{path="/webhooks/survey",status="403"} 2`,
		`flexbrevo_webhook_request_duration_seconds_count{path="other",status="403"} 1`,
		`flexbrevo_lag_seconds{connector="main"} 3`, `flexbrevo_store_up 1`, `flexbrevo_build_info{`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s", want)
		}
	}
	for _, private := range []string{"jane", "33612345678", "WS1"} {
		if strings.Contains(text, private) {
			t.Errorf("a label holds %s", private)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "flexbrevo_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestMetricsWithoutStore(t *testing.T) {
	t.Parallel()
	text := scrape(console.NewMetrics("v1"), func(context.Context) ([]console.Reading, error) { return nil, errors.New("gone") })
	if !strings.Contains(text, "flexbrevo_store_up 0") || !strings.Contains(text, "go_goroutines") {
		t.Errorf("the process's own figures are lost with the store:\n%s", text)
	}
}
