package main_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPartsLeaveNothing leaves each part out by its build tag: what only it needs is not in the program then.
func TestPartsLeaveNothing(t *testing.T) {
	t.Parallel()
	for tag, library := range map[string]string{
		"no_kinesis":    "github.com/aws/",
		"no_mcp":        "github.com/modelcontextprotocol/",
		"no_bulkimport": "", "no_crm": "", "no_objects": "", "no_publish": "",
	} {
		t.Run(tag, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", tag, ".").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			own := "flexbrevo/connector/" + strings.TrimPrefix(tag, "no_") + "\n"
			if library != "" && strings.Contains(string(out), library) || strings.Contains(string(out), own) {
				t.Errorf("the program with %s holds %s or %s", tag, own, library)
			}
		})
	}
}

// TestWithoutParts builds a program without any part: it refuses a configuration that asks for one, and does all else.
func TestWithoutParts(t *testing.T) {
	t.Parallel()
	small := filepath.Join(t.TempDir(), "flexbrevo")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "no_bulkimport,no_crm,no_kinesis,no_mcp,no_objects,no_publish", "-o", small, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l := newLab(t, setup{world: aDay(65, 10, false)})
	run := func(args ...string) (string, int) {
		t.Helper()
		cmd := l.command(t.Context(), args...)
		cmd.Path, cmd.Args[0] = small, small
		out, _ := cmd.CombinedOutput() // the exit code tells
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := run("sync"); code != 0 {
		t.Errorf("sync: exit code %d\n%s", code, out)
	}
	if out, code := run("mcp"); code != 2 || !strings.Contains(out, "there is no command") {
		t.Errorf("mcp: exit code %d\n%s", code, out)
	}
	l.write("connector.yaml", strings.Replace(l.configuration("connector.yaml"), "    region: FR\n",
		"    region: FR\n    event_streams: {via: kinesis, stream: s, region: eu-west-1}\n", 1))
	if out, code := run("sync"); code != 3 || !strings.Contains(out, "built without kinesis") {
		t.Errorf("kinesis: exit code %d\n%s", code, out)
	}
}

// mustKeepPartsApart looks at what status shows as streams of Twilio: what a part has read is none.
func (l *lab) mustKeepPartsApart() {
	l.t.Helper()
	var status struct {
		Connectors []struct{ Streams map[string]any }
	}
	text := l.must(0, "status", "--json").stdout
	if err := json.Unmarshal([]byte(text), &status); err != nil || len(status.Connectors) != 1 || len(status.Connectors[0].Streams) == 0 {
		l.t.Fatalf("%v\n%s", err, text)
	}
	for _, name := range []string{"crm", "custom_objects", "sync_publish"} {
		if _, shown := status.Connectors[0].Streams[name]; shown {
			l.t.Errorf("status shows %s as a stream", name)
		}
	}
}
