package crm_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/config"
	"flexbrevo/connector/brevo"
	"flexbrevo/connector/crm"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/part"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
	"flexbrevo/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "main"

// centre is a store with customers, a simulated Brevo and the part between them, on a clock that the test moves.
type centre struct {
	t               *testing.T
	now             time.Time
	store           *sqlstore.Store
	digest, deliver store.Lease
	brevo           *brevosim.Server
	site            part.Site
	part            part.Part
	moments         map[int64][]profile.Moment
	log             strings.Builder
}

func newCentre(t *testing.T, quirks brevosim.Quirks, rules ...config.CRMRule) *centre {
	t.Helper()
	return newCentreOf(t, "none", quirks, rules...)
}

func newCentreOf(t *testing.T, tier string, quirks brevosim.Quirks, rules ...config.CRMRule) *centre {
	t.Helper()
	c := &centre{t: t, now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), moments: map[int64][]profile.Moment{}}
	clock := func() time.Time { return c.now }
	c.brevo = brevosim.New(brevosim.Options{Clock: clock, Quirks: quirks, Tier: brevosim.Tier(tier)})
	var err error
	c.store, err = sqlstore.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "x.db"), sqlstore.Options{Pipeline: true})
	c.must(err)
	t.Cleanup(func() { _ = c.store.Close() })
	c.digest, err = c.store.Acquire(t.Context(), "digest:"+name, "test", time.Hour)
	c.must(err)
	c.deliver, err = c.store.Acquire(t.Context(), "deliver:brevo", "test", time.Hour)
	c.must(err)
	destination, err := brevo.New(brevo.Options{APIKey: "k", HTTP: c.brevo.Transport(), Clock: clock, Tier: tier})
	c.must(err)
	spec := mapping.Spec{}
	for _, r := range rules {
		spec.Cases = append(spec.Cases, mapping.CaseSpec{Name: r.Name, On: r.On, When: r.When, Note: r.Note, Task: r.Task.Name})
	}
	compiled, problems := mapping.Compile(spec)
	if compiled == nil {
		t.Fatal(problems)
	}
	c.site = part.Site{
		Config: &config.Connector{
			Name: name, CRM: rules, Rules: compiled, Events: config.Events{MaxAge: 72 * time.Hour}, Brevo: config.Brevo{LookupAfter: 10 * time.Second},
		},
		Store: c.store, Brevo: destination, Clock: clock, Logger: slog.New(slog.NewTextHandler(&c.log, nil)),
		Wants: func(string) bool { return true },
		Customer: func(_ context.Context, id int64) (*pipeline.Customer, error) {
			return &pipeline.Customer{Customer: store.Customer{ID: id}, Env: &mapping.Env{FriendlyName: fmt.Sprint("C", id)}, Moments: c.moments[id]}, nil
		},
		Once: func(ctx context.Context, _ string, work func(context.Context, store.Lease) error) error {
			return work(ctx, store.Lease{})
		},
	}
	c.restart()
	return c
}

func (c *centre) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// restart makes the part anew, as another process would.
func (c *centre) restart() {
	c.t.Helper()
	var err error
	c.part, err = crm.New(c.site)
	c.must(err)
}

// happen has something happen to a customer now, and the digest see it.
func (c *centre) happen(id int64, what string, members ...string) {
	c.t.Helper()
	m := profile.Moment{Type: profile.TaskAbandoned, Key: "task.abandoned:" + what, Fact: fact.Key{Kind: fact.Task, SID: what}, At: c.now}
	for _, sid := range members {
		m.Members = append(m.Members, fact.Key{Kind: fact.Task, SID: sid})
	}
	c.moments[id] = append(c.moments[id], m)
	c.touch(id)
}

func (c *centre) touch(id int64) {
	c.t.Helper()
	c.must(c.store.SaveDigest(c.t.Context(), c.digest, &store.Digest{
		Connector: name, Account: "brevo", At: c.now, Feed: true, Customers: []store.Customer{{ID: id, CreatedAt: c.now}},
	}))
}

// link gives a customer a contact in Brevo.
func (c *centre) link(id int64) {
	c.t.Helper()
	before := len(c.brevo.Contacts())
	_, err := c.site.Brevo.Do(c.t.Context(), brevo.Ask{Op: "POST /contacts", Method: "POST", Path: "/contacts", Body: fmt.Appendf(nil, `{"email":"c%d@example.com"}`, id), Writes: true, Share: 1})
	c.must(err)
	c.must(c.store.SaveDigest(c.t.Context(), c.digest, &store.Digest{
		Connector: name, Account: "brevo", At: c.now, Customers: []store.Customer{{ID: id, CreatedAt: c.now}},
		Contacts: []store.ContactChange{{CustomerID: id, Contact: record.Contact{Email: "x"}}},
	}))
	claimed, err := c.store.Claim(c.t.Context(), c.deliver, "brevo", c.now, 10, 10)
	c.must(err)
	held := record.Held{ID: c.brevo.Contacts()[before].ID}
	c.must(c.store.Settle(c.t.Context(), c.deliver, c.now, []store.Settlement{{Delivery: claimed[0], State: store.Delivered, Held: &held}}))
}

