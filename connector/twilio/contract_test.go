package twilio

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// specifications lie beside the repository, and not in it.
const specifications = "../../../shared/openapi"

// TestRequestsFollowTheSpecification makes every kind of call and validates it
// against Twilio's OpenAPI documents; parameters that they do not know are errors.
func TestRequestsFollowTheSpecification(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(specifications); err != nil {
		t.Skipf("Twilio's OpenAPI documents are not at hand in %s", specifications)
	}
	c := newCentre(t, world.Options{Seed: 12}, twiliosim.Options{Seed: 12, LegacyChat: true}, Options{})
	calls := &callRecorder{next: c.sim}
	source := sourceAt(t, calls, c.world, Options{WorkerChannels: true, DueInteractions: c.dueOf(t, newKept()), InteractionsAtOnce: 2, Messages: true}, c.clock.now)
	k := newKept()
	for _, stream := range source.Streams() {
		k.fetch(t, source, stream)
	}
	now := c.clock.now()
	if _, err := source.FetchQueueStatistics(t.Context(), now.Add(-time.Hour), now); err != nil {
		t.Fatal(err)
	}
	if _, err := source.FetchWorkerStatistics(t.Context(), now.Add(-24*time.Hour), now); err != nil {
		t.Fatal(err)
	}
	task := c.taskWithConversation(t)
	hint := Hint{Task: task.SID, Conversation: c.world.Conversations[0].SID}
	if err := source.FetchHint(t.Context(), hint, k.keep); err != nil {
		t.Fatal(err)
	}
	if err := source.FetchHint(t.Context(), Hint{Reservation: task.Reservations[0].SID}, k.keep); err != nil {
		t.Fatal(err)
	}
	documents := map[string]routers.Router{}
	kinds := map[string]bool{}
	for _, call := range calls.all {
		api, path, _ := strings.Cut(strings.TrimPrefix(call.URL.Path, "/"), "/")
		if documents[api] == nil {
			documents[api] = loadRouter(t, api)
		}
		call.URL.Path = "/" + path
		kinds[api+pathTemplate(call.URL.Path)] = true
		validateRequest(t, documents[api], call)
	}
	if len(kinds) < 12 {
		t.Errorf("only %d kinds of call: %v", len(kinds), kinds)
	}
}

// callRecorder keeps copies of the requests that it passes on.
type callRecorder struct {
	next http.Handler
	mu   sync.Mutex
	all  []*http.Request
}

func (c *callRecorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.all = append(c.all, r.Clone(r.Context()))
	c.mu.Unlock()
	c.next.ServeHTTP(w, r)
}

func loadRouter(t *testing.T, api string) routers.Router {
	t.Helper()
	name := "twilio_" + strings.TrimSuffix(api, "-api") + "_v1.json"
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(specifications, name))
	if err != nil {
		t.Fatal(err)
	}
	// The documents name their hosts; the calls were made to a stand-in.
	doc.Servers = nil
	for _, item := range doc.Paths.Map() {
		item.Servers = nil
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return router
}

func validateRequest(t *testing.T, router routers.Router, call *http.Request) {
	t.Helper()
	route, params, err := router.FindRoute(call)
	if err != nil {
		t.Errorf("%s %s: %v", call.Method, call.URL.Path, err)
		return
	}
	err = openapi3filter.ValidateRequest(call.Context(), &openapi3filter.RequestValidationInput{
		Request: call, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true},
	})
	if err != nil {
		t.Errorf("%s %s: %v", call.Method, call.URL, err)
	}
	known := map[string]bool{}
	for _, p := range route.Operation.Parameters {
		known[p.Value.Name] = true
	}
	for name := range call.URL.Query() {
		if !known[name] {
			t.Errorf("%s %s: unknown parameter %s", call.Method, call.URL.Path, name)
		}
	}
}

// TestWebChannelFollowsTheSpecification validates the one call that begins a chat.
func TestWebChannelFollowsTheSpecification(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(specifications); err != nil {
		t.Skipf("Twilio's OpenAPI documents are not at hand in %s", specifications)
	}
	router, validated := loadRouter(t, "flex-api"), false
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/flex-api")
		validateRequest(t, router, r)
		validated = true
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"sid":"` + sid("CH", 1) + `"}`))
	})
	source := sourceAt(t, h, nil, Options{}, time.Now)
	w := WebChannel{FlowSID: sid("FO", 1), Identity: "zoe", CustomerName: "Zoe", ChatName: "Help", UniqueName: "zoe-1", PreEngagement: `{"email":"zoe@example.com"}`}
	if _, err := source.CreateWebChannel(t.Context(), w); err != nil || !validated {
		t.Errorf("validated %t: %v", validated, err)
	}
}
