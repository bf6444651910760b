package main_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
)

// finding is a line of reconcile's report.
type finding struct {
	Kind, Where, What, ID, Left string
	Healed                      bool
}

func (f finding) String() string { return strings.Join([]string{f.Kind, f.Where, f.What, f.ID}, " ") }

type reconciled struct {
	Plan, HealPlan                       struct{ Twilio, BrevoContacts, BrevoEvents int }
	Records, Customers, Contacts, Events int
	Findings                             []finding
	Healed                               int
}

func (l *lab) reconcile(args ...string) reconciled {
	l.t.Helper()
	r := l.must(0, append([]string{"reconcile", "--since", "3d", "--json"}, args...)...)
	var reports []reconciled
	if err := json.Unmarshal([]byte(r.stdout), &reports); err != nil || len(reports) != 1 {
		l.t.Fatalf("reconcile printed %q: %v", r.stdout, err)
	}
	return reports[0]
}

// database opens the lab's store for what only a broken disk does.
func (l *lab) database() *sql.DB {
	l.t.Helper()
	driver, url := "sqlite", filepath.Join(l.dir, "flexbrevo.db")
	if strings.HasPrefix(l.env["STORE"], "postgres") {
		driver, url = "pgx", l.env["STORE"]
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = db.Close() })
	return db
}

// damage is a lab with things broken in every way.
type damage struct {
	*lab
	db *sql.DB
	// want are the findings, and ours those that are to be mended.
	want, ours map[string]bool
	customers  []broken
}

// broken is a customer with a contact, and what was told of them.
type broken struct {
	id, contact int64
	events      []string
}

func (d *damage) exec(text string, args ...any) {
	d.t.Helper()
	result, err := d.db.Exec(text, args...)
	if err != nil {
		d.t.Fatalf("%s: %v", text, err)
	}
	if n, err := result.RowsAffected(); n == 0 || err != nil {
		d.t.Fatalf("%s %v: %d rows, %v", text, args, n, err)
	}
}

