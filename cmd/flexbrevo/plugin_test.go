package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/world"
)

// buildPlugin installs what the plugin's package-lock names, runs the plugin's own tests and bundles it, once.
var buildPlugin = sync.OnceValues(func() (string, error) {
	const dir = "../../plugin"
	for _, args := range [][]string{{"ci"}, {"test"}, {"run", "build"}, {"run", "build:stand-in"}} {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		cmd := exec.CommandContext(ctx, "npm", append([]string{"--silent"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			return "", errors.New("npm " + strings.Join(args, " ") + ": " + err.Error() + "\n" + string(out))
		}
	}
	bundle, err := os.ReadFile(filepath.Join(dir, "build", "plugin-flexbrevo.js"))
	return string(bundle), err
})

// plugin returns the bundle, and skips the test on a machine without Node.js. FLEXBREVO_PLUGIN names a bundle that was
// built otherwise, as by Twilio's builder; see plugin/README.md.
func plugin(t *testing.T) string {
	t.Helper()
	if built := os.Getenv("FLEXBREVO_PLUGIN"); built != "" {
		return readFile(t, built)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not installed, the plugin cannot be built (.ci/needs installs it)")
	}
	bundle, err := buildPlugin()
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func TestPluginUnits(t *testing.T) {
	t.Parallel()
	if bundle := plugin(t); strings.Contains(bundle, "__FPB_") {
		t.Error("the bundle holds placeholders of Flex's plugin builder")
	}
}

// browserReport is what the page of plugin/test/flex.html says at its end.
type browserReport struct {
	Before, Waiting int
	Kept            string
	Warnings        []string
}

// action is something that the agent does in the page.
type action struct {
	Action  string         `json:"action"`
	Payload map[string]any `json:"payload"`
}

// flexPage is the Flex UI on https://flex.twilio.com, as far as a headless Chromium can tell, with a flexbrevo
// behind a proxy that ends TLS at https://connector.example.com.
type flexPage struct {
	t         *testing.T
	profile   string
	page      *httptest.Server
	connector *httptest.Server
	away      atomic.Bool            // the connector is not reachable
	scenario  atomic.Pointer[[]byte] // what the next visitor's page is to do, as JSON
	reports   chan browserReport
}

func newFlexPage(t *testing.T, bundle string, d *daemon) *flexPage {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("chromium is not installed, the plugin cannot be driven (.ci/needs installs it)")
	}
	p := &flexPage{t: t, profile: t.TempDir(), reports: make(chan browserReport, 1)}
	html := readFile(t, filepath.Join("..", "..", "plugin", "test", "flex.html"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(html))
	})
	mux.HandleFunc("GET /plugin.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write([]byte(bundle))
	})
	mux.HandleFunc("GET /scenario", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*p.scenario.Load()) })
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		var report browserReport
		if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
			t.Errorf("the page's report: %v", err)
		}
		p.reports <- report
	})
	p.page = httptest.NewTLSServer(mux)
	t.Cleanup(p.page.Close)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: d.listen})
	p.connector = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.away.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(p.connector.Close)
	return p
}

// visit opens the page in a new Chromium with the agent's profile, does what the scenario says, and closes it.
func (p *flexPage) visit(token, worker string, patience time.Duration, actions ...action) browserReport {
	p.t.Helper()
	scenario, err := json.Marshal(map[string]any{
		"url": "https://connector.example.com", "token": token, "worker": worker,
		"actions": actions, "patience": patience.Milliseconds(),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.scenario.Store(&scenario) // no goroutine of this test orders it before the page's request for it
	mapped := func(name string, s *httptest.Server) string {
		return "MAP " + name + " " + s.Listener.Addr().(*net.TCPAddr).String()
	}
	rules := mapped("flex.twilio.com", p.page) + ", " + mapped("connector.example.com", p.connector) + ", EXCLUDE 127.0.0.1, MAP * ~NOTFOUND"
	var said output
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--ignore-certificate-errors", "--user-data-dir="+p.profile, "--host-resolver-rules="+rules,
		"--remote-debugging-port=0", "https://flex.twilio.com/")
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // the agent closes the browser, which writes its storage
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	}()
	select {
	case r := <-p.reports:
		return r
	case <-ended:
		p.t.Fatalf("chromium ended early:\n%s", said.String())
	case <-time.After(45 * time.Second):
		p.t.Fatalf("the page did not report:\n%s", said.String())
	}
	return browserReport{}
}

