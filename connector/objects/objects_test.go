package objects_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/config"
	"flexbrevo/connector/brevo"
	"flexbrevo/connector/objects"
	"flexbrevo/connector/part"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
	"flexbrevo/connector/twilio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "main"

// centre is a store with figures, a simulated Brevo and the part between them, on a clock that the test moves.
type centre struct {
	t     *testing.T
	now   time.Time
	store *sqlstore.Store
	lease store.Lease
	brevo *brevosim.Server
	site  part.Site
	part  part.Part
	log   strings.Builder
}

func newCentre(t *testing.T, quirks brevosim.Quirks, change func(*config.Connector)) *centre {
	t.Helper()
	c := &centre{t: t, now: time.Date(2026, 11, 21, 10, 30, 0, 0, time.UTC)}
	clock := func() time.Time { return c.now }
	if quirks.ImportTime == 0 {
		quirks.ImportTime = -1
	}
	c.brevo = brevosim.New(brevosim.Options{Clock: clock, Quirks: quirks})
	var err error
	c.store, err = sqlstore.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "x.db"), sqlstore.Options{Pipeline: true})
	c.must(err)
	t.Cleanup(func() { _ = c.store.Close() })
	c.lease, err = c.store.Acquire(t.Context(), "digest:"+name, "test", time.Hour)
	c.must(err)
	destination, err := brevo.New(brevo.Options{APIKey: "k", HTTP: c.brevo.Transport(), Clock: clock})
	c.must(err)
	cfg := &config.Connector{
		Name: name, Sync: config.Sync{AgentActivity: true, QueueAnalytics: true}, Schedule: config.Schedule{Statistics: "@every 1h"},
		CustomObjects: config.CustomObjects{AgentDays: "agent_day", QueueHours: "queue_hour", Since: 72 * time.Hour},
	}
	if change != nil {
		change(cfg)
	}
	c.site = part.Site{
		Config: cfg, Store: c.store, Brevo: destination, Clock: clock, Logger: slog.New(slog.NewTextHandler(&c.log, nil)),
		Once: func(ctx context.Context, _ string, work func(context.Context, store.Lease) error) error {
			return work(ctx, store.Lease{})
		},
	}
	c.restart()
	return c
}

// types are what most tests have in Brevo.
func types() map[string][]string { return map[string][]string{"agent_day": nil, "queue_hour": nil} }

// restart makes the part anew, as another process would.
func (c *centre) restart() {
	c.t.Helper()
	var err error
	c.part, err = objects.New(c.site)
	c.must(err)
}

func (c *centre) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// figure replaces what a source adds to a day and an hour, and reads all events up to now.
func (c *centre) figure(source, day string, hour int, offered int64) {
	c.t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	c.must(err)
	c.must(c.store.SaveDigest(c.t.Context(), c.lease, &store.Digest{
		Connector: name, Account: "brevo", At: c.now, Figured: []string{source},
		AgentParts: []store.AgentPart{
			{Source: source, Day: day, Worker: "WK" + source, Offered: offered, Accepted: 1, Talk: 60, Handled: 1},
			{Source: source, Day: day, Worker: "WK" + source, Activity: "On Break", Lasted: 90_000},
		},
		QueueParts: []store.QueuePart{{Source: source, Hour: at.Add(time.Duration(hour) * time.Hour), Queue: "WQ1", Channel: "voice", Offered: offered}},
	}))
}

func (c *centre) read() {
	c.t.Helper()
	_, err := c.store.Capture(c.t.Context(), []store.Batch{{Connector: name, At: c.now, Pages: []record.Page{
		{Stream: twilio.EventsStream, Cursor: "x", Through: c.now},
	}}})
	c.must(err)
}

// pass does what is due, with all events read up to now.
func (c *centre) pass() {
	c.t.Helper()
	c.read()
	c.must(c.part.Pass(c.t.Context()))
}

// calls counts those to a path that begins so, by status; 0 for all.
func (c *centre) calls(path string, status int) (n int) {
	for call, count := range c.brevo.Calls() {
		if strings.HasPrefix(call.Path, path) && (status == 0 || call.Status == status) {
			n += count
		}
	}
	return n
}

func (c *centre) state() part.State {
	c.t.Helper()
	s, err := c.part.State(c.t.Context())
	c.must(err)
	return s
}

