package console_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// axeSource is the accessibility checker that testdata/axe/package-lock.json pins, installed outside the tree.
var axeSource = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "flexbrevo-axe-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", "axe", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci of testdata/axe: %w\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	return string(text), err
})

// axe returns the checker's source, and skips a test on a machine without npm.
func axe(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); errors.Is(err, exec.ErrNotFound) {
		t.Skip("npm is not installed, axe-core cannot be had (.ci/needs installs it)")
	}
	source, err := axeSource()
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// askAxe starts the checker on all its rules; its answer is kept in the page.
const askAxe = `() => { axe.run(document, { resultTypes: ["violations"] }).then(
  r => { window.axeSays = { ran: r.passes.length, found: r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 120)).join(" | ")) }; },
  e => { window.axeSays = { ran: 0, found: [String(e)] }; }); }`

// checkByAxe fails the test for what axe-core finds fault with.
func (w *window) checkByAxe(source, what string) {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void]("window.axeSays = undefined; " + source + "; (" + askAxe + ")(); undefined"))
	w.until("axe has an answer", `window.axeSays`)
	var says struct {
		Ran   int
		Found []string
	}
	w.eval(`() => window.axeSays`, &says)
	if says.Ran < 20 && len(says.Found) == 0 {
		w.t.Errorf("%s: axe tried %d rules only", what, says.Ran)
	}
	for _, f := range says.Found {
		w.t.Errorf("%s, axe: %s", what, f)
	}
	w.clean()
}

// TestAccessibleByAxe lets axe-core read the page, its charts opened as tables, and the sign-in form.
func TestAccessibleByAxe(t *testing.T) {
	source := axe(t)
	w := openWindow(t, 4, guarded)
	w.do(chromedp.Navigate(w.url + "/"))
	w.until("the form is shown", `document.getElementById("password")`)
	w.checkByAxe(source, "sign in")
	w.do(chromedp.SendKeys("#password", password+"\r"))
	w.until("the sign-in is over", `document.querySelectorAll("#dead tbody tr").length === 4`) // it goes to the page by itself
	for _, size := range []struct {
		name   string
		width  int64
		mobile bool
		theme  string
	}{{"phone", 360, true, "light"}, {"desktop", 1280, false, "dark"}} {
		w.resize(size.width, 900, size.mobile)
		w.theme(size.theme)
		w.do(chromedp.Navigate(w.url + "/"))
		w.until("the page shows its data", `document.querySelectorAll("#dead tbody tr").length === 4`)
		w.do(chromedp.Click("#pause"))
		w.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => { d.open = true; }); undefined`))
		w.checkByAxe(source, size.name)
	}
}
