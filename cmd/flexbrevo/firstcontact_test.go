package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// newcomer is a lab without a configuration and without anything in its environment.
func newcomer(t *testing.T) (l *lab, answers string) {
	t.Helper()
	// The programs go by the real clock here, and their first pull goes back 48 hours from now, not from midnight.
	l = newLab(t, setup{world: aDayUntilNow(31, 40), clock: time.Now})
	if err := os.Remove(filepath.Join(l.dir, "connector.yaml")); err != nil {
		t.Fatal(err)
	}
	l.env = map[string]string{"TWILIO_URL": l.env["TWILIO_URL"], "BREVO_URL": l.env["BREVO_URL"]}
	return l, "TWILIO_ACCOUNT_SID=" + l.world.AccountSID + "\nTWILIO_AUTH_TOKEN=" + l.world.AuthToken + "\nBREVO_API_KEY=" + brevoKey + "\n"
}

// typed gives a command its standard input.
func (l *lab) typed(input string, args ...string) result {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	cmd := l.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	_ = cmd.Run() // the exit code tells
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (l *lab) init(input string, more ...string) result {
	l.t.Helper()
	return l.typed(input, append([]string{"init", "--twilio-url", l.env["TWILIO_URL"], "--brevo-url", l.env["BREVO_URL"]}, more...)...)
}

// mustShow fails the test where an output lacks a text, or shows a credential.
func (l *lab) mustShow(r result, code int, texts ...string) {
	l.t.Helper()
	all := r.stdout + r.stderr
	if r.code != code {
		l.t.Errorf("exit code %d, want %d\n%s", r.code, code, all)
	}
	for _, text := range texts {
		if !strings.Contains(all, text) {
			l.t.Errorf("it does not say %q:\n%s", text, all)
		}
	}
	for _, secret := range []string{l.world.AuthToken, brevoKey} {
		if strings.Contains(all, secret) {
			l.t.Errorf("it shows a credential:\n%s", all)
		}
	}
}

func TestInitFromStandardInput(t *testing.T) {
	t.Parallel()
	l, answers := newcomer(t)
	l.mustShow(l.init(answers+"CREATE=existing_only\nREGION=NO\nTIMEZONE=Europe/Oslo\n"), 0,
		l.world.WorkspaceSID, l.world.ChatServiceSID, "existing_only")
	text := readFile(t, filepath.Join(l.dir, "connector.yaml"))
	first, _, _ := strings.Cut(text, "\n")
	schema, ok := strings.CutPrefix(first, "# yaml-language-server: $schema=./")
	if _, err := os.Stat(filepath.Join(l.dir, schema)); !ok || err != nil {
		t.Errorf("the first line %q names no schema beside it: %v", first, err)
	}
	for _, want := range []string{`region: "NO"`, "timezone: Europe/Oslo", "create: existing_only", "# Queues: "} {
		if !strings.Contains(text, want) {
			t.Errorf("the configuration lacks %s:\n%s", want, text)
		}
	}
	for _, name := range []string{"connector.yaml", "secrets.age", schema} {
		if strings.Contains(readFile(t, filepath.Join(l.dir, name)), l.world.AuthToken) {
			t.Errorf("%s holds the auth token in clear", name)
		}
	}
	l.mustShow(l.flexbrevo("check"), 0, "connector.yaml is good")
	l.mustShow(l.flexbrevo("sync"), 0)

	if r := l.init(answers); r.code != 1 || !strings.Contains(r.stderr, "never writes over one") {
		t.Errorf("a second init: %+v", r)
	}
	if readFile(t, filepath.Join(l.dir, "connector.yaml")) != text {
		t.Error("a second init changed the configuration")
	}
}

// TestInitMakesAForgetKey forgets somebody with nothing but what init made, and finds that neither a second init nor a
// rotation of the credentials' key takes the key away that this was done under.
func TestInitMakesAForgetKey(t *testing.T) {
	t.Parallel()
	l, answers := newcomer(t)
	l.mustShow(l.init(answers), 0, "secrets.age", "back up")
	if info, err := os.Stat(filepath.Join(l.dir, "secrets.age")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("secrets.age: %v, %v", info, err)
	}
	l.must(0, "sync")
	var email string
	for _, c := range l.world.Customers {
		if email = c.Email; email != "" {
			break
		}
	}
	l.must(0, "forget", "--yes", email)
	l.mustShow(l.init(answers, "--config", "other.yaml"), 0)
	l.must(0, "sync", "--config", "other.yaml")
	l.must(0, "secrets", "rotate")
	l.must(0, "sync")

	// Where the environment has a key, that one is used.
	l, answers = newcomer(t)
	l.env["FLEXBREVO_FORGET_KEY"] = strings.Repeat("k", 32)
	l.mustShow(l.init(answers), 0)
	if r := l.must(0, "secrets", "list"); strings.Contains(r.stdout, "FORGET") {
		t.Errorf("a second key was made: %q", r.stdout)
	}
	l.must(0, "sync")
	l.must(0, "forget", "--yes", email)
}

func TestInitFromEnvironmentAndFlags(t *testing.T) {
	t.Parallel()
	l, _ := newcomer(t)
	l.env["BREVO_API_KEY"] = brevoKey
	r := l.init("", "--account-sid", l.world.AccountSID, "--auth-token", l.world.AuthToken, "--flex-flow-sid", "FO00000000000000000000000000000001", "--key-from", "env")
	l.mustShow(r, 0, "--auth-token shows in process lists", "FLEXBREVO_SECRETS_KEY")
	delete(l.env, "BREVO_API_KEY")
	key := strings.TrimSpace(r.stdout)
	if !strings.HasPrefix(key, "AGE-SECRET-KEY-1") {
		t.Fatalf("the key is not on standard output: %q", r.stdout)
	}
	l.mustShow(l.flexbrevo("check"), 3, "FLEXBREVO_SECRETS_KEY")
	l.env["FLEXBREVO_SECRETS_KEY"] = key
	l.mustShow(l.flexbrevo("check"), 0)
	if !strings.Contains(readFile(t, filepath.Join(l.dir, "connector.yaml")), "flex_flow_sid: FO00000000000000000000000000000001") {
		t.Error("the flow is lost")
	}
}

func TestInitRefusals(t *testing.T) {
	t.Parallel()
	l, answers := newcomer(t)
	for name, c := range map[string]struct {
		input string
		args  []string
		code  int
		says  string
	}{
		"nothing":        {"", nil, 2, "TWILIO_ACCOUNT_SID, BREVO_API_KEY, TWILIO_AUTH_TOKEN"},
		"unknown name":   {"TWILIO_TOKEN=" + l.world.AuthToken, nil, 2, "line 1"},
		"wrong token":    {strings.Replace(answers, l.world.AuthToken, "wrong", 1), nil, 4, "Check account_sid and auth_token"},
		"wrong key":      {strings.Replace(answers, brevoKey, "wrong", 1), nil, 4, "Check brevo.api_key"},
		"no account":     {strings.Replace(answers, l.world.AccountSID, "AC1", 1), nil, 3, "account_sid"},
		"wrong choice":   {answers + "CREATE=some", nil, 3, "identity.create"},
		"unknown source": {answers, []string{"--key-from", "keyring"}, 2, "expected file or env"},
	} {
		l.mustShow(l.init(c.input, c.args...), c.code, c.says)
		if left, _ := filepath.Glob(filepath.Join(l.dir, "*")); len(left) > 0 {
			t.Fatalf("%s: left %v", name, left)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	l, answers := newcomer(t)
	l.mustShow(l.init(answers), 0)
	if r := l.must(0, "secrets", "list"); r.stdout != "BREVO_API_KEY\nFLEXBREVO_FORGET_KEY\nTWILIO_AUTH_TOKEN\n" {
		t.Errorf("list: %q", r.stdout)
	}
	l.mustShow(l.typed("something-else\n", "secrets", "set", "BREVO_API_KEY"), 0)
	l.mustShow(l.flexbrevo("test"), 4, "✗ Brevo key", "Check brevo.api_key")
	l.mustShow(l.typed(brevoKey+"\n", "secrets", "set", "BREVO_API_KEY"), 0)
	l.mustShow(l.flexbrevo("secrets", "rotate"), 0, "secrets.age.key")
	l.mustShow(l.flexbrevo("test"), 0, "✓ Brevo key")
	l.mustShow(l.flexbrevo("secrets", "remove", "BREVO_API_KEY"), 0)
	l.mustShow(l.flexbrevo("check"), 3, "BREVO_API_KEY")
	l.mustShow(l.flexbrevo("secrets", "set", "A", brevoKey), 2, "takes the name of one secret")
	l.mustShow(l.typed("", "secrets", "set", "A"), 2, "the value is empty")

	file := filepath.Join(l.dir, "connector.yaml")
	l.write("connector.yaml", strings.Replace(readFile(t, file), "key_from: file", "key_from: keyring", 1))
	l.mustShow(l.flexbrevo("check"), 3, "cannot read a keyring")
}

// front stands before a simulator and lets a test answer in its place.
type front struct {
	next   http.Handler
	answer atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if answer := f.answer.Load(); answer == nil || !(*answer)(w, r) {
		f.next.ServeHTTP(w, r)
	}
}

func (f *front) set(answer func(http.ResponseWriter, *http.Request) bool) { f.answer.Store(&answer) }

func refuse(prefix string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, prefix) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

func TestCapabilitiesAsJSON(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(32, 20, false)})
	var tested []struct{ Connector, Name, Verdict string }
	if err := json.Unmarshal([]byte(l.must(0, "test", "--json").stdout), &tested); err != nil {
		t.Fatal(err)
	}
	if len(tested) != 20 || tested[0].Name != "Flex API" || tested[0].Connector != "twilio_flex" {
		t.Errorf("capabilities: %+v", tested)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(33, 5, false)})
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := l.must(0, "completion", shell); !strings.Contains(r.stdout, "flexbrevo") {
			t.Errorf("%s: %q", shell, r.stdout)
		}
	}
	l.must(2, "completion", "tcsh")
	if r := l.must(0, "__complete", "status", "--connector", ""); !strings.Contains(r.stdout, "twilio_flex\n") {
		t.Errorf("names of connectors are not completed: %q", r.stdout)
	}
	if r := l.must(0, "__complete", "sec"); !strings.Contains(r.stdout, "secrets") {
		t.Errorf("commands are not completed: %q", r.stdout)
	}
}
