package twilio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestTheGateFollowsTheAccount narrows when the account has too many calls under way,
// stays narrow where others fill it, and widens again.
func TestTheGateFollowsTheAccount(t *testing.T) {
	t.Parallel()
	g := newGate()
	g.refused(12)
	if g.width() != 2 {
		t.Errorf("%d calls after a refusal, want 2", g.width())
	}
	for range 5 {
		g.refused(15)
	}
	if g.width() != 1 {
		t.Errorf("%d calls after many refusals, want 1", g.width())
	}
	for range 10 * wider {
		g.answered(11) // as many as at the lowest refusal, but for one
	}
	if g.width() != 1 {
		t.Errorf("%d calls while others fill the account, want 1", g.width())
	}
	for range wider {
		g.answered(3)
	}
	if g.width() != 2 {
		t.Errorf("%d calls when the others are gone, want 2", g.width())
	}
	for range 10 * wider {
		g.answered(3)
	}
	if g.width() != maxInFlight {
		t.Errorf("%d calls after a quiet time, want %d", g.width(), maxInFlight)
	}
	for range 60 * wider {
		g.answered(3)
	}
	if g.answered(11); g.width() != maxInFlight {
		t.Errorf("%d calls: the old refusal is not forgotten", g.width())
	}
}

// TestTheGateLosesNoPlace lets calls give up while they wait, in the very moment of
// their turn too, and counts who is through.
func TestTheGateLosesNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var through, most atomic.Int64
		call := func(patience, length time.Duration) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("gave up"))
			defer cancel()
			if g.enter(ctx) != nil {
				return
			}
			most.Store(max(most.Load(), through.Add(1)))
			time.Sleep(length)
			through.Add(-1)
			g.leave()
		}
		for i := range 200 {
			go call(time.Duration(i%13)*time.Second, time.Duration(i%5)*time.Second)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if most.Load() > maxInFlight || g.through != 0 || len(g.waiting) != 0 {
			t.Errorf("%d at once, %d through and %d waiting at the end", most.Load(), g.through, len(g.waiting))
		}
	})
}

// TestA20429NarrowsTheGate and a 429 of an endpoint does not.
func TestA20429NarrowsTheGate(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]int{20429: 2, 54009: maxInFlight, 0: maxInFlight} {
		b := newBudgets(noBudgets())
		rt := &budgeted{next: roundTrip(func(*http.Request) (*http.Response, error) {
			resp := answered(http.StatusTooManyRequests, fmt.Sprintf(`{"code":%d}`, code))
			resp.Header.Set("Twilio-Concurrent-Requests", "9")
			return resp, nil
		}), budgets: b, clock: time.Now}
		resp, err := rt.RoundTrip(httptest.NewRequest(http.MethodGet, "https://taskrouter.twilio.com/v1/X", nil))
		if err != nil || b.gate.width() != want {
			t.Errorf("code %d: %d calls at once, want %d; %v", code, b.gate.width(), want, err)
			continue
		}
		if body, err := bodyOf(resp); err != nil || codeOf(body) != fmt.Sprint(code) && code != 0 {
			t.Errorf("code %d: the body is gone: %q, %v", code, body, err)
		}
	}
}

// TestEachObjectOfSyncHasItsOwnBudget reads two objects: half of what each allows.
func TestEachObjectOfSyncHasItsOwnBudget(t *testing.T) {
	t.Parallel()
	b := newBudgets(nil)
	of := func(raw string) *budget {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		all := b.of(u)
		return all[len(all)-1]
	}
	const at = "https://sync.twilio.com/v1/Services/default/"
	one, page, two := of(at+"Maps/a/Items?PageSize=100"), of(at+"Maps/a/Items?PageToken=x"), of(at+"Lists/a/Items")
	if one != page || one == two || one == b.byAPI[syncAPI] {
		t.Error("the pages of an object do not share one budget of its own")
	}
	if full, _ := one.rates(); full != 10 {
		t.Errorf("%v reads a second of one object, want half of the 20 that all may make", full)
	}
	one.refused(time.Now(), time.Now(), 0)
	if _, other := two.rates(); other != 10 {
		t.Error("a refusal of one object slows another")
	}
}

func rateLimitRecord(at time.Time, key string, limited bool, perSecond, limit any) record.Record {
	return record.Record{Type: RateLimitType, Via: record.EventStreams, At: at, Body: []byte(fmt.Sprintf(
		`{"specversion":"1.0","type":%q,"id":"NO1","dataschema":"https://events-schemas.twilio.com/Twilio.RateLimitResults/2",`+
			`"data":{"account_sid":"AC1","namespace":"WS1","resource_key":%q,"product":"taskrouter","is_default":true,`+
			`"rate_limited":%t,"current_rate":%v,"rate_limit":%v,"request_sid":"RQ1","timestamp":%q}}`,
		RateLimitType, key, limited, perSecond, limit, at.Format(time.RFC3339)))}
}

