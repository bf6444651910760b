package main_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/world"
)

const forgetKey = "0123456789abcdef0123456789abcdef"

// known is a person of a lab's world of whom the store knows an email and a phone.
type known struct {
	*world.Customer
	// traces are what must not be found of them.
	traces []string
	// stored are the bodies that told of them, as they were stored.
	stored [][]byte
}

// pick finds a person whose email and phone lead to facts, and everything that leads to them.
func (l *lab) pick() known {
	l.t.Helper()
	for i := range l.world.Customers {
		c := &l.world.Customers[i]
		if c.Email == "" || c.Phone == "" || c.Messenger != "" || c.Phone == world.SharedPhone {
			continue
		}
		k := known{Customer: c, traces: []string{c.Email, strings.ReplaceAll(c.Email, "@", "%40"), strings.TrimPrefix(c.Phone, "+")}}
		for _, who := range []string{c.Email, c.Phone} {
			var answer []struct {
				Customers []struct{ Facts []struct{ SID string } }
			}
			if err := json.Unmarshal([]byte(l.must(0, "explain", who, "--json").stdout), &answer); err != nil {
				l.t.Fatal(err)
			}
			for _, e := range answer {
				for _, x := range e.Customers {
					for _, f := range x.Facts {
						k.traces = append(k.traces, f.SID)
					}
				}
			}
		}
		if len(k.traces) > 5 {
			l.keepStored(&k)
			return k
		}
	}
	l.t.Fatal("the world has nobody with an email and a phone")
	return known{}
}

// taskOf finds one of the person's contact tasks, by its position in the world.
func (l *lab) taskOf(k known) int {
	l.t.Helper()
	for i := range l.world.Tasks {
		if slices.Contains(k.traces, l.world.Tasks[i].SID) && !l.world.Tasks[i].Survey {
			return i
		}
	}
	l.t.Fatal("the person has no task")
	return 0
}

// has says whether a contact in Brevo is the person's.
func (k known) has(c brevosim.Contact) bool {
	return c.Email == k.Email || c.SMS == strings.TrimPrefix(k.Phone, "+")
}

// trace is a trace that a text holds, empty where it holds none.
func (k known) trace(text []byte) string {
	for _, trace := range k.traces {
		if bytes.Contains(text, []byte(trace)) {
			return trace
		}
	}
	return ""
}

// mustNotHold fails the test where a text holds a trace.
func (k known) mustNotHold(t *testing.T, where string, text []byte) {
	t.Helper()
	if trace := k.trace(text); trace != "" {
		at := bytes.Index(text, []byte(trace))
		t.Errorf("%s holds %q: %q", where, trace, text[max(0, at-100):min(len(text), at+len(trace)+60)])
	}
}

// mustNotStore fails the test where the bytes of a file hold a body that told of the person, or the digits of a SID,
// which are in a compressed body as they are.
func (k known) mustNotStore(t *testing.T, where string, text []byte) {
	t.Helper()
	k.mustNotHold(t, where, text)
	for _, trace := range k.traces {
		if digits := trace[2:]; len(trace) == 34 && bytes.Contains(text, []byte(digits)) {
			t.Errorf("%s holds the digits of %s", where, trace)
		}
	}
	for _, stored := range k.stored {
		if bytes.Contains(text, stored) {
			t.Errorf("%s holds a body of %d bytes that told of the person", where, len(stored))
		}
	}
}

// mustBeGone searches the bytes of the database's files, a copy of all its rows with the bodies of its records, and
// the simulated Brevo.
func (l *lab) mustBeGone(k known) {
	l.t.Helper()
	if !strings.HasPrefix(l.env["STORE"], "postgres") {
		for name, text := range l.files() {
			k.mustNotStore(l.t, name, text)
		}
	}
	dump := "dump" + strconv.FormatInt(time.Now().UnixNano(), 36) + ".db"
	l.must(0, "store", "copy", "config", "sqlite://"+dump)
	dump = filepath.Join(l.dir, dump)
	k.mustNotStore(l.t, "a copy of the rows", []byte(readFile(l.t, dump)))
	for _, b := range l.bodies("sqlite://" + dump) {
		k.mustNotHold(l.t, "a record's body", b.came)
	}
	for _, c := range l.brevo.Contacts() {
		if k.has(c) {
			l.t.Errorf("contact %d is in Brevo", c.ID)
		}
	}
}

// others are the contacts in Brevo that are not the person's, by id.
func (l *lab) others(k known) map[int64]brevosim.Contact {
	out := map[int64]brevosim.Contact{}
	for _, c := range l.brevo.Contacts() {
		if !k.has(c) {
			out[c.ID] = c
		}
	}
	return out
}

