package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"flexbrevo/connector/console"
)

// screenshots are written there when the variable is set, for people to look at.
const screenshotsVariable = "FLEXBREVO_TEST_SCREENSHOTS"

// busy is an account with a million deliveries, problems, dead letters and a backfill under way.
func busy(now time.Time, dead int) map[string]any {
	flow := []any{}
	for i := range 360 {
		flow = append(flow, map[string]any{
			"at": now.Add(time.Duration(i-359) * 10 * time.Second).UTC().Format(time.RFC3339), "seconds": 10,
			"captured": 900 + (i*37)%400, "contacts": 300 + (i*13)%90, "events": 420 + (i*29)%160, "lag": 8 + (i*7)%20,
		})
	}
	letters := []any{}
	for i := range dead {
		letters = append(letters, map[string]any{
			"id": fmt.Sprint("d", 4711+i), "connector": "twilio_flex", "kind": "event", "diedAt": now.Add(-time.Hour).UTC().Format(time.RFC3339),
			"what":   "SUPPORT_RESOLVED task.completed:WT00000000000000000000000000000001",
			"reason": "invalid <script>alert(1)</script>",
		})
	}
	at := func(ago time.Duration) string { return now.Add(-ago).UTC().Format(time.RFC3339) }
	connector := map[string]any{
		"name": "twilio_flex", "connected": true, "lastSync": at(4 * time.Second), "conversationsTracked": 412_233, "customersLinked": 188_902, "agentsMonitored": 310,
		"streams": map[string]any{
			"events":        map[string]any{"through": at(12 * time.Second), "savedAt": at(3 * time.Second), "lagSeconds": 12},
			"conversations": map[string]any{"through": at(70 * time.Second), "savedAt": at(40 * time.Second), "lagSeconds": 70, "problem": "GET conversations /v1/Services/{sid}/Conversations: transient (status 502)"},
		},
		"records":    map[string]int{"waiting": 12, "digested": 3_811_000, "ignored": 210_334, "failed": 1},
		"outbox":     map[string]any{"contact": map[string]int{"pending": 131, "sending": 4, "delivered": 402_118, "skipped": 812}, "event": map[string]int{"pending": 60, "delivered": 596_711, "dead": dead}},
		"oldestOwed": at(95 * time.Second), "deadLetters": dead, "used": map[string]float64{"contacts": 7.6, "events": 6.1},
		"budgets": []any{
			map[string]any{"Bucket": "contacts", "Window": 1e9, "Limit": 10, "Allowed": 8.0, "Used": 402_118, "Remaining": 2, "PerSecond": 7.9, "BlockedUntil": "0001-01-01T00:00:00Z"},
			map[string]any{"Bucket": "events", "Window": 1e9, "Limit": 10, "Allowed": 8.0, "Used": 596_711, "Remaining": 3, "PerSecond": 4.0, "BlockedUntil": at(-30 * time.Second)},
			map[string]any{"Bucket": "other", "Window": 3600e9, "Limit": 100, "Allowed": 80.0, "Used": 33, "Remaining": 61, "PerSecond": 0, "BlockedUntil": "0001-01-01T00:00:00Z"},
		},
		"omissions": []any{map[string]any{"What": "SMS", "Reason": "not a phone number", "Count": 1204}, map[string]any{"What": "AVERYLONGATTRIBUTENAMETHATNOBODYBREAKS_ANYWHERE_IN_ITS_MIDDLE", "Reason": "attribute has another type", "Count": 12}},
		"webhooks":  map[string]any{"event-streams": map[string]any{"accepted": 901_223, "refused": 2, "lastAt": at(2 * time.Second)}, "flex": map[string]any{"accepted": 12, "refused": 0, "lastAt": at(30 * time.Hour), "quietSince": at(30 * time.Hour)}},
		"problems":  []string{"flex has posted nothing since yesterday although tasks end: see `flexbrevo webhook doctor`"},
		"backlog":   map[string]any{"contacts": 135, "events": 60, "seconds": 17.0, "doneAt": at(-17 * time.Second)},
		"queues":    []any{map[string]any{"name": "Support FR", "offered": 1877, "accepted": 1811, "abandoned": 40, "waitSeconds": 31.5}},
		"ages":      map[string]any{"contact": []int{90, 30, 11, 0, 4}, "event": []int{60, 0, 0, 0, 0}},
		"hours":     hours(now), "csat": csat(now),
		"days": []any{map[string]any{"day": "2026-11-20", "agents": 112, "offered": 1900, "accepted": 1811, "handleSeconds": 412.5, "csatCount": 841, "csatMean": 4.31}},
	}
	return map[string]any{
		"now": now.UTC().Format(time.RFC3339Nano), "flow": flow, "dead": letters, "deadMore": dead >= 100,
		"status": map[string]any{"connected": true, "conversationsTracked": 412_233, "customersLinked": 188_902, "agentsMonitored": 310, "connectors": []any{connector}},
		"runs": []any{
			map[string]any{"id": 8, "kind": "backfill", "connector": "twilio_flex", "state": "running", "createdAt": at(time.Hour), "startedAt": at(time.Hour), "endedAt": nil, "progress": map[string]any{"captured": 400_123, "digested": 391_000, "delivered": 0}, "error": ""},
			map[string]any{"id": 7, "kind": "sync", "connector": "", "state": "failed", "createdAt": at(2 * time.Hour), "startedAt": at(2 * time.Hour), "endedAt": at(119 * time.Minute), "progress": nil, "error": "GET taskrouter: transient"},
		},
	}
}