func (c *centre) tells() (agents, queues bool) {
	c.t.Helper()
	agents, queues, _, err := c.part.(part.FigureTeller).TellsFigures(c.t.Context())
	c.must(err)
	return agents, queues
}

// TestTellsOnce tells what has ended, by one call for each kind, and nothing a second time, also after a restart.
func TestTellsOnce(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CustomObjects: types()}, nil)
	c.figure("A", "2026-11-19", 9, 2)
	c.figure("B", "2026-11-20", 10, 3)
	c.figure("C", "2026-11-21", 8, 4) // a day that is not over
	c.figure("D", "2026-11-10", 8, 4) // before the first telling
	c.pass()
	days, hours := c.brevo.Objects("agent_day"), c.brevo.Objects("queue_hour")
	if len(days) != 2 || len(hours) != 3 {
		t.Fatalf("%v %v", days, hours)
	}
	a := days["WKA-2026-11-19"].Attributes
	if a["offered"] != 2.0 || a["talk_time"] != 60.0 || a["activity_on_break"] != 90.0 || a["day"] != "2026-11-19" || a["starts_at"] != "2026-11-19T00:00:00Z" {
		t.Errorf("%v", a)
	}
	if h := hours["WQ1-voice-2026-11-20T10"].Attributes; h["offered"] != 3.0 || h["hour"] != "2026-11-20T10:00:00Z" {
		t.Errorf("%v", h)
	}
	if n := c.calls("/objects", 202); n != 2 {
		t.Errorf("%d upserts, want one of each kind", n)
	}
	c.pass()
	c.restart()
	c.pass()
	if n, followed := c.calls("/objects", 0), c.calls("/processes", 0); n != 2 || followed != 2 {
		t.Errorf("%d upserts and %d readings of a process after nothing changed, want 2 and 2", n, followed)
	}
	c.now = c.now.Add(15 * time.Hour) // the day ends, and the hour of C with it
	c.pass()
	if got := c.brevo.Objects("agent_day")["WKC-2026-11-21"]; got.Writes != 1 {
		t.Errorf("the day that ended meanwhile: %+v", got)
	}
	s := c.state()
	if s.Counts["agent_days_written"] != 3 || s.Counts["queue_hours_written"] != 3 || len(s.Notices) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestCorrects tells again, once a day, what has changed in the last days, and only that.
func TestCorrects(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CustomObjects: types()}, nil)
	c.figure("A", "2026-11-19", 9, 2)
	c.figure("B", "2026-11-20", 10, 3)
	c.pass()
	c.now = c.now.Add(20 * time.Hour)
	c.figure("A", "2026-11-19", 9, 7)
	c.figure("L", "2026-11-20", 3, 1) // of an hour that had none
	c.pass()
	if got := c.brevo.Objects("agent_day")["WKA-2026-11-19"].Attributes["offered"]; got != 2.0 {
		t.Errorf("compared within the day: %v", got)
	}
	before := c.calls("/objects", 202)
	c.now = c.now.Add(5 * time.Hour)
	c.pass()
	days, hours := c.brevo.Objects("agent_day"), c.brevo.Objects("queue_hour")
	if days["WKA-2026-11-19"].Attributes["offered"] != 7.0 || hours["WQ1-voice-2026-11-19T09"].Attributes["offered"] != 7.0 {
		t.Errorf("not corrected: %v %v", days, hours)
	}
	if days["WKL-2026-11-20"].Writes != 1 || hours["WQ1-voice-2026-11-20T03"].Writes != 1 {
		t.Errorf("what came late is not there: %v %v", days, hours)
	}
	if n := c.calls("/objects", 202) - before; n != 2 || hours["WQ1-voice-2026-11-20T10"].Writes != 1 {
		t.Errorf("%d calls, %+v", n, hours["WQ1-voice-2026-11-20T10"])
	}
}

