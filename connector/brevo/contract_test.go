package brevo_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

// loadRouter reads a document from the folder that lies beside the repository.
func loadRouter(t *testing.T, name string) routers.Router {
	t.Helper()
	file := filepath.Join("..", "..", "..", "shared", "openapi", name)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is missing: the contract is not part of this repository", name)
	}
	document, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		t.Fatal(err)
	}
	return router
}

// checked hands requests on after comparing them with the documents; the newer
// one wins where both know an operation.
type checked struct {
	t            *testing.T
	newer, older routers.Router
	next         http.RoundTripper

	mu   sync.Mutex
	seen map[string]bool
}

// RoundTrip implements http.RoundTripper.
func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	probe := r.Clone(r.Context())
	probe.Body = io.NopCloser(bytes.NewReader(body))
	c.check(probe, body)
	forward := r.Clone(r.Context())
	forward.Body = io.NopCloser(bytes.NewReader(body))
	return c.next.RoundTrip(forward)
}

func (c *checked) check(r *http.Request, body []byte) {
	route, parameters, err := c.newer.FindRoute(r)
	if err != nil {
		route, parameters, err = c.older.FindRoute(r)
	}
	if err != nil {
		c.t.Errorf("%s %s is in neither document: %v", r.Method, r.URL.Path, err)
		return
	}
	c.mu.Lock()
	c.seen[r.Method+" "+route.Path] = true
	c.mu.Unlock()
	err = openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
	if err != nil {
		c.t.Errorf("%s %s with %s: %v", r.Method, r.URL, body, err)
	}
}

func TestRequestsKeepTheContract(t *testing.T) {
	t.Parallel()
	wire := &checked{
		t: t, newer: loadRouter(t, "brevo-delta-2026.yaml"), older: loadRouter(t, "brevo.yaml"), seen: map[string]bool{},
	}
	w := newWorld(t, brevosim.Options{}, func(o *brevo.Options) { o.BaseURL, o.HTTP = brevo.DefaultBaseURL, wire })
	wire.next = w.sim.Transport()

	if err := w.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Provision(t.Context(), brevo.Plan{
		Attributes: []brevo.AttributeSpec{
			{Name: "WAIT", Type: "float"}, {Name: "SEEN", Type: "date"}, {Name: "OPEN", Type: "boolean"}, {Name: "WORDS"},
			{Name: "GRADE", Type: "category", Values: []string{"low", "high"}}, {Name: "HUES", Type: "multiple-choice", Values: []string{"red"}},
		},
		Lists: []string{"Callers"},
	}); err != nil {
		t.Fatal(err)
	}
	w.add(brevosim.Contact{Email: "max@example.com", SMS: "+33612345678"})
	full := zoe(
		record.Attribute{Name: "WAIT", Value: 1.5}, record.Attribute{Name: "SEEN", Value: "2026-11-20"}, record.Attribute{Name: "OPEN", Value: true},
		record.Attribute{Name: "WORDS", Value: "x"}, record.Attribute{Name: "GRADE", Value: "high"}, record.Attribute{Name: "HUES", Value: "red"},
		record.Attribute{Name: "EXT_ID", Value: "a/b c"}, record.Attribute{Name: "WHATSAPP", Value: "whatsapp:+33612345679"},
	)
	out := w.deliver(full, record.Held{})
	expect(t, out, "", "SMS: conflicting identifier")
	full.Lists = append(full.Lists, "Callers")
	full.Attributes = append(full.Attributes, record.Attribute{Name: "LANDLINE_NUMBER", Value: "+33145678901"},
		record.Attribute{Name: "NOTE", Value: "", Clear: true}, number(1))
	expect(t, w.deliver(full, out.Held), "", "SMS: conflicting identifier")
	if out := w.deliver(full, record.Held{}); !out.Adopt {
		t.Errorf("outcome: %+v", out)
	}
	expect(t, w.tell(record.Event{Name: "X", ID: "EV1", At: noon, Properties: map[string]any{"a": 1, "b": []any{"c"}}}, out.Held.ID), "")
	if _, err := w.Lookup(t.Context(), []record.Event{{Name: "X", ID: "EV1", At: noon}, {Name: "Y", ID: "EV2", At: noon}}); err != nil {
		t.Error(err)
	}
	if err := w.FetchDirectory(t.Context(), noon.Add(-time.Hour), nil, func([]brevo.HeldContact) error { return nil }); err != nil {
		t.Error(err)
	}
	for _, call := range []string{
		"GET /account", "GET /contacts/attributes", "POST /contacts/attributes/{attributeCategory}/{attributeName}",
		"GET /contacts/lists", "POST /contacts/lists", "GET /contacts/folders", "POST /contacts/folders", "GET /contacts", "POST /contacts",
		"GET /contacts/{identifier}", "PUT /contacts/{identifier}", "POST /events", "GET /events",
	} {
		if !wire.seen[call] {
			t.Errorf("%s was not called", call)
		}
	}
}
