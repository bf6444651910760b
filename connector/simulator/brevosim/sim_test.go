package brevosim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/connector/simulator/brevosim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// sim is a server and a caller of it.
type sim struct {
	*brevosim.Server
	t     *testing.T
	clock *clock
}

// newSim makes an account without limits unless the options name a tier.
func newSim(t *testing.T, o brevosim.Options) *sim {
	t.Helper()
	s := &sim{t: t, clock: newClock()}
	if o.Tier == "" {
		o.Tier = brevosim.TierNone
	}
	if o.Clock == nil {
		o.Clock = s.clock.now
	}
	s.Server = brevosim.New(o)
	return s
}

// result is an answer read to its end.
type result struct {
	status int
	body   string
	header http.Header
}

// object decodes the body.
func (r result) object(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatalf("body %q is no JSON object: %v", r.body, err)
	}
	return out
}

// try sends a request; body is text or a value to marshal.
func (s *sim) try(method, path string, body any) (result, error) {
	s.t.Helper()
	text, isText := body.(string)
	if !isText && body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		text = string(raw)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://brevo.test/v3"+path, strings.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("api-key", "key")
	response, err := s.Transport().RoundTrip(request)
	if err != nil {
		return result{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return result{response.StatusCode, string(raw), response.Header}, err
}

// send sends a request that must be answered with the status.
func (s *sim) send(method, path string, body any, status int) result {
	s.t.Helper()
	r, err := s.try(method, path, body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	if r.status != status {
		s.t.Fatalf("%s %s: status %d, want %d: %s", method, path, r.status, status, r.body)
	}
	return r
}

// contact seeds a contact.
func (s *sim) contact(c brevosim.Contact) int64 {
	s.t.Helper()
	id, err := s.AddContact(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// get returns the stored contact.
func (s *sim) get(id int64) brevosim.Contact {
	s.t.Helper()
	c, ok := s.Contact(id)
	if !ok {
		s.t.Fatalf("contact %d does not exist", id)
	}
	return c
}

func (s *sim) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// violated checks that the violations are those that contain the texts, in order.
func (s *sim) violated(texts ...string) {
	s.t.Helper()
	got := s.Violations()
	ok := len(got) == len(texts)
	for i := 0; ok && i < len(texts); i++ {
		ok = strings.Contains(got[i], texts[i])
	}
	if !ok {
		s.t.Errorf("violations %q, want %q", got, texts)
	}
}

func path(id int64) string { return fmt.Sprintf("/contacts/%d", id) }

type object = map[string]any

// TestConcurrentCallers lets several callers write and read at once and counts what arrived.
func TestConcurrentCallers(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{ReadLag: time.Second, Clock: time.Now})
	const callers, rounds = 8, 40
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				email := fmt.Sprintf("c%d-%d@example.com", caller, round)
				for _, call := range []struct {
					method, path string
					body         any
					status       int
				}{
					{"POST", "/contacts", object{"email": email, "listIds": []int{2}}, 201},
					{"POST", "/events", event("done", object{"email_id": email}), 204},
					{"PUT", "/contacts/" + email, object{"attributes": object{"FIRSTNAME": "Ann"}}, 204},
					{"GET", "/contacts?limit=10&modifiedSince=2020-01-01T00:00:00Z", nil, 200},
					{"GET", "/events?limit=10", nil, 200},
					{"GET", "/contacts/" + email, nil, 200},
				} {
					if r, err := s.try(call.method, call.path, call.body); err != nil || r.status != call.status {
						t.Errorf("%s %s: %d, %v", call.method, call.path, r.status, err)
					}
				}
			}
		})
	}
	wg.Wait()
	summary := s.Summary()
	if summary.Contacts != callers*rounds || summary.Events != callers*rounds || s.Lists()[0].Members != callers*rounds {
		t.Errorf("%+v after %d rounds", summary, callers*rounds)
	}
	for _, c := range s.Contacts() {
		if c.Attributes["FIRSTNAME"] != "Ann" {
			t.Errorf("contact %d has %v", c.ID, c.Attributes)
		}
	}
	s.ResetCalls()
	if got := s.Summary().Calls; got != 0 {
		t.Errorf("%d calls after the reset", got)
	}
}
