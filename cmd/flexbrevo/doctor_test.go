package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
)

// callback posts a form to the TaskRouter path, signed for a base URL with a token.
func (d *daemon) callback(token, base string, form url.Values, header http.Header) int {
	d.t.Helper()
	const path = "/webhooks/twilio/taskrouter"
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, "http://"+d.listen+path, strings.NewReader(form.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set(twiliosim.SignatureHeader, twiliosim.SignForm(token, base+path, form))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// TestWebhookDoctor has Twilio sign for another address than the one configured, and asks why nothing arrives.
func TestWebhookDoctor(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(1, 10, false)})
	d := l.run()
	if out := l.must(0, "webhook", "doctor").stdout; !strings.Contains(out, "No webhook was refused") {
		t.Errorf("before any refusal: %s", out)
	}
	const hooks = "https://hooks.example.com/flexbrevo"
	form := url.Values{"EventType": {"task.created"}, "Sid": {"EV00000000000000000000000000000001"}, "TaskAttributes": {`{"from":"+33612345678"}`}}
	token := l.world.AuthToken
	proxied := http.Header{"X-Forwarded-Host": {"hooks.example.com"}, "X-Forwarded-Prefix": {"/flexbrevo"}, "X-Forwarded-Proto": {"https"}}
	for range 3 {
		if status := d.callback(token, hooks, form, proxied); status != http.StatusForbidden {
			t.Fatalf("status %d, want 403", status)
		}
	}
	want := fmt.Sprintf("set server.public_url to %q", hooks)
	var out string
	eventually(t, 15*time.Second, "the refusals are in the ring", func() bool {
		out = l.must(0, "webhook", "doctor").stdout
		return strings.Contains(out, "3 × twilio_flex, taskrouter")
	})
	if !strings.Contains(out, want) || strings.Contains(out, "33612345678") || strings.Contains(out, token) {
		t.Errorf("the doctor says, want %q and nothing private:\n%s", want, out)
	}
	if out := l.must(0, "webhook", "doctor", "--json").stdout; !strings.Contains(out, `"differs"`) || strings.Contains(out, "33612345678") {
		t.Errorf("as JSON: %s", out)
	}
	if out := l.must(0, "status").stdout; !strings.Contains(out, "webhooks taskrouter") || !strings.Contains(out, "3 refused") {
		t.Errorf("status does not count them:\n%s", out)
	}

	const path = "/webhooks/twilio/taskrouter"
	l.write("body.txt", form.Encode())
	for name, c := range map[string]struct{ url, token, says string }{
		"another base":    {hooks + path, token, want},
		"as it should be": {publicURL + path, token, "matches as it is checked now"},
		"with a fragment": {publicURL + path + "#rc=2", token, "matches as it is checked now"},
		"plain http":      {"http://connector.example.com" + path, token, `"http://connector.example.com"`},
		"another path":    {publicURL + "/webhooks/twilio/tasks", token, "takes nothing on /webhooks/twilio/tasks"},
		"another token":   {publicURL + path, strings.Repeat("f", 32), "Nothing that was tried matches"},
	} {
		signed, _, _ := strings.Cut(c.url, "#")
		r := l.must(0, "webhook", "doctor", "--url", c.url, "--signature", twiliosim.SignForm(c.token, signed, form), "--body", "body.txt")
		if !strings.Contains(r.stdout, c.says) {
			t.Errorf("%s: %s, want %q", name, r.stdout, c.says)
		}
	}
	for _, args := range [][]string{{"--url", publicURL}, {"--signature", "x"}, {"--url", "connector.example.com", "--signature", "x"}} {
		l.must(2, append([]string{"webhook", "doctor"}, args...)...)
	}
}