// TestPluginInBrowser completes tasks in a browser: the post, and nothing else, makes flexbrevo look at once.
func TestPluginInBrowser(t *testing.T) {
	t.Parallel()
	bundle := plugin(t)
	present := time.Now().UTC().Truncate(time.Second)
	options := world.Options{Seed: 5, Start: present.Add(-2 * time.Hour), End: present, Contacts: 80, Customers: 40, Agents: 2}
	w := world.New(options)
	first, second := pluginTasks(t, w, present)
	var clock handClock
	clock.set(first.EndedAt.Add(-time.Second))
	l := newLab(t, setup{world: options, clock: clock.now, env: map[string]string{
		"EVENTS": "@every 12h", "CONVERSATIONS": "@every 12h", // polling is out of the way
	}})
	d := l.run()
	l.must(0, "sync")
	agent := w.Agents[first.Reservations[len(first.Reservations)-1].Agent].SID
	token := l.twilio.IssueToken(agent)
	p := newFlexPage(t, bundle, d)

	clock.set(first.EndedAt.Add(30 * time.Second))
	report := p.visit(token, agent, 20*time.Second, complete(first))
	if report.Waiting != 0 {
		t.Fatalf("%d posts still wait; %s\n%s", report.Waiting, report.Warnings, d.stderr.String())
	}
	eventually(t, 30*time.Second, "the completion is in Brevo", func() bool { return l.told("task.completed:"+first.SID) == 1 })

	// The connector is away while the agent completes another task and closes the laptop; the next day the
	// browser tells it.
	p.away.Store(true)
	clock.set(second.EndedAt.Add(30 * time.Second))
	report = p.visit(token, agent, 3*time.Second, complete(second))
	if report.Waiting != 1 || strings.Contains(report.Kept, token) {
		t.Fatalf("%d posts wait, want 1 without a token in it: %s", report.Waiting, report.Kept)
	}
	p.away.Store(false)
	later := l.twilio.IssueToken(agent)
	report = p.visit(later, agent, 20*time.Second)
	if report.Before != 1 || report.Waiting != 0 {
		t.Fatalf("%d posts waited and %d still do, want 1 and 0; %s", report.Before, report.Waiting, report.Warnings)
	}
	eventually(t, 30*time.Second, "the second completion is in Brevo", func() bool { return l.told("task.completed:"+second.SID) == 1 })

	// Somebody else's token changes nothing, and the post is kept for a better one.
	report = p.visit("eyJ.forged.token", agent, 2*time.Second, complete(first), action{"afterWrapupTask", payload(first)})
	if report.Waiting != 2 {
		t.Errorf("%d posts wait after a forged token, want 2", report.Waiting)
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// pluginTasks finds two tasks that one agent completed one after the other, so lately that tokens of that time are
// still good.
func pluginTasks(t *testing.T, w *world.World, present time.Time) (first, second *world.Task) {
	t.Helper()
	told := map[string]bool{} // of a customer who can be told of
	for _, m := range oracle.Calculate(w, settings(present)).Moments {
		told[m.ID] = true
	}
	tasks := slices.Clone(w.Tasks)
	slices.SortFunc(tasks, func(a, b world.Task) int { return a.EndedAt.Compare(b.EndedAt) })
	done := map[int]*world.Task{} // by agent
	for i := range tasks {
		task := &tasks[i]
		if !told["task.completed:"+task.SID] || task.EndedAt.Before(present.Add(-45*time.Minute)) || task.EndedAt.After(present.Add(-time.Minute)) {
			continue
		}
		agent := task.Reservations[len(task.Reservations)-1].Agent
		if first := done[agent]; first != nil && task.EndedAt.After(first.EndedAt.Add(2*time.Minute)) {
			return first, task
		}
		if done[agent] == nil {
			done[agent] = task
		}
	}
	t.Fatal("no agent of this world completed two tasks lately")
	return nil, nil
}

// payload is what the Flex UI hands to a plugin; its task's sid is the reservation's.
func payload(task *world.Task) map[string]any {
	r := task.Reservations[len(task.Reservations)-1]
	return map[string]any{"sid": r.SID, "task": map[string]any{
		"sid": r.SID, "taskSid": task.SID, "attributes": map[string]any{"from": "+33612345678"}, "queueName": "Support",
	}}
}

func complete(task *world.Task) action { return action{"afterCompleteTask", payload(task)} }
