package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// TestConsoleExplainsAsTheCommandDoes asks both for everybody that Brevo has.
func TestConsoleExplainsAsTheCommandDoes(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(31, 30, false)})
	l.must(0, "sync")
	d := l.run()
	_, page := d.get("/", "")
	_, rest, _ := strings.Cut(page, `name="flexbrevo-token" content="`)
	token, _, _ := strings.Cut(rest, `"`)
	asked := 0
	for _, c := range l.brevo.Contacts()[:5] {
		what := c.Email
		if what == "" {
			what = "+" + c.SMS
		}
		var command, console any
		if err := json.Unmarshal([]byte(l.must(0, "explain", "--json", what).stdout), &command); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(d.explain(what, token)), &console); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(command, console) {
			t.Errorf("the console says %v, the command %v", console, command)
		}
		asked++
		text := l.must(0, "explain", what).stdout
		for _, want := range []string{"in Brevo, by POST /contacts (answered 201) at ", "connector.yaml:", ", by POST /events (answered 204)", "from total_conversations"} {
			if !strings.Contains(strings.ReplaceAll(text, "/events/batch (answered 202)", "/events (answered 204)"), want) {
				t.Errorf("the command says nothing of %q:\n%s", want, text)
			}
		}
	}
	if asked == 0 {
		t.Fatal("Brevo has no contact")
	}
	if text := l.must(0, "explain", "nobody@example.com").stdout; !strings.Contains(text, "nothing is known of it") {
		t.Errorf("of nobody: %s", text)
	}
	l.must(2, "explain")
	d.stop()
	for _, c := range l.brevo.Contacts() {
		for _, private := range []string{c.Email, c.SMS} {
			if private != "" && strings.Contains(d.stderr.String(), private) {
				t.Errorf("the log shows %s", private)
			}
		}
	}
}

// explain asks the console as its page does.
func (d *daemon) explain(what, token string) string {
	d.t.Helper()
	body, err := json.Marshal(map[string]string{"what": what})
	if err != nil {
		d.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+d.admin+"/api/v1/explain", bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Flexbrevo-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		d.t.Fatalf("%d %s %v", resp.StatusCode, text, err)
	}
	return string(text)
}
