//go:build !no_bulkimport

package main_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store/sqlstore"
)

// newImportLab is a lab whose backfills may import; more are further keys of brevo.
func newImportLab(t *testing.T, s setup, more string) *lab {
	t.Helper()
	s.brevo.Quirks.Allow.Import = true
	l := newLab(t, s)
	text := strings.Replace(l.configuration("connector.yaml"), "  tier: ${TIER:-none}\n",
		"  tier: ${TIER:-none}\n  bulk_import: backfill\n  bulk_least: 5\n"+more, 1)
	l.write("connector.yaml", text)
	return l
}

const importPath = "/contacts/import"

// brevoCalls counts the calls to Brevo by method and path.
func (l *lab) brevoCalls(method, path string) (n int) {
	for call, times := range l.brevo.Calls() {
		if call.Method == method && call.Path == path {
			n += times
		}
	}
	return n
}

// imports counts what is stored of imports and of their contacts.
func (l *lab) imports() map[string]int {
	l.t.Helper()
	s, err := sqlstore.Open(l.t.Context(), "sqlite://"+filepath.Join(l.dir, "flexbrevo.db"), sqlstore.Options{ReadOnly: true})
	if err != nil {
		l.t.Fatal(err)
	}
	defer s.Close()
	all, err := s.LoadImports(l.t.Context(), "twilio_flex", 1000)
	if err != nil {
		l.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, i := range all {
		counts["imports_"+string(i.State)]++
		counts["contacts_handed"] += i.Contacts
		counts["contacts_found"] += i.Found
	}
	return counts
}

// TestBulkImport compares what an import brings about with the calculation, and
// prints what it saves: docs/bulk-import.md has the figures.
func TestBulkImport(t *testing.T) {
	t.Parallel()
	for _, rows := range []string{"email", "all"} {
		t.Run(rows, func(t *testing.T) {
			t.Parallel()
			l := newImportLab(t, setup{world: someWeeks(31, 28, 400), brevo: brevosim.Options{Quirks: brevosim.Quirks{ImportTime: time.Second}}}, "  bulk_rows: "+rows+"\n")
			r := l.must(0, l.past("--events", "all", "--import")...)
			if !strings.Contains(r.stdout, "MERGES") {
				t.Errorf("the plan does not tell of the hazard:\n%s", r.stdout)
			}
			l.mustEqual(settings(today()))
			counts := l.imports()
			contacts := len(l.brevo.Contacts())
			singles := l.brevoCalls(http.MethodPost, "/contacts") + l.brevoCalls(http.MethodPut, "/contacts/{identifier}")
			t.Logf("%s: %d contacts, %d imported, %d imports, %d single writes, %d looks, %d pages; %v", rows, contacts, counts["contacts_found"],
				l.brevoCalls(http.MethodPost, importPath), singles,
				l.brevoCalls(http.MethodGet, "/processes")+l.brevoCalls(http.MethodGet, "/processes/{processId}"), l.brevoCalls(http.MethodGet, "/contacts"), counts)
			if counts["contacts_found"] == 0 || counts["imports_done"] == 0 || singles != contacts-counts["contacts_found"] || !strings.Contains(r.stdout, "made by import") {
				t.Errorf("%d contacts, %d written singly, %v", contacts, singles, counts)
			}
			l.mustExplainImports()
			l.brevo.ResetCalls()
			l.must(0, l.past("--events", "all", "--import")...)
			if n := l.writes(); n != 0 {
				t.Errorf("a second backfill of the range wrote %d times to Brevo: %v", n, l.brevo.Calls())
			}
		})
	}
}

// mustExplainImports says that a contact that was imported can be told from one that
// was written singly.
func (l *lab) mustExplainImports() {
	l.t.Helper()
	explained := 0
	for _, c := range l.brevo.Contacts() {
		if c.Email != "" && c.SMS == "" && strings.Contains(l.must(0, "explain", c.Email).stdout, "POST /contacts/import") {
			explained++
		}
	}
	if explained == 0 {
		l.t.Error("explain tells of no import")
	}
}

func TestBulkImportIsAskedFor(t *testing.T) {
	t.Parallel()
	l := newImportLab(t, setup{world: someWeeks(32, 6, 200)}, "")
	r := l.must(0, l.past("--events", "none", "--yes")...)
	if l.brevoCalls(http.MethodPost, importPath) != 0 || !strings.Contains(r.stderr, "--import") {
		t.Errorf("%d imports that nobody agreed to\n%s", l.brevoCalls(http.MethodPost, importPath), r.stderr)
	}
	l.mustEqualContacts()
	l.write("connector.yaml", l.configuration("connector.yaml"))
	if r := l.must(2, l.past("--import")...); !strings.Contains(r.stderr, "bulk_import") {
		t.Errorf("--import without an import says %q", r.stderr)
	}
}

// mustEqualContacts compares without the events.
func (l *lab) mustEqualContacts() {
	l.t.Helper()
	for _, line := range l.differences(settings(today())) {
		if !strings.HasPrefix(line, "event") {
			l.t.Error(line)
		}
	}
}

// TestBulkImportGoesOn kills the command wherever it is, most of all between the call
// and the answer.
func TestBulkImportGoesOn(t *testing.T) {
	t.Parallel()
	quirks := brevosim.Quirks{ImportTime: 2 * time.Second}
	l := newImportLab(t, setup{world: someWeeks(33, 12, 500), brevo: brevosim.Options{Quirks: quirks}}, "  bulk_rows: all\n")
	slow := brevosim.Faults{SlowApplied: 1, SlowFor: time.Minute, Only: []string{"POST /contacts/import"}, AtMost: 1}
	l.brevo.SetFaults(slow)
	killed := func(what string, there func() bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := l.command(ctx, l.past("--events", "all", "--import")...)
		var stderr output
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, what+"\n"+stderr.String(), there)
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}
	killed("the import came, its answer did not", func() bool { return !l.brevo.ImportsDone() })
	killed("the process is looked at", func() bool {
		return l.brevoCalls(http.MethodGet, "/processes")+l.brevoCalls(http.MethodGet, "/processes/{processId}") > 2
	})
	l.must(0, l.past("--events", "all", "--import")...)
	l.mustEqual(settings(today()))
	l.mustSendNothing()
	t.Log(l.imports())
}

