package twilio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"flexbrevo/connector/failure"
)

// The shared set of every adapter: each status code's reason, retry-after
// honoured, an ended context returns at once, no secret in any error.

func TestEachStatusHasItsReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status int
		body   string
		reason failure.Reason
		code   string
		tries  int
		remedy string
	}{
		{http.StatusFound, "<html>moved</html>", failure.Transient, "", tries, ""},
		{http.StatusNoContent, "", failure.Transient, "", tries, ""},
		{http.StatusOK, "", failure.Transient, "", tries, ""},
		{http.StatusOK, "<html>welcome</html>", failure.Transient, "", tries, ""},
		{http.StatusOK, `{"workers":[`, failure.Transient, "", tries, ""},
		{http.StatusOK, `{"events":[]}`, failure.Transient, "", 1, ""},
		{http.StatusOK, `{"workers":null}`, failure.Transient, "", 1, ""},
		{http.StatusOK, `{"workers":{}}`, failure.Transient, "", 1, ""},
		{http.StatusBadRequest, `{"code":20001,"message":"no"}`, failure.Invalid, "20001", 1, ""},
		{http.StatusUnauthorized, `{"code":20003}`, failure.Unauthorized, "20003", 2, "auth_token"},
		{http.StatusUnauthorized, `<html>`, failure.Unauthorized, "", 2, "auth_token"},
		{http.StatusForbidden, `{"code":70051}`, failure.Forbidden, "70051", 1, "permission"},
		{http.StatusForbidden, `{"code":20403}`, failure.Forbidden, "20403", 1, "Restricted"},
		{http.StatusNotFound, `{"code":20404}`, failure.Gone, "20404", 1, "workspace_sid"},
		{http.StatusGone, ``, failure.Gone, "", 1, "workspace_sid"},
		{http.StatusRequestTimeout, ``, failure.Transient, "", tries, ""},
		{http.StatusConflict, ``, failure.Invalid, "", 1, ""},
		{http.StatusTooManyRequests, `{"code":20429}`, failure.RateLimited, "20429", tries, ""},
		{http.StatusInternalServerError, `{"code":20500}`, failure.Transient, "20500", tries, ""},
		{http.StatusBadGateway, `<html>bad gateway</html>`, failure.Transient, "", tries, ""},
		{http.StatusServiceUnavailable, ``, failure.Transient, "", tries, ""},
		{http.StatusGatewayTimeout, ``, failure.Transient, "", tries, ""},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d %s", test.status, test.body), func(t *testing.T) {
			t.Parallel()
			asked := 0
			source := sourceAt(t, stub{answer: func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}}, nil, Options{}, time.Now)
			err := source.Fetch(t.Context(), WorkersStream, "", newKept().keep)
			var fail *failure.Error
			if !errors.As(err, &fail) {
				t.Fatalf("error %v is no *failure.Error", err)
			}
			if fail.Reason != test.reason || fail.Status != test.status || fail.Code != test.code || asked != test.tries {
				t.Errorf("%v after %d tries, want %s, code %q after %d", fail, asked, test.reason, test.code, test.tries)
			}
			if !strings.Contains(fail.Remedy, test.remedy) || (fail.Remedy != "") != (test.remedy != "") {
				t.Errorf("remedy %q, want one with %q", fail.Remedy, test.remedy)
			}
			if want := "GET taskrouter /v1/Workspaces/{sid}/Workers"; fail.Op != want {
				t.Errorf("op %q, want %q", fail.Op, want)
			}
		})
	}
}

