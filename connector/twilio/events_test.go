package twilio

import (
	"context"
	"errors"
	"log/slog"
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

// everyFault is a bad day.
func everyFault() twiliosim.Faults {
	return twiliosim.Faults{
		TooManyRequests: 0.05, BadGateway: 0.05, Redirect: 0.05, StrayUnauthorized: 0.02, Reset: 0.05,
		Redact: 0.1, UnknownFields: 0.3,
	}
}

// fetchStubbornly fetches until it works, as a pipeline would.
func (c *centre) fetchStubbornly(t *testing.T, k *kept, stream string) {
	t.Helper()
	for range 50 {
		err := c.source.Fetch(t.Context(), stream, k.cursor[stream], k.keep)
		if err == nil {
			return
		}
		// With one answer in fifty a stray 401, two in a row come too.
		if reason := failure.ReasonOf(err); !reason.Retryable() && reason != failure.Unauthorized {
			t.Fatalf("fetch: %v", err)
		}
	}
	t.Fatal("fifty fetches failed")
}

func TestEventsAreAllRead(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]twiliosim.Faults{"without faults": {}, "with every fault": everyFault()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCentre(t, world.Options{Seed: 7, Odd: true}, twiliosim.Options{Seed: 7, Faults: faults}, Options{})
			k := newKept()
			c.fetchStubbornly(t, k, EventsStream)
			upper := c.clock.now().Add(-settle)
			if err := c.missing(k, upper.Add(-48*time.Hour), upper); err != nil {
				t.Error(err)
			}
			if got := k.through[EventsStream]; !got.Equal(seconds(upper)) {
				t.Errorf("read through %s, want %s", got, upper)
			}
			if !slices.IsSortedFunc(k.order, byTime) {
				t.Error("records did not come in the order of time")
			}
			if name == "without faults" && k.again != 0 {
				t.Errorf("%d records handed over twice in one fetch", k.again)
			}
		})
	}
}

// The cursor must be right after every single page: a store that fails at any of
// them loses nothing, and what was kept is not asked for from the beginning.
func TestEventsGoOnAfterAFailureAtAnyPage(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 3, Contacts: 120}, twiliosim.Options{Seed: 3}, Options{})
	whole := newKept()
	whole.fetch(t, c.source, EventsStream)
	if whole.pages < 5 {
		t.Fatalf("only %d pages: the test tells nothing", whole.pages)
	}
	for n := 1; n <= whole.pages; n++ {
		k := newKept()
		k.failAt = n
		err := c.source.Fetch(t.Context(), EventsStream, "", k.keep)
		if !errors.Is(err, errKeep) {
			t.Fatalf("page %d: error of keep became %v", n, err)
		}
		k.fetch(t, c.source, EventsStream)
		if len(k.records) != len(whole.records) {
			t.Errorf("failure at page %d: %d records, want %d", n, len(k.records), len(whole.records))
		}
		if n > 3 && k.pages >= whole.pages+n {
			t.Errorf("failure at page %d: begun anew", n)
		}
	}
}

