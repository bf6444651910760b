package twilio

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestEveryFaultIsSurvived reads everything from a Twilio that has one fault only, and
// much of it: nothing is lost, every row is read, and the calls come to an end.
func TestEveryFaultIsSurvived(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sim    twiliosim.Options
		source Options
		local  time.Duration // how far our own clock is ahead
	}{
		"429":                         {sim: twiliosim.Options{Faults: twiliosim.Faults{TooManyRequests: 0.3}}},
		"429 with Retry-After":        {sim: twiliosim.Options{Faults: twiliosim.Faults{TooManyRequests: 0.05, RetryAfterSeconds: 1}}},
		"too many at a time":          {sim: twiliosim.Options{Faults: twiliosim.Faults{Concurrent: 1}}},
		"502 as HTML":                 {sim: twiliosim.Options{Faults: twiliosim.Faults{BadGateway: 0.3}}},
		"stray 401":                   {sim: twiliosim.Options{Faults: twiliosim.Faults{StrayUnauthorized: 0.1}}},
		"reset in the body":           {sim: twiliosim.Options{Faults: twiliosim.Faults{Reset: 0.3}}},
		"302":                         {sim: twiliosim.Options{Faults: twiliosim.Faults{Redirect: 0.3}}},
		"slow":                        {sim: twiliosim.Options{Faults: twiliosim.Faults{Slow: 0.1, SlowMillis: 1000}}, source: Options{CallTimeout: 200 * time.Millisecond}},
		"unknown fields":              {sim: twiliosim.Options{Faults: twiliosim.Faults{UnknownFields: 1}}},
		"redacted attributes":         {sim: twiliosim.Options{Faults: twiliosim.Faults{Redact: 0.5}}},
		"page sizes refused":          {sim: twiliosim.Options{StrictPages: true}},
		"attributes in task lists":    {sim: twiliosim.Options{ListAttributes: true}},
		"our clock is fast":           {local: 10 * time.Minute},
		"our clock is slow":           {local: -10 * time.Minute},
		"Twilio's clock is elsewhere": {sim: twiliosim.Options{Faults: twiliosim.Faults{SkewSeconds: 300}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.sim.Seed = 8
			c := newCentre(t, world.Options{Seed: 8, Odd: true, Contacts: 40, Agents: 4}, test.sim, Options{})
			test.source.WorkerChannels = true
			test.source.SyncObjects = []SyncObject{{Service: "default", Map: world.SyncMap, Type: SyncDisposition}}
			began := time.Now() // our clock goes on while Twilio asks for patience
			test.source.Clock = func() time.Time { return c.clock.now().Add(test.local + time.Since(began)) }
			source := sourceAt(t, c.sim, c.world, test.source, test.source.Clock)
			k := newKept()
			for _, stream := range source.Streams() {
				var err error
				for range 60 { // each a pull by schedule
					if err = source.Fetch(t.Context(), stream, k.cursor[stream], k.keep); err == nil {
						break
					}
					if reason := failure.ReasonOf(err); !reason.Retryable() && reason != failure.Unauthorized {
						t.Fatalf("%s: %v cannot pass: %v", stream, reason, err)
					}
				}
				if err != nil {
					t.Fatalf("%s is never read: %v", stream, err)
				}
			}
			if err := source.FetchTasks(t.Context(), k.keep); err != nil && !failure.ReasonOf(err).Retryable() {
				t.Errorf("tasks: %v", err)
			}
			if err := c.missing(k, c.world.Options().Start, c.world.Options().End); err != nil {
				t.Error(err)
			}
			for _, agent := range c.world.Agents {
				if !slices.ContainsFunc(k.order, func(r record.Record) bool { return strings.HasPrefix(r.Key, agent.SID+":") }) {
					t.Errorf("agent %s was not read", agent.SID)
				}
			}
			for _, r := range k.order {
				if _, err := Decode(r); err != nil {
					t.Errorf("%s: %v", r.Type, err)
				}
			}
			if n := c.calls(""); n > 3000 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// TestTasksThatVanishBetweenPages begins the list again when the task by which the next
// page is named has ended and is gone.
func TestTasksThatVanishBetweenPages(t *testing.T) {
	t.Parallel()
	calls := 0
	source := sourceAt(t, stub{answer: func(w http.ResponseWriter, r *http.Request) {
		task := func(n int) string {
			return fmt.Sprintf(`{"sid":%q,"assignment_status":"pending","attributes":"{}","date_updated":"2026-11-20T12:00:00Z"}`, sid("WT", n))
		}
		next := "https://taskrouter.twilio.com" + strings.TrimPrefix(r.URL.Path, "/taskrouter") + "?PageToken=PA" + sid("WT", 2)
		switch calls++; {
		case r.URL.Query().Get("AssignmentStatus") != "pending" && !r.URL.Query().Has("PageToken"):
			list(w, "tasks", 1000, "")
		case !r.URL.Query().Has("PageToken") && calls < 4:
			list(w, "tasks", 1000, next, task(1), task(2))
		case !r.URL.Query().Has("PageToken"): // the second has ended meanwhile
			list(w, "tasks", 1000, "", task(1), task(3))
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"code":20001,"status":400}`))
		}
	}}, nil, Options{}, time.Now)
	k := newKept()
	for range 3 {
		if err := source.FetchTasks(t.Context(), k.keep); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.records) != 3 {
		t.Errorf("%d tasks were kept, want the one that vanished and the two that are there", len(k.records))
	}
	if calls > 30 {
		t.Errorf("%d calls", calls)
	}
}
