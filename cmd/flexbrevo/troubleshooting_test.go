package main_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// patient is an installation that is broken and mended, one symptom after the other.
type patient struct {
	*lab
	good          string // its configuration
	twilio, brevo *front
	seen          []string // the symptoms
}

// symptom begins a row of the page's table.
func (p *patient) symptom(text string) { p.seen = append(p.seen, text) }

// change breaks the configuration.
func (p *patient) change(old, replacement string) {
	p.t.Helper()
	if !strings.Contains(p.good, old) {
		p.t.Fatalf("the configuration has no %q", old)
	}
	p.write("connector.yaml", strings.Replace(p.good, old, replacement, 1))
}

// shows fails the test where `test` does not end with a code and say some texts.
func (p *patient) shows(code int, texts ...string) {
	p.t.Helper()
	p.mustShow(p.flexbrevo("test"), code, texts...)
}

// mended fails the test where anything is left to find fault with.
func (p *patient) mended() {
	p.t.Helper()
	p.write("connector.yaml", p.good)
	p.twilio.answer.Store(nil)
	p.brevo.answer.Store(nil)
	if r := p.must(0, "test"); strings.Contains(r.stdout, "✗") {
		p.t.Errorf("it is not mended:\n%s", r.stdout)
	}
}

// TestTroubleshooting breaks what each row of the page's table is about, reads what the tool says, and mends it by
// that.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	l, answers := newcomer(t)
	p := &patient{lab: l, twilio: &front{next: l.twilio}, brevo: &front{next: l.brevo}}
	l.env["TWILIO_URL"], l.env["BREVO_URL"] = serve(t, p.twilio), serve(t, p.brevo)
	l.mustShow(l.init(answers), 0)
	p.shows(0, "✓ Flex API", "✓ Conversations API", "✓ TaskRouter workspace", "✓ agent list", "12 agents",
		"✓ queue configuration", "✓ event history", "✓ webhook signature key", "✓ Brevo key", "✓ attributes", "✓ lists", "✓ store")
	p.good = strings.NewReplacer(`listen: ":8080"`, `listen: 127.0.0.1:0`, "admin_listen: 127.0.0.1:8081", "admin_listen: 127.0.0.1:0").
		Replace(readFile(t, filepath.Join(l.dir, "connector.yaml")))
	p.mended()

	p.twilioRefuses()
	p.nothingComes()
	p.pluginIsSilent()
	p.brevoRefuses()
	p.storeIsGone()
	p.contactsAreOdd()
	p.configurationIsBad()

	var rows []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+) \|`).FindAllStringSubmatch(readFile(t, filepath.Join("..", "..", "docs", "troubleshooting.md")), -1) {
		if row := m[1]; row != "symptom" && row != "---" {
			rows = append(rows, row)
		}
	}
	slices.Sort(rows)
	slices.Sort(p.seen)
	if !slices.Equal(rows, p.seen) {
		t.Errorf("the page has the rows\n%s\nbroken and mended were\n%s", strings.Join(rows, "\n"), strings.Join(p.seen, "\n"))
	}
}

func (p *patient) twilioRefuses() {
	p.symptom("401 from Twilio")
	p.typed("not the token", "secrets", "set", "TWILIO_AUTH_TOKEN")
	p.shows(4, "✗ Flex API", "Check account_sid and auth_token", "✗ webhook signature key", "– agent list")
	p.typed(p.world.AuthToken, "secrets", "set", "TWILIO_AUTH_TOKEN")
	p.mended()

	p.symptom("403 from Twilio")
	p.twilio.set(refuse("/flex-api/", 403, `{"code":20403,"message":"Flex is not enabled","status":403}`))
	p.shows(4, "✗ Flex API", "Flex is not enabled for this account")
	p.mended()
	// A key that does not cover Conversations.
	p.twilio.set(refuse("/conversations/v1/Services", 403, `{"code":20403,"status":403}`))
	p.shows(4, "✗ Conversations API", "a Restricted key does not cover")
	p.mended()
}

func (p *patient) nothingComes() {
	p.symptom("conversations are missing")
	p.change("initial_lookback: 48h", "initial_lookback: 1s")
	p.shows(0, "✓ Conversations API", "none in the last 1s", "flexbrevo backfill --since")
	p.must(0, "sync")
	if r := p.must(0, "status", "--json"); !strings.Contains(r.stdout, `"conversationsTracked": 0`) {
		p.t.Errorf("nothing is missing: %s", r.stdout)
	}
	p.must(0, "backfill", "--since", "3d", "--yes")
	if r := p.must(0, "status", "--json"); strings.Contains(r.stdout, `"conversationsTracked": 0`) {
		p.t.Errorf("they are still missing: %s", r.stdout)
	}
	p.mended()

	p.symptom("tasks are missing")
	p.change("region:", "workspace_sid: WS00000000000000000000000000000000\n    region:")
	p.shows(1, "✗ TaskRouter workspace", "Flex keeps its tasks in "+p.world.WorkspaceSID, "leave it empty")
	p.change("region:", "workspace_sid: \"\"\n    region:")
	p.shows(0, "✓ TaskRouter workspace")
	p.mended()
}

func (p *patient) pluginIsSilent() {
	p.symptom("the Flex plugin does nothing")
	const setting = "# public_url: https://connector.example.com"
	nobody := httptest.NewServer(http.NotFoundHandler())
	p.t.Cleanup(nobody.Close)
	p.change(setting, "public_url: "+nobody.URL)
	p.shows(0, "! webhook address", "flexbrevo webhook doctor")
	d := p.run()
	target, err := url.Parse("http://" + d.listen)
	if err != nil {
		p.t.Fatal(err)
	}
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	p.t.Cleanup(proxy.Close)
	p.change(setting, "public_url: "+proxy.URL)
	p.shows(0, "✓ webhook address")
	if code, _ := d.stop(); code != 0 {
		p.t.Errorf("the daemon ended with %d", code)
	}
	p.mended()
}

func (p *patient) brevoRefuses() {
	p.symptom("401 from Brevo")
	p.typed("not-the-key", "secrets", "set", "BREVO_API_KEY")
	p.shows(4, "✗ Brevo key", "Check brevo.api_key")
	p.typed(brevoKey, "secrets", "set", "BREVO_API_KEY")
	p.mended()
	p.brevo.set(refuse("/account", 401, `{"code":"unauthorized","message":"We have detected you are using an unrecognised IP address 203.0.113.9. If you performed this action make sure to add the new IP address in this link: https://app.brevo.com/security/authorised_ips"}`))
	p.shows(4, "✗ Brevo key", "203.0.113.9")
	p.mended()

	p.symptom("an attribute stays empty")
	p.change("avg_wait_time: AVG_WAIT_TIME", "avg_wait_time: {to: AVG_WAIT_TIME, type: text}")
	p.shows(1, "✗ attributes", "AVG_WAIT_TIME")
	p.must(0, "sync") // the rest goes on
	p.mended()

	p.symptom("contacts are not put on a list")
	p.change("support_contacts: Support contacts", "support_contacts: 4711")
	p.shows(1, "✗ lists", "4711")
	p.mended()
	p.change("provision: true", "provision: false")
	p.shows(0, "✓ attributes") // the runs above have made them
	p.mended()
}

func (p *patient) storeIsGone() {
	p.symptom("503 from the webhooks")
	p.change("sqlite://flexbrevo.db", "sqlite://missing/flexbrevo.db")
	p.shows(1, "✗ store", "Check store.url")
	if err := os.Mkdir(filepath.Join(p.dir, "missing"), 0o700); err != nil {
		p.t.Fatal(err)
	}
	p.shows(0, "✓ store")
	p.mended()
}

func (p *patient) contactsAreOdd() {
	somebody := ""
	for _, c := range p.lab.brevo.Contacts() {
		if c.Email != "" && len(c.Attributes) > 2 {
			somebody = c.Email
			break
		}
	}
	p.symptom("a value is not what marketing expects")
	p.change("preferred_channel: PREFERRED_CHANNEL", `'"by " + last_channel': PREFERRED_CHANNEL`)
	p.must(0, "replay", "--yes")
	p.mustShow(p.must(0, "explain", somebody), 0, "PREFERRED_CHANNEL", "by ", "last_channel", "connector.yaml:")
	p.mended()
	p.must(0, "replay", "--yes")
	if r := p.must(0, "explain", somebody); strings.Contains(r.stdout, "last_channel") || !strings.Contains(r.stdout, "from preferred_channel") {
		p.t.Errorf("the value is still of another rule:\n%s", r.stdout)
	}

	p.symptom("an event was not sent")
	p.change("task.created: SUPPORT_REQUESTED", "task.created: SUPPORT_REQUESTED\n      task.assigned: SUPPORT_TAKEN")
	p.write("connector.yaml", strings.Replace(readFile(p.t, filepath.Join(p.dir, "connector.yaml")), "max_age: 72h", "max_age: 1h", 1))
	p.must(0, "replay", "--yes")
	p.mustShow(p.must(0, "explain", somebody), 0, "too old")
	p.mended()
}

func (p *patient) configurationIsBad() {
	p.symptom("the daemon does not take a changed file")
	d := p.run()
	p.change("region:", "regoin: FR\n    region:")
	d.reload(notTaken)
	const says = "regoin: unknown key"
	if log := d.stderr.String(); !strings.Contains(log, "regoin") {
		p.t.Errorf("the log does not name the mistake:\n%s", tail(log, 1500))
	}
	p.mustShow(p.must(3, "check"), 3, says)
	p.change("region:", "# a comment\n    region:")
	d.reload(reloaded)
	if code, _ := d.stop(); code != 0 {
		p.t.Errorf("the daemon ended with %d", code)
	}
	p.mended()

	p.symptom("start ends with exit code 3")
	p.change("region:", "regoin: FR\n\tregion:")
	p.must(3, "run")
	p.mustShow(p.must(3, "check"), 3, "connector.yaml:")
	p.change("initial_lookback: 48h", "initial_lookback: soon\n    nonsense: 1")
	p.must(3, "run")
	p.mustShow(p.must(3, "check"), 3, "initial_lookback", "nonsense", "connector.yaml:")
	p.mended()
}