// TestTwiliosRateLimitsFeedTheBudget takes the events as Twilio's page shows them.
func TestTwiliosRateLimitsFeedTheBudget(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		told           []record.Record
		events, others float64
	}{
		"nothing told":             {nil, 25, 30},
		"far from the limit":       {[]record.Record{rateLimitRecord(now, "Event-List", false, 1.4, 50)}, 25, 30},
		"a lower limit than ours":  {[]record.Record{rateLimitRecord(now, "Event-List", false, 1.4, 10)}, 8, 30},
		"others are near it":       {[]record.Record{rateLimitRecord(now, "Event-List", false, 19, 20)}, 8, 30},
		"numbers as text":          {[]record.Record{rateLimitRecord(now, "Event-List", false, `"19"`, `"20"`)}, 8, 30},
		"told many times at once":  {[]record.Record{rateLimitRecord(now, "Event-List", true, 60, 50), rateLimitRecord(now, "Event-List", true, 60, 50)}, 12.5, 30},
		"another list was refused": {[]record.Record{rateLimitRecord(now, "Worker-List", true, 9, 9)}, 25, 15},
		"an unknown one was":       {[]record.Record{rateLimitRecord(now, "Something-New", true, 9, 9)}, 25, 15},
		"an unknown one is near":   {[]record.Record{rateLimitRecord(now, "Something-New", false, 9, 9)}, 25, 30},
		"an old one":               {[]record.Record{rateLimitRecord(now.Add(-time.Hour), "Event-List", true, 60, 10)}, 25, 30},
		"nonsense":                 {[]record.Record{{Type: RateLimitType, At: now, Body: []byte(`[1]`)}, rateLimitRecord(now, "Event-List", false, `"x"`, -5)}, 25, 30},
		"another type":             {[]record.Record{{Type: "task.created", At: now, Body: rateLimitRecord(now, "Event-List", true, 9, 9).Body}}, 25, 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := New(Options{AccountSID: "AC1", AuthToken: "t", Clock: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			s.NoteRateLimits(test.told)
			if h := s.Health().Budgets; h[eventsBudget] != test.events || h[taskrouterAPI] != test.others {
				t.Errorf("%v events and %v calls a second, want %v and %v", h[eventsBudget], h[taskrouterAPI], test.events, test.others)
			}
			for _, r := range test.told {
				if r.Type != RateLimitType {
					continue
				}
				if d, err := s.Decode(r); err == nil && d.Ignored == "" {
					t.Errorf("the record is taken for something else: %+v", d)
				}
			}
		})
	}
}

// TestTheFilteredListsAreNeverPolled reads everything there is to read and looks at
// every call: the filters that Twilio allows three times a second are in none
// (facts/twilio.md 1.10).
func TestTheFilteredListsAreNeverPolled(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 3, Contacts: 40}, twiliosim.Options{}, Options{})
	var calls atomic.Int64
	watched := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		for _, filter := range []string{"EvaluateTaskAttributes", "TargetWorkersExpression", "EvaluateWorkerAttributes"} {
			if r.URL.Query().Has(filter) {
				t.Errorf("%s is used: %s", filter, r.URL.Path)
			}
		}
		c.sim.ServeHTTP(w, r)
	})
	source := sourceAt(t, watched, c.world, Options{
		SyncObjects:       []SyncObject{{Service: "default", Map: world.SyncMap, Type: SyncDisposition}},
		OpenConversations: func(context.Context, time.Time, int) ([]string, error) { return nil, nil },
	}, c.clock.now)
	k := newKept()
	for _, stream := range source.Streams() {
		k.fetch(t, source, stream)
	}
	for name, read := range map[string]func() error{
		"tasks": func() error { return source.FetchTasks(t.Context(), k.keep) },
		"hint":  func() error { return source.FetchHint(t.Context(), Hint{Task: c.world.Tasks[0].SID}, k.keep) },
		"range": func() error {
			end := c.world.Options().End
			return source.FetchRange(t.Context(), EventsStream, Range{end.Add(-time.Hour), end}, "", k.keep)
		},
	} {
		if err := read(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if calls.Load() < 10 {
		t.Errorf("only %d calls: the test tells little", calls.Load())
	}
}

// TestAPassBeginsWithoutPauses reads short lists one after the other: the first of them at
// once, and all together no faster than the budget.
func TestAPassBeginsWithoutPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &budgeted{next: roundTrip(func(*http.Request) (*http.Response, error) {
			return answered(http.StatusOK, "{}"), nil
		}), budgets: newBudgets(nil), clock: time.Now}
		began, calls := time.Now(), 0
		call := func(list string) time.Duration {
			_, err := b.RoundTrip(httptest.NewRequest(http.MethodGet, "https://taskrouter.twilio.com/v1/Workspaces/WS1/"+list, nil))
			if err != nil {
				t.Fatal(err)
			}
			calls++
			return time.Since(began)
		}
		for _, list := range []string{"Workers", "TaskQueues", "Events", "Events", "Events"} {
			if at := call(list); at != 0 {
				t.Errorf("%s waited until %s", list, at)
			}
		}
		for at := time.Duration(0); at < 10*time.Second; {
			at = call("Events")
		}
		if most := 25*10 + 6 + 3; calls > most {
			t.Errorf("%d calls in ten seconds, want %d at most", calls, most)
		}
	})
}