// Rows up to 5 minutes late are found by the next pass, and up to 2 hours within
// the hour (design 5). Neither test runs long enough for the next larger re-read.
func TestLateEventsAreFound(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		late  time.Duration
		run   time.Duration
		every time.Duration
		// by is how long after its date an event must be there at last
		by time.Duration
	}{
		"by minutes": {late: 290 * time.Second, run: 55 * time.Minute, every: time.Minute, by: 5 * time.Minute},
		"by hours":   {late: 115 * time.Minute, run: 6 * time.Hour, every: 10 * time.Minute, by: 3*time.Hour + 20*time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCentre(t, world.Options{Seed: 5, Contacts: 600}, twiliosim.Options{
				Seed: 5, Faults: everyFault(), Latency: twiliosim.Latency{Usual: test.late},
			}, Options{InitialLookback: time.Second})
			start := c.world.Options().Start.Add(9 * time.Hour)
			k := newKept()
			for c.clock.set(start); c.clock.now().Before(start.Add(test.run)); c.clock.pass(test.every) {
				c.fetchStubbornly(t, k, EventsStream)
			}
			if err := c.missing(k, start.Add(time.Second), c.clock.now().Add(-test.by-test.every)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDailyRereadFindsWhatTheHourlyOneMissed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	clock := &clockwork{at: now}
	late := now.Add(-time.Minute) // listed ten hours after it happened
	source := sourceAt(t, stub{date: clock.now, answer: func(w http.ResponseWriter, r *http.Request) {
		start, _ := time.Parse(time.RFC3339, r.URL.Query().Get("StartDate"))
		end, _ := time.Parse(time.RFC3339, r.URL.Query().Get("EndDate"))
		if clock.now().Before(now.Add(10*time.Hour)) || late.Before(start) || late.After(end) {
			list(w, "events", 1000, "")
			return
		}
		list(w, "events", 1000, "", row(1, late))
	}}, nil, Options{}, clock.now)
	k := newKept()
	foundAt := time.Duration(0)
	for ; clock.now().Before(now.Add(30*time.Hour)) && foundAt == 0; clock.pass(10 * time.Minute) {
		k.fetch(t, source, EventsStream)
		if len(k.records) > 0 {
			foundAt = clock.now().Sub(now)
		}
	}
	if foundAt < 10*time.Hour || foundAt > 24*time.Hour+10*time.Minute {
		t.Errorf("found after %s, want within a day", foundAt)
	}
}

// A re-read is done in parts when it is long, and its place is in the cursor.
func TestALongRereadGoesOnInTheNextFetch(t *testing.T) {
	t.Parallel()
	clock := &clockwork{at: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	cur := eventsCursor{At: clock.now().Add(-settle), Hourly: clock.now(), Daily: clock.now().Add(-48 * time.Hour), Window: 1}
	asked := 0
	source := sourceAt(t, stub{date: clock.now, answer: func(w http.ResponseWriter, r *http.Request) {
		asked++
		rows := make([]string, goodRows) // keeps windows as they are
		start, _ := time.Parse(time.RFC3339, r.URL.Query().Get("StartDate"))
		for i := range rows {
			rows[i] = row(i, start)
		}
		list(w, "events", 1000, "", rows...)
	}}, nil, Options{}, clock.now)
	at := cur.encode()
	keep := func(p record.Page) error { at = p.Cursor; return nil }
	if err := source.Fetch(t.Context(), EventsStream, at, keep); err != nil {
		t.Fatal(err)
	}
	var after eventsCursor
	if err := decodeCursor(at, &after); err != nil {
		t.Fatal(err)
	}
	if after.Reread == nil || !after.Reread.Daily {
		t.Fatalf("no daily re-read under way: %+v", after)
	}
	if done := after.Reread.From.Sub(cur.Daily.Add(-dailyLate)); done != rereadWindows*time.Second {
		t.Errorf("re-read %s in one fetch, want %d windows of a second", done, rereadWindows)
	}
	if want := int(overlap/time.Second) + rereadWindows; asked != want {
		t.Errorf("%d calls, want %d", asked, want)
	}
}

func TestFullWindowsAreSplit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		size int // page size that the server is willing to give
		rows int // in one minute, evenly
		// burst is how many more are in one single second
		burst  int
		tokens bool // whether page tokens work
	}{
		"under a page":                          {size: 1000, rows: 900},
		"several pages in a minute":             {size: 1000, rows: 4000},
		"a server that gives fifty at a time":   {size: 50, rows: 600, tokens: true},
		"fifty at a time and no tokens":         {size: 50, rows: 600},
		"more than a page in a second":          {size: 1000, rows: 100, burst: 3500, tokens: true},
		"a small page more than full in second": {size: 50, rows: 60, burst: 175, tokens: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all []time.Time
			from := now.Add(-10 * time.Minute)
			for i := range test.rows {
				all = append(all, from.Add(time.Minute*time.Duration(i)/time.Duration(test.rows)))
			}
			for range test.burst {
				all = append(all, from.Add(17500*time.Millisecond))
			}
			source := sourceAt(t, stub{date: func() time.Time { return now }, answer: pagedEvents(all, test.size, test.tokens)},
				nil, Options{InitialLookback: time.Hour}, func() time.Time { return now })
			k := newKept()
			k.fetch(t, source, EventsStream)
			if len(k.records) != len(all) || k.again != 0 {
				t.Errorf("%d records and %d twice, want %d once", len(k.records), k.again, len(all))
			}
		})
	}
}

// TestPagesAreNearlyFull reads a day in which every second is as busy as the other: each
// call is one of a budget of twenty a second.
func TestPagesAreNearlyFull(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	var all []time.Time
	for at := now.Add(-24 * time.Hour); at.Before(now.Add(-settle)); at = at.Add(2 * time.Second) {
		all = append(all, at)
	}
	answer, calls := pagedEvents(all, 1000, false), 0
	source := sourceAt(t, stub{date: func() time.Time { return now }, answer: func(w http.ResponseWriter, r *http.Request) {
		calls++
		answer(w, r)
	}}, nil, Options{InitialLookback: 24 * time.Hour}, func() time.Time { return now })
	k := newKept()
	k.fetch(t, source, EventsStream)
	if most := len(all)/700 + 5; len(k.records) != len(all) || calls > most {
		t.Errorf("%d of %d records in %d calls, want %d calls at most", len(k.records), len(all), calls, most)
	}
}

