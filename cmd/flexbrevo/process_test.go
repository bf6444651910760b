package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// command prepares the binary in the lab's directory, with nothing in its environment but the lab's own.
func (l *lab) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = l.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "TMPDIR=" + os.TempDir()}
	for name, value := range l.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// flexbrevo runs a command to its end.
func (l *lab) flexbrevo(args ...string) result {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := l.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		l.t.Fatalf("flexbrevo %s: %v (%v)\n%s", strings.Join(args, " "), err, ctx.Err(), stderr.String())
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a command that has to end with an exit code.
func (l *lab) must(code int, args ...string) result {
	l.t.Helper()
	r := l.flexbrevo(args...)
	if r.code != code {
		l.t.Fatalf("flexbrevo %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r
}

// output collects what a running process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// daemon is a running `flexbrevo run`.
type daemon struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr output
	listen, admin  string // addresses, once it is ready
	ended          chan error
}

// start starts the daemon and does not wait for anything.
func (l *lab) start() *daemon {
	l.t.Helper()
	d := &daemon{t: l.t, cmd: l.command(context.Background(), "run"), ended: make(chan error, 1)}
	d.cmd.Stdout, d.cmd.Stderr = &d.stdout, &d.stderr
	if err := d.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	l.t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // it may have ended long ago
		d.wait(10 * time.Second)
	})
	return d
}

// run starts the daemon and waits until it is ready.
func (l *lab) run() *daemon {
	l.t.Helper()
	d := l.start()
	eventually(l.t, 30*time.Second, "the daemon is ready", func() bool {
		select {
		case err := <-d.ended:
			d.ended <- err
			l.t.Fatalf("the daemon ended early: %v\n%s", err, d.stderr.String())
		default:
		}
		return d.isReady()
	})
	return d
}

// isReady looks for the line that says so, and takes the addresses from it.
func (d *daemon) isReady() bool {
	for line := range strings.Lines(d.stderr.String()) {
		var said struct {
			Message string `json:"msg"`
			Listen  string `json:"listen"`
			Admin   string `json:"admin_listen"`
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Message == "ready" {
			d.listen, d.admin = said.Listen, said.Admin
			return true
		}
	}
	return false
}

// kill ends the daemon as a power cut does.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill() // it may have ended by itself, which the caller finds out otherwise
	d.wait(10 * time.Second)
}

// stop asks the daemon to end, and returns its exit code and how long it took.
func (d *daemon) stop() (code int, took time.Duration) {
	d.t.Helper()
	began := time.Now()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatalf("stop the daemon: %v\n%s", err, d.stderr.String())
	}
	if !d.wait(40 * time.Second) {
		d.t.Fatalf("the daemon did not stop\n%s", d.stderr.String())
	}
	return d.cmd.ProcessState.ExitCode(), time.Since(began)
}

// wait tells whether the process ended in time; it may be asked again.
func (d *daemon) wait(limit time.Duration) bool {
	select {
	case err := <-d.ended:
		d.ended <- err
		return true
	case <-time.After(limit):
		return false
	}
}

// eventually polls until a condition holds and fails the test when it never does.
func eventually(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
