package twiliosim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a settable present.
type clock struct{ at atomic.Int64 }

func (c *clock) Set(at time.Time) { c.at.Store(at.UnixMilli()) }

func (c *clock) Now() time.Time { return time.UnixMilli(c.at.Load()).UTC() }

// fixture is a simulated account at six in the evening of its only day.
type fixture struct {
	*twiliosim.Server
	w     *world.World
	clock *clock
}

func newFixture(options twiliosim.Options) fixture {
	f := fixture{w: options.World, clock: &clock{}}
	if f.w == nil {
		f.w = world.New(world.Options{Seed: 4, Contacts: 400, Odd: true})
	}
	f.clock.Set(f.w.Options().Start.Add(18 * time.Hour))
	options.World, options.Clock = f.w, f.clock.Now
	f.Server = twiliosim.New(options)
	return f
}

func (f fixture) workspace() string { return "/taskrouter/v1/Workspaces/" + f.w.WorkspaceSID }

// do asks for a path, or for an address on twilio.com as a page URL has it.
func (f fixture) do(path string) *httptest.ResponseRecorder {
	if rest, ok := strings.CutPrefix(path, "https://"); ok {
		host, tail, _ := strings.Cut(rest, ".twilio.com")
		path = "/" + host + tail
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.SetBasicAuth(f.w.AccountSID, f.w.AuthToken)
	rec := httptest.NewRecorder()
	f.ServeHTTP(rec, r)
	return rec
}

// get asks for a path and decodes the answer, which must have the status.
func get[T any](t *testing.T, f fixture, path string, status int) (out T) {
	t.Helper()
	rec := f.do(path)
	if rec.Code != status {
		t.Fatalf("GET %s: status %d, want %d: %s", path, rec.Code, status, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		t.Fatalf("GET %s: %v in %s", path, err, rec.Body)
	}
	return out
}

type problem struct{ Code, Status int }

type meta struct {
	Size int     `json:"page_size"`
	Next *string `json:"next_page_url"`
}