// pagedEvents serves events with the given dates, in pages whose tokens work or
// lead nowhere.
func pagedEvents(all []time.Time, size int, tokens bool) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		start, _ := time.Parse(time.RFC3339, q.Get("StartDate"))
		end, _ := time.Parse(time.RFC3339, q.Get("EndDate"))
		var rows []string
		for i, at := range all {
			if second := at.Truncate(time.Second); !second.Before(start) && !second.After(end) {
				rows = append(rows, row(i, at))
			}
		}
		skip := 0
		if token := q.Get("PageToken"); token != "" && tokens {
			skip = slices.IndexFunc(rows, func(s string) bool { return strings.Contains(s, strings.TrimPrefix(token, "PA")) }) + 1
		}
		rows = rows[skip:]
		if len(rows) <= size {
			list(w, "events", size, "", rows...)
			return
		}
		rows = rows[:size]
		_, last, _ := strings.Cut(rows[size-1], `"sid":"`)
		q.Set("PageToken", "PA"+last[:34])
		list(w, "events", size, "https://taskrouter.twilio.com"+strings.TrimPrefix(r.URL.Path, "/taskrouter")+"?"+q.Encode(), rows...)
	}
}

func TestTheUpperEndIsTwiliosClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for name, skew := range map[string]time.Duration{
		"the local clock is right": 0, "three hours fast": 3 * time.Hour, "three hours slow": -3 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := &clockwork{at: now}
			var asked time.Time
			source := sourceAt(t, stub{date: clock.now, answer: func(w http.ResponseWriter, r *http.Request) {
				asked, _ = time.Parse(time.RFC3339, r.URL.Query().Get("EndDate"))
				list(w, "events", 1000, "")
			}}, nil, Options{InitialLookback: time.Hour}, func() time.Time { return clock.now().Add(skew) })
			k := newKept()
			for range 10 {
				k.fetch(t, source, EventsStream)
				if want := clock.now().Add(-10 * time.Second); !asked.Equal(want) || !k.through[EventsStream].Equal(want) {
					t.Fatalf("asked until %s, read through %s, want %s", asked, k.through[EventsStream], want)
				}
				clock.pass(15 * time.Second)
			}
			if got := source.Health().Skew; got != skew {
				t.Errorf("skew %s, want %s", got, skew)
			}
		})
	}
}

// A local clock that jumps must not carry the cursor past Twilio's own.
func TestALocalClockThatJumpsLosesNothing(t *testing.T) {
	t.Parallel()
	twilio := &clockwork{at: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	local := &clockwork{at: twilio.now()}
	source := sourceAt(t, stub{date: twilio.now, answer: func(w http.ResponseWriter, _ *http.Request) {
		list(w, "events", 1000, "")
	}}, nil, Options{InitialLookback: time.Hour}, local.now)
	k := newKept()
	for range 5 {
		k.fetch(t, source, EventsStream)
		if limit := twilio.now().Add(-10 * time.Second); k.through[EventsStream].After(limit) {
			t.Fatalf("read through %s, but Twilio's clock allows %s", k.through[EventsStream], limit)
		}
		local.pass(20 * time.Minute) // while Twilio's moves by one
		twilio.pass(time.Minute)
	}
}

func TestAGapIsRecorded(t *testing.T) {
	t.Parallel()
	clock := &clockwork{at: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	source := sourceAt(t, stub{date: clock.now, answer: func(w http.ResponseWriter, _ *http.Request) {
		list(w, "events", 1000, "")
	}}, nil, Options{}, clock.now)
	k := newKept()
	k.fetch(t, source, EventsStream)
	stopped := k.through[EventsStream]
	clock.pass(40 * 24 * time.Hour)
	k.fetch(t, source, EventsStream)
	gaps, err := Gaps(k.cursor[EventsStream])
	if err != nil {
		t.Fatal(err)
	}
	want := []Gap{{From: stopped, To: clock.now().Add(-maxLookback)}}
	if !slices.Equal(gaps, want) {
		t.Errorf("gaps %v, want %v", gaps, want)
	}
	if !k.through[EventsStream].Equal(clock.now().Add(-settle)) {
		t.Errorf("read through %s after the gap", k.through[EventsStream])
	}
	k.fetch(t, source, EventsStream)
	if gaps, _ := Gaps(k.cursor[EventsStream]); !slices.Equal(gaps, want) {
		t.Errorf("gaps became %v", gaps)
	}
}

func TestPagingThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		next   func(r *http.Request) string
		reason failure.Reason
	}{
		"a page that follows itself": {func(r *http.Request) string {
			return "https://taskrouter.twilio.com" + strings.TrimPrefix(r.URL.RequestURI(), "/taskrouter")
		}, failure.Transient},
		"pages away from Twilio": {func(*http.Request) string { return "https://twilio.com.example.org/v1/Events" }, failure.Invalid},
		"pages without TLS":      {func(*http.Request) string { return "http://taskrouter.twilio.com/v1/Events" }, failure.Invalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := sourceAt(t, stub{date: func() time.Time { return now }, answer: func(w http.ResponseWriter, r *http.Request) {
				list(w, "workers", 1, test.next(r), `{"sid":"WK00000000000000000000000000000001"}`)
			}}, nil, Options{}, func() time.Time { return now })
			err := source.Fetch(t.Context(), WorkersStream, "", newKept().keep)
			if got := failure.ReasonOf(err); err == nil || (got != test.reason && got != failure.Transient) {
				t.Errorf("error %v, want reason %s", err, test.reason)
			}
		})
	}
}

