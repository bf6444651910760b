package webhook

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

const goodForm = "EventType=task.canceled&Sid=" + eventSID + "&TimestampMs=1767323045123"

func TestNewRefusesWrongOptions(t *testing.T) {
	good := Connector{Name: "a", AuthTokens: func() []string { return nil }, Keep: (&keeper{}).keep}
	without := func(change func(*Connector)) []Connector {
		c := good
		change(&c)
		return []Connector{c}
	}
	logger := slog.New(slog.DiscardHandler)
	for name, o := range map[string]Options{
		"logger is required":        {Connectors: []Connector{good}},
		"at least one connector":    {Logger: logger},
		"public URL":                {Logger: logger, Connectors: []Connector{good}, PublicURL: "ftp://x"},
		"name must be set":          {Logger: logger, Connectors: without(func(c *Connector) { c.Name = "" })},
		"hold no slash":             {Logger: logger, Connectors: without(func(c *Connector) { c.Name = "a/b" })},
		"no Keep is given":          {Logger: logger, Connectors: without(func(c *Connector) { c.Keep = nil })},
		"no AuthTokens are given":   {Logger: logger, Connectors: without(func(c *Connector) { c.AuthTokens = nil })},
		`"a": the name is used twi`: {Logger: logger, Connectors: []Connector{good, good}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
	}
}

func TestPaths(t *testing.T) {
	one := newFixture(t, nil)
	two := newFixture(t, func(o *Options, c *Connector) {
		other := *c
		other.Name = "other"
		other.AuthTokens = func() []string { return []string{"fedcba9876543210fedcba9876543210"} }
		o.Connectors = []Connector{*c, other}
	})
	for _, c := range []struct {
		f      *fixture
		path   string
		status int
	}{
		{one, taskRouterPath, http.StatusNoContent},
		{one, "/c/twilio_flex" + taskRouterPath, http.StatusNoContent},
		{one, "/c/other" + taskRouterPath, http.StatusNotFound},
		{one, taskRouterPath + "/", http.StatusNotFound},
		{one, "/webhooks", http.StatusNotFound},
		{one, "/", http.StatusNotFound},
		{one, "/metrics", http.StatusNotFound},
		{two, taskRouterPath, http.StatusNotFound},
		{two, "/c/twilio_flex" + taskRouterPath, http.StatusNoContent},
		{two, "/c/other" + taskRouterPath, http.StatusForbidden}, // signed by another account
	} {
		if w := c.f.do(signedForm(c.path, goodForm)); w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.path, w.Code, c.status)
		}
	}
}