func TestFlexNotEnabled(t *testing.T) {
	t.Parallel()
	source := sourceAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"code":45001}`, http.StatusForbidden)
	}), nil, Options{}, time.Now)
	_, err := source.Discover(t.Context())
	if failure.ReasonOf(err) != failure.Forbidden || !strings.Contains(err.Error(), "Flex is not enabled") {
		t.Errorf("error %v", err)
	}
}

func TestFailuresThatPass(t *testing.T) {
	t.Parallel()
	broken := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"workers":[`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	status := func(code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { http.Error(w, "<html>", code) }
	}
	tests := map[string][]func(http.ResponseWriter){
		"one stray 401":                {status(401)},
		"a 401 between other failures": {status(502), status(401), status(502)},
		"two 401 not in a row":         {status(401), status(502), status(401)},
		"a reset in the body":          {broken, broken, broken},
		"a redirect and a 429":         {status(302), status(429)},
	}
	for name, failures := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			source := sourceAt(t, stub{answer: func(w http.ResponseWriter, _ *http.Request) {
				if asked++; asked <= len(failures) {
					failures[asked-1](w)
					return
				}
				list(w, "workers", 1000, "", `{"sid":"WK1"}`)
			}}, nil, Options{}, time.Now)
			k := newKept()
			k.fetch(t, source, WorkersStream)
			if len(k.records) != 1 || asked != len(failures)+1 {
				t.Errorf("%d records after %d tries", len(k.records), asked)
			}
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	date := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		header string
		want   time.Duration
		tries  int
	}{
		"seconds":             {"7", 7 * time.Second, tries},
		"a date":              {date.Add(9 * time.Second).Format(http.TimeFormat), 9 * time.Second, tries},
		"a date that is past": {date.Add(-time.Hour).Format(http.TimeFormat), 0, tries},
		"more than patience":  {"600", 10 * time.Minute, 1},
		"nonsense":            {"soon", 0, tries},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var waits []time.Duration
			asked := 0
			next := roundTrip(func(*http.Request) (*http.Response, error) {
				asked++
				return answered(http.StatusTooManyRequests, `{"code":20429}`,
					"Retry-After", test.header, "Date", date.Format(http.TimeFormat)), nil
			})
			r := &retry{next: next, clock: time.Now, sleep: func(_ context.Context, d time.Duration) error {
				waits = append(waits, d)
				return nil
			}}
			_, err := r.RoundTrip(httptest.NewRequest(http.MethodGet, "https://taskrouter.twilio.com/v1/X", nil))
			var fail *failure.Error
			if !errors.As(err, &fail) || fail.RetryAfter != test.want || asked != test.tries {
				t.Fatalf("error %v after %d tries", err, asked)
			}
			for _, d := range waits {
				if (test.want > 0 && d != test.want) || d <= 0 || d > maxPatience {
					t.Errorf("waited %s, want %s", d, test.want)
				}
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answered(status int, body string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

func TestAnEndedContextReturnsAtOnce(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	stop := errors.New("we are stopping")
	cancels := map[string]func(http.ResponseWriter, *http.Request){
		"while the answer is awaited": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"in the middle of the body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"workers":[`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	}
	for name, answer := range cancels {
		t.Run(name, func(t *testing.T) {
			source := sourceAt(t, stub{answer: func(w http.ResponseWriter, r *http.Request) {
				asked <- struct{}{}
				answer(w, r)
			}}, nil, Options{}, time.Now)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { <-asked; cancel(stop) }()
			err := source.Fetch(ctx, WorkersStream, "", newKept().keep)
			if failure.ReasonOf(err) != failure.Interrupted || !errors.Is(err, stop) {
				t.Errorf("error %v, want an interruption with its cause", err)
			}
		})
	}
	t.Run("before it began", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop)
		r := &retry{next: &budgeted{next: roundTrip(func(*http.Request) (*http.Response, error) {
			t.Error("a call was made")
			return nil, io.EOF
		}), budgets: newBudgets(nil), clock: time.Now}, clock: time.Now, sleep: sleep}
		_, err := r.RoundTrip(httptest.NewRequestWithContext(ctx, http.MethodGet, "https://taskrouter.twilio.com/v1/X", nil))
		if failure.ReasonOf(err) != failure.Interrupted {
			t.Errorf("error %v", err)
		}
	})
	t.Run("between two tries", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		r := &retry{next: roundTrip(func(*http.Request) (*http.Response, error) {
			cancel(stop)
			return answered(http.StatusBadGateway, ""), nil
		}), clock: time.Now, sleep: func(ctx context.Context, _ time.Duration) error { return sleep(ctx, time.Hour) }}
		_, err := r.RoundTrip(httptest.NewRequestWithContext(ctx, http.MethodGet, "https://taskrouter.twilio.com/v1/X", nil))
		if failure.ReasonOf(err) != failure.Interrupted || !errors.Is(err, stop) {
			t.Errorf("error %v", err)
		}
	})
}

func TestATimeoutSaysWhose(t *testing.T) {
	t.Parallel()
	source := sourceAt(t, stub{answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		nil, Options{CallTimeout: 20 * time.Millisecond}, time.Now)
	err := source.Fetch(t.Context(), WorkersStream, "", newKept().keep)
	if failure.ReasonOf(err) != failure.Transient || !strings.Contains(err.Error(), "no complete answer within 20ms") {
		t.Errorf("error %v", err)
	}
}

// No credential, address or text of an answer may be in an error or a log line,
// whatever goes wrong.
func TestNothingPrivateLeaks(t *testing.T) {
	t.Parallel()
	const private = "+33612345678"
	answers := map[string]func(http.ResponseWriter){}
	for _, status := range []int{200, 302, 400, 401, 403, 404, 418, 429, 500, 502} {
		for _, body := range []string{
			`{"code":20001,"message":"` + private + `"}`, `<html>` + private, `{"code":"` + private + `"}`,
			`{"workers":[{"sid":"` + private + `"`, `{"workers":"` + private + `"}`, `{"workers":` + private + `}`,
		} {
			answers[fmt.Sprintf("%d %s", status, body)] = func(w http.ResponseWriter) {
				w.Header().Set("Location", "https://example.org/"+private)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			}
		}
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			source := sourceAt(t, stub{answer: func(w http.ResponseWriter, _ *http.Request) { answer(w) }}, nil,
				Options{LogCalls: true, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, time.Now)
			err := source.Fetch(t.Context(), WorkersStream, "", newKept().keep)
			if err == nil {
				t.Fatal("no error")
			}
			for _, secret := range []string{private, "33612345678", secretToken, stubWorkspace} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("error tells %s: %v", secret, err)
				}
				if strings.Contains(log.String(), secret) {
					t.Errorf("log tells %s: %s", secret, log.String())
				}
			}
			if !strings.Contains(log.String(), "path=/v1/Workspaces/{sid}/Workers") {
				t.Errorf("the call was not logged: %s", log.String())
			}
		})
	}
}

