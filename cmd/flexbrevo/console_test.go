package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector"
	"flexbrevo/connector/simulator/brevosim"
)

// get asks the admin listener as a program does.
func (d *daemon) get(path, password string) (status int, body string) {
	d.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+d.admin+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("test", password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestAdminOfADay reads everything the admin listener says of a day with failures, requeues what died, and finds
// nothing private in any of it, nor in the log.
func TestAdminOfADay(t *testing.T) {
	t.Parallel()
	const password = "console-password-of-the-test"
	options := aDay(51, 80, true)
	now := time.Now().UTC().Truncate(time.Hour) // the page shows the last 24 hours of the real day
	options.Start, options.End = now.Add(-25*time.Hour), now.Add(-time.Hour)
	l := newLab(t, setup{
		world: options, clock: playing(options.Start, now, 8*time.Second),
		brevo: brevosim.Options{},
		env:   map[string]string{"CONSOLE_PASSWORD": password, "LOG_CALLS": "true", "LOG_LEVEL": "debug"},
	})
	l.write("connector.yaml", strings.Replace(readFile(t, l.dir+"/connector.yaml"), "    region: FR\n",
		"    region: FR\n    sync: {conversations: true, tasks: true, customers: true, csat: true, agent_activity: true, queue_analytics: true}\n", 1))
	d := l.run()
	if status, _ := d.get("/api/v1/overview", ""); status != http.StatusUnauthorized {
		t.Errorf("without the password: %d", status)
	}
	var overview struct {
		Status struct {
			Connectors []struct {
				Name      string
				Connected bool
				Queues    []struct {
					Name     string
					Accepted int
				}
				Days []struct {
					Day    string
					Agents int
				}
				Hours []struct{ Offered, Accepted int }
				CSAT  struct {
					Days     []struct{ Count int }
					Scores   []struct{ Count int }
					Channels []struct{ Name string }
				}
				Ages map[string][]int
			}
			CustomersLinked int
		}
		Flow []struct {
			Captured float64
			Lag      *float64
		}
		Runs []any
	}
	eventually(t, 60*time.Second, "the day is shown", func() bool {
		_, body := d.get("/api/v1/overview", password)
		if err := json.Unmarshal([]byte(body), &overview); err != nil {
			t.Fatal(err)
		}
		c := overview.Status.Connectors
		return len(c) == 1 && overview.Status.CustomersLinked > 20 && len(c[0].Queues) > 2 && len(c[0].Days) > 0 && len(overview.Flow) > 1
	})
	for _, q := range overview.Status.Connectors[0].Queues {
		if strings.HasPrefix(q.Name, "WQ") {
			t.Errorf("queue %s has no name", q.Name)
		}
	}
	kept, answers, scored, accepted := overview.Status.Connectors[0], 0, 0, 0
	for _, day := range kept.CSAT.Days {
		answers += day.Count
	}
	for _, score := range kept.CSAT.Scores {
		scored += score.Count
	}
	for _, hour := range kept.Hours {
		accepted += hour.Accepted
	}
	if answers == 0 || answers != scored || len(kept.CSAT.Days) != 14 || len(kept.CSAT.Channels) < 2 {
		t.Errorf("%d answers by day, %d by score: %+v", answers, scored, kept.CSAT)
	}
	if len(kept.Hours) != 24 || accepted == 0 {
		t.Errorf("the queues' hours: %+v", kept.Hours)
	}
	if p := overview.Flow[len(overview.Flow)-1]; p.Lag == nil {
		t.Error("it does not say how far the reading is behind")
	}
	said := map[string]string{}
	for _, path := range []string{"/", "/api/v1/status", "/api/v1/overview", "/metrics"} {
		status, body := d.get(path, password)
		if status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
		said[path] = body
	}
	for _, name := range connector.MetricNames() {
		if !strings.Contains(said["/metrics"], "\n"+name) && !strings.Contains("flexbrevo_omissions flexbrevo_brevo_calls_allowed_per_second", name) &&
			name != "flexbrevo_webhook_request_duration_seconds" && name != "flexbrevo_brevo_calls_remaining" && name != "flexbrevo_agents_csat" {
			t.Errorf("the metrics lack %s", name)
		}
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		check.Stdin = strings.NewReader(said["/metrics"])
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("promtool: %v\n%s", err, out)
		}
	}
	d.stop()
	said["the log"] = d.stderr.String() + d.stdout.String()
	secrets := l.secrets()
	secrets["console password"] = password
	for where, text := range said {
		for what, secret := range secrets {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s shows the %s: …%s…", where, what, text[max(0, at-120):min(len(text), at+len(secret)+60)])
			}
		}
	}
}
