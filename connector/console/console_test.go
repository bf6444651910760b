package console_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/connector/console"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "a password of the test"

// desk is a console with answers of our own, served on loopback.
type desk struct {
	t      *testing.T
	url    string
	client *http.Client
	now    atomic.Int64
	asked  []string // what was requeued
}

func newDesk(t *testing.T, change func(*console.Options)) *desk {
	t.Helper()
	d := &desk{t: t, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableKeepAlives: true},
	}}
	d.now.Store(time.Now().UnixNano())
	o := console.Options{
		Status:   func(context.Context) (any, error) { return map[string]bool{"connected": true}, nil },
		Overview: func(context.Context) (any, error) { return map[string]string{"now": "x"}, nil },
		Requeue: func(_ context.Context, connector string, ids []string) (int, error) {
			if connector != "twilio_flex" {
				return 0, fmt.Errorf("%w: no such connector", console.ErrBadRequest)
			}
			d.asked = append(d.asked, ids...)
			return len(ids), nil
		},
		Clock:  func() time.Time { return time.Unix(0, d.now.Load()) },
		Logger: slog.New(slog.DiscardHandler), Version: "test",
	}
	if change != nil {
		change(&o)
	}
	server := httptest.NewServer(console.Server(o).Handler)
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

func guarded(o *console.Options) { o.Password = password }

type asking struct {
	method, path, body string
	header             map[string]string
}

func (d *desk) ask(a asking) (*http.Response, string) {
	d.t.Helper()
	if a.method == "" {
		a.method = http.MethodGet
	}
	req, err := http.NewRequest(a.method, d.url+a.path, strings.NewReader(a.body))
	if err != nil {
		d.t.Fatal(err)
	}
	for name, value := range a.header {
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		d.t.Fatal(err)
	}
	return resp, string(body)
}

func (d *desk) must(status int, a asking) (*http.Response, string) {
	d.t.Helper()
	resp, body := d.ask(a)
	if resp.StatusCode != status {
		d.t.Errorf("%s %s: status %d, want %d: %s", a.method, a.path, resp.StatusCode, status, body)
	}
	return resp, body
}

func form(password string) asking {
	return asking{method: http.MethodPost, path: "/login", body: url.Values{"password": {password}}.Encode(),
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
}

// signIn returns the session's cookie.
func (d *desk) signIn() string {
	d.t.Helper()
	resp, _ := d.must(http.StatusSeeOther, form(password))
	cookies := resp.Cookies()
	if len(cookies) != 1 {
		d.t.Fatalf("%d cookies", len(cookies))
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
		d.t.Errorf("cookie %v", c)
	}
	return c.Name + "=" + c.Value
}

// tokenOf is the token that a page carries.
func tokenOf(t *testing.T, page string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, `name="flexbrevo-token" content="`)
	token, _, _ := strings.Cut(rest, `"`)
	if !ok || len(token) < 40 {
		t.Fatalf("the page has no token:\n%s", page)
	}
	return strings.ReplaceAll(token, "&#43;", "+")
}