// Every request here changes nothing.
func TestAnswers(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	signed := signedForm(taskRouterPath, goodForm).Header.Get(signatureHeader)
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		says   string
	}{
		{"GET", httptest.NewRequest(http.MethodGet, taskRouterPath, nil), http.StatusMethodNotAllowed, "expected POST"},
		{"a question nobody may ask", httptest.NewRequest(http.MethodOptions, taskRouterPath, nil), http.StatusMethodNotAllowed, "expected POST"},
		{"JSON for a form", post(taskRouterPath, jsonType, goodForm, signatureHeader, signed), http.StatusUnsupportedMediaType, formType},
		{"a form for JSON", signedFormAt(eventsPath), http.StatusUnsupportedMediaType, jsonType},
		{"a type that is none", post(eventsPath, "a/b/c", "{}", signatureHeader, "x"), http.StatusUnsupportedMediaType, jsonType},
		{"compressed", post(taskRouterPath, formType, goodForm, signatureHeader, signed, "Content-Encoding", "gzip"), http.StatusUnsupportedMediaType, "Content-Encoding"},
		{"too large", signedForm(taskRouterPath, goodForm+"&x="+large), http.StatusRequestEntityTooLarge, "too large"},
		{"too large, length unsaid", unsaid(signedForm(taskRouterPath, goodForm+"&x="+large)), http.StatusRequestEntityTooLarge, "too large"},
		{"too many fields", signedForm(taskRouterPath, goodForm+strings.Repeat("&x", 1000)), http.StatusRequestEntityTooLarge, "too many fields"},
		{"shorter than announced", announce(signedForm(taskRouterPath, goodForm), 1000), http.StatusBadRequest, "ended early"},
		{"no proof", post(taskRouterPath, formType, goodForm), http.StatusForbidden, "proof of origin"},
		{"no proof for JSON", post(eventsPath, jsonType, canceled), http.StatusForbidden, "proof of origin"},
		{"a wrong signature", post(taskRouterPath, formType, goodForm, signatureHeader, "x"), http.StatusForbidden, "proof of origin"},
		{"a form that does not decode", post(taskRouterPath, formType, "EventType=%zz", signatureHeader, signed), http.StatusForbidden, "proof of origin"},
		{"a signature for another path", post(conversationsPath, formType, goodForm, signatureHeader, signed), http.StatusForbidden, "proof of origin"},
		{"JSON signed without its hash", post(eventsPath, jsonType, canceled, signatureHeader, Sign(authToken, publicURL+eventsPath, nil)), http.StatusForbidden, "proof of origin"},
		{"another body under the hash", swapBody(signedJSON(eventsPath, canceled), "[]"), http.StatusForbidden, "proof of origin"},
		{"the secret where it proves nothing", post(taskRouterPath, formType, goodForm, "Authorization", "Bearer "+secret), http.StatusForbidden, "proof of origin"},
		{"a wrong Flex token", bearerJSON(flexPath, `{"TaskSid":"`+taskSID+`"}`, "other"), http.StatusForbidden, "proof of origin"},
		{"the survey secret as a Flex token", bearerJSON(flexPath, `{"TaskSid":"`+taskSID+`"}`, secret), http.StatusForbidden, "proof of origin"},
		{"a wrong survey secret", bearerJSON(surveyPath, `{}`, secret+"x"), http.StatusForbidden, "proof of origin"},
		{"an empty survey secret", bearerJSON(surveyPath, `{}`, ""), http.StatusForbidden, "proof of origin"},
		{"the secret by another scheme", post(surveyPath, jsonType, `{}`, "Authorization", "Basic "+secret), http.StatusForbidden, "proof of origin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.refused(t, c.r, c.status, c.says)
			if len(f.refusals) != 1 || f.refusals[0].Status != c.status || f.refusals[0].Reason == "" {
				t.Errorf("the ring was told %+v", f.refusals)
			}
			if len(f.answers) != 1 || f.answers[0].Status != c.status || f.answers[0].Records != 0 {
				t.Errorf("the counter was told %+v", f.answers)
			}
		})
	}
}

func signedFormAt(path string) *http.Request { return signedForm(path, goodForm) }

// unsaid hides the length, as a chunked request does.
func unsaid(r *http.Request) *http.Request {
	r.ContentLength = -1
	return r
}

func announce(r *http.Request, length int64) *http.Request {
	r.ContentLength = length
	return r
}

func swapBody(r *http.Request, body string) *http.Request {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return r
}

func TestAcceptedAnswer(t *testing.T) {
	f := newFixture(t, nil)
	w := f.do(signedForm(taskRouterPath, goodForm))
	if w.Code != http.StatusNoContent || w.Header().Get("Content-Type") != jsonType || w.Body.Len() != 0 {
		t.Errorf("answer %d %v %q", w.Code, w.Header(), w.Body)
	}
	if want := (Answered{Connector: "twilio_flex", Sender: TaskRouter, Status: http.StatusNoContent, Records: 1}); len(f.answers) != 1 || f.answers[0] != want {
		t.Errorf("the counter was told %+v, want %+v", f.answers, want)
	}
	if len(f.refusals) != 0 || f.log.Len() != 0 {
		t.Errorf("an accepted post left %v and %s", f.refusals, f.log)
	}
}

func TestAcceptedVariants(t *testing.T) {
	chunked := unsaid(signedForm(taskRouterPath, goodForm))
	largeChunked := unsaid(signedForm(taskRouterPath, goodForm+"&x="+strings.Repeat("x", 100<<10)))
	largeSaid := signedForm(taskRouterPath, goodForm+"&x="+strings.Repeat("x", 100<<10))
	untyped := signedJSON(eventsPath, canceled)
	untyped.Header.Del("Content-Type")
	cloud := signedJSON(eventsPath, canceled)
	cloud.Header.Set("Content-Type", "application/cloudevents-batch+json; charset=utf-8")
	identity := signedForm(taskRouterPath, goodForm)
	identity.Header.Set("Content-Encoding", "identity")
	// A request line in absolute form, as a forward proxy writes it.
	proxied := httptest.NewRequest(http.MethodPost, "http://10.0.0.7:8080"+taskRouterPath, strings.NewReader(goodForm))
	proxied.Header = signedForm(taskRouterPath, goodForm).Header
	both := bearerJSON(surveyPath, `{"task_sid":"`+taskSID+`","score":4}`, secret)
	both.Header.Set(signatureHeader, "wrong")
	lower := bearerJSON(surveyPath, `{"task_sid":"`+taskSID+`","score":4}`, secret)
	lower.Header.Set("Authorization", "bearer  "+secret)
	for name, r := range map[string]*http.Request{
		"chunked": chunked, "large and chunked": largeChunked, "large": largeSaid, "no content type": untyped,
		"CloudEvents type": cloud, "identity encoding": identity, "absolute request line": proxied,
		"a wrong signature beside the secret": both, "scheme in lower case": lower,
	} {
		t.Run(name, func(t *testing.T) { newFixture(t, nil).one(t, r) })
	}
}

