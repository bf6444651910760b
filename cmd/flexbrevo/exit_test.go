package main_test

import (
	"database/sql"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // reads and changes the store as somebody else's hand would
)

// smallLab is a lab with little in it, for tests of what is said rather than moved.
func smallLab(t *testing.T) *lab {
	t.Helper()
	return newLab(t, setup{world: aDay(3, 20, false)})
}

// mustSay fails the test where a text lacks one of the words.
func mustSay(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q is not said in:\n%s", word, text)
		}
	}
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	l := smallLab(t)
	text := readFile(t, filepath.Join(l.dir, "connector.yaml"))
	for name, c := range map[string]struct {
		text  string
		words []string
	}{
		"no YAML": {"connectors: [", []string{"connector.yaml:1"}},
		"several mistakes": {
			strings.NewReplacer(
				"region: FR", "regoin: FR",
				"initial_lookback: ${LOOKBACK:-48h}", "initial_lookback: 400d",
				"avg_wait_time: AVG_WAIT_TIME", "avg_wait_time +: AVG_WAIT_TIME",
				"timezone: Europe/Paris", "timezone: Europe/Nowhere",
			).Replace(text),
			[]string{"regoin", "initial_lookback", "avg_wait_time +", "timezone", "connector.yaml:7:", "connector.yaml:8:"},
		},
		"missing variable": {strings.ReplaceAll(text, "${BREVO_API_KEY}", "${NOT_SET_ANYWHERE}"), []string{"NOT_SET_ANYWHERE"}},
	} {
		l.write("bad.yaml", strings.ReplaceAll(c.text, "connector.yaml", "bad.yaml"))
		for _, command := range []string{"check", "sync", "run", "status"} {
			r := l.flexbrevo(command, "--config", "bad.yaml")
			if r.code != 3 {
				t.Errorf("%s, %s: exit code %d, want 3\n%s", name, command, r.code, r.stderr)
			}
			for _, word := range c.words {
				mustSay(t, r.stderr, strings.ReplaceAll(word, "connector.yaml", "bad.yaml"))
			}
		}
	}
	if n := len(l.twilio.Calls()) + len(l.brevo.Calls()); n != 0 {
		t.Errorf("%d kinds of calls were made with configurations that cannot be used", n)
	}
	if _, err := os.Stat(filepath.Join(l.dir, "flexbrevo.db")); err == nil {
		t.Error("a store was made for a configuration that cannot be used")
	}
}

func TestCheckNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	l := smallLab(t)
	l.env["TWILIO_AUTH_TOKEN"], l.env["BREVO_API_KEY"] = strings.Repeat("0", 32), "nobody's"
	mustSay(t, l.must(0, "check").stdout, "connector.yaml", "twilio_flex")
	if n := len(l.twilio.Calls()) + len(l.brevo.Calls()); n != 0 {
		t.Errorf("check made %d kinds of calls", n)
	}
	for _, file := range []string{"seed.yaml", "connector.yaml"} {
		l := newLab(t, setup{world: aDay(3, 5, false), config: file})
		l.must(0, "check")
	}
}

func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		variable, value string
		words           []string
	}{
		"Twilio": {"TWILIO_AUTH_TOKEN", strings.Repeat("0", 32), []string{"account_sid", "auth_token"}},
		"Brevo":  {"BREVO_API_KEY", "xkeysib-of-somebody-else", []string{"Brevo", "api_key"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := smallLab(t)
			l.env[c.variable] = c.value
			for _, command := range []string{"sync", "run"} {
				r := l.must(4, command)
				mustSay(t, r.stderr, c.words...)
				if strings.Contains(r.stderr+r.stdout, c.value) {
					t.Errorf("%s shows the credential that was refused", command)
				}
			}
			if len(l.brevo.Contacts()) != 0 {
				t.Error("contacts were written all the same")
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"TWILIO_URL", "BREVO_URL"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			l := smallLab(t)
			l.env[side] = nobodyListens(t)
			if r := l.must(5, "sync"); r.stderr == "" {
				t.Error("nothing is said")
			}
		})
	}
}

// nobodyListens is an address of this machine that refuses connections.
func nobodyListens(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return "http://" + listener.Addr().String()
}

func TestUsage(t *testing.T) {
	t.Parallel()
	l := smallLab(t)
	for _, args := range [][]string{{"sync", "--no-such-flag"}, {"no-such-command"}, {"run", "surplus"}, {"simulate", "mars"}, {"demo", "--length", "soon"}} {
		r := l.flexbrevo(args...)
		if r.code != 2 || r.stderr == "" || r.stdout != "" {
			t.Errorf("%q: exit code %d, want 2 and a sentence on standard error: %q", args, r.code, r.stderr)
		}
	}
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"sync", "--help"}, {"status", "--help"}, {"demo", "--help"}} {
		mustSay(t, l.must(0, args...).stdout, "Exit codes", "credentials refused")
	}
	mustSay(t, l.must(0, "version").stdout, "flexbrevo")
}

