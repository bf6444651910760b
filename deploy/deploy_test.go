// Package deploy_test checks what is run elsewhere: with the real tool where the machine has it, and by what can be
// read where it has not.
package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"flexbrevo/config"
	"flexbrevo/connector"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tool runs a tool of the machine's in a directory and fails the test with what it says.
func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	tool(t, "prometheus", "promtool", "check", "rules", "alerts.yml")
	tool(t, "prometheus", "promtool", "test", "rules", "alerts_test.yml")
	tool(t, "prometheus", "promtool", "check", "config", "--syntax-only", "scrape.yml")
}

var metricPattern = regexp.MustCompile(`flexbrevo_[a-z_]+`)

// TestMetricsExist finds every metric that the dashboard and the alerts speak of among those that there are.
func TestMetricsExist(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"prometheus/alerts.yml", "grafana/flexbrevo.json"} {
		found := metricPattern.FindAllString(read(t, file), -1)
		if len(found) < 8 {
			t.Errorf("%s speaks of %v only", file, found)
		}
		for _, name := range found {
			base := strings.TrimSuffix(strings.TrimSuffix(name, "_count"), "_bucket")
			if !slices.Contains(connector.MetricNames(), base) {
				t.Errorf("%s speaks of %s, which there is not", file, name)
			}
		}
	}
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	var d struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/flexbrevo.json")), &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q is not right", p.ID, p.Title)
		}
		ids[p.ID] = true
	}
}

func TestUnit(t *testing.T) {
	t.Parallel()
	unit := read(t, "systemd/flexbrevo.service")
	for _, line := range []string{"ExecReload=/bin/kill -HUP $MAINPID", "TimeoutStopSec=30", "DynamicUser=yes", "ProtectSystem=strict", "RestartPreventExitStatus=2 3"} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit lacks %s", line)
		}
	}
	// The binary is not installed here, and verify wants it to be.
	file := filepath.Join(t.TempDir(), "flexbrevo.service")
	if err := os.WriteFile(file, []byte(strings.Replace(unit, "/usr/local/bin/flexbrevo", "/bin/true", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, ".", "systemd-analyze", "verify", file); strings.TrimSpace(out) != "" {
		t.Errorf("systemd-analyze: %s", out)
	}
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := read(t, "../Dockerfile")
	_, final, ok := strings.Cut(text, "\nFROM scratch\n")
	if !ok {
		t.Fatal("the image is not made from scratch")
	}
	for _, want := range []string{"USER 65532:65532", "ca-certificates.crt", `VOLUME ["/data"]`, `ENTRYPOINT ["flexbrevo"]`, "STOPSIGNAL SIGTERM"} {
		if !strings.Contains(final, want) {
			t.Errorf("the image lacks %s", want)
		}
	}
	goMod := read(t, "../go.mod")
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(goMod)[1]
	if !strings.Contains(text, "FROM golang:"+version+"-") {
		t.Errorf("the image is not built with go %s", version)
	}
}

// TestChart renders the chart where helm is there; what connector.yaml it carries must load everywhere.
func TestChart(t *testing.T) {
	t.Parallel()
	values := read(t, "helm/flexbrevo/values.yaml")
	_, rest, ok := strings.Cut(values, "config: |\n")
	if !ok {
		t.Fatal("the values carry no configuration")
	}
	var lines []string
	for line := range strings.Lines(rest) {
		if text, indented := strings.CutPrefix(line, "  "); indented {
			lines = append(lines, text)
		} else {
			break
		}
	}
	env := map[string]string{
		"TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000001", "TWILIO_AUTH_TOKEN": "t", "BREVO_API_KEY": "k",
		"STORE_URL": "postgres://flexbrevo@db/flexbrevo", "CONSOLE_PASSWORD": "p",
	}
	_, err := config.Parse("values.yaml", []byte(strings.Join(lines, "")), config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		t.Errorf("the chart's configuration: %v", err)
	}
	tool(t, "helm", "helm", "lint", "--strict", "flexbrevo")
	out := tool(t, "helm", "helm", "template", "centre", "flexbrevo", "--set", "ingress.enabled=true", "--set", "podMonitor.enabled=true")
	for _, kind := range []string{"ConfigMap", "Deployment", "Service", "Ingress", "PodDisruptionBudget", "PodMonitor"} {
		if !strings.Contains(out, "kind: "+kind+"\n") {
			t.Errorf("the chart makes no %s", kind)
		}
	}
}

// TestCompose reads what compose would; its own tool needs a plugin that few test machines have.
func TestCompose(t *testing.T) {
	t.Parallel()
	text := read(t, "compose.yaml")
	for _, want := range []string{"stop_grace_period: 30s", "read_only: true", `user: "65532:65532"`, "cap_drop: [ALL]", "condition: service_healthy", `"127.0.0.1:8081:8081"`} {
		if !strings.Contains(text, want) {
			t.Errorf("compose.yaml lacks %s", want)
		}
	}
}