func TestWhereCallsGo(t *testing.T) {
	t.Parallel()
	base, _ := url.Parse("http://127.0.0.1:9000/twilio")
	tests := []struct {
		base *url.URL
		url  string
		want string
	}{
		{nil, "https://taskrouter.twilio.com/v1/X?A=1", "https://taskrouter.twilio.com/v1/X?A=1"},
		{base, "https://taskrouter.twilio.com/v1/X?A=1.5", "http://127.0.0.1:9000/twilio/taskrouter/v1/X?A=1.5"},
		{base, "https://flex-api.twilio.com/v1/Configuration", "http://127.0.0.1:9000/twilio/flex-api/v1/Configuration"},
		{base, "http://127.0.0.1:9000/twilio/taskrouter/v1/X?PageToken=PA1", "http://127.0.0.1:9000/twilio/taskrouter/v1/X?PageToken=PA1"},
		{base, "http://taskrouter.twilio.com/v1/X", ""},
		{nil, "http://taskrouter.twilio.com/v1/X", ""},
		{nil, "https://taskrouter.twilio.com.example.org/v1/X", ""},
		{nil, "https://example.org/taskrouter.twilio.com", ""},
		{nil, "http://127.0.0.1:9000/taskrouter/v1/X", ""},
	}
	for _, test := range tests {
		u, err := url.Parse(test.url)
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&origin{base: test.base}).resolve(u)
		switch {
		case test.want == "" && !errors.Is(err, errLeaves):
			t.Errorf("%s with base %v: went to %v", test.url, test.base, got)
		case test.want != "" && (err != nil || got.String() != test.want):
			t.Errorf("%s with base %v: %v, %v; want %s", test.url, test.base, got, err, test.want)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	good := Options{AccountSID: "AC1", AuthToken: "t"}
	tests := map[string]struct {
		change func(*Options)
		ok     bool
	}{
		"a token":                   {func(*Options) {}, true},
		"an API key":                {func(o *Options) { o.AuthToken, o.APIKeySID, o.APIKeySecret = "", "SK1", "s" }, true},
		"no account":                {func(o *Options) { o.AccountSID = "" }, false},
		"no token":                  {func(o *Options) { o.AuthToken = "" }, false},
		"a key without its secret":  {func(o *Options) { o.APIKeySID = "SK1" }, false},
		"plain http on loopback":    {func(o *Options) { o.BaseURL = "http://127.0.0.1:9000/" }, true},
		"plain http on IPv6":        {func(o *Options) { o.BaseURL = "http://[::1]:9000" }, true},
		"plain http elsewhere":      {func(o *Options) { o.BaseURL = "http://stand-in.example.org" }, false},
		"https elsewhere":           {func(o *Options) { o.BaseURL = "https://stand-in.example.org" }, true},
		"a password in the address": {func(o *Options) { o.BaseURL = "https://a:b@stand-in.example.org" }, false},
		"no URL":                    {func(o *Options) { o.BaseURL = "127.0.0.1:9000" }, false},
	}
	for name, test := range tests {
		o := good
		test.change(&o)
		if _, err := New(o); (err == nil) != test.ok {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestAnAPIKeyIsUsed(t *testing.T) {
	t.Parallel()
	user, password := "", ""
	server := httptest.NewServer(stub{answer: func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		list(w, "workers", 1000, "")
	}})
	defer server.Close()
	source, err := New(Options{AccountSID: "AC1", AuthToken: "t", APIKeySID: "SK1", APIKeySecret: "s", BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if err := source.Fetch(t.Context(), WorkersStream, "", newKept().keep); err != nil {
		t.Fatal(err)
	}
	if user != "SK1" || password != "s" {
		t.Errorf("called as %s", user)
	}
}

func TestABudgetYieldsAndRecovers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	b := newBudget(32, 1)
	b.refused(now, now.Add(time.Second), 0)
	for range 3 { // those that were under way with it
		b.refused(now, now.Add(time.Second), 0)
	}
	if got := b.limiter.Limit(); got != 16 {
		t.Fatalf("limit %v after a 429 to four calls at once, want 16", got)
	}
	b.refused(now.Add(2*time.Second), now.Add(3*time.Second), 0)
	if got := b.limiter.Limit(); got != 8 {
		t.Fatalf("limit %v after a second 429, want 8", got)
	}
	for range 1000 {
		b.refused(now.Add(time.Hour), now.Add(time.Hour), 0)
	}
	if got := b.limiter.Limit(); got < 32*slowest {
		t.Errorf("limit %v: it stands still", got)
	}
	for range 100 {
		b.succeeded()
	}
	if got := b.limiter.Limit(); got != 32 {
		t.Errorf("limit %v after a hundred successes, want 32", got)
	}
}

func TestBudgetsOfACall(t *testing.T) {
	t.Parallel()
	b := newBudgets(map[string]float64{taskrouterAPI: 7})
	tests := map[string][]rate.Limit{
		"https://taskrouter.twilio.com/v1/Workspaces/WS1/Events":          {7, 25},
		"https://taskrouter.twilio.com/v1/Workspaces/WS1/Workers":         {7},
		"https://conversations.twilio.com/v1/Services/IS1/Conversations":  {100},
		"https://flex-api.twilio.com/v1/Configuration":                    {100},
		"http://127.0.0.1:9000/taskrouter/v1/Workspaces/WS1/Events?Page=": {7, 25},
		"https://iam.twilio.com/v1/X":                                     nil,
	}
	for raw, want := range tests {
		u, _ := url.Parse(raw)
		var got []rate.Limit
		for _, one := range b.of(u) {
			got = append(got, one.limiter.Limit())
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", raw, got, want)
		}
	}
}

func TestNoMoreThanFourCallsAreUnderWay(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 20)
	release := make(chan struct{})
	b := &budgeted{next: roundTrip(func(*http.Request) (*http.Response, error) {
		began <- struct{}{}
		<-release
		return answered(http.StatusOK, "{}"), nil
	}), budgets: newBudgets(noBudgets()), clock: time.Now}
	done := make(chan struct{})
	for range 10 {
		go func() {
			_, _ = b.RoundTrip(httptest.NewRequest(http.MethodGet, "https://taskrouter.twilio.com/v1/X", nil))
			done <- struct{}{}
		}()
	}
	for range maxInFlight {
		<-began
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, "https://taskrouter.twilio.com/v1/X", nil)
	if _, err := b.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("a fifth call was let through: %v", err)
	}
	if n := len(began); n != 0 {
		t.Errorf("%d calls beyond the limit", n)
	}
	close(release)
	for range 10 {
		<-done
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	local := time.Date(2026, 11, 20, 12, 0, 45, 0, time.UTC)
	source := sourceAt(t, stub{
		date: func() time.Time { return local.Add(-45 * time.Second) },
		answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Twilio-Concurrent-Requests", "17")
			list(w, "workers", 1000, "")
		},
	}, nil, Options{Budgets: map[string]float64{taskrouterAPI: 1000}}, func() time.Time { return local })
	if h := source.Health(); !h.ServerTime.IsZero() {
		t.Errorf("server time %s before any answer", h.ServerTime)
	}
	newKept().fetch(t, source, WorkersStream)
	h := source.Health()
	if h.Skew != 45*time.Second || h.Concurrent != 17 || !h.ServerTime.Equal(local.Add(-45*time.Second)) || h.Budgets[taskrouterAPI] != 1000 {
		t.Errorf("health %+v", h)
	}
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	asked := 0
	clock := &clockwork{at: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	source := sourceAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path == "/conversations/v1/Configuration" {
			_, _ = io.WriteString(w, `{"default_chat_service_sid":"IS2"}`)
			return
		}
		_, _ = io.WriteString(w, `{"account_sid":"AC1","taskrouter_workspace_sid":"WS1","chat_service_instance_sid":"IS1",
			"flex_instance_sid":"GO1","flex_url":"https://flex.example.org","runtime_domain":"x.twil.io",
			"queue_stats_configuration":{"default":{"service_level_threshold":20,"short_abandoned_threshold":5},
			"queue_channel_configurations":[{"queue_sid":"WQ1","channel_sid":"TC1","service_level_threshold":10,"short_abandoned_threshold":1.5}]}}`)
	}), nil, Options{}, clock.now)
	for range 3 {
		d, err := source.Discover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := Discovery{
			AccountSID: "AC1", WorkspaceSID: "WS1", FlexWorkspaceSID: "WS1", ChatServiceSID: "IS1", DefaultServiceSID: "IS2", FlexInstanceSID: "GO1",
			FlexURL: "https://flex.example.org", RuntimeDomain: "x.twil.io",
			Thresholds:        Thresholds{20 * time.Second, 5 * time.Second},
			ChannelThresholds: []ChannelThresholds{{"WQ1", "TC1", Thresholds{10 * time.Second, 1500 * time.Millisecond}}},
		}
		if fmt.Sprintf("%+v", d) != fmt.Sprintf("%+v", want) {
			t.Errorf("discovered %+v, want %+v", d, want)
		}
	}
	if asked != 2 {
		t.Errorf("%d calls for three discoveries, want 2", asked)
	}
	clock.pass(discoveryAge)
	if _, err := source.Discover(t.Context()); err != nil || asked != 4 {
		t.Errorf("%d calls after an hour, error %v", asked, err)
	}
}