// mustLeave fails the test where contacts are not what they were.
func (l *lab) mustLeave(k known, before map[int64]brevosim.Contact) {
	l.t.Helper()
	after := l.others(k)
	if len(after) != len(before) {
		l.t.Errorf("%d contacts of others, were %d", len(after), len(before))
	}
	for id, was := range before {
		if is := after[id]; !maps.EqualFunc(is.Attributes, was.Attributes, func(a, b any) bool { return a == b }) {
			l.t.Errorf("contact %d is %v, was %v", id, is.Attributes, was.Attributes)
		}
	}
}

// forgotten is what forget prints as JSON.
type forgotten struct {
	Known                                          bool
	Customers, Facts, Records, Deliveries, InBrevo int
	Compacted                                      bool
	Elsewhere                                      []string
}

func (l *lab) forget(args ...string) (reports []forgotten) {
	l.t.Helper()
	r := l.must(0, append([]string{"forget", "--yes", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(r.stdout), &reports); err != nil || len(reports) != 1 {
		l.t.Fatalf("forget printed %q: %v", r.stdout, err)
	}
	return reports
}

// TestForget lets a person go and reads the whole past again.
func TestForget(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"FLEXBREVO_FORGET_KEY": forgetKey}
			if kind == "postgres" {
				env["STORE"] = postgres.Database(t)
			}
			l := newLab(t, setup{world: someWeeks(81, 3, 70), env: env})
			l.must(0, l.past("--events", "all")...)
			k := l.pick()
			before, events := l.others(k), len(l.brevo.Events())

			report := l.forget(k.Email, "--in-brevo")[0]
			l.forget(k.Phone, "--in-brevo")
			if !report.Known || report.Customers == 0 || report.Facts == 0 || report.Records == 0 || report.Deliveries == 0 || report.InBrevo == 0 ||
				!report.Compacted || len(report.Elsewhere) < 4 {
				t.Errorf("the report says %+v", report)
			}
			l.mustBeGone(k)
			l.must(0, l.past("--events", "all")...)
			l.must(0, "sync")
			l.mustBeGone(k)
			l.mustLeave(k, before)
			if n := len(l.brevo.Events()); n != events {
				t.Errorf("%d events are in Brevo, were %d", n, events)
			}

			// Without the key, or with another, nothing may come in: nobody could be known again.
			for _, key := range []string{"", strings.Repeat("x", 40)} {
				l.env["FLEXBREVO_FORGET_KEY"] = key
				if r := l.must(3, "sync"); !strings.Contains(r.stderr, "forget.key") {
					t.Errorf("with another key it says %q", r.stderr)
				}
			}
		})
	}
}

// TestForgetBesideADaemon lets a person go whom late posts tell of again, and who comes back as somebody new.
func TestForgetBesideADaemon(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(82, 80, false), env: map[string]string{"FLEXBREVO_FORGET_KEY": forgetKey}})
	d := l.run()
	l.eventuallyEqual(liveSettings(today().Add(-10*time.Second)), time.Minute, d)
	k := l.pick()
	before := l.others(k)
	if report := l.forget(k.Email, "--in-brevo")[0]; !report.Known || !report.Compacted {
		t.Errorf("the report says %+v", report)
	}
	l.forget(k.Phone, "--in-brevo")
	l.mustBeGone(k)
	if r := l.must(0, "explain", k.Email); !strings.Contains(r.stdout, "was forgotten") || !strings.Contains(r.stdout, "nothing is known") {
		t.Errorf("explain says %q", r.stdout)
	}

	task := l.taskOf(k)
	posted := 0
	for _, event := range l.world.TaskEvents(task) {
		form := l.twilio.Callback(&event)
		form.Set("Sid", "EV"+form.Get("Sid")[4:]+"ff") // late, and never seen
		if status := d.callback(l.world.AuthToken, publicURL, form, nil); status != http.StatusNoContent && status != http.StatusOK {
			t.Fatalf("a late post is answered %d", status)
		}
		posted++
	}
	again := url.Values{}
	for _, event := range l.world.TaskEvents(task) {
		if event.Type == "task.created" {
			again = l.twilio.Callback(&event)
		}
	}
	now, sid := time.Now(), "WT"+strings.Repeat("ab", 16)
	for name, value := range map[string]string{
		"Sid": "EV" + strings.Repeat("ab", 16), "TaskSid": sid, "ResourceSid": sid, "TaskDateCreated": strconv.FormatInt(now.Unix(), 10),
		"Timestamp": strconv.FormatInt(now.Unix(), 10), "TimestampMs": strconv.FormatInt(now.UnixMilli(), 10), "TaskAge": "0",
		"TaskAttributes": `{"from":"` + k.Phone + `","email":"` + k.Email + `","direction":"inbound"}`,
	} {
		again.Set(name, value)
	}
	if status := d.callback(l.world.AuthToken, publicURL, again, nil); status >= 300 {
		t.Fatalf("a new contact is answered %d", status)
	}
	eventually(t, 20*time.Second, "the new contact is in Brevo", func() bool {
		for _, c := range l.brevo.Contacts() {
			if c.Email == k.Email {
				return c.Attributes["TASK_COUNT"] == 1.0
			}
		}
		return false
	})
	for _, c := range l.brevo.Contacts() {
		if c.Email == k.Email && c.Attributes["SUPPORT_TICKET_COUNT"] != 1.0 {
			t.Errorf("the new person has a past: %v", c.Attributes)
		}
	}
	l.mustLeave(k, before)
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	k.mustNotHold(t, "the log", []byte(d.stderr.String()))
	if posted == 0 {
		t.Error("nothing was posted late")
	}
}

func TestForgetRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(83, 20, false), shared: true})
	l.must(0, "sync")
	if r := l.must(3, "forget", "--yes", "zoe@example.com"); !strings.Contains(r.stderr, "FLEXBREVO_FORGET_KEY") {
		t.Errorf("without a key it says %q", r.stderr)
	}
	l.env["FLEXBREVO_FORGET_KEY"] = forgetKey
	l.must(2, "forget", "--yes", "nobody")
	l.must(2, "forget", "zoe@example.com")
	l.must(2, "forget", "--yes")
	if r := l.must(1, "forget", "--yes", world.SharedPhone); !strings.Contains(r.stderr, "shared") {
		t.Errorf("of a shared phone it says %q", r.stderr)
	}
	if r := l.must(0, "forget", "--yes", "zoe@example.com"); !strings.Contains(r.stdout, "nobody is known by this") {
		t.Errorf("of a stranger it says %q", r.stdout)
	}
}

// TestForgetWhatCannotBeRead: a body that nobody can read any more goes with a person, whoever it was of, and one that a
// newer build wrote keeps people from being forgotten in part.
func TestForgetWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(85, 20, false), env: map[string]string{"FLEXBREVO_FORGET_KEY": forgetKey}})
	l.must(0, "sync")
	k := l.pick()
	db, err := sql.Open("sqlite", filepath.Join(l.dir, "flexbrevo.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	spoil := func(body []byte) {
		if _, err := db.ExecContext(t.Context(), `UPDATE records SET body = $1 WHERE id = (SELECT MIN(id) FROM records)`, body); err != nil {
			t.Fatal(err)
		}
	}
	spoil([]byte("\xfewritten by a newer one"))
	if r := l.must(1, "forget", "--yes", k.Email); !strings.Contains(r.stderr, "records cannot be read (1): a newer flexbrevo wrote them") {
		t.Errorf("beside a record of a newer build it says %q", r.stderr)
	}
	spoil([]byte("\xf9cut off"))
	l.forget(k.Email, "--in-brevo")
	l.forget(k.Phone, "--in-brevo")
	l.mustBeGone(k)
	if stored := storedBodies(t, l.storeURL()); len(stored[slices.Min(slices.Collect(maps.Keys(stored)))]) != 0 {
		t.Error("a body that nobody can read is left")
	}
}

// TestRetention forgets those who have had no contact for two days, here and not in Brevo. At any hour of any day the world
// has ten whose last contact is old enough, and as many whose is not: its last one is
// up to 30 hours ago.
func TestRetention(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: someWeeks(84, 7, 200), env: map[string]string{"FLEXBREVO_FORGET_KEY": forgetKey}})
	l.must(0, l.past("--events", "none")...)
	last := map[string]time.Time{}
	for i := range l.world.Contacts {
		c := &l.world.Contacts[i]
		if c.Customer == world.Unknown || l.world.Customers[c.Customer].Email != "" {
			continue // one identifier is all that those without an email have
		}
		if phone := l.world.Customers[c.Customer].Phone; phone != "" && c.StartedAt.After(last[phone]) {
			last[phone] = c.StartedAt
		}
	}
	explained := func(phone string) bool {
		return !strings.Contains(l.must(0, "explain", phone).stdout, "nothing is known")
	}
	var old, young string
	for phone, at := range last {
		switch age := time.Since(at); {
		case old == "" && age > 64*time.Hour && explained(phone): // a shared phone is not
			old = phone
		case young == "" && age < 46*time.Hour && explained(phone):
			young = phone
		}
	}
	if old == "" || young == "" {
		t.Fatalf("the world has nobody to be forgotten (%t) or to be kept (%t)", old == "", young == "")
	}
	contacts := len(l.brevo.Contacts())
	l.write("connector.yaml", l.configuration("connector.yaml")+"retention: {customers: 2d}\n")
	d := l.run()
	eventually(t, 30*time.Second, "the old customer is forgotten", func() bool { return !explained(old) })
	if !explained(young) {
		t.Error("a young customer was forgotten too")
	}
	d.stop()
	l.must(0, l.past("--events", "none")...)
	if explained(old) {
		t.Error("a backfill brought somebody back")
	}
	if n := len(l.brevo.Contacts()); n != contacts {
		t.Errorf("%d contacts are in Brevo, were %d", n, contacts)
	}
}
