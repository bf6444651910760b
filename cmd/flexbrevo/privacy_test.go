package main_test

import (
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
)

// TestNothingPrivate lets a daemon say all it can about a day with failures in it.
func TestNothingPrivate(t *testing.T) {
	t.Parallel()
	options := aDayUntilNow(14, 80)
	options.Odd = true
	l := newLab(t, setup{
		world:  options,
		clock:  time.Now,
		twilio: twiliosim.Options{Faults: twilioFaults()},
		brevo:  brevosim.Options{Faults: brevosim.Faults{BadGateway: 0.02, Dropped: 0.02, HTMLSuccess: 0.02}},
		env:    map[string]string{"LOG_LEVEL": "debug", "LOG_CALLS": "true", "LOOKUP_AFTER": "500ms"},
	})
	// Somebody else has the phone of a customer with both, so that there is a conflict to speak of.
	both := l.world.Customers[0]
	if _, err := l.brevo.AddContact(brevosim.Contact{SMS: both.Phone, Email: "somebody@example.org"}); err != nil {
		t.Fatal(err)
	}
	var traces collector
	l.write("connector.yaml", readFile(t, filepath.Join(l.dir, "connector.yaml"))+"traces: {endpoint: \""+serve(t, &traces)+"\"}\n")
	d := l.run()
	token := l.twilio.IssueToken(l.world.Agents[0].SID)
	d.post("", "application/json", `{"TaskSid":"`+l.world.Tasks[0].SID+`","TaskAttributes":{"email":"posted@example.com","name":"Jane Posted"}}`, bearer(token))
	d.post("", "application/json", `{"TaskSid":"+33699999999","email":"posted@example.com"}`, bearer("eyJ.refused.token.of.somebody"))
	eventually(t, time.Minute, "most of the day is in Brevo", func() bool { return len(l.brevo.Events()) > 100 })
	status := l.must(0, "status").stdout + l.must(0, "status", "--json").stdout
	shown := map[string]string{}
	for _, path := range []string{"/", "/static/app.js", "/api/v1/status", "/api/v1/overview", "/metrics", "/healthz"} {
		shown["the admin listener's "+path] = d.page(path)
	}
	for _, metric := range []string{"flexbrevo_records", "flexbrevo_deliveries"} {
		mustSay(t, shown["the admin listener's /metrics"], metric)
	}
	d.stop()
	l.twilio.SetFaults(twiliosim.Faults{StrayUnauthorized: 1})
	r := l.flexbrevo("sync")
	said := map[string]string{
		"the log": d.stderr.String(), "standard output": d.stdout.String(), "status": status, "sync": r.stdout + r.stderr,
	}
	maps.Copy(said, shown)
	l.twilio.SetFaults(twiliosim.Faults{})
	for _, args := range [][]string{
		{"check"}, {"test"}, {"test", "--json"}, {"dead", "list"}, {"dead", "list", "--json"}, {"webhook", "doctor"}, {"figures", "agents"}, {"figures", "queues"},
		{"provision", "--dry-run"}, {"replay", "--dry-run"}, {"merge", "--dry-run"}, {"reconcile", "--since", "1d"}, {"backfill", "--since", "2d", "--dry-run"},
		{"forget", "--yes", "somebody@example.net"}, {"store", "copy", "config", "sqlite://copy.db"}, {"version"},
	} {
		r := l.flexbrevo(args...)
		said[strings.Join(args, " ")] = r.stdout + r.stderr
	}
	traces.mu.Lock()
	defer traces.mu.Unlock()
	if said["the traces"] = traces.text.String(); !strings.Contains(said["the traces"], "digest batch") {
		t.Error("there are no traces")
	}
	if !strings.Contains(said["the log"], `"level":"DEBUG"`) || !strings.Contains(said["the log"], "/contacts") {
		t.Errorf("the log tells nothing of the calls:\n%s", tail(said["the log"], 2000))
	}
	secrets := l.secrets()
	secrets["token of a post"], secrets["refused token"] = token, "eyJ.refused.token.of.somebody"
	secrets["posted email"], secrets["posted name"], secrets["posted phone"] = "posted@example.com", "Jane Posted", "33699999999"
	secrets["email in Brevo"] = "somebody@example.org"
	for where, text := range said {
		mustNotTell(t, where, text, secrets)
	}
}

// mustNotTell fails the test for each secret, by what it is, that a text shows.
func mustNotTell(t *testing.T, where, text string, secrets map[string]string) {
	t.Helper()
	for what, secret := range secrets {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("%s shows the %s: …%s…", where, what, text[max(0, at-200):min(len(text), at+len(secret)+60)])
		}
	}
}

// secrets are all that must appear nowhere, by what they are.
func (l *lab) secrets() map[string]string {
	out := map[string]string{"auth token": l.world.AuthToken, "API key secret": l.world.APIKeySecret, "Brevo key": brevoKey}
	add := func(what, value string) {
		if value != "" {
			out[what+" "+value] = value
		}
	}
	for i := range l.world.Customers {
		c := &l.world.Customers[i]
		add("phone", strings.TrimPrefix(c.Phone, "+"))
		add("email", c.Email)
		add("email, escaped", strings.ReplaceAll(c.Email, "@", "%40"))
		add("name", c.Name)
		add("identity", c.Identity)
	}
	for i := range l.world.Agents {
		add("agent's email", l.world.Agents[i].Email)
		add("agent's name", l.world.Agents[i].FullName)
	}
	for i := range l.world.Conversations {
		for _, m := range l.world.Messages(i) {
			add("message", m.Body)
		}
	}
	return out
}

// page reads what the admin listener shows on a path.
func (d *daemon) page(path string) string {
	d.t.Helper()
	response, err := http.Get("http://" + d.admin + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(body)
}