// TestNotInThePlan stops for a day, hands over to the operations contact, and catches up once the plan has it.
func TestNotInThePlan(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{}, func(k *config.Connector) { k.OperationsContact = "ops@example.com" })
	c.figure("A", "2026-11-19", 9, 2)
	if agents, queues := c.tells(); !agents || !queues {
		t.Error("does not begin by telling")
	}
	for range 3 {
		c.pass()
		c.restart()
		c.now = c.now.Add(7 * time.Hour)
	}
	if n := c.calls("/objects", 403); n != 2 {
		t.Errorf("asked %d times on one day, want once for each kind", n)
	}
	if agents, queues := c.tells(); agents || queues {
		t.Error("still tells")
	}
	s := strings.Join(c.state().Notices, "\n")
	if strings.Count(s, "has no custom objects") != 2 || !strings.Contains(s, "the operations contact is told instead") {
		t.Errorf("notices: %s", s)
	}
	if n := strings.Count(c.log.String(), "level=WARN"); n != 2 {
		t.Errorf("%d warnings\n%s", n, c.log.String())
	}
	c.brevo.SetQuirks(brevosim.Quirks{CustomObjects: types(), ImportTime: -1})
	c.now = c.now.Add(7 * time.Hour)
	c.pass()
	if agents, queues := c.tells(); !agents || !queues || len(c.state().Notices) != 0 || c.brevo.Objects("agent_day")["WKA-2026-11-19"].Writes != 1 {
		t.Errorf("not taken up again: %v %v", c.state(), c.brevo.Objects("agent_day"))
	}
}

// TestNoSuchType asks again every hour, whichever status says so, and the other type is told.
func TestNoSuchType(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 404} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			quirks := brevosim.Quirks{CustomObjects: map[string][]string{"queue_hour": nil}, ObjectTypeMissing: status, ImportTime: -1}
			c := newCentre(t, quirks, nil)
			c.figure("A", "2026-11-19", 9, 2)
			c.pass()
			c.now = c.now.Add(30 * time.Minute)
			c.pass()
			if agents, queues := c.tells(); agents || !queues || len(c.brevo.Objects("queue_hour")) != 1 {
				t.Errorf("%v %v %v", agents, queues, c.brevo.Objects("queue_hour"))
			}
			if n := c.calls("/objects", 0) - c.calls("/objects", 202); n != 1 || !strings.Contains(strings.Join(c.state().Notices, ""), "create it in Brevo") {
				t.Errorf("%d refused calls, %v", n, c.state().Notices)
			}
			quirks.CustomObjects = types()
			c.brevo.SetQuirks(quirks)
			c.now = c.now.Add(time.Hour)
			c.pass()
			if agents, _ := c.tells(); !agents || len(c.brevo.Objects("agent_day")) != 1 {
				t.Errorf("not taken up: %v", c.state())
			}
		})
	}
}

// TestARefusedRecordHoldsNothingUp finds the record that makes Brevo refuse an upsert, leaves it out and counts it.
func TestARefusedRecordHoldsNothingUp(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CustomObjects: types(), RefusedRecords: []string{"WKS7-"}}, nil)
	for i := range 20 {
		c.figure(fmt.Sprint("S", i), "2026-11-19", 9, 1)
	}
	for range 12 { // as the hour has calls
		c.pass()
		c.restart()
		c.now = c.now.Add(5 * time.Minute)
	}
	got := c.brevo.Objects("agent_day")
	if len(got) != 19 || c.state().Counts["agent_days_left_out"] != 1 || len(c.state().Notices) != 1 {
		t.Errorf("%d records, %+v", len(got), c.state())
	}
	calls := c.calls("/objects", 0)
	c.now = c.now.Add(26 * time.Hour)
	c.pass()
	if n := c.calls("/objects", 400); c.calls("/objects", 0) != calls {
		t.Errorf("the refused record is tried again: %d calls, were %d (%d refused)", c.calls("/objects", 0), calls, n)
	}
	if strings.Contains(c.log.String(), "S7") {
		t.Errorf("the log names the record:\n%s", c.log.String())
	}
}