func TestTokensAndSecretsFollowAReload(t *testing.T) {
	tokens, current := []string{"fedcba9876543210fedcba9876543210"}, ""
	f := newFixture(t, func(_ *Options, c *Connector) {
		c.AuthTokens = func() []string { return tokens }
		c.SurveySecret = func() string { return current }
	})
	survey := `{"task_sid":"` + taskSID + `","score":4}`
	f.refused(t, signedForm(taskRouterPath, goodForm), http.StatusForbidden, "")
	f.refused(t, bearerJSON(surveyPath, survey, secret), http.StatusForbidden, "")
	tokens, current = append(tokens, authToken), secret
	f.do(signedForm(taskRouterPath, goodForm))
	f.do(bearerJSON(surveyPath, survey, secret))
	if n := len(f.keeper.kept()); n != 2 {
		t.Errorf("kept %d records after the reload, want 2", n)
	}
}

// sharedKey is a verifier for one sender that looks at another header.
type sharedKey struct{}

func (sharedKey) Verify(s Signed) error {
	if s.Header.Get("X-Shared-Key") != "k" || s.Form.Get("EventType") == "" {
		return errors.New("shared key does not match")
	}
	return nil
}

func TestVerifierOfASender(t *testing.T) {
	f := newFixture(t, func(_ *Options, c *Connector) { c.Verifiers = map[Sender]Verifier{TaskRouter: sharedKey{}} })
	f.refused(t, signedForm(taskRouterPath, goodForm), http.StatusForbidden, "")
	if got := f.refusals[0].Reason; got != "shared key does not match" {
		t.Errorf("reason %q", got)
	}
	f.one(t, post(taskRouterPath, formType, goodForm, "X-Shared-Key", "k"))
}

func TestStoreAway(t *testing.T) {
	f := newFixture(t, nil)
	f.keeper.err = errors.New("store unavailable")
	w := f.do(signedForm(taskRouterPath, goodForm))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "2" {
		t.Errorf("answer %d %v", w.Code, w.Header())
	}
	if len(f.refusals) != 0 {
		t.Error("the sender's ring was told of our own fault")
	}
	if !strings.Contains(f.log.String(), "keep 1 records: store unavailable") {
		t.Errorf("log %s", f.log)
	}
	f.keeper.err = nil
	f.one(t, signedForm(taskRouterPath, goodForm))
}

// A store that hangs is given up on in time for the sender to hear of it, with a
// cause that says whose patience ended.
func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		f := newFixture(t, func(_ *Options, c *Connector) {
			c.Keep = func(ctx context.Context, _ []record.Record) error {
				<-ctx.Done()
				cause = context.Cause(ctx)
				return cause
			}
		})
		start := time.Now()
		if w := f.do(signedForm(taskRouterPath, goodForm)); w.Code != http.StatusServiceUnavailable {
			t.Errorf("status %d", w.Code)
		}
		if took := time.Since(start); took != 4*time.Second || !errors.Is(cause, errKeepTimeout) {
			t.Errorf("gave up after %s: %v", took, cause)
		}
	})
}

// A sender that hangs up does not make its event less true.
func TestSenderHangsUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var during error
	f := newFixture(t, func(_ *Options, c *Connector) {
		c.Keep = func(ctx context.Context, _ []record.Record) error {
			cancel()
			during = ctx.Err()
			return nil
		}
	})
	w := f.do(signedForm(taskRouterPath, goodForm).WithContext(ctx))
	if w.Code != http.StatusNoContent || during != nil {
		t.Errorf("status %d, context %v", w.Code, during)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	f := newFixture(t, func(_ *Options, c *Connector) {
		c.Keep = func(context.Context, []record.Record) error { panic("+33612345678") }
	})
	for range 2 { // a place that was not given back would show in the second
		if w := f.do(signedForm(taskRouterPath, goodForm)); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("answer %d %v", w.Code, w.Header())
		}
	}
	if len(f.inFlight) != 0 {
		t.Error("a place is still taken")
	}
	if log := f.log.String(); !strings.Contains(log, "webhook handler panicked") || strings.Contains(log, "+336") {
		t.Errorf("log %s", log)
	}
}

