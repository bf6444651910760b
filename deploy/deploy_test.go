// Package deploy_test checks what is run elsewhere with the tool that runs it there: helm, promtool, systemd-analyze, and
// the code of Docker Compose and BuildKit (package lint).
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
		t.Skipf("%s is not installed (.ci/needs installs it)", name)
	}
	out, err := command(t, dir, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// command is a command in a directory that ends with the test. The race detector's flags are not for what it builds.
func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	return cmd
}

// helmModule is the tool itself, built once into Go's cache where the machine has none.
const helmModule = "helm.sh/helm/v3/cmd/helm@v3.19.0"

func helm(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("helm"); err == nil {
		return tool(t, "helm", "helm", args...)
	}
	return tool(t, "helm", "go", append([]string{"run", helmModule}, args...)...)
}

// lint builds the command in lint, a module of its own, and returns its file.
func lint(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lint")
	tool(t, "lint", "go", "build", "-o", file, ".")
	return file
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
	for _, want := range []string{"USER 65532:65532", "ca-certificates.crt", `VOLUME ["/data"]`, `ENTRYPOINT ["/usr/local/bin/flexbrevo"]`, "STOPSIGNAL SIGTERM"} {
		if !strings.Contains(final, want) {
			t.Errorf("the image lacks %s", want)
		}
	}
	if out := tool(t, ".", lint(t), "dockerfile", "../Dockerfile"); out != "" {
		t.Errorf("BuildKit: %s", out)
	}
	for _, name := range []string{"version", "commit"} {
		if !strings.Contains(text, "-X main."+name+"=${"+strings.ToUpper(name)+"}") || !strings.Contains(read(t, "../cmd/flexbrevo/version.go"), name+" ") {
			t.Errorf("the image's binary is not told its %s", name)
		}
	}
	goMod := read(t, "../go.mod")
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(goMod)[1]
	if !strings.Contains(text, "FROM golang:"+version+"-") {
		t.Errorf("the image is not built with go %s", version)
	}
}

// TestChart lints and renders the chart by helm itself; what connector.yaml it carries must load.
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
	helm(t, "lint", "--strict", "flexbrevo")
	out := helm(t, "template", "centre", "flexbrevo", "--set", "ingress.enabled=true", "--set", "podMonitor.enabled=true")
	for _, kind := range []string{"ConfigMap", "Deployment", "Service", "Ingress", "PodDisruptionBudget", "PodMonitor"} {
		if !strings.Contains(out, "kind: "+kind+"\n") {
			t.Errorf("the chart makes no %s", kind)
		}
	}
}

// TestCompose loads the file as Compose does, and looks at what would be run.
func TestCompose(t *testing.T) {
	t.Parallel()
	cmd := command(t, ".", lint(t), "compose", "compose.yaml")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "set it in deploy/.env") {
		t.Errorf("without passwords it says: %v\n%s", err, out)
	}
	cmd = command(t, ".", cmd.Path, "compose", "compose.yaml")
	cmd.Env = append(cmd.Env, "POSTGRES_PASSWORD=a", "CONSOLE_PASSWORD=b")
	if out, err = cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"stop_grace_period: 30s", "read_only: true", "user: 65532:65532", "cap_drop:\n      - ALL\n", "condition: service_healthy",
		"host_ip: 127.0.0.1\n        target: 8081", "STORE_URL: postgres://flexbrevo:a@postgres/flexbrevo", "no-new-privileges:true",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("compose.yaml gives no %q:\n%s", want, out)
		}
	}
}