// TestNothingButRefusals doubts the type where Brevo takes no record at all: it asks a few times an hour, and has lost
// none once Brevo takes them.
func TestNothingButRefusals(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CustomObjects: types(), RefusedRecords: []string{"WK"}}, nil)
	for i := range 20 {
		c.figure(fmt.Sprint("S", i), "2026-11-19", 9, 1)
	}
	for range 24 {
		c.pass()
		c.restart()
		c.now = c.now.Add(5 * time.Minute)
	}
	if agents, queues := c.tells(); agents || !queues || !strings.Contains(strings.Join(c.state().Notices, ""), "takes none of the records") {
		t.Errorf("%+v", c.state())
	}
	if n := c.calls("/objects", 400); n > 14 {
		t.Errorf("%d calls were refused in two hours", n)
	}
	c.brevo.SetQuirks(brevosim.Quirks{CustomObjects: types(), ImportTime: -1})
	for range 30 {
		c.now = c.now.Add(5 * time.Minute)
		c.pass()
		c.restart()
	}
	if agents, _ := c.tells(); !agents || len(c.brevo.Objects("agent_day")) != 20 || c.state().Counts["agent_days_left_out"] != 0 {
		t.Errorf("%d records, %+v", len(c.brevo.Objects("agent_day")), c.state())
	}
}

// TestAProcessThatFails is sent again, and given up after the third time.
func TestAProcessThatFails(t *testing.T) {
	t.Parallel()
	for failing, want := range map[int]int64{2: 0, 99: 1} {
		t.Run(fmt.Sprint(failing), func(t *testing.T) {
			t.Parallel()
			c := newCentre(t, brevosim.Quirks{CustomObjects: types(), ObjectProcessesFail: failing}, func(k *config.Connector) { k.CustomObjects.QueueHours = "" })
			c.figure("A", "2026-11-19", 9, 2)
			for range 8 {
				c.pass()
				c.restart()
				c.now = c.now.Add(21 * time.Minute)
			}
			if n := c.calls("/objects", 202); n != 3 {
				t.Errorf("sent %d times, want 3", n)
			}
			if got := c.brevo.Objects("agent_day"); (len(got) == 1) != (want == 0) || c.state().Counts["agent_days_left_out"] != want {
				t.Errorf("%v %+v", got, c.state())
			}
		})
	}
}

// TestBackfill tells the range of a backfill again that has ended since.
func TestBackfill(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CustomObjects: types()}, nil)
	c.figure("A", "2026-11-19", 9, 2)
	c.pass()
	c.figure("P", "2026-06-01", 9, 5)
	id, err := c.store.AddRun(t.Context(), store.Run{Kind: "backfill", Connector: name, State: store.RunQueued, CreatedAt: c.now,
		Request: []byte(`{"connector":"main","since":"2026-06-01T00:00:00Z","until":"0001-01-01T00:00:00Z"}`)})
	c.must(err)
	c.pass()
	if n := len(c.brevo.Objects("agent_day")); n != 1 {
		t.Errorf("told before it ended: %d", n)
	}
	c.must(c.store.SaveRun(t.Context(), store.Run{ID: id, Kind: "backfill", Connector: name, State: store.RunDone, EndedAt: c.now,
		Request: []byte(`{"connector":"main","since":"2026-06-01T00:00:00Z","until":"0001-01-01T00:00:00Z"}`)}))
	before := c.calls("/objects", 202)
	c.now = c.now.Add(time.Hour)
	c.pass()
	c.now = c.now.Add(time.Hour)
	c.pass()
	if got := c.brevo.Objects("agent_day"); got["WKP-2026-06-01"].Writes != 1 || len(c.brevo.Objects("queue_hour")) != 2 {
		t.Errorf("%v", got)
	}
	if n := c.calls("/objects", 202) - before; n != 2 {
		t.Errorf("%d calls for half a year, want one of each kind", n)
	}
}

// TestManyRecords keeps every limit of an upsert and goes on where the hour's calls ended.
func TestManyRecords(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CustomObjects: types()}, func(k *config.Connector) { k.CustomObjects.QueueHours = "" })
	var parts []store.AgentPart
	for i := range 2500 {
		parts = append(parts, store.AgentPart{Source: "s", Day: "2026-11-19", Worker: fmt.Sprintf("WK%032d", i), Offered: 1})
	}
	c.must(c.store.SaveDigest(t.Context(), c.lease, &store.Digest{Connector: name, At: c.now, Figured: []string{"s"}, AgentParts: parts}))
	c.pass()
	if n, calls := len(c.brevo.Objects("agent_day")), c.calls("/objects", 202); n != 2500 || calls != 3 {
		t.Errorf("%d records by %d calls, want 2500 by 3", n, calls)
	}
	for i := 1; i < 10; i++ {
		c.must(c.store.SaveDigest(t.Context(), c.lease, &store.Digest{Connector: name, At: c.now, Figured: []string{fmt.Sprint("b", i)}, AgentParts: []store.AgentPart{
			{Source: fmt.Sprint("b", i), Day: fmt.Sprintf("2026-11-2%d", i), Worker: "WK1", Offered: 1}}}))
		c.now = c.now.Add(24 * time.Hour)
	}
	for range 50 { // others use the hour up
		if c.site.Brevo.Ping(t.Context()) != nil {
			break
		}
	}
	before := c.calls("/objects", 0)
	c.pass()
	if n := c.calls("/objects", 0) - before; n != 0 {
		t.Errorf("%d calls were made from what is others'", n)
	}
	c.now = c.now.Add(time.Hour)
	c.pass()
	if n := len(c.brevo.Objects("agent_day")); n != 2509 {
		t.Errorf("%d records, want 2509", n)
	}
}

