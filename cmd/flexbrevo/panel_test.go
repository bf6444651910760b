//go:build !no_publish

package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// agentScreen is a Chromium with the panel of the plugin beside a task, on the Sync of a lab.
type agentScreen struct {
	t   *testing.T
	ctx context.Context
	url string
}

// standInBundle is the plugin with a stand-in for Sync's own client.
func standInBundle(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not installed, the plugin cannot be built (.ci/needs installs it)")
	}
	if _, err := buildPlugin(); err != nil {
		t.Fatal(err)
	}
	return readFile(t, filepath.Join("..", "..", "plugin", "build", "plugin-flexbrevo-standin.js"))
}

func newAgentScreen(t *testing.T, l *lab) *agentScreen {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("chromium is not installed, the panel cannot be drawn (.ci/needs installs it)")
	}
	a := &agentScreen{t: t}
	mux := http.NewServeMux()
	serveText := func(path, kind, text string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write([]byte(text))
		})
	}
	plugin := filepath.Join("..", "..", "plugin")
	serveText("/plugin.js", "text/javascript", standInBundle(t))
	serveText("/{$}", "text/html", readFile(t, filepath.Join(plugin, "test", "panel.html")))
	serveText("/react.js", "text/javascript", readFile(t, filepath.Join(plugin, "node_modules", "react", "umd", "react.production.min.js")))
	serveText("/react-dom.js", "text/javascript", readFile(t, filepath.Join(plugin, "node_modules", "react-dom", "umd", "react-dom.production.min.js")))
	mux.HandleFunc("GET /sync/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Token") != "first-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.SetBasicAuth(l.world.AccountSID, l.world.AuthToken)
		l.twilio.ServeHTTP(w, r)
	})
	a.url = serve(t, mux)
	dir, err := os.MkdirTemp("", "flexbrevo-panel-")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(dir),
		chromedp.ExecPath("chromium"), chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(90*time.Second))
	alloc, closeAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // the process is gone in either case
		closeTab()
		closeAlloc()
		for range 50 { // its children may still write
			if err := os.RemoveAll(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	// The first call starts the browser, which lives as long as that call's context.
	if _, err := chromedp.Run(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	a.ctx = ctx
	return a
}

// open loads the page with the plugin's settings.
func (a *agentScreen) open(settings string) {
	a.t.Helper()
	for _, address := range []string{"about:blank", a.url + "/#" + url.PathEscape(settings)} {
		onScreen(a, chromedp.Navigate(address))
	}
}

// onScreen does something in the browser.
func onScreen[T any](a *agentScreen, action chromedp.Action[T]) T {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.ctx, 60*time.Second)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		a.t.Fatal(err)
	}
	return value
}

// eval gives what a script comes to.
func (a *agentScreen) eval(script string) string {
	a.t.Helper()
	return onScreen(a, chromedp.Evaluate[string]("String("+script+")"))
}

// show puts a task of somebody who calls on the screen.
func (a *agentScreen) show(n int, phone string) {
	a.t.Helper()
	a.eval(fmt.Sprintf(`showTask({sid: "WR%032d", taskSid: "WT%032d", attributes: {from: %q, direction: "inbound"}})`, n, n, phone))
}

// sees waits until the screen has a text.
func (a *agentScreen) sees(text string) {
	a.t.Helper()
	eventually(a.t, 20*time.Second, "the agent sees "+text, func() bool {
		return strings.Contains(a.eval(`document.body.innerText`), text)
	})
}

// TestPanelInBrowser shows agents their customers beside the task, as they are and as they change, and nothing of what
// they hold as markup.
func TestPanelInBrowser(t *testing.T) {
	t.Parallel()
	l := publishing(t, setup{world: aDay(31, 30, false)}, "{documents: customer., fields: {Tier: customer_tier}}")
	l.must(0, "sync")
	a := newAgentScreen(t, l)
	a.open(`{"documents": "customer."}`)
	a.show(1, "+33999999999")
	a.sees("Nothing is known of this customer yet.")
	phone, item := "", shown{}
	for name, v := range l.twilio.SyncDocuments() {
		var one shown
		if err := json.Unmarshal(v.Data, &one); err != nil {
			t.Fatal(err)
		}
		if len(one.Events) > len(item.Events) && one.Name != "" {
			phone, item = strings.TrimPrefix(name, "customer."), one
		}
	}
	a.show(2, phone)
	a.sees(item.Name)
	a.sees("total conversations")
	for what, want := range map[string]string{
		`document.querySelectorAll("[role=tabpanel] section[aria-label] ol > li > time[datetime]").length`: fmt.Sprint(len(item.Events)),
		`document.querySelector("h2").textContent`:                                                         item.Name,
		`document.querySelectorAll("dt").length - document.querySelectorAll("dd").length`:                  "0",
		`document.querySelectorAll("dt").length > 3`:                                                       "true",
		`warnings.join()`: "flexbrevo: ui_attributes.flexbrevo.url of the Flex configuration is missing or unusable; nothing is sent",
	} {
		if got := a.eval(what); got != want {
			t.Errorf("%s is %s, want %s", what, got, want)
		}
	}

	// It changes while the agent looks; what it holds is text, whatever it is.
	l.writeDocument("customer."+phone, `{"v":1,"name":"<img src=x onerror='window.struck=1'>","metrics":{"total_tasks":7},
		"fields":[{"label":"<b>Tier</b>","value":"<script>window.struck=1</script>"}],"events":[]}`)
	a.sees("<img src=x onerror='window.struck=1'>")
	if got := a.eval(`document.querySelectorAll("#root img, #root script, #root b").length + " " + window.struck`); got != "0 undefined" {
		t.Errorf("data became markup: %s", got)
	}

	// Who is forgotten leaves the screen; the next task shows nobody of before.
	l.twilio.RemoveSync(false)
	a.sees("Nothing is known of this customer yet.")
	a.eval(`newToken("")`)
	a.eval(`newToken("forged")`)
	a.show(3, phone)
	a.sees("The customer could not be looked up.")
	if strings.Contains(a.eval(`document.body.innerText`), "img") {
		t.Error("the customer of before is shown")
	}
}

// writeDocument replaces a document as any other client of Sync does.
func (l *lab) writeDocument(name, data string) {
	l.t.Helper()
	form := url.Values{"Data": {data}}
	r := httptest.NewRequest(http.MethodPost, "/sync/v1/Services/default/Documents/"+url.PathEscape(name), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(l.world.AccountSID, l.world.AuthToken)
	rec := httptest.NewRecorder()
	l.twilio.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		l.t.Fatalf("write %s: %d %s", name, rec.Code, rec.Body)
	}
}

// TestPanelOfMap shows the item of a map.
func TestPanelOfMap(t *testing.T) {
	t.Parallel()
	l := publishing(t, setup{world: aDay(32, 20, false)}, "{map: customers}")
	l.must(0, "sync")
	a := newAgentScreen(t, l)
	a.open(`{"map": "customers", "key": "phone"}`)
	n := 0
	for phone := range l.twilio.SyncItems("customers") {
		n++
		a.show(n, phone)
		a.sees("Last events")
		if n == 3 {
			break
		}
	}
	a.show(n+1, "anonymous")
	a.sees("Nothing is known of this customer yet.")
}