// hours are a day of a queue with a quiet night.
func hours(now time.Time) []any {
	var out []any
	for i := range 24 {
		at := now.UTC().Truncate(time.Hour).Add(time.Duration(i-23) * time.Hour)
		offered := max(0, 120-(at.Hour()-13)*(at.Hour()-13))
		out = append(out, map[string]any{"at": at.Format(time.RFC3339), "offered": offered, "accepted": offered * 9 / 10, "abandoned": offered / 20})
	}
	return out
}

// csat are two weeks of answers, one day without any.
func csat(now time.Time) map[string]any {
	var days []any
	for i := range 14 {
		day := map[string]any{"name": now.AddDate(0, 0, i-13).Format(time.DateOnly), "count": 40 + 3*i, "mean": 4.31}
		if i == 5 {
			day["count"], day["mean"] = 0, 0
		}
		days = append(days, day)
	}
	var scores []any
	for score, n := range []int{12, 20, 61, 240, 508} {
		scores = append(scores, map[string]any{"from": score + 1, "to": score + 1, "count": n})
	}
	return map[string]any{
		"days": days, "scores": scores,
		"channels": []any{map[string]any{"name": "voice", "count": 700, "mean": 4.4}, map[string]any{"name": "sms", "count": 141, "mean": 4.0}},
		"queues":   []any{map[string]any{"name": "Support FR", "count": 800, "mean": 4.35}, map[string]any{"name": "not known", "count": 41, "mean": 3.9}},
	}
}

// window is a browser on a console.
type window struct {
	t   *testing.T
	ctx context.Context
	*desk
	mu       sync.Mutex
	dead     int
	requeued []string
	bad      []string // what the browser complained of
}

// chromium starts a browser of its own for the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	if _, err := exec.LookPath("chromium"); errors.Is(err, exec.ErrNotFound) {
		t.Skip("chromium is not installed; .ci/needs does it")
	}
	dir, err := os.MkdirTemp("", "flexbrevo-browser-")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(dir), chromedp.ExecPath("chromium"),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(90*time.Second))
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
	return ctx
}

func openWindow(t *testing.T, dead int, change func(*console.Options)) *window {
	t.Helper()
	w := &window{t: t, ctx: chromium(t), dead: dead}
	w.desk = newDesk(t, func(o *console.Options) {
		o.Clock = time.Now
		o.Overview = func(context.Context) (any, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return busy(time.Now(), w.dead), nil
		}
		o.Requeue = func(_ context.Context, _ string, ids []string) (int, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.requeued = append(w.requeued, ids...)
			w.dead -= len(ids)
			return len(ids), nil
		}
		if change != nil {
			change(o)
		}
	})
	if err := chromedp.Listen(w.ctx, w.listen); err != nil {
		t.Fatal(err)
	}
	call(w, network.Enable, network.EnableParams{})
	call(w, log.Enable, cdp.Empty{})
	call(w, runtime.Enable, cdp.Empty{})
	return w
}