func TestAPageThatIsGoneIsReadAnew(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for name, lost := range map[string]int{"once": 1, "always": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := lost
			source := sourceAt(t, stub{date: func() time.Time { return now }, answer: func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Query().Get("PageToken") == "":
					list(w, "workers", 1, "https://taskrouter.twilio.com"+strings.TrimPrefix(r.URL.Path, "/taskrouter")+"?PageToken=PA1", `{"sid":"WK1"}`)
				case left > 0:
					left--
					w.WriteHeader(http.StatusBadRequest)
					_, _ = w.Write([]byte(`{"code":21481,"message":"Invalid PageToken","status":400}`))
				default:
					list(w, "workers", 1, "", `{"sid":"WK2"}`)
				}
			}}, nil, Options{}, func() time.Time { return now })
			k := newKept()
			err := source.Fetch(t.Context(), WorkersStream, "", k.keep)
			if name == "once" && (err != nil || len(k.records) != 2) {
				t.Errorf("%d workers, error %v", len(k.records), err)
			}
			if name == "always" && (failure.ReasonOf(err) != failure.Transient || err == nil || k.cursor[WorkersStream] != "") {
				t.Errorf("error %v, cursor %q", err, k.cursor[WorkersStream])
			}
		})
	}
}

func TestBadCursor(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Contacts: 1}, twiliosim.Options{}, Options{})
	for _, stream := range []string{EventsStream, ConversationsStream} {
		if err := c.source.Fetch(t.Context(), stream, "{", newKept().keep); failure.ReasonOf(err) != failure.Invalid {
			t.Errorf("%s: error %v", stream, err)
		}
	}
	if err := c.source.Fetch(t.Context(), "weather", "", newKept().keep); err == nil {
		t.Error("an unknown stream was fetched")
	}
}

func TestASecondPassIsCheap(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 9}, twiliosim.Options{Seed: 9}, Options{})
	k := newKept()
	k.fetch(t, c.source, EventsStream)
	before := c.calls("/Events")
	c.clock.pass(15 * time.Second)
	k.fetch(t, c.source, EventsStream)
	if calls := c.calls("/Events") - before; calls != 1 {
		t.Errorf("%d calls for a pass 15 seconds later, want 1", calls)
	}
}

func TestAnEndedContextEndsAFetch(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 9}, twiliosim.Options{Seed: 9}, Options{Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancelCause(t.Context())
	stopping := errors.New("we are stopping")
	err := c.source.Fetch(ctx, EventsStream, "", func(record.Page) error { cancel(stopping); return nil })
	if failure.ReasonOf(err) != failure.Interrupted || !errors.Is(err, stopping) {
		t.Errorf("error %v, want an interruption with its cause", err)
	}
}

// BenchmarkFetchEvents reads events of usual size from a Twilio without limits; it
// reports records a second.
func BenchmarkFetchEvents(b *testing.B) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	filler := strings.Repeat("x", 2000)
	canned := roundTrip(func(r *http.Request) (*http.Response, error) {
		q := r.URL.Query()
		start, _ := time.Parse(time.RFC3339, q.Get("StartDate"))
		end, _ := time.Parse(time.RFC3339, q.Get("EndDate"))
		var body strings.Builder
		body.WriteString(`{"taskrouter_workspace_sid":"WS1","meta":{"page_size":1000},"events":[`)
		for i, at := 0, start; at.Before(end) && i < 1000; i, at = i+1, at.Add(100*time.Millisecond) {
			if i > 0 {
				body.WriteByte(',')
			}
			body.WriteString(strings.TrimSuffix(row(int(at.UnixMilli()), at), "}") + `,"description":"` + filler + `"}`)
		}
		body.WriteString("]}")
		return answered(http.StatusOK, body.String(), "Date", now.Format(http.TimeFormat)), nil
	})
	records := 0
	for b.Loop() {
		source, err := New(Options{
			AccountSID: "AC1", AuthToken: "t", HTTP: canned, Budgets: noBudgets(),
			InitialLookback: 20 * time.Minute, Clock: func() time.Time { return now },
		})
		if err != nil {
			b.Fatal(err)
		}
		err = source.Fetch(b.Context(), EventsStream, "", func(p record.Page) error { records += len(p.Records); return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}