func (d *damage) strings(text string, args ...any) (out []string) {
	d.t.Helper()
	rows, err := d.db.Query(text, args...)
	if err != nil {
		d.t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			d.t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func (d *damage) expect(ours bool, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	d.want[line] = true
	if ours {
		d.ours[line] = true
	}
}

// take hands out customers, each once.
func (d *damage) take(n int) []broken {
	d.t.Helper()
	if len(d.customers) < n {
		d.t.Fatalf("the world has too few customers: %d are wanted", n)
	}
	out := d.customers[:n]
	d.customers = d.customers[n:]
	return out
}

func (d *damage) find() {
	d.t.Helper()
	rows, err := d.db.Query(`SELECT id, contact_id FROM customers WHERE merged_into IS NULL AND contact_id IS NOT NULL ORDER BY id`)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v broken
		if err := rows.Scan(&v.id, &v.contact); err != nil {
			d.t.Fatal(err)
		}
		d.customers = append(d.customers, v)
	}
	for i := range d.customers {
		d.customers[i].events = d.strings(`SELECT key FROM deliveries WHERE customer_id = $1 AND kind = 'event' AND state = 'delivered' ORDER BY key`, d.customers[i].id)
	}
	d.customers = slices.DeleteFunc(d.customers, func(v broken) bool { return len(v.events) == 0 })
}

// post sends an event as somebody else does.
func (d *damage) post(contact int64, id, name string, at time.Time) {
	d.t.Helper()
	body, err := json.Marshal(map[string]any{
		"event_name": name, "event_date": at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"identifiers": map[string]any{"contact_id": contact}, "event_properties": map[string]any{"source_event_id": id},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.env["BREVO_URL"]+"/events", bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("api-key", brevoKey)
	response, err := http.DefaultClient.Do(r)
	if err != nil || response.StatusCode >= 300 {
		d.t.Fatalf("post event: %v %v", response, err)
	}
	_ = response.Body.Close()
}

func (d *damage) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *damage) breakContacts() {
	for _, v := range d.take(6) {
		d.must(d.brevo.EditContact(v.contact, map[string]any{"TASK_COUNT": 999}))
		d.expect(true, "stale brevo contact %d", v.contact)
	}
	for _, v := range d.take(5) {
		d.must(d.brevo.DeleteContact(v.contact))
		d.expect(false, "missing brevo contact %d", v.contact)
	}
	support := int64(0)
	for _, list := range d.brevo.Lists() {
		if list.Name == "Support contacts" {
			support = list.ID
		}
	}
	for _, v := range d.take(4) {
		d.must(d.brevo.RemoveFromList(v.contact, support))
		d.expect(false, "missing brevo list %d", v.contact)
	}
	for i := range 4 {
		id, err := d.brevo.AddContact(contactOnList(fmt.Sprintf("stranger%d@example.net", i), support))
		d.must(err)
		d.expect(false, "extra brevo contact %d", id)
	}
}

func (d *damage) breakEvents() {
	now := today().Add(-7 * time.Hour)
	for _, v := range d.take(6) {
		d.must(d.brevo.DropEvent(v.events[0]))
		d.expect(true, "missing brevo event %s", v.events[0])
	}
	twice := d.take(4)
	for _, e := range d.brevo.Events() {
		id, _ := e.Property("source_event_id").(string)
		if slices.ContainsFunc(twice, func(v broken) bool { return v.events[0] == id }) {
			d.post(e.ContactID, id, e.Name, e.Date)
			d.expect(false, "extra brevo event %s", id)
		}
	}
	for i, v := range d.take(4) {
		id := fmt.Sprintf("task.created:WT%032d", i)
		d.post(v.contact, id, "SUPPORT_REQUESTED", now)
		d.expect(false, "extra brevo event %s", id)
	}
	for _, v := range d.take(3) {
		d.must(d.brevo.DropEvent(v.events[0]))
		d.post(v.contact, v.events[0], "SUPPORT_REQUESTED", now)
		d.expect(false, "stale brevo event %s", v.events[0])
	}
}

func (d *damage) breakStore() {
	for _, key := range d.strings(`SELECT key FROM records WHERE key LIKE 'EV%' AND type LIKE 'task.%' ORDER BY id LIMIT 4`) {
		d.exec(`DELETE FROM records WHERE key = $1`, key)
		d.expect(true, "missing store record %s", key)
	}
	for _, v := range d.take(4) {
		sid := d.strings(`SELECT sid FROM facts WHERE customer_id = $1 AND kind = 'task' ORDER BY sid LIMIT 1`, v.id)
		if len(sid) == 0 {
			d.t.Fatal("a customer has no task")
		}
		d.exec(`DELETE FROM facts WHERE sid = $1 AND kind = 'task'`, sid[0])
		d.expect(true, "missing store fact %s", sid[0])
	}
	for _, v := range d.take(3) {
		d.exec(`UPDATE customers SET held = '{}', contact_id = NULL, linked = 0 WHERE id = $1`, v.id)
		d.expect(true, "missing store contact %d", v.contact)
	}
	for _, v := range d.take(3) {
		d.exec(`DELETE FROM marks WHERE key = $1`, v.events[0])
		d.exec(`DELETE FROM deliveries WHERE key = $1`, v.events[0])
		d.expect(true, "missing store event %s", v.events[0])
	}
}

func (d *damage) mustFind(got reconciled, want map[string]bool) {
	d.t.Helper()
	found := map[string]bool{}
	for _, f := range got.Findings {
		if found[f.String()] {
			d.t.Errorf("listed twice: %s", f)
		}
		found[f.String()] = true
		if !want[f.String()] {
			d.t.Errorf("listed and not broken: %+v", f)
		}
		if d.ours[f.String()] != (f.Left == "") {
			d.t.Errorf("of whose it is: %+v", f)
		}
	}
	for line := range want {
		if !found[line] {
			d.t.Errorf("not listed: %s", line)
		}
	}
}

// TestReconcile breaks fifty things in every way.
func TestReconcile(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"LOOKUP_AFTER": "500ms"}
			if kind == "postgres" {
				env["STORE"] = postgres.Database(t)
			}
			l := newLab(t, setup{world: aDay(85, 180, false), env: env})
			l.must(0, "sync")
			if r := l.reconcile(); len(r.Findings) != 0 || r.Records == 0 || r.Customers == 0 || r.Contacts == 0 || r.Events == 0 {
				t.Fatalf("of what is whole it says %+v", r)
			}
			before := l.brevo.Contacts()
			events := len(l.brevo.Events())
			d := &damage{lab: l, db: l.database(), want: map[string]bool{}, ours: map[string]bool{}}
			d.find()
			d.breakContacts()
			d.breakEvents()
			d.breakStore()
			if len(d.want) != 50 {
				t.Fatalf("%d things are broken, want fifty", len(d.want))
			}
			l.brevo.ResetCalls()
			d.mustFind(l.reconcile(), d.want)
			if n := l.writes(); n != 0 {
				t.Errorf("without --heal it wrote %d times", n)
			}
			l.brevo.ResetCalls()
			healed := l.reconcile("--heal")
			d.mustFind(healed, d.want)
			for _, f := range healed.Findings {
				if d.ours[f.String()] != f.Healed {
					t.Errorf("mended: %+v", f)
				}
			}
			d.mustStayWithin(healed)
			left := maps.Clone(d.want)
			maps.DeleteFunc(left, func(line string, _ bool) bool { return d.ours[line] })
			d.mustFind(l.reconcile(), left)
			for _, was := range before {
				if is, there := l.brevo.Contact(was.ID); there && !maps.EqualFunc(is.Attributes, was.Attributes, func(a, b any) bool { return a == b }) {
					t.Errorf("contact %d is %v, was %v", was.ID, is.Attributes, was.Attributes)
				}
			}
			if n := len(l.brevo.Events()); n != events+6+4+4+3 { // those dropped are counted, and sent once more
				t.Errorf("%d events came in all, want %d", n, events+6+4+4+3)
			}
			for _, v := range l.brevo.Violations() {
				t.Errorf("violation: %s", v)
			}
		})
	}
}