// call sends a command of the protocol.
func call[P, R any](w *window, command cdp.Command[P, R], params P) R {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

// listen notes what must not happen: errors, refusals of the policy, requests to anybody else.
func (w *window) listen(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		w.bad = append(w.bad, fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.URL, "favicon") {
			w.bad = append(w.bad, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, w.url) && !strings.HasPrefix(e.Request.URL, "data:") && !strings.HasPrefix(e.Request.URL, "about:") {
			w.bad = append(w.bad, "a request to "+e.Request.URL)
		}
	}
}

func (w *window) do(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.t.Fatal(err)
	}
}

// run makes an action that gives a value.
func run[T any](w *window, action chromedp.Action[T]) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		w.t.Fatal(err)
	}
	return value
}

// eval runs a function of the page's and decodes its value.
func (w *window) eval(script string, into any) {
	w.t.Helper()
	text := run(w, chromedp.Evaluate[string]("JSON.stringify(("+script+")())"))
	if err := json.Unmarshal([]byte(text), into); err != nil {
		w.t.Fatalf("%v: %s", err, text)
	}
}

func (w *window) resize(width, height int64, mobile bool) {
	w.t.Helper()
	call(w, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: mobile})
}

func (w *window) theme(name string) {
	w.t.Helper()
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

func (w *window) until(what, condition string) {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		var holds bool
		w.eval("() => !!("+condition+")", &holds)
		if holds {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s", what)
		}
		w.do(chromedp.Sleep(50 * time.Millisecond))
	}
}

// clean fails the test where the browser complained.
func (w *window) clean() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.bad {
		w.t.Error(b)
	}
	w.bad = nil
}

func (w *window) shot(name string) {
	dir := os.Getenv(screenshotsVariable)
	if dir == "" {
		return
	}
	png := run(w, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		w.t.Error(err)
	}
}

// overflow names what reaches beyond the window's width and can't be scrolled to on its own.
const overflow = `() => {
  const out = [];
  if (document.documentElement.scrollWidth > innerWidth) out.push("the page is " + document.documentElement.scrollWidth + " wide, the window " + innerWidth);
  for (const el of document.querySelectorAll("body *")) {
    if (el.closest(".scroll") || el.closest("svg") || el.matches(".skip")) continue;
    const r = el.getBoundingClientRect();
    if (r.width > 0 && r.right > innerWidth + 1) out.push(el.tagName + "." + el.className + " " + el.textContent.slice(0, 40));
  }
  return out;
}`

// contrast names texts that stand out too little from what is behind them (WCAG 2.2, 1.4.3).
const contrast = `() => {
  const out = new Set();
  const rgb = c => { const m = c.match(/[\d.]+/g).map(Number); return m.length === 3 ? [...m, 1] : m; };
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = el => { for (let e = el; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const el = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !el.getClientRects().length || el.closest("noscript")) continue;
    const style = getComputedStyle(el);
    const ink = rgb(el.closest("svg") ? style.fill : style.color), paper = behind(el);
    const part = el.closest("[disabled]") ? 3 : 4.5;
    const a = light(ink), b = light(paper), ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < part) out.add(walker.currentNode.textContent.trim().slice(0, 40) + ": " + ratio.toFixed(2));
  }
  return [...out];
}`

