//go:build !no_mcp

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
)

// assistant speaks to a `flexbrevo mcp`.
type assistant struct {
	t       *testing.T
	session *mcp.ClientSession
	stderr  *output
}

// assist starts `flexbrevo mcp`.
func (l *lab) assist(args ...string) *assistant {
	l.t.Helper()
	a := &assistant{t: l.t, stderr: &output{}}
	cmd := l.command(context.Background(), append([]string{"mcp"}, args...)...)
	cmd.Stderr = a.stderr
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(l.t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		l.t.Fatalf("%v\n%s", err, a.stderr.String())
	}
	a.session = session
	l.t.Cleanup(func() {
		if err := session.Close(); err != nil {
			l.t.Errorf("flexbrevo mcp did not end well with its input: %v\n%s", err, a.stderr.String())
		}
	})
	return a
}

func (a *assistant) tools() (names []string) {
	a.t.Helper()
	listed, err := a.session.ListTools(a.t.Context(), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, tool := range listed.Tools {
		names = append(names, tool.Name)
		if tool.OutputSchema == nil || tool.Annotations == nil || tool.Description == "" {
			a.t.Errorf("tool %s has no schema, or does not say what it does", tool.Name)
		}
		if changes := slices.Contains(changing, tool.Name); tool.Annotations.ReadOnlyHint == changes {
			a.t.Errorf("tool %s says that it reads only: %t", tool.Name, tool.Annotations.ReadOnlyHint)
		}
	}
	return names
}

// ask calls a tool, and reads its structured result.
func (a *assistant) ask(name string, arguments map[string]any, to any) {
	a.t.Helper()
	got, err := a.session.CallTool(a.t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil || got.IsError {
		a.t.Fatalf("%s: %v %s", name, err, textOf(got))
	}
	b, err := json.Marshal(got.StructuredContent)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		a.t.Fatalf("%s: %v", name, err)
	}
}

// refused calls a tool that has to answer with an error.
func (a *assistant) refused(name string, arguments map[string]any, want string) {
	a.t.Helper()
	got, err := a.session.CallTool(a.t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil || !got.IsError || !strings.Contains(textOf(got), want) {
		a.t.Errorf("%s %v: %v %s, want an error with %q", name, arguments, err, textOf(got), want)
	}
}

func textOf(r *mcp.CallToolResult) string {
	if r == nil || len(r.Content) == 0 {
		return ""
	}
	text, _ := r.Content[0].(*mcp.TextContent)
	if text == nil {
		return ""
	}
	return text.Text
}

var (
	reading  = []string{"dead_letter", "dead_letters", "explain", "plan_backfill", "status"}
	changing = []string{"drop_dead_letters", "requeue_dead_letters", "start_backfill"}
)

// TestMCP asks for everything, first without a daemon, then beside one, and changes what it may.
func TestMCP(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(61, 30, false)})
	early := l.assist()
	early.refused("status", nil, "there is no store")
	l.must(0, "sync")
	l.bury("lost-1", "lost-2", "lost-3")

	a := l.assist()
	if names := a.tools(); !slices.Equal(names, reading) {
		t.Errorf("tools %q", names)
	}
	var status struct {
		Connectors []struct {
			Name        string
			DeadLetters int
		}
	}
	a.ask("status", nil, &status)
	if len(status.Connectors) != 1 || status.Connectors[0].DeadLetters != 3 {
		t.Errorf("status %+v", status)
	}
	email := ""
	for _, c := range l.brevo.Contacts() {
		email = firstText(email, c.Email)
	}
	var explained struct {
		Found []struct {
			Customers []struct {
				Email      string
				Attributes []any
			}
		}
	}
	a.ask("explain", map[string]any{"what": email}, &explained)
	if len(explained.Found) != 1 || explained.Found[0].Customers[0].Email != email || len(explained.Found[0].Customers[0].Attributes) == 0 {
		t.Errorf("explained %+v", explained)
	}
	a.ask("explain", map[string]any{"what": "nobody@example.com"}, &explained)
	var dead struct{ Letters []struct{ ID, Reason string } }
	a.ask("dead_letters", map[string]any{"reason": "lost-2"}, &dead)
	if len(dead.Letters) != 1 || dead.Letters[0].Reason != "refused lost-2" {
		t.Errorf("dead letters %+v", dead)
	}
	var one struct{ Event map[string]string }
	a.ask("dead_letter", map[string]any{"id": dead.Letters[0].ID}, &one)
	if one.Event["event_name"] != "SUPPORT_RESOLVED" || strings.Contains(one.Event["agent"], "Zoe") {
		t.Errorf("dead letter %+v", one)
	}
	var plan struct{ Plans []struct{ Records int } }
	calls := func() (n int) {
		for _, count := range l.twilio.Calls() {
			n += count
		}
		return n
	}
	before := calls()
	a.ask("plan_backfill", map[string]any{"since": "5d"}, &plan)
	if n := calls() - before; n > 60 {
		t.Errorf("the plan took %d calls to Twilio", n)
	}
	if len(plan.Plans) != 1 || plan.Plans[0].Records == 0 {
		t.Errorf("plan %+v", plan)
	}
	a.refused("explain", map[string]any{"what": ""}, "")
	a.refused("explain", map[string]any{"who": "x"}, "who")
	a.refused("dead_letters", map[string]any{"kind": "letter"}, "letter")
	a.refused("dead_letters", map[string]any{"since": "soon"}, "since soon: want a date")
	a.refused("dead_letter", map[string]any{"id": "d999"}, "d999 is not among")
	a.refused("plan_backfill", map[string]any{"since": "2999-01-01"}, "not in the past")
	if _, err := a.session.CallTool(t.Context(), &mcp.CallToolParams{Name: "drop_dead_letters", Arguments: map[string]any{"all": true}}); err == nil {
		t.Error("a tool that was not offered was called")
	}
	if said := a.stderr.String(); strings.Contains(said, email) {
		t.Errorf("a log line shows %s", email)
	}
}