// pass lets the part do what is due; an error is one that the next pass may not have.
func (c *centre) pass() { _ = c.part.Pass(c.t.Context()) }

func (c *centre) state() part.State {
	c.t.Helper()
	s, err := c.part.State(c.t.Context())
	c.must(err)
	return s
}

func (c *centre) calls(method, path string) (n int) {
	for call, count := range c.brevo.Calls() {
		if call.Method == method && strings.HasPrefix(call.Path, path) {
			n += count
		}
	}
	return n
}

func note(text string) config.CRMRule {
	return config.CRMRule{Name: "r", On: profile.TaskAbandoned, Note: text}
}

// TestOnceForEver waits for the contact, writes, and does not write again: not after a restart, not when the customer
// changes, not when the rule's text does, and not when what it is about is known by another of its facts.
func TestOnceForEver(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CRM: true}, note("{friendly_name} left"))
	c.happen(1, "WT1")
	c.pass()
	if n := c.calls("POST", "/crm"); n != 0 {
		t.Errorf("%d calls for a customer without a contact", n)
	}
	c.link(1)
	c.pass()
	if notes := c.brevo.Notes(); len(notes) != 1 || notes[0].Text != "C1 left" || notes[0].ContactIDs[0] != 1 {
		t.Fatalf("%+v", notes)
	}
	changed, _ := mapping.Compile(mapping.Spec{Cases: []mapping.CaseSpec{{Name: "r", On: profile.TaskAbandoned, Note: "other words"}}})
	c.site.Config.Rules = changed
	c.restart()
	c.moments[1][0].Key, c.moments[1][0].Fact.SID = "task.abandoned:WT0", "WT0"
	c.moments[1][0].Members = []fact.Key{{Kind: fact.Task, SID: "WT1"}}
	c.touch(1)
	c.pass()
	c.touch(1)
	c.pass()
	if n := len(c.brevo.Notes()); n != 1 {
		t.Errorf("%d notes", n)
	}
	if s := c.state(); s.Counts["written"] != 1 || len(s.Notices) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestLostAnswers looks up what became of a call, and writes again only what is not there.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]brevosim.Faults{"applied": {DroppedApplied: 1, AtMost: 1}, "not applied": {Dropped: 1, AtMost: 1}} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			c := newCentre(t, brevosim.Quirks{CRM: true, HTMLNotes: true}, note("1 < 2 & {friendly_name}"))
			c.link(1)
			want.Only = []string{"POST /crm"}
			c.brevo.SetFaults(want)
			c.happen(1, "WT1")
			c.happen(1, "WT2") // says the same
			c.now = c.now.Add(time.Hour)
			c.pass()
			c.restart()
			c.pass()
			if n := c.calls("GET", "/crm"); n != 0 || c.calls("POST", "/crm") != 1 {
				t.Errorf("%d looked up before it can be seen, %d written", n, c.calls("POST", "/crm"))
			}
			for range 3 {
				c.now = c.now.Add(11 * time.Second)
				c.pass()
			}
			if n := len(c.brevo.Notes()); n != 2 || c.calls("GET", "/crm") != 1 || c.state().Counts["written"] != 2 {
				t.Errorf("%d notes, %d looked up, %+v", n, c.calls("GET", "/crm"), c.state())
			}
		})
	}
	t.Run("cannot be looked up", func(t *testing.T) {
		t.Parallel()
		c := newCentre(t, brevosim.Quirks{CRM: true}, note("x"))
		c.link(1)
		c.brevo.SetFaults(brevosim.Faults{Dropped: 1, AtMost: 1, Only: []string{"POST /crm"}})
		c.happen(1, "WT1")
		c.now = c.now.Add(time.Hour)
		c.pass()
		c.brevo.SetFaults(brevosim.Faults{Forbidden: 1, Only: []string{"GET /crm"}})
		for range 3 {
			c.now = c.now.Add(time.Minute)
			c.pass()
		}
		if s := c.state(); s.Counts["written"] != 1 || s.Counts["assumed_written"] != 1 || !strings.Contains(strings.Join(s.Notices, ""), "could not be looked up") || len(c.brevo.Notes()) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestRefusals leaves out what Brevo refuses, says why, and goes on with the rest.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CRM: true}, note("x"))
	c.link(1)
	c.link(2)
	c.site.Brevo.Do(t.Context(), brevo.Ask{Op: "DELETE", Method: "DELETE", Path: "/contacts/1", Writes: true, Share: 1})
	c.happen(1, "WT1")
	c.happen(2, "WT2")
	c.now = c.now.Add(time.Hour)
	c.pass()
	if s := c.state(); s.Counts["left_out"] != 1 || s.Counts["written"] != 1 || !strings.Contains(strings.Join(s.Notices, ""), "gone from Brevo") {
		t.Errorf("%+v", s)
	}
	c.brevo.SetQuirks(brevosim.Quirks{})
	c.happen(2, "WT3")
	for range 5 {
		c.pass()
		c.restart()
		c.now = c.now.Add(time.Hour)
	}
	posts := c.calls("POST", "/crm")
	if s := c.state(); posts != 3 || s.Counts["waiting"] != 1 || !strings.Contains(strings.Join(s.Notices, ""), "has no CRM") {
		t.Errorf("%d calls, %+v", posts, s)
	}
	c.brevo.SetQuirks(brevosim.Quirks{CRM: true})
	c.now = c.now.Add(20 * time.Hour)
	c.pass()
	if s := c.state(); s.Counts["written"] != 2 || len(s.Notices) != 1 {
		t.Errorf("not taken up again: %+v", s)
	}
}