// structure names faults in what a screen reader goes by.
const structure = `() => {
  const out = [];
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  ids.filter((id, i) => ids.indexOf(id) !== i).forEach(id => out.push("two elements have the id " + id));
  for (const name of ["aria-labelledby", "for"]) for (const el of document.querySelectorAll("[" + name + "]")) if (!document.getElementById(el.getAttribute(name))) out.push(name + " leads nowhere: " + el.getAttribute(name));
  let level = 0;
  for (const el of document.querySelectorAll("h1, h2, h3, h4")) { const l = +el.tagName[1]; if (l > level + 1) out.push("a heading jumps: " + el.textContent); level = l; }
  for (const el of document.querySelectorAll("th")) if (!el.scope) out.push("a head without a scope: " + el.textContent);
  for (const el of document.querySelectorAll("table")) if (!el.caption) out.push("a table without a caption");
  for (const el of document.querySelectorAll("svg")) if (!el.closest("[aria-hidden=true]") && !el.getAttribute("aria-label")) out.push("a picture without words");
  for (const el of document.querySelectorAll("[style], script:not([src])")) out.push("inline: " + el.outerHTML.slice(0, 80));
  if (!document.documentElement.lang) out.push("no language");
  if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1) out.push("not one main and one h1");
  for (const el of document.querySelectorAll("button, summary, input")) { const r = el.getBoundingClientRect(); if (r.width > 0 && (r.width < 20 || r.height < 20)) out.push("too small to touch: " + el.outerHTML.slice(0, 60)); }
  return out;
}`

func (w *window) check(what string) {
	w.t.Helper()
	for name, script := range map[string]string{"overflow": overflow, "contrast": contrast, "structure": structure} {
		var faults []string
		w.eval(script, &faults)
		for _, f := range faults {
			w.t.Errorf("%s, %s: %s", what, name, f)
		}
	}
	w.named(what)
	w.clean()
}

// named reads the browser's own accessibility tree: whatever can be operated has a name.
func (w *window) named(what string) {
	w.t.Helper()
	nodes := call(w, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	text := func(v *accessibility.Value) string {
		if v == nil {
			return ""
		}
		return strings.Trim(string(v.Value), `"`)
	}
	operable := 0
	for _, n := range nodes {
		switch role := text(n.Role); role {
		case "button", "link", "checkbox", "textbox", "region", "image", "table", "DisclosureTriangle":
			operable++
			if !n.Ignored && text(n.Name) == "" {
				w.t.Errorf("%s: a %s has no name for a screen reader", what, role)
			}
		}
	}
	if operable == 0 {
		w.t.Errorf("%s: the accessibility tree is empty", what)
	}
}

func TestPageInABrowser(t *testing.T) {
	w := openWindow(t, 7, nil)
	for _, size := range []struct {
		name   string
		width  int64
		height int64
		mobile bool
	}{{"phone", 360, 740, true}, {"desktop", 1280, 900, false}} {
		for _, theme := range []string{"light", "dark"} {
			w.resize(size.width, size.height, size.mobile)
			w.theme(theme)
			w.do(chromedp.Navigate(w.url + "/"))
			w.until("the page shows its data", `document.querySelectorAll("#dead tbody tr").length === 7`)
			w.check(size.name + " " + theme)
			w.shot(size.name + "-" + theme)
		}
	}
	// What came from outside is text, whatever it looks like.
	var scripts int
	w.eval(`() => document.querySelectorAll("#dead script").length`, &scripts)
	if scripts != 0 {
		t.Error("a reason became an element")
	}
	var title string
	w.eval(`() => document.getElementById("problem-list").textContent`, &title)
	if !strings.Contains(title, "webhook doctor") {
		t.Errorf("the problem is not shown: %q", title)
	}
}

// TestRequeueByKeyboard chooses two dead letters and requeues them without a mouse.
func TestRequeueByKeyboard(t *testing.T) {
	w := openWindow(t, 5, nil)
	w.do(chromedp.Navigate(w.url + "/"))
	w.until("the page shows its data", `document.querySelectorAll("#dead tbody tr").length === 5`)
	reached := map[string]bool{}
	tab := func() string {
		w.do(chromedp.KeyEvent(kb.Tab))
		var at string
		w.eval(`() => { const e = document.activeElement; return e.id || e.getAttribute("aria-label") || e.textContent.slice(0, 30) }`, &at)
		reached[at] = true
		return at
	}
	if at := tab(); at != "Skip to content" {
		t.Errorf("the first stop is %q", at)
	}
	for range 80 {
		switch tab() {
		case "choose d4711", "choose d4713":
			w.do(chromedp.KeyEvent(" "))
		}
		if reached["choose d4715"] {
			break
		}
	}
	if !reached["pause"] || !reached["choose d4713"] || !reached["requeue"] == !reached["all"] && !reached["all"] {
		t.Fatalf("the keyboard reaches only %v", reached)
	}
	w.until("two are chosen", `document.getElementById("requeue").textContent === "Requeue 2"`)
	// An update without news keeps the place.
	w.do(chromedp.Sleep(3500 * time.Millisecond))
	var at string
	w.eval(`() => document.activeElement.getAttribute("aria-label")`, &at)
	if at != "choose d4715" {
		t.Errorf("an update moved the focus to %q", at)
	}
	for range 12 {
		w.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))) // shift
		w.eval(`() => document.activeElement.id`, &at)
		if at == "requeue" {
			break
		}
	}
	w.do(chromedp.KeyEvent(kb.Enter))
	w.until("it is said", `document.getElementById("said").textContent.startsWith("2 wait again")`)
	w.until("they are gone", `document.querySelectorAll("#dead tbody tr").length === 3`)
	w.mu.Lock()
	if fmt.Sprint(w.requeued) != "[d4711 d4713]" {
		t.Errorf("requeued %v", w.requeued)
	}
	w.mu.Unlock()
	w.clean()
}

