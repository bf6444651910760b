package main_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestReloadWebhookKeys rotates what webhooks are proven by, as Twilio's own rotation goes (facts/twilio.md 7.4): the
// coming token is added, promoted, and the old one dropped; the survey tool gets another secret. Each step is taken
// over by SIGHUP under a stream of posts, of which none is refused.
func TestReloadWebhookKeys(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDayUntilNow(44, 10), clock: time.Now})
	old, coming := l.world.AuthToken, strings.Repeat("c0ffee12", 4)
	file := filepath.Join(l.dir, "connector.yaml")
	text := strings.NewReplacer(
		"auth_token: ${TWILIO_AUTH_TOKEN}", "auth_token_file: primary.key\n    auth_tokens_file: further.keys\n"+
			"    api_key_sid: "+l.world.APIKeySID+"\n    api_key_secret: "+l.world.APIKeySecret, // what calls Twilio is not rotated
		"public_url:", "survey_secret_file: survey.key\n  public_url:",
	).Replace(readFile(t, file))
	keys := func(primary, further, survey string) {
		l.write("primary.key", primary+"\n")
		l.write("further.keys", further+"\n")
		l.write("survey.key", survey+"\n")
	}
	const firstSecret, secondSecret = "the-first-survey-secret", "the-second-survey-secret"
	delete(l.env, "TWILIO_AUTH_TOKEN")
	l.write("connector.yaml", text)
	keys(old, "", firstSecret)
	d := l.run()

	events := 0
	signed := func(token string) int {
		events++
		return d.callback(token, publicURL, url.Values{"EventType": {"task.created"}, "Sid": {fmt.Sprintf("EV%032x", events)}}, nil)
	}
	survey := func(secret string) int {
		r, err := http.NewRequest(http.MethodPost, "/webhooks/survey", strings.NewReader(`{"task_sid":"WT00000000000000000000000000000001","score":4}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = bearer(secret)
		r.Header.Set("Content-Type", "application/json")
		return d.send(http.DefaultClient, r)
	}
	expect := func(step string, want map[string]int) {
		t.Helper()
		got := map[string]int{"old": signed(old), "coming": signed(coming), "first": survey(firstSecret), "second": survey(secondSecret)}
		for proof, status := range want {
			if got[proof] != status {
				t.Errorf("%s: a post proven by the %s one is answered %d, want %d", step, proof, got[proof], status)
			}
		}
	}
	const taken, refused = http.StatusNoContent, http.StatusForbidden
	expect("before", map[string]int{"old": taken, "coming": refused, "first": taken, "second": refused})

	stop := d.postSigned(old)
	keys(old, coming, secondSecret)
	d.reload(reloaded)
	expect("the coming token is added", map[string]int{"old": taken, "coming": taken, "first": refused, "second": taken})
	keys(coming, old, secondSecret)
	d.reload(reloaded)
	expect("it is promoted", map[string]int{"old": taken, "coming": taken})
	stop()
	stop = d.postSigned(coming)
	keys(coming, "", secondSecret)
	d.reload(reloaded)
	expect("the old one is dropped", map[string]int{"old": refused, "coming": taken})
	stop()

	for _, secret := range []string{old, coming, firstSecret, secondSecret} {
		if strings.Contains(d.stderr.String(), secret) {
			t.Error("the log shows a key")
		}
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, tail(d.stderr.String(), 1500))
	}
}

// postSigned posts callbacks signed with a token until it is told to stop, and fails the test where one is not taken.
func (d *daemon) postSigned(token string) (stop func()) {
	ctx, cancel := context.WithCancel(d.t.Context())
	var posting sync.WaitGroup
	posting.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			form := url.Values{"EventType": {"task.updated"}, "Sid": {"EV" + token[:8] + fmt.Sprintf("%024x", n)}}
			if status := d.callback(token, publicURL, form, nil); status != http.StatusNoContent {
				d.t.Errorf("a post under the reload is answered %d", status)
			}
		}
	})
	return func() { cancel(); posting.Wait() }
}