// mustStayWithin compares the calls with those that were stated.
func (d *damage) mustStayWithin(r reconciled) {
	d.t.Helper()
	contacts, looked, sent := 0, 0, 0
	for call, n := range d.brevo.Calls() {
		switch {
		case call.Path == "/events" && call.Method == http.MethodGet:
			looked += n
		case strings.HasPrefix(call.Path, "/events"):
			sent += n
		default:
			contacts += n
		}
	}
	d.t.Logf("calls: %d for contacts of %d+%d, %d looking for events of %d+%d, %d events sent", contacts, r.Plan.BrevoContacts, r.HealPlan.BrevoContacts,
		looked, r.Plan.BrevoEvents, r.HealPlan.BrevoEvents, sent)
	if contacts > r.Plan.BrevoContacts+r.HealPlan.BrevoContacts || looked > r.Plan.BrevoEvents+r.HealPlan.BrevoEvents || sent == 0 || sent > 6 {
		d.t.Error("more calls than stated")
	}
}

// TestRestoredBackup goes on with a backup: what was sent after it was made is not sent again.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	var now atomic.Pointer[time.Time]
	at := func(t time.Time) { now.Store(&t) }
	at(today().Add(-15 * time.Hour))
	l := newLab(t, setup{world: aDay(86, 80, false), clock: func() time.Time { return *now.Load() }})
	l.must(0, "sync")
	l.must(0, "store", "copy", "config", "sqlite://backup.db")
	before := len(l.brevo.Events())
	at(today())
	l.must(0, "sync")
	events := len(l.brevo.Events())
	if events == before {
		t.Fatal("nothing was sent after the backup")
	}
	l.env["STORE"] = "sqlite://backup.db"
	s, err := sqlstore.Open(t.Context(), "sqlite://"+filepath.Join(l.dir, "backup.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveLife(t.Context(), "brevo", time.Now().Add(-time.Hour)); err != nil { // it was made an hour ago
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := l.must(0, "sync"); !strings.Contains(r.stderr, "not known to be sent") {
		t.Errorf("it says %q", r.stderr)
	}
	if n := len(l.brevo.Events()); n != events {
		t.Errorf("%d events are in Brevo, were %d: some were sent twice", n, events)
	}
	l.mustEqual(settings(today()))
}

// TestReconcileAfterSilence compares by itself what happened since, at whatever hour, and beside a daemon when it is asked.
func TestReconcileAfterSilence(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(87, 40, false)})
	l.must(0, "sync")
	s, err := sqlstore.Open(t.Context(), "sqlite://"+filepath.Join(l.dir, "flexbrevo.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.SaveLife(t.Context(), "brevo", time.Now().Add(-60*time.Hour)); err != nil {
		t.Fatal(err)
	}
	edited := l.brevo.Contacts()[0]
	if err := l.brevo.EditContact(edited.ID, map[string]any{"TASK_COUNT": 999}); err != nil {
		t.Fatal(err)
	}
	d := l.run()
	eventually(t, time.Minute, "the daemon compared by itself", func() bool {
		runs, err := s.LoadRuns(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range runs {
			if run.Kind == "reconcile" && run.State == store.RunDone {
				return strings.Contains(string(run.Progress), `"stale"`)
			}
		}
		return false
	})
	if is, _ := l.brevo.Contact(edited.ID); is.Attributes["TASK_COUNT"] != 999.0 {
		t.Error("it mended without being asked")
	}
	if r := l.reconcile("--heal"); len(r.Findings) != 1 || r.Healed != 1 {
		t.Errorf("asked, it says %+v", r)
	}
	if is, _ := l.brevo.Contact(edited.ID); is.Attributes["TASK_COUNT"] != edited.Attributes["TASK_COUNT"] {
		t.Errorf("the contact is %v, was %v", is.Attributes, edited.Attributes)
	}
	l.must(2, "reconcile")
	l.must(2, "reconcile", "--since", "yesterday")
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func contactOnList(email string, list int64) brevosim.Contact {
	return brevosim.Contact{Email: email, ListIDs: []int64{list}}
}