func TestUnusableStore(t *testing.T) {
	t.Parallel()
	l := smallLab(t)
	l.env["STORE"] = "sqlite://connector.yaml/below-a-file.db"
	for _, command := range []string{"sync", "run"} {
		r := l.must(1, command)
		mustSay(t, r.stderr, "below-a-file.db")
	}
	if n := l.writes(); n != 0 {
		t.Errorf("without a store, %d writes went to Brevo", n)
	}
}

// TestNewerStore lets a later version have been at the store.
func TestNewerStore(t *testing.T) {
	t.Parallel()
	l := smallLab(t)
	l.must(0, "sync")
	file := filepath.Join(l.dir, "flexbrevo.db")
	change(t, file, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
	before := readFile(t, file)
	for _, command := range []string{"sync", "run", "status"} {
		r := l.must(1, command)
		mustSay(t, r.stderr, "newer")
	}
	if readFile(t, file) != before {
		t.Error("the store of a newer version was changed")
	}
}

func change(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statement); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	l := smallLab(t)
	mustSay(t, l.must(1, "status").stderr, "no store")
	l.must(0, "sync")
	text := l.must(0, "status", "--json").stdout
	var status struct {
		Connected                                              *bool
		LastSync                                               *string
		ConversationsTracked, CustomersLinked, AgentsMonitored *int
		Connectors                                             []map[string]any
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&status); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	// The names are promised in exactly this spelling, which the decoder would not insist on.
	mustSay(t, text, `"connected"`, `"lastSync"`, `"conversationsTracked"`, `"customersLinked"`, `"agentsMonitored"`)
	if status.Connected == nil || !*status.Connected || status.LastSync == nil {
		t.Errorf("after a sync: connected and lastSync are not set:\n%s", text)
	}
	if status.CustomersLinked == nil || *status.CustomersLinked != len(l.brevo.Contacts()) {
		t.Errorf("customersLinked is not the %d contacts in Brevo:\n%s", len(l.brevo.Contacts()), text)
	}
	if status.AgentsMonitored == nil || *status.AgentsMonitored != len(l.world.Agents) {
		t.Errorf("agentsMonitored is not the %d agents:\n%s", len(l.world.Agents), text)
	}
	if status.ConversationsTracked == nil || *status.ConversationsTracked == 0 {
		t.Errorf("no conversations are tracked:\n%s", text)
	}
	if len(status.Connectors) != 1 {
		t.Fatalf("%d connectors, want 1", len(status.Connectors))
	}
	for _, name := range []string{
		"name", "connected", "lastSync", "conversationsTracked", "customersLinked", "agentsMonitored",
		"streams", "records", "outbox", "budgets", "omissions", "deadLetters",
	} {
		if _, ok := status.Connectors[0][name]; !ok {
			t.Errorf("the connector has no %q:\n%s", name, text)
		}
	}
}

// TestFirstMistakes reads what a newcomer reads first.
func TestFirstMistakes(t *testing.T) {
	t.Parallel()
	l := smallLab(t)
	for _, command := range []string{"check", "run", "sync", "status", "test"} {
		mustSay(t, l.must(3, command, "--config", "nothing.yaml").stderr, "there is no nothing.yaml", "`flexbrevo init` writes one", "FLEXBREVO_CONFIG")
	}
	for _, command := range []string{"check", "sync", "status", "dead list", "replay"} {
		r := l.must(2, append(strings.Fields(command), "--connector", "nobody")...)
		mustSay(t, r.stderr, `there is no connector "nobody"`, "twilio_flex")
	}
	// A store that cannot be opened has no result to show.
	l.env["STORE"] = "sqlite://missing/flexbrevo.db"
	if r := l.must(1, "sync"); r.stdout != "" {
		t.Errorf("nothing was done, and it says %q", r.stdout)
	}
}

// TestInterrupted stops a pass at a moment that is as bad as any: it says so in plain words, and the next goes on.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(3, 200, false)})
	cmd := l.command(t.Context(), "sync")
	var stderr output
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the pass has begun", func() bool { return strings.Contains(stderr.String(), "pull ") })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a pass that was cut short ended well")
	}
	if said := stderr.String(); !strings.Contains(said, "flexbrevo: interrupted; nothing is lost") || strings.Contains(said, "context canceled") {
		t.Errorf("it says:\n%s", said)
	}
	l.must(0, "sync")
}