// crowd holds n requests in Keep until leave is called.
func crowd(t *testing.T, f *fixture, n int, request func() *http.Request) (leave func()) {
	t.Helper()
	inside, out := make(chan struct{}), make(chan struct{})
	f.rekeep(func(context.Context, []record.Record) error {
		inside <- struct{}{}
		<-out
		return nil
	})
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			w := httptest.NewRecorder()
			_, _ = f.take(w, request(), f.routes[taskRouterPath], arrived)
		})
	}
	for range n {
		<-inside
	}
	return func() { close(out); all.Wait() }
}

func (f *fixture) rekeep(keep func(context.Context, []record.Record) error) {
	for _, rt := range f.routes {
		rt.connector.Keep = keep
	}
}

func TestTooManyAtOnce(t *testing.T) {
	f := newFixture(t, func(o *Options, _ *Connector) { o.Limits.MaxInFlight = 2 })
	leave := crowd(t, f, 2, func() *http.Request { return signedForm(taskRouterPath, goodForm) })
	w := f.do(signedForm(taskRouterPath, goodForm))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("answer %d %v", w.Code, w.Header())
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if w := f.do(httptest.NewRequest(http.MethodGet, path, nil)); w.Code != http.StatusOK {
			t.Errorf("%s under load: %d", path, w.Code)
		}
	}
	leave()
	f.rekeep(f.keeper.keep)
	f.one(t, signedForm(taskRouterPath, goodForm))
}

// Large bodies have places of their own, and those who hold them do not stand in
// the way of small ones.
func TestTooManyLargeBodies(t *testing.T) {
	f := newFixture(t, func(o *Options, _ *Connector) { o.Limits.MaxLarge, o.Limits.SmallBody = 1, 1000 })
	large := func() *http.Request { return signedForm(taskRouterPath, goodForm+"&x="+strings.Repeat("x", 2000)) }
	leave := crowd(t, f, 1, large)
	f.rekeep(f.keeper.keep)
	f.refused(t, large(), http.StatusServiceUnavailable, "later")
	f.refused(t, unsaid(large()), http.StatusServiceUnavailable, "later")
	f.one(t, signedForm(taskRouterPath, goodForm))
	leave()
	if w := f.do(unsaid(large())); w.Code != http.StatusNoContent || len(f.large) != 0 {
		t.Errorf("afterwards %d, %d places taken", w.Code, len(f.large))
	}
}

func TestTokenCheckAway(t *testing.T) {
	f := newFixture(t, func(_ *Options, c *Connector) {
		c.Validate = func(context.Context, string) (Token, error) {
			return Token{}, &failure.Error{Op: checkOp, Reason: failure.Transient}
		}
	})
	f.refused(t, bearerJSON(flexPath, `{"TaskSid":"`+taskSID+`"}`, goodToken), http.StatusServiceUnavailable, "later")
}

func TestTokenWithoutRole(t *testing.T) {
	f := newFixture(t, func(_ *Options, c *Connector) {
		c.Validate = func(context.Context, string) (Token, error) { return Token{Roles: []string{"viewer", "Agent"}}, nil }
	})
	f.refused(t, bearerJSON(flexPath, `{"TaskSid":"`+taskSID+`"}`, goodToken), http.StatusForbidden, "")
}

func TestNoSurveySecret(t *testing.T) {
	for _, none := range []func() string{nil, func() string { return "" }} {
		f := newFixture(t, func(_ *Options, c *Connector) { c.SurveySecret = none })
		f.refused(t, bearerJSON(surveyPath, `{}`, "x"), http.StatusForbidden, "")
	}
}

