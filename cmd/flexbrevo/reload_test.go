package main_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/oracle"
)

// said counts the log lines with a message.
func (d *daemon) said(message string) (count int) {
	for line := range strings.Lines(d.stderr.String()) {
		var l struct {
			Message string `json:"msg"`
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.Message == message {
			count++
		}
	}
	return count
}

// callsOnly leaves the threads of text channels out, which a day in seconds reads at other moments than a real one.
func callsOnly(text string) string {
	return strings.Replace(text, "channels: [voice, sms, whatsapp, webchat, messenger, email]", "channels: [voice]", 1)
}

func callSettings() oracle.Settings {
	s := liveSettings(today())
	s.Channels = []string{"voice"}
	return s
}

const (
	reloaded  = "configuration reloaded"
	notTaken  = "changed configuration is not taken over; the one at hand runs on"
	surveyKey = "survey-secret-of-the-test"
)

// reload sends SIGHUP and waits for the daemon's word on it.
func (d *daemon) reload(want string) {
	d.t.Helper()
	before := d.said(want)
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		d.t.Fatal(err)
	}
	eventually(d.t, 45*time.Second, want, func() bool { return d.said(want) > before })
}

// postSurveys posts until stopped and counts answers by status; 0 is a request without any answer.
func postSurveys(ctx context.Context, t *testing.T, listen string) func() map[int]int {
	t.Helper()
	var mu sync.Mutex
	counts := map[int]int{}
	var n atomic.Int64
	var posting sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	for range 4 {
		posting.Go(func() {
			client := &http.Client{Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				body := fmt.Sprintf(`{"task_sid":"WT%032d","score":5,"scale":5}`, n.Add(1))
				req, err := http.NewRequest(http.MethodPost, "http://"+listen+"/webhooks/survey", strings.NewReader(body))
				if err != nil {
					return
				}
				req.Header.Set("Authorization", "Bearer "+surveyKey)
				req.Header.Set("Content-Type", "application/json")
				status := 0
				if resp, err := client.Do(req); err == nil {
					status = resp.StatusCode
					_ = resp.Body.Close()
				}
				mu.Lock()
				counts[status]++
				mu.Unlock()
			}
		})
	}
	return func() map[int]int {
		stop()
		posting.Wait()
		return counts
	}
}

// TestReload changes keys, rules and nonsense under a running daemon that has a day's work and a stream of posts.
func TestReload(t *testing.T) {
	t.Parallel()
	options := aDay(41, 120, false)
	l := newLab(t, setup{
		world: options,
		clock: playing(options.Start, today(), 20*time.Second),
		brevo: brevosim.Options{},
		env:   map[string]string{"SURVEY_SECRET": surveyKey, "LOOKUP_AFTER": "1s"},
	})
	// Keys from files, so that they can be changed under the daemon.
	file := filepath.Join(l.dir, "connector.yaml")
	good := callsOnly(strings.Replace(readFile(t, file), "api_key: ${BREVO_API_KEY}", "api_key_file: brevo.key", 1))
	l.write("brevo.key", brevoKey)
	l.write("connector.yaml", good)
	d := l.run()
	posts := postSurveys(t.Context(), t, d.listen)

	l.write("connector.yaml", strings.Replace(good, "share:", "shore:", 1)+"\nnonsense: true\n")
	d.reload(notTaken)
	if !strings.Contains(d.stderr.String(), "nonsense") {
		t.Errorf("the refusal does not name the mistake:\n%s", tail(d.stderr.String(), 2000))
	}
	l.write("connector.yaml", strings.Replace(good, `store: {url: "${STORE:-sqlite://flexbrevo.db}"}`, `store: {url: "sqlite://other.db"}`, 1))
	d.reload(notTaken)
	l.write("connector.yaml", good)
	for range 3 {
		d.reload(reloaded)
	}
	l.write("connector.yaml", strings.Replace(good, "identity: FLEX_IDENTITY", "identity: FLEX_NAME", 1))
	d.reload(reloaded)
	eventually(t, 30*time.Second, "the changed rule fills its attribute", func() bool {
		for _, c := range l.brevo.Contacts() {
			if c.Attributes["FLEX_NAME"] != nil {
				return true
			}
		}
		return false
	})
	counts := posts()
	if counts[http.StatusOK]+counts[http.StatusAccepted]+counts[http.StatusNoContent] == 0 || len(counts) != 1 {
		t.Errorf("posts were not all answered well: %v\n%s", counts, tail(d.stderr.String(), 1500))
	}
	l.write("connector.yaml", good)
	d.reload(reloaded)
	s := callSettings()
	unlike := func() (lines []string) {
		for _, line := range l.differences(s) {
			if !strings.Contains(line, "FLEX_") { // one attribute followed the rule of its time
				lines = append(lines, line)
			}
		}
		return lines
	}
	for deadline := time.Now().Add(60 * time.Second); len(unlike()) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Brevo does not hold what it must:\n%s", strings.Join(unlike(), "\n"))
		}
	}
	if code, took := d.stop(); code != 0 || took > 25*time.Second {
		t.Errorf("exit code %d after %s\n%s", code, took, tail(d.stderr.String(), 1500))
	}
}

// TestReloadKey gives Brevo another key under a running daemon: what was owed meanwhile is delivered.
func TestReloadKey(t *testing.T) {
	t.Parallel()
	options := aDay(42, 40, false)
	l := newLab(t, setup{world: options, clock: playing(options.Start, today(), 10*time.Second)})
	key := &front{next: l.brevo}
	l.env["BREVO_URL"] = serve(t, key)
	l.write("brevo.key", brevoKey)
	file := filepath.Join(l.dir, "connector.yaml")
	l.write("connector.yaml", callsOnly(strings.Replace(readFile(t, file), "api_key: ${BREVO_API_KEY}", "api_key_file: brevo.key", 1)))
	d := l.run()
	key.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("api-key") == "the-new-key" {
			r.Header.Set("api-key", brevoKey)
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"code":"unauthorized","message":"Key not found"}`))
		return true
	})
	eventually(t, 30*time.Second, "the old key is refused", func() bool { return d.said("destination refuses us; everything owed is kept") > 0 })
	l.write("brevo.key", "a-wrong-key")
	d.reload(notTaken)
	l.write("brevo.key", "the-new-key")
	d.reload(reloaded)
	l.eventuallyEqual(callSettings(), 60*time.Second, d)
	for _, secret := range []string{"the-new-key", "a-wrong-key", brevoKey, base64.StdEncoding.EncodeToString([]byte(l.world.AuthToken))} {
		if strings.Contains(d.stderr.String(), secret) {
			t.Error("the log shows a key")
		}
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestReloadAddress moves both listeners; requests under way at the old ones are answered.
func TestReloadAddress(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(43, 10, false)})
	file := filepath.Join(l.dir, "connector.yaml")
	good := readFile(t, file)
	d := l.run()
	old := d.admin
	l.write("connector.yaml", strings.Replace(good, "${ADMIN:-127.0.0.1:0}", `"[::1]:0"`, 1))
	d.reload(reloaded)
	if _, err := http.Get("http://" + old + "/api/v1/status"); err == nil {
		t.Error("the old admin address still answers")
	}
	l.write("connector.yaml", strings.Replace(good, "${LISTEN:-127.0.0.1:0}", d.listen, 1))
	d.reload(notTaken) // the address is in use: by this very daemon, under another name
	resp, err := http.Get("http://" + d.listen + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr.String())
	}
}