func TestLoopbackWithoutPassword(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	for _, path := range []string{"/", "/api/v1/status", "/api/v1/overview", "/healthz"} {
		resp, _ := d.ask(asking{path: path})
		if resp.StatusCode/100 != 2 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
	d.must(http.StatusForbidden, asking{path: "/", header: map[string]string{"Host": "attacker.example"}})
	d.must(http.StatusNotFound, asking{path: "/metrics"})
	d.must(http.StatusNotFound, asking{path: "/static/app.js"})
}

func TestPassword(t *testing.T) {
	t.Parallel()
	d := newDesk(t, guarded)
	d.must(http.StatusUnauthorized, asking{path: "/api/v1/status"})
	d.must(http.StatusUnauthorized, asking{path: "/metrics"})
	d.must(http.StatusNoContent, asking{path: "/healthz"})
	if resp, _ := d.must(http.StatusSeeOther, asking{path: "/"}); resp.Header.Get("Location") != "/login" {
		t.Errorf("location %q", resp.Header.Get("Location"))
	}
	_, body := d.must(http.StatusOK, asking{path: "/login"})
	if !strings.Contains(body, "Console password") {
		t.Error("the form is not there")
	}
	d.must(http.StatusUnauthorized, form("wrong"))
	cookie := d.signIn()
	with := map[string]string{"Cookie": cookie}
	d.must(http.StatusOK, asking{path: "/api/v1/overview", header: with})
	d.must(http.StatusSeeOther, asking{method: http.MethodPost, path: "/logout", header: with})
	d.must(http.StatusUnauthorized, asking{path: "/api/v1/overview", header: with})

	cookie = d.signIn()
	d.now.Add(int64(13 * time.Hour))
	d.must(http.StatusUnauthorized, asking{path: "/api/v1/overview", header: map[string]string{"Cookie": cookie}})
}

func TestBasicAuthentication(t *testing.T) {
	t.Parallel()
	d := newDesk(t, guarded)
	req, _ := http.NewRequest(http.MethodGet, d.url, nil)
	req.SetBasicAuth("prometheus", password)
	d.must(http.StatusOK, asking{path: "/api/v1/status", header: map[string]string{"Authorization": req.Header.Get("Authorization")}})
	d.must(http.StatusUnauthorized, asking{path: "/api/v1/status", header: map[string]string{"Authorization": "Basic eDp5"}})
}

// TestGuessing lets a stranger guess: after five, not even the right password is looked at for a while.
func TestGuessing(t *testing.T) {
	t.Parallel()
	d := newDesk(t, guarded)
	for range 5 {
		d.must(http.StatusUnauthorized, form("wrong"))
	}
	resp, _ := d.must(http.StatusTooManyRequests, form(password))
	if resp.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
	d.must(http.StatusTooManyRequests, asking{path: "/api/v1/status", header: map[string]string{"Authorization": "Basic eDp5"}})
	d.now.Add(int64(11 * time.Second))
	d.signIn()
}

func TestSessionsEndWithThePassword(t *testing.T) {
	t.Parallel()
	sessions := console.NewSessions()
	old := newDesk(t, func(o *console.Options) { o.Password, o.Sessions = password, sessions })
	cookie := map[string]string{"Cookie": old.signIn()}
	same := newDesk(t, func(o *console.Options) { o.Password, o.Sessions = password, sessions })
	same.must(http.StatusOK, asking{path: "/api/v1/status", header: cookie})
	changed := newDesk(t, func(o *console.Options) { o.Password, o.Sessions = "another", sessions })
	changed.must(http.StatusUnauthorized, asking{path: "/api/v1/status", header: cookie})
}

func TestRequeue(t *testing.T) {
	t.Parallel()
	d := newDesk(t, guarded)
	cookie := d.signIn()
	_, page := d.must(http.StatusOK, asking{path: "/", header: map[string]string{"Cookie": cookie}})
	good := map[string]string{"Cookie": cookie, "Content-Type": "application/json", "X-Flexbrevo-Token": tokenOf(t, page), "Origin": d.url, "Sec-Fetch-Site": "same-origin"}
	but := func(name, value string) map[string]string {
		h := map[string]string{}
		for k, v := range good {
			h[k] = v
		}
		h[name] = value
		return h
	}
	const body = `{"connector": "twilio_flex", "ids": ["d1", "r2"]}`
	other := newDesk(t, guarded)
	_, otherPage := other.must(http.StatusOK, asking{path: "/", header: map[string]string{"Cookie": other.signIn()}})
	for name, c := range map[string]struct {
		header map[string]string
		body   string
		status int
	}{
		"no session":        {but("Cookie", ""), body, http.StatusUnauthorized},
		"no token":          {but("X-Flexbrevo-Token", ""), body, http.StatusForbidden},
		"another's token":   {but("X-Flexbrevo-Token", tokenOf(t, otherPage)), body, http.StatusForbidden},
		"another site":      {but("Sec-Fetch-Site", "cross-site"), body, http.StatusForbidden},
		"a form":            {but("Content-Type", "text/plain"), body, http.StatusBadRequest},
		"not JSON":          {good, `{"connector":`, http.StatusBadRequest},
		"unknown key":       {good, `{"ids": ["d1"], "all": true}`, http.StatusBadRequest},
		"nothing":           {good, `{"connector": "twilio_flex", "ids": []}`, http.StatusBadRequest},
		"unknown connector": {good, `{"connector": "x", "ids": ["d1"]}`, http.StatusBadRequest},
		"too much":          {good, `{"connector": "` + strings.Repeat("x", 70_000) + `"}`, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			d.must(c.status, asking{method: http.MethodPost, path: "/api/v1/dead/requeue", header: c.header, body: c.body})
		})
	}
	if len(d.asked) > 0 {
		t.Fatalf("a refused request requeued %v", d.asked)
	}
	_, answer := d.must(http.StatusOK, asking{method: http.MethodPost, path: "/api/v1/dead/requeue", header: good, body: body})
	if !strings.Contains(answer, `"requeued": 2`) || fmt.Sprint(d.asked) != "[d1 r2]" {
		t.Errorf("answer %s, requeued %v", answer, d.asked)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *console.Options) { o.ReadOnly = true })
	_, page := d.must(http.StatusOK, asking{path: "/"})
	if !strings.Contains(page, `name="flexbrevo-requeue" content="false"`) {
		t.Error("the page offers to change something")
	}
	d.must(http.StatusNotFound, asking{method: http.MethodPost, path: "/api/v1/dead/requeue",
		header: map[string]string{"Content-Type": "application/json", "X-Flexbrevo-Token": tokenOf(t, page)}, body: `{"connector": "twilio_flex", "ids": ["d1"]}`})
}