func TestSigningInInABrowser(t *testing.T) {
	w := openWindow(t, 0, guarded)
	w.resize(360, 740, true)
	w.do(chromedp.Navigate(w.url + "/"))
	w.until("the form is shown", `document.getElementById("password")`)
	w.check("sign in")
	w.shot("login")
	w.do(chromedp.SendKeys("#password", "wrong"+kb.Enter))
	w.until("the refusal is said", `document.querySelector("[role=alert]")`)
	w.mu.Lock()
	w.bad = nil // the browser notes the status 401
	w.mu.Unlock()
	w.check("refused")
	w.do(chromedp.SendKeys("#password", password+kb.Enter))
	w.until("the page is shown", `document.querySelector("#dead p")`)
	w.check("signed in")
	w.do(chromedp.Click("form[action=logout] button"))
	w.until("the form is back", `document.getElementById("password")`)
	w.clean()
}

func TestReadOnlyAndPausedInABrowser(t *testing.T) {
	w := openWindow(t, 3, func(o *console.Options) { o.ReadOnly = true })
	w.do(chromedp.Navigate(w.url + "/"))
	w.until("the page shows its data", `document.querySelectorAll("#dead tbody tr").length === 3`)
	w.check("read only")
	var controls int
	w.eval(`() => document.querySelectorAll("#dead input, #dead button").length`, &controls)
	if controls != 0 {
		t.Errorf("%d controls to change something", controls)
	}
	w.do(chromedp.Click("#pause"))
	w.until("it says so", `document.getElementById("pause").getAttribute("aria-pressed") === "true"`)
	w.mu.Lock()
	w.dead = 1
	w.mu.Unlock()
	w.do(chromedp.Sleep(4 * time.Second))
	w.until("it stays as it was", `document.querySelectorAll("#dead tbody tr").length === 3`)
	w.do(chromedp.Click("#pause"))
	w.until("it goes on", `document.querySelectorAll("#dead tbody tr").length === 1`)
	w.clean()
}

// answer is what the golden file of a kind of customer says, as the API gives it.
func answer(t *testing.T, kind string) any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "explain", kind+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return []any{map[string]any{"connector": "twilio_flex", "customers": json.RawMessage(text)}}
}

