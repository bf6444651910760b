package main_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

// blocks are the fenced blocks of a page in one language.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	var out []string
	parts := strings.Split(readFile(t, filepath.Join("..", "..", "docs", page)), "\n```")
	for i, part := range parts {
		if text, ok := strings.CutPrefix(part, language+"\n"); ok && i%2 == 1 { // every other one is outside
			out = append(out, text+"\n")
		}
	}
	return out
}

// shell runs a script with the binary in its path.
func (l *lab) shell(script string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", script)
	cmd.Dir = l.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = []string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + l.dir}
	for name, value := range l.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	// A file, so that what the script left in the background holds nobody up.
	out, err := os.Create(filepath.Join(l.t.TempDir(), "output"))
	if err != nil {
		l.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err = cmd.Start(); err == nil {
		group := cmd.Process.Pid
		err = cmd.Wait()
		_ = syscall.Kill(-group, syscall.SIGKILL) // nobody may be left
	}
	said := readFile(l.t, out.Name())
	if err != nil {
		l.t.Fatalf("%v\n%s\n%s", err, script, said)
	}
	return said
}

// freeAddress is a loopback address nobody listens on at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestQuickStart follows the page, save that the simulators listen where the machine has room.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	l := &lab{t: t, dir: t.TempDir()}
	script := strings.Join(blocks(t, "quickstart.md", "sh"), "\n")
	script = strings.NewReplacer("127.0.0.1:9000", freeAddress(t), "127.0.0.1:9100", freeAddress(t)).Replace(script)
	out := l.shell(script)
	for _, want := range []string{"connector.yaml is good", "✓ Flex API", "✓ Brevo key", "new records", `"skipped": 0`, `"dead": 0`, "customers linked"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "✗") {
		t.Errorf("something failed:\n%s", out)
	}
}

// pages are the pages of docs.
func pages(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(files) < 14 {
		t.Fatalf("pages: %v, %v", files, err)
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = filepath.Base(file)
	}
	return names
}

// TestPages runs every command of the other pages that have some, each page in a directory of its own that `init` has
// made. Zoe is somebody there, and nobody is at a terminal to say yes.
func TestPages(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, page := range pages(t) {
		scripts := blocks(t, page, "sh")
		if len(scripts) == 0 || page == "quickstart.md" {
			continue
		}
		ran++
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			l, answers := newcomer(t)
			l.env["NEW_BREVO_KEY"] = brevoKey
			l.mustShow(l.init(answers), 0)
			l.must(0, "sync")
			events := len(l.brevo.Events())
			somebody := l.world.Customers[slices.IndexFunc(l.world.Customers, func(c world.Customer) bool { return c.Email != "" })].Email
			for _, script := range scripts {
				l.shell(strings.NewReplacer("zoe@example.com", somebody, " --in-brevo\n", " --in-brevo --yes\n").Replace(script))
			}
			l.must(0, "sync")
			if now := len(l.brevo.Events()); now != events {
				t.Errorf("%d events in Brevo, %d before", now, events)
			}
		})
	}
	if ran < 7 {
		t.Errorf("only %d pages have commands", ran)
	}
}

// TestRulesOfThePage compiles the examples.
func TestRulesOfThePage(t *testing.T) {
	t.Parallel()
	examples := blocks(t, "rules.md", "yaml")
	if len(examples) < 4 {
		t.Fatalf("%d examples", len(examples))
	}
	for i, example := range examples {
		text := "connectors:\n  centre:\n    account_sid: AC00000000000000000000000000000001\n    auth_token: t\n    " +
			strings.ReplaceAll(strings.TrimSpace(example), "\n", "\n    ") + "\nbrevo: {api_key: k}\n"
		cfg, err := config.Parse("rules.md", []byte(text), config.Options{Env: func(string) (string, bool) { return "", false }})
		if err != nil {
			t.Errorf("example %d: %v\n%s", i+1, err, text)
		} else if len(cfg.Warnings) > 0 {
			t.Errorf("example %d: %v", i+1, cfg.Warnings)
		}
	}
}

var commandPattern = regexp.MustCompile("flexbrevo ((?:[a-z]+ ?)+)((?:--[a-z-]+[ =]?[^ `|]* ?)*)")

// TestCommandsExist looks up every command and flag that any page speaks of.
func TestCommandsExist(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(61, 5, false)})
	asked := map[string]string{}
	for _, page := range append(pages(t), "../README.md") {
		text := readFile(t, filepath.Join("..", "..", "docs", page))
		for i, part := range strings.Split(text, "\n```") {
			if inside := i%2 == 1; inside && strings.HasPrefix(part, "\n") && strings.Contains(part, "\nflexbrevo ") {
				t.Errorf("%s has commands in a block that is neither sh, and run, nor console, and looked up:%s", page, part)
			}
		}
		for _, code := range regexp.MustCompile("`flexbrevo [^`]+`|(?m)^\\$ flexbrevo .*$").FindAllString(text, -1) {
			m := commandPattern.FindStringSubmatch(code)
			if m == nil {
				continue
			}
			words := strings.Fields(m[1])
			help, path := "", ""
			for i := len(words); i > 0 && help == ""; i-- {
				path = strings.Join(words[:i], " ")
				if _, known := asked[path]; !known {
					r := l.flexbrevo(append(slices.Clone(words[:i]), "--help")...)
					if strings.Contains(r.stdout, "flexbrevo "+path) {
						asked[path] = r.stdout
					}
				}
				help = asked[path]
			}
			if help == "" {
				t.Errorf("%s: there is no command in %s", page, code)
			}
			for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(m[2], -1) {
				if !strings.Contains(help, flag) {
					t.Errorf("%s: %s has no %s", page, path, flag)
				}
			}
		}
	}
	if len(asked) < 12 {
		t.Errorf("only %d commands were found: %s", len(asked), fmt.Sprint(asked))
	}
}

// TestStatesAreDrawn looks for every state of the store's machines in the drawings.
func TestStatesAreDrawn(t *testing.T) {
	t.Parallel()
	drawn := strings.Join(blocks(t, "states.md", ""), "\n")
	var states []string
	for _, s := range []store.RecordState{store.Waiting, store.Digested, store.Ignored, store.Failed} {
		states = append(states, string(s))
	}
	for _, s := range []store.DeliveryState{store.Pending, store.Sending, store.Unknown, store.Delivered, store.Skipped, store.Dead, store.Withdrawn} {
		states = append(states, string(s))
	}
	for _, s := range []store.RunState{store.RunQueued, store.RunRunning, store.RunDone, store.RunFailed} {
		states = append(states, string(s))
	}
	for _, state := range append(states, "paused", "Acquire", "Extend", "Release") {
		if !regexp.MustCompile(`\b` + state + `\b`).MatchString(drawn) {
			t.Errorf("docs/states.md draws nothing of %q", state)
		}
	}
}
