package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/connector/record"
)

const (
	publicURL  = "https://connector.example.com"
	authToken  = "0123456789abcdef0123456789abcdef"
	accountSID = "AC00000000000000000000000000000001"
	secret     = "survey-secret"
	goodToken  = "eyJ.good.token"

	taskSID         = "WT00000000000000000000000000000001"
	reservationSID  = "WR00000000000000000000000000000001"
	workerSID       = "WK00000000000000000000000000000001"
	conversationSID = "CH00000000000000000000000000000001"

	flexPath          = "/webhooks/flex/task-complete"
	taskRouterPath    = "/webhooks/twilio/taskrouter"
	eventsPath        = "/webhooks/twilio/events"
	conversationsPath = "/webhooks/twilio/conversations"
	surveyPath        = "/webhooks/survey"

	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

var arrived = time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keeper is a store in memory.
type keeper struct {
	mu      sync.Mutex
	records []record.Record
	err     error
}

func (k *keeper) keep(_ context.Context, records []record.Record) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.records = append(k.records, records...)
	return nil
}

func (k *keeper) kept() []record.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]record.Record(nil), k.records...)
}

// fixture is a handler with one connector and everything it told.
type fixture struct {
	*Handler
	keeper   *keeper
	log      *bytes.Buffer
	now      time.Time
	refusals []Refusal
	answers  []Answered
}

func newFixture(tb testing.TB, change func(*Options, *Connector)) *fixture {
	tb.Helper()
	f := &fixture{keeper: &keeper{}, log: &bytes.Buffer{}, now: arrived}
	c := Connector{
		Name:         "twilio_flex",
		AccountSID:   accountSID,
		AuthTokens:   func() []string { return []string{authToken} },
		SurveySecret: func() string { return secret },
		Origins:      func() []string { return []string{"https://agents.example.com/flex", "acme-1234.twil.io", "%"} },
		Validate:     validate,
		Keep:         f.keeper.keep,
		Refused:      func(r Refusal) { f.refusals = append(f.refusals, r) },
	}
	o := Options{
		PublicURL: publicURL,
		Logger:    slog.New(slog.NewJSONHandler(f.log, nil)),
		Clock:     func() time.Time { return f.now },
		Answered:  func(a Answered) { f.answers = append(f.answers, a) },
	}
	if change != nil {
		change(&o, &c)
	}
	if o.Connectors == nil {
		o.Connectors = []Connector{c}
	}
	h, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	f.Handler = h
	return f
}

// validate knows the token of one agent.
func validate(_ context.Context, flexToken string) (Token, error) {
	if flexToken != goodToken {
		return Token{}, ErrTokenRefused
	}
	return Token{WorkerSID: workerSID, Roles: []string{"wfo.full_access", "agent"}}, nil
}

func (f *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// post is a request as a sender makes it.
func post(path, contentType, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// signedForm is a form post that Twilio signed.
func signedForm(path, body string) *http.Request {
	form, err := url.ParseQuery(body)
	if err != nil {
		panic(err)
	}
	return post(path, formType, body, signatureHeader, Sign(authToken, publicURL+path, form))
}

// signedJSON is a JSON post that Twilio signed.
func signedJSON(path, body string) *http.Request {
	path = withBodyHash(path, body)
	return post(path, jsonType, body, signatureHeader, Sign(authToken, publicURL+path, nil))
}

func withBodyHash(path, body string) string {
	sum := sha256.Sum256([]byte(body))
	return path + "?" + bodyHashField + "=" + hex.EncodeToString(sum[:])
}

func bearerJSON(path, body, credential string) *http.Request {
	return post(path, jsonType, body, "Authorization", "Bearer "+credential)
}

// one returns the only record that a request left.
func (f *fixture) one(t *testing.T, r *http.Request) record.Record {
	t.Helper()
	w := f.do(r)
	if w.Code != http.StatusNoContent {
		t.Fatalf("status %d, %s", w.Code, w.Body)
	}
	kept := f.keeper.kept()
	if len(kept) != 1 {
		t.Fatalf("kept %d records, want 1", len(kept))
	}
	return kept[0]
}

// refused checks that a request changed nothing and how it was answered.
func (f *fixture) refused(t *testing.T, r *http.Request, status int, says string) {
	t.Helper()
	w := f.do(r)
	if w.Code != status || !strings.Contains(w.Body.String(), says) {
		t.Errorf("answer %d %s, want %d with %q", w.Code, w.Body, status, says)
	}
	if n := len(f.keeper.kept()); n != 0 {
		t.Errorf("kept %d records of a refused request", n)
	}
}

// roundTrip is a network of one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answerWith(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}