// TestBulkImportGoesWrong has all that can go wrong go wrong; Brevo must hold the
// same in the end.
func TestBulkImportGoesWrong(t *testing.T) {
	t.Parallel()
	only := func(f brevosim.Faults, paths ...string) brevosim.Faults {
		f.Only = paths
		return f
	}
	const post, look = "POST /contacts/import", "GET /processes"
	for name, c := range map[string]struct {
		quirks brevosim.Quirks
		faults brevosim.Faults
		more   string
		count  string // what must not be zero
	}{
		"failed":               {quirks: brevosim.Quirks{ImportFails: true}, count: "imports_failed"},
		"rows are lost":        {quirks: brevosim.Quirks{ImportLoses: 3, ReportsExpired: true}, count: "imports_done"},
		"never ends":           {quirks: brevosim.Quirks{ImportTime: 5 * time.Hour}, more: "  bulk_wait: 3s\n", count: "imports_overdue"},
		"no permission":        {faults: only(brevosim.Faults{Forbidden: 1}, post), count: "imports_refused"},
		"no looking":           {faults: only(brevosim.Faults{Forbidden: 1}, look)},
		"gateway, applied":     {faults: only(brevosim.Faults{BadGatewayApplied: 1, AtMost: 1}, post), count: "imports_done"},
		"gateway, not applied": {faults: only(brevosim.Faults{BadGateway: 1, AtMost: 1}, post), count: "imports_lost"},
		"always lost":          {faults: only(brevosim.Faults{Dropped: 1}, post), count: "imports_lost"},
		"proxy":                {faults: only(brevosim.Faults{HTMLSuccess: 1, AtMost: 2}, post, look), count: "imports_done"},
		"everything": {faults: only(brevosim.Faults{TooMany: 0.05, ServerError: 0.05, Dropped: 0.05, DroppedApplied: 0.05, BrokenJSON: 0.05, TooEarly: 0.05},
			post, look, "GET /contacts/{identifier}", "PUT /contacts/{identifier}")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.quirks.ImportTime == 0 {
				c.quirks.ImportTime = time.Second
			}
			l := newImportLab(t, setup{
				world: someWeeks(34, 8, 250), brevo: brevosim.Options{Quirks: c.quirks, Faults: c.faults},
				env: map[string]string{"LOOKUP_AFTER": "1s"},
			}, "  bulk_rows: all\n"+c.more)
			l.must(0, l.past("--events", "all", "--import")...)
			l.mustEqual(settings(today()))
			if counts := l.imports(); c.count != "" && counts[c.count] == 0 {
				t.Errorf("no %s: %v", c.count, counts)
			}
		})
	}
}

// TestBulkImportBesideTheDaemon kills the daemon that imports for a command; the next
// one goes on by itself, with what was agreed to.
func TestBulkImportBesideTheDaemon(t *testing.T) {
	t.Parallel()
	// Latency keeps the daemon from writing all singly while the outbox is being filled.
	faults := brevosim.Faults{Latency: 100 * time.Millisecond}
	l := newImportLab(t, setup{
		world: someWeeks(35, 12, 300), env: map[string]string{"LOOKBACK": "1h"},
		brevo: brevosim.Options{Faults: faults, Quirks: brevosim.Quirks{ImportTime: 2 * time.Second}},
	}, "  bulk_rows: all\n")
	d := l.run()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := l.command(ctx, l.past("--events", "all", "--import")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "an import", func() bool { return l.brevoCalls(http.MethodPost, importPath) > 0 })
	d.kill()
	d = l.run()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the command that follows: %v\n%s", err, d.stderr.String())
	}
	l.mustEqual(settings(today()))
	if code, _ := d.stop(); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
	t.Log(l.imports())
}
