package twilio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noBudgets lets tests run at the speed of the machine.
func noBudgets() map[string]float64 {
	none := DefaultBudgets()
	for api := range none {
		none[api] = 0
	}
	return none
}

// clockwork is a clock that moves when told to.
type clockwork struct {
	mu sync.Mutex
	at time.Time
}

func (c *clockwork) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clockwork) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *clockwork) pass(d time.Duration) { c.set(c.now().Add(d)) }

// centre is a simulated contact centre with a source that reads it.
type centre struct {
	world  *world.World
	sim    *twiliosim.Server
	clock  *clockwork
	source *Source
}

// newCentre opens a centre at the end of its world. The source's own clock is the
// centre's unless options say otherwise.
func newCentre(t *testing.T, w world.Options, s twiliosim.Options, o Options) *centre {
	t.Helper()
	c := &centre{world: world.New(w)}
	c.clock = &clockwork{at: c.world.Options().End.Add(3 * time.Hour)}
	s.World, s.Clock = c.world, c.clock.now
	c.sim = twiliosim.New(s)
	c.source = sourceAt(t, c.sim, c.world, o, c.clock.now)
	return c
}

func sourceAt(t *testing.T, h http.Handler, w *world.World, o Options, clock func() time.Time) *Source {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.BaseURL = server.URL
	o.AccountSID, o.AuthToken = "AC00000000000000000000000000000001", secretToken
	if w != nil {
		o.AccountSID, o.AuthToken = w.AccountSID, w.AuthToken
	}
	if o.Budgets == nil {
		o.Budgets = noBudgets()
	}
	if o.Clock == nil {
		o.Clock = clock
	}
	source, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	source.client.rt.(*retry).sleep = noSleep
	return source
}

const secretToken = "5ecre7a11ce5ecre7a11ce5ecre7a11ce"

// noSleep replaces waiting between tries, but not noticing that there is no use.
func noSleep(ctx context.Context, _ time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

var errKeep = errors.New("the store is full")

// kept is a store: what Capture promises, and no more.
type kept struct {
	records map[string]record.Record
	cursor  map[string]record.Cursor
	through map[string]time.Time
	order   []record.Record
	again   int // records that were there before
	pages   int
	failAt  int // refuse this page, counted from 1; 0 for none
}

func newKept() *kept {
	return &kept{records: map[string]record.Record{}, cursor: map[string]record.Cursor{}, through: map[string]time.Time{}}
}

func (k *kept) keep(p record.Page) error {
	k.pages++
	if k.pages == k.failAt {
		return errKeep
	}
	for _, r := range p.Records {
		if _, ok := k.records[r.Key]; ok {
			k.again++
			continue
		}
		k.records[r.Key] = r
		k.order = append(k.order, r)
	}
	if p.Cursor != "" {
		k.cursor[p.Stream] = p.Cursor
		k.through[p.Stream] = p.Through
	}
	return nil
}

func (k *kept) fetch(t *testing.T, s *Source, stream string) {
	t.Helper()
	if err := s.Fetch(t.Context(), stream, k.cursor[stream], k.keep); err != nil {
		t.Fatalf("fetch %s: %v", stream, err)
	}
}

// missing compares what was kept with the events of the world in [from, to].
func (c *centre) missing(k *kept, from, to time.Time) error {
	want := map[string]bool{}
	for e := range c.world.Events(from, to) {
		want[e.SID] = true
		r, ok := k.records[e.SID]
		if !ok {
			return fmt.Errorf("event %s of %s is missing", e.Type, e.At)
		}
		if !r.At.Equal(e.At) || r.Type != e.Type || r.Stream != EventsStream {
			return fmt.Errorf("event %s of %s became %s of %s", e.Type, e.At, r.Type, r.At)
		}
	}
	if len(want) == 0 {
		return errors.New("the world has no events: the test tells nothing")
	}
	return nil
}

// calls counts what the simulator was asked, by a part of the path.
func (c *centre) calls(part string) int {
	n := 0
	for call, count := range c.sim.Calls() {
		if strings.Contains(fmt.Sprint(call), part) {
			n += count
		}
	}
	return n
}

// stub is a Twilio of a few lines: it answers discovery, and the rest by hand.
type stub struct {
	date   func() time.Time // of the Date header; nil for the machine's
	answer func(w http.ResponseWriter, r *http.Request)
}

const (
	stubWorkspace = "WS00000000000000000000000000000001"
	stubService   = "IS00000000000000000000000000000001"
)

func (s stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.date != nil {
		w.Header().Set("Date", s.date().UTC().Format(http.TimeFormat))
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/flex-api/v1/Configuration":
		fmt.Fprintf(w, `{"taskrouter_workspace_sid":%q,"chat_service_instance_sid":%q}`, stubWorkspace, stubService)
	case "/conversations/v1/Configuration":
		fmt.Fprintf(w, `{"default_chat_service_sid":%q}`, stubService)
	default:
		s.answer(w, r)
	}
}

// list writes a page of a list.
func list(w http.ResponseWriter, key string, size int, next string, rows ...string) {
	if next != "" {
		next = `"` + next + `"`
	} else {
		next = "null"
	}
	fmt.Fprintf(w, `{"meta":{"page_size":%d,"next_page_url":%s},%q:[%s]}`, size, next, key, strings.Join(rows, ","))
}

// sid makes a SID of a number.
func sid(prefix string, n int) string { return fmt.Sprintf("%s%032x", prefix, n) }

// row is an event as the Events list shows it.
func row(n int, at time.Time) string {
	return fmt.Sprintf(`{"sid":%q,"event_type":"task.updated","event_date":%q,"event_date_ms":%d,"event_data":{"task_sid":%q}}`,
		sid("EV", n), at.UTC().Format(time.RFC3339), at.UnixMilli(), sid("WT", n))
}