// TestSearchInABrowser asks for a customer, reads the answer, and clears it away.
func TestSearchInABrowser(t *testing.T) {
	var asked []string
	w := openWindow(t, 2, func(o *console.Options) {
		o.Explain = func(_ context.Context, what string) (any, error) {
			asked = append(asked, what)
			if what == "+33600000000" {
				return []any{}, nil
			}
			return answer(t, "conflict"), nil
		}
	})
	w.do(chromedp.Navigate(w.url + "/"))
	w.until("the page shows its data", `document.querySelectorAll("#dead tbody tr").length === 2`)
	var text string
	w.eval(`() => document.getElementById("answer").textContent`, &text)
	if text != "" {
		t.Errorf("before anything was asked for it shows %q", text)
	}
	w.do(chromedp.SendKeys("#what", "somebody@example.com"+kb.Enter))
	w.until("the answer is shown", `document.querySelectorAll("#answer article").length === 1`)
	w.eval(`() => document.getElementById("answer").textContent`, &text)
	for _, want := range []string{"conflicting identifier", "connector.yaml:12:7", "PUT /contacts/{identifier}, answered 204", "older than what is there", "attribute unknown in Brevo"} {
		if !strings.Contains(text, want) {
			t.Errorf("the answer says nothing of %q", want)
		}
	}
	for _, size := range []int64{360, 1280} {
		w.resize(size, 900, size < 700)
		w.check(fmt.Sprint("answer at ", size))
		w.shot(fmt.Sprint("answer-", size))
	}
	var address string
	w.eval(`() => location.href`, &address)
	if strings.Contains(address, "somebody") {
		t.Errorf("the question is in the address: %s", address)
	}
	w.do(chromedp.Click("#clear"))
	w.until("the answer is gone", `document.getElementById("answer").textContent === "" && document.getElementById("what").value === ""`)
	w.do(chromedp.SendKeys("#what", " +33600000000 "+kb.Enter))
	w.until("it says that nothing is known", `document.getElementById("answer").textContent.startsWith("Nothing is known")`)
	if fmt.Sprint(asked) != "[somebody@example.com +33600000000]" {
		t.Errorf("asked for %v", asked)
	}
	w.clean()
}

// TestChartsInABrowser opens each chart's table by keyboard: it says what the picture shows, and stays open when the
// numbers change.
func TestChartsInABrowser(t *testing.T) {
	w := openWindow(t, 1, nil)
	w.do(chromedp.Navigate(w.url + "/"))
	w.until("the charts are drawn", `document.querySelectorAll(".charts svg[role=img]").length === 4`)
	for title, want := range map[string]struct {
		rows int
		says []string
	}{
		"A minute":              {12, []string{"records captured", "events delivered"}},
		"Behind Twilio":         {12, []string{"seconds behind"}},
		"Owed to Brevo, by age": {5, []string{"contacts", "events", "10 min to 1 h", "over 1 day"}},
		"Queues by hour":        {24, []string{"accepted", "abandoned"}},
		"Agents by day":         {1, []string{"2026-11-20", "1,811", "89"}},
		"CSAT by day":           {14, []string{"answers", "mean score", "4.31", "–"}},
	} {
		summary := fmt.Sprintf(`document.querySelector('summary[data-keep="%s summary"]')`, title)
		w.do(chromedp.Evaluate[chromedp.Void](summary + ".focus()"))
		w.do(chromedp.KeyEvent(kb.Enter))
		var rows int
		w.eval("() => "+summary+".parentElement.querySelectorAll('tbody tr').length", &rows)
		if rows != want.rows {
			t.Errorf("%s: %d rows, want %d", title, rows, want.rows)
		}
		var text, label string
		w.eval("() => "+summary+".parentElement.open && "+summary+".parentElement.innerText", &text)
		for _, say := range want.says {
			if !strings.Contains(text, say) {
				t.Errorf("the table of %q says nothing of %q: %s", title, say, text)
			}
		}
		w.eval("() => "+summary+".parentElement.previousElementSibling.getAttribute('aria-label')", &label)
		if !strings.HasPrefix(label, title) {
			t.Errorf("the picture of %q is called %q", title, label)
		}
	}
	w.mu.Lock()
	w.dead = 0
	w.mu.Unlock()
	w.until("the numbers changed", `document.querySelectorAll("#dead tbody tr").length === 0`)
	w.until("all tables stay open", `document.querySelectorAll("details[open]").length === 6`)
	w.resize(360, 740, true)
	w.check("opened at phone width")
}