func TestStoreFails(t *testing.T) {
	t.Parallel()
	const private = "jane@example.com"
	d := newDesk(t, func(o *console.Options) {
		o.Overview = func(context.Context) (any, error) { return nil, errors.New("no answer about " + private) }
	})
	if _, body := d.must(http.StatusServiceUnavailable, asking{path: "/api/v1/overview"}); strings.Contains(body, private) {
		t.Errorf("the answer tells the error: %s", body)
	}
}

// TestSize keeps the page below what a phone loads without noticing.
func TestSize(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	_, page := d.must(http.StatusOK, asking{path: "/"})
	size := len(page)
	for _, part := range strings.Split(page, `"`) {
		if strings.HasPrefix(part, "static/") {
			resp, body := d.must(http.StatusOK, asking{path: "/" + part})
			if !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s is not kept by browsers", part)
			}
			size += len(body)
		}
		if strings.HasPrefix(part, "http") {
			t.Errorf("the page asks a third party: %s", part)
		}
	}
	if size > 200<<10 || size < 10<<10 {
		t.Errorf("the page has %d bytes", size)
	}
}

// TestExplain asks as the page does; whoever is not the page gets nothing.
func TestExplain(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *console.Options) {
		o.ReadOnly = true // asking changes nothing
		o.Explain = func(_ context.Context, what string) (any, error) {
			switch what {
			case "":
				return nil, fmt.Errorf("%w: nothing to explain", console.ErrBadRequest)
			case "broken":
				return nil, errors.New("disk full")
			}
			return []string{"all about " + what}, nil
		}
	})
	_, page := d.ask(asking{path: "/"})
	_, rest, _ := strings.Cut(page, `name="flexbrevo-token" content="`)
	token, _, _ := strings.Cut(rest, `"`)
	good := map[string]string{"Content-Type": "application/json", "X-Flexbrevo-Token": token}
	for name, c := range map[string]struct {
		asking
		status int
		says   string
	}{
		"asked for":     {asking{http.MethodPost, "/api/v1/explain", `{"what":"a@example.com"}`, good}, 200, "all about a@example.com"},
		"no token":      {asking{http.MethodPost, "/api/v1/explain", `{"what":"a@example.com"}`, map[string]string{"Content-Type": "application/json"}}, 403, "load it again"},
		"another site":  {asking{http.MethodPost, "/api/v1/explain", `{"what":"a@example.com"}`, map[string]string{"Content-Type": "application/json", "X-Flexbrevo-Token": token, "Sec-Fetch-Site": "cross-site"}}, 403, "another site"},
		"by address":    {asking{http.MethodGet, "/api/v1/explain?what=a@example.com", "", good}, 405, ""},
		"no JSON":       {asking{http.MethodPost, "/api/v1/explain", `what=a`, good}, 400, "expected JSON"},
		"nothing":       {asking{http.MethodPost, "/api/v1/explain", `{"what":""}`, good}, 400, "nothing to explain"},
		"a store fails": {asking{http.MethodPost, "/api/v1/explain", `{"what":"broken"}`, good}, 503, "see the log"},
	} {
		resp, body := d.ask(c.asking)
		if resp.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %q, want %d", name, resp.StatusCode, body, c.status)
		}
	}
	locked := newDesk(t, func(o *console.Options) {
		guarded(o)
		o.Explain = func(context.Context, string) (any, error) { return "secret", nil }
	})
	if resp, body := locked.ask(asking{http.MethodPost, "/api/v1/explain", `{"what":"a"}`, good}); resp.StatusCode != http.StatusUnauthorized || strings.Contains(body, "secret") {
		t.Errorf("without the password: %d %q", resp.StatusCode, body)
	}
	if resp, _ := newDesk(t, nil).ask(asking{http.MethodPost, "/api/v1/explain", `{"what":"a"}`, good}); resp.StatusCode == http.StatusOK {
		t.Error("a console that cannot be asked answered")
	}
}

// TestPageIsSmall adds up what a browser loads to show an account with a million deliveries, a hundred dead letters and
// an hour of measurements.
func TestPageIsSmall(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *console.Options) {
		o.Overview = func(context.Context) (any, error) { return busy(time.Now(), 100), nil }
	})
	all, paths := 0, []string{"/", "/api/v1/overview"}
	_, page := d.ask(asking{method: http.MethodGet, path: "/"})
	for _, name := range regexp.MustCompile(`static/[^"]+`).FindAllString(page, -1) {
		paths = append(paths, "/"+name)
	}
	if len(paths) != 4 {
		t.Fatalf("the page loads %v", paths)
	}
	for _, path := range paths {
		_, body := d.ask(asking{method: http.MethodGet, path: path})
		t.Logf("%s: %d bytes", path, len(body))
		all += len(body)
	}
	if all > 200_000 {
		t.Errorf("%d bytes to show the page, want at most 200,000", all)
	}
}