// TestAgeAndBacklog leaves out what waited too long and what is too much, and counts both; what is old from the start
// is nobody's case.
func TestAgeAndBacklog(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CRM: true}, note("x"))
	c.happen(1, "WT1") // never gets a contact
	c.pass()
	c.now = c.now.Add(73 * time.Hour)
	c.touch(1)
	c.pass()
	if s := c.state(); s.Counts["left_out"] != 1 || s.Counts["waiting"] != 0 || !strings.Contains(strings.Join(s.Notices, ""), "1 notes or tasks were left out: too old") {
		t.Errorf("%+v", s)
	}
	for i := range 510 {
		c.happen(2, fmt.Sprint("WTx", i))
	}
	c.pass()
	c.pass()
	if s := c.state(); s.Counts["waiting"] != 500 || !strings.Contains(strings.Join(s.Notices, ""), "10 notes or tasks were left out: too many were waiting") {
		t.Errorf("%+v", s)
	}
	c.moments[3] = []profile.Moment{{Type: profile.TaskAbandoned, Key: "task.abandoned:WTold", At: c.now.Add(-80 * time.Hour)}}
	c.touch(3)
	c.pass()
	if s := c.state(); s.Counts["left_out"] != 11 {
		t.Errorf("something old was taken in: %+v", s)
	}
}

// TestRation has a backlog use a quarter of our calls of an hour and no more.
func TestRation(t *testing.T) {
	t.Parallel()
	c := newCentreOf(t, "general", brevosim.Quirks{CRM: true}, note("x"))
	c.link(1)
	for i := range 60 {
		c.happen(1, fmt.Sprint("WT", i))
	}
	for range 120 {
		c.pass()
		c.now = c.now.Add(30 * time.Second)
	}
	if n := c.calls("POST", "/crm"); n < 18 || n > 21 {
		t.Errorf("%d notes in an hour, want 20", n)
	}
	for range 240 {
		c.pass()
		c.now = c.now.Add(30 * time.Second)
	}
	if n := len(c.brevo.Notes()); n != 60 {
		t.Errorf("%d notes in three hours, want all 60", n)
	}
}

// TestTasks asks for the types once, and has a task whose type there is not wait, but nothing else.
func TestTasks(t *testing.T) {
	t.Parallel()
	task := config.CRMRule{Name: "call", On: profile.TaskAbandoned, Task: config.CRMTask{Name: "Call {friendly_name}\nnow", Type: "call", Due: time.Hour, AssignTo: "a@example.com"}}
	odd := config.CRMRule{Name: "odd", On: profile.TaskAbandoned, Note: "noted", Task: config.CRMTask{Name: "x", Type: "Fax"}}
	c := newCentre(t, brevosim.Quirks{CRM: true}, task, odd)
	c.link(1)
	at := c.now
	c.happen(1, "WT1")
	c.now = c.now.Add(30 * time.Minute)
	c.pass()
	c.happen(1, "WT2")
	c.pass()
	tasks := c.brevo.Tasks()
	if len(tasks) != 2 || tasks[0].Name != "Call C1 now" || !tasks[0].Date.Equal(at.Add(time.Hour)) || tasks[0].AssignTo != "a@example.com" || tasks[0].ContactIDs[0] != 1 {
		t.Errorf("%+v", tasks)
	}
	if n := c.calls("GET", "/crm/tasktypes"); n != 1 || len(c.brevo.Notes()) != 2 {
		t.Errorf("asked for the types %d times, %d notes", n, len(c.brevo.Notes()))
	}
	if s := c.state(); s.Counts["waiting"] != 2 || !strings.Contains(strings.Join(s.Notices, ""), `no type of task "Fax"`) {
		t.Errorf("%+v", s)
	}
	if strings.Contains(c.log.String(), "noted") || strings.Contains(c.log.String(), "C1") {
		t.Errorf("the log tells what is written:\n%s", c.log.String())
	}
}

// TestLongTexts cuts a note at what Brevo takes.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	c := newCentre(t, brevosim.Quirks{CRM: true}, note(strings.Repeat("é", 3500)))
	c.link(1)
	c.happen(1, "WT1")
	c.now = c.now.Add(time.Hour)
	c.pass()
	if notes := c.brevo.Notes(); len(notes) != 1 || len([]rune(notes[0].Text)) != 3000 || !strings.HasSuffix(notes[0].Text, "é…") {
		t.Errorf("%d notes", len(notes))
	}
}