func TestHealth(t *testing.T) {
	var away error
	f := newFixture(t, func(o *Options, _ *Connector) { o.Ready = func() error { return away } })
	ask := func(method, path string) *httptest.ResponseRecorder {
		return f.do(httptest.NewRequest(method, path, nil))
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if w := ask(http.MethodGet, path); w.Code != http.StatusOK || w.Body.String() != "ok\n" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w := ask(http.MethodHead, path); w.Code != http.StatusOK {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
		if w := ask(http.MethodPost, path); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d %v", path, w.Code, w.Header())
		}
	}
	away = errors.New("db.internal refused the connection")
	if w := ask(http.MethodGet, "/readyz"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "internal") {
		t.Errorf("/readyz: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodGet, "/healthz"); w.Code != http.StatusOK {
		t.Errorf("/healthz while not ready: %d", w.Code)
	}
}

func TestOrigins(t *testing.T) {
	for origin, known := range map[string]bool{
		"https://flex.twilio.com":         true,
		"https://agents.example.com":      true,
		"https://acme-1234.twil.io":       true,
		"http://agents.example.com":       false,
		"https://agents.example.com.evil": false,
		"https://example.com":             false,
		"null":                            false,
		"":                                false,
	} {
		f := newFixture(t, nil)
		ask := httptest.NewRequest(http.MethodOptions, flexPath, nil)
		ask.Header.Set("Origin", origin)
		w := f.do(ask)
		allowed := w.Code == http.StatusNoContent && w.Header().Get("Access-Control-Allow-Origin") == origin &&
			strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Authorization") &&
			w.Header().Get("Access-Control-Allow-Methods") == http.MethodPost
		if allowed != known || !known && w.Code != http.StatusForbidden || w.Header().Get("Vary") != "Origin" {
			t.Errorf("%q: answer %d %v", origin, w.Code, w.Header())
		}
		for _, token := range []string{goodToken, "other"} { // the page must be able to read refusals too
			r := bearerJSON(flexPath, `{"TaskSid":"`+taskSID+`"}`, token)
			r.Header.Set("Origin", origin)
			if got := f.do(r).Header().Get("Access-Control-Allow-Origin"); (got != "") != known {
				t.Errorf("%q: the post was answered with %q", origin, got)
			}
		}
	}
	noOrigins := newFixture(t, func(_ *Options, c *Connector) { c.Origins = nil })
	ask := httptest.NewRequest(http.MethodOptions, flexPath, nil)
	ask.Header.Set("Origin", "https://agents.example.com")
	if w := noOrigins.do(ask); w.Code != http.StatusForbidden {
		t.Errorf("unknown origin: %d", w.Code)
	}
}

// What is refused leaves a line a minute and an entry in the ring, neither with
// anything of the body or of the credentials.
func TestRefusalsSayLittle(t *testing.T) {
	f := newFixture(t, nil)
	send := func() {
		form := url.Values{"TaskAttributes": {`{"from":"+33612345678"}`}}.Encode()
		r := post(taskRouterPath+"?phone=%2B33612345678&+33612345678&bodySHA256=abc", formType, form, signatureHeader, "private-signature",
			"X-Forwarded-Proto", "http", "X-Forwarded-Host", "inner\x01host")
		f.do(r)
	}
	for range 3 {
		send()
	}
	if n := strings.Count(f.log.String(), "webhook refused"); n != 1 {
		t.Errorf("%d lines within a minute, want 1: %s", n, f.log)
	}
	f.now = f.now.Add(time.Minute)
	send()
	log := f.log.String()
	if n := strings.Count(log, "webhook refused"); n != 2 || !strings.Contains(log, `"more_since_last":2`) {
		t.Errorf("after a minute: %s", log)
	}
	for _, private := range []string{"33612345678", "private-signature"} {
		if strings.Contains(log, private) {
			t.Errorf("the log tells %s", private)
		}
	}
	want := Refusal{
		At: arrived, Connector: "twilio_flex", Sender: TaskRouter, Status: http.StatusForbidden, Reason: ErrSignatureWrong.Error(), Method: http.MethodPost,
		URL:  publicURL + taskRouterPath + "?phone=%********&+33*******78&bodySHA256=abc",
		Host: "example.com", ForwardedProto: "http", ForwardedHost: "inner?host", ContentType: formType, Signed: true, Length: 54,
		Tried: true,
	}
	if got := &f.refusals[0]; !strings.HasPrefix(got.Advice, "Nothing that was tried matches") {
		t.Errorf("advice %q", got.Advice)
	} else {
		got.Advice = ""
	}
	if len(f.refusals) != 4 || !reflect.DeepEqual(f.refusals[0], want) {
		t.Errorf("the ring was told %+v\nwant %+v", f.refusals[0], want)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	f := newFixture(t, nil)
	long := strings.Repeat("x", 10_000)
	r := post(taskRouterPath+"?"+long+"="+long, formType+"; charset=utf-8", goodForm, "X-Forwarded-Host", long)
	r.Host = long
	f.refused(t, r, http.StatusForbidden, "")
	got := f.refusals[0]
	if n := len(got.URL); n > longestSeen+len(publicURL) || got.Reason != "proof missing" || len(got.Host) > longestSeen || len(got.ForwardedHost) > longestSeen || got.ContentType != formType {
		t.Errorf("the ring was told %d bytes of URL: %+v", n, got)
	}
}