// TestFaults lets Brevo misbehave in all ways: what it holds in the end is what the figures say.
func TestFaults(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CustomObjects: types()}, nil)
	want := map[string]bool{}
	for i := range 40 {
		day := fmt.Sprintf("2026-11-%02d", 19+i/20)
		c.figure(fmt.Sprint("S", i), day, i%20, int64(i))
		want[fmt.Sprintf("WKS%d-%s", i, day)] = true
	}
	c.brevo.SetFaults(brevosim.Faults{TooMany: 0.1, ServerError: 0.1, BadGatewayApplied: 0.1, Dropped: 0.1, DroppedApplied: 0.1, HTMLSuccess: 0.1, BrokenJSON: 0.1, EmptySuccess: 0.1})
	for range 40 {
		c.read()
		_ = c.part.Pass(t.Context()) // what fails is tried again
		c.restart()
		c.now = c.now.Add(20 * time.Minute)
	}
	got := c.brevo.Objects("agent_day")
	var missing []string
	for id := range want {
		if got[id].Writes == 0 {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 || len(got) != len(want) || len(c.brevo.Objects("queue_hour")) != 40 {
		t.Errorf("%d days and %d hours, missing %v", len(got), len(c.brevo.Objects("queue_hour")), missing)
	}
}

// TestNotAskedFor makes no part, and one of a kind that no figures are kept of asks nobody.
func TestNotAskedFor(t *testing.T) {
	t.Parallel()
	for _, k := range []*config.Connector{
		{}, {CustomObjects: config.CustomObjects{AgentDays: "a"}}, {Sync: config.Sync{AgentActivity: true, QueueAnalytics: true}},
	} {
		if p, err := objects.New(part.Site{Config: k, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}); p != nil || err != nil {
			t.Errorf("%+v: %v, %v", k, p, err)
		}
	}
}

// TestCostOfADay counts the calls of two days of a centre of 200 agents, 20 queues and 3 channels, told every hour, as
// docs/custom-objects.md has them.
func TestCostOfADay(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CustomObjects: types()}, nil)
	hour := func() {
		at := c.now.Truncate(time.Hour)
		d := &store.Digest{Connector: name, At: c.now, Figured: []string{at.String()}}
		for agent := range 200 {
			d.AgentParts = append(d.AgentParts, store.AgentPart{Source: at.String(), Day: at.Format(time.DateOnly), Worker: fmt.Sprintf("WK%032d", agent), Offered: 8})
		}
		for queue := range 60 {
			d.QueueParts = append(d.QueueParts, store.QueuePart{Source: at.String(), Hour: at, Queue: fmt.Sprintf("WQ%032d", queue/3), Channel: fmt.Sprint("c", queue%3), Offered: 27})
		}
		c.must(c.store.SaveDigest(t.Context(), c.lease, d))
		c.now = c.now.Add(time.Hour)
		c.pass()
	}
	for range 48 {
		hour()
	}
	upserts, followed := c.calls("/objects", 0), c.calls("/processes", 0)
	for range 24 {
		hour()
	}
	upserts, followed = c.calls("/objects", 0)-upserts, c.calls("/processes", 0)-followed
	if upserts != 25 || followed != 25 {
		t.Errorf("a day costs %d upserts and %d readings of a process, the page says 25 and 25", upserts, followed)
	}
	if n := len(c.brevo.Objects("agent_day")); n != 3*200 {
		t.Errorf("%d agents' days, want 600", n)
	}
}