// TestMCPChanges lets an assistant change what it may while the daemon runs.
func TestMCPChanges(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(62, 20, false)})
	l.must(0, "sync")
	l.bury("lost-1", "lost-2", "lost-3")
	a := l.assist("--allow-changes")
	if names, want := a.tools(), slices.Sorted(slices.Values(slices.Concat(reading, changing))); !slices.Equal(names, want) {
		t.Errorf("tools %q", names)
	}
	d := l.run()
	var changed struct{ Changed int }
	a.refused("drop_dead_letters", nil, "which ones?")
	a.ask("drop_dead_letters", map[string]any{"reason": "lost-1"}, &changed)
	if changed.Changed != 1 {
		t.Errorf("dropped %d", changed.Changed)
	}
	a.ask("requeue_dead_letters", map[string]any{"all": true}, &changed)
	if changed.Changed != 2 {
		t.Errorf("requeued %d", changed.Changed)
	}
	eventually(t, 30*time.Second, "the daemon sent what was requeued", func() bool {
		_, events := l.inBrevo()
		n := 0
		for _, e := range events {
			if strings.HasPrefix(e.ID, "lost-") {
				n++
			}
		}
		return n == 2
	})
	var started struct{ Runs []struct{ Run int64 } }
	until := today().Add(-time.Hour).Format(time.RFC3339) // Twilio's clock stands still at midnight
	a.ask("start_backfill", map[string]any{"since": "5d", "until": until, "events": "none"}, &started)
	if len(started.Runs) != 1 {
		t.Fatalf("started %+v", started)
	}
	eventually(t, 60*time.Second, "the daemon did the backfill", func() bool {
		return l.runState(started.Runs[0].Run) == store.RunDone
	})
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr.String())
	}
}

// TestMCPEnds ends the server by its input's end and by a signal, and lets it refuse a configuration.
func TestMCPEnds(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(63, 5, false)})
	if r := l.must(0, "mcp"); r.stdout != "" {
		t.Errorf("it said %q to nobody", r.stdout)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := l.command(ctx, "mcp")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout output
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write([]byte(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}` + "\n")); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "it answers", func() bool { return strings.Contains(stdout.String(), "serverInfo") })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	l.write("connector.yaml", "connectors: {}\n")
	if r := l.must(3, "mcp"); !strings.Contains(r.stderr, "cannot be used") {
		t.Errorf("stderr %s", r.stderr)
	}
}

// TestMCPInspector asks by the protocol's official inspector.
func TestMCPInspector(t *testing.T) {
	t.Parallel()
	dir := installed(t, "inspector")
	l := newLab(t, setup{world: aDay(64, 10, false)})
	l.must(0, "sync")
	inspect := func(args ...string) (out map[string]any) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		command := []string{filepath.Join(dir, "node_modules", "@modelcontextprotocol", "inspector-cli", "build", "cli.js"), "--cli"}
		for name, value := range l.env {
			command = append(command, "-e", name+"="+value)
		}
		command = append(command, "-e", "FLEXBREVO_CONFIG="+filepath.Join(l.dir, "connector.yaml"), binary, "mcp")
		cmd := exec.CommandContext(ctx, "node", append(command, args...)...)
		// It looks for a package.json above the folder that it is run in.
		cmd.Dir = filepath.Join(dir, "node_modules")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
		}
		if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
			t.Fatalf("%v\n%s", err, stdout.String())
		}
		return out
	}
	if tools, _ := inspect("--method", "tools/list")["tools"].([]any); len(tools) != len(reading) {
		t.Errorf("the inspector sees %d tools", len(tools))
	}
	status := inspect("--method", "tools/call", "--tool-name", "status")
	if result, _ := status["structuredContent"].(map[string]any); result["connectors"] == nil {
		t.Errorf("status %v", status)
	}
	plan := inspect("--method", "tools/call", "--tool-name", "plan_backfill", "--tool-arg", "since=5d")
	if result, _ := plan["structuredContent"].(map[string]any); result["plans"] == nil {
		t.Errorf("plan %v", plan)
	}
	if wrong := inspect("--method", "tools/call", "--tool-name", "dead_letter", "--tool-arg", "id=x"); wrong["isError"] != true {
		t.Errorf("a wrong number gives %v", wrong)
	}
}

// runState reads, beside the daemon, where a run stands.
func (l *lab) runState(id int64) store.RunState {
	l.t.Helper()
	st, err := sqlstore.Open(l.t.Context(), "sqlite://"+filepath.Join(l.dir, "flexbrevo.db"), sqlstore.Options{ReadOnly: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		l.t.Fatal(err)
	}
	run, err := st.LoadRun(l.t.Context(), id)
	if err := errors.Join(err, st.Close()); err != nil {
		l.t.Fatal(err)
	}
	return run.State
}

func firstText(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
