package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"flexbrevo/connector/simulator/twiliosim"
)

// amended answers GETs of a path with what the simulator says, some fields changed.
func amended(next http.Handler, path string, changes map[string]any) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, path) {
			return false
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		var fields map[string]any
		if json.Unmarshal(answer.Body.Bytes(), &fields) == nil {
			for name, value := range changes {
				fields[name] = value
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.Code)
		_ = json.NewEncoder(w).Encode(fields)
		return true
	}
}

// TestProvisionLeavesOthers provisions an account whose workspace posts its events to somebody else, and that holds an
// orphan of ours: the callback is named and not written, the orphan is named and taken down by --remove alone.
func TestProvisionLeavesOthers(t *testing.T) {
	t.Parallel()
	var d *daemon
	deliver := &http.Client{Transport: toDaemon{func() string { return d.listen }}}
	l := newLab(t, setup{world: aDay(1, 10, false), twilio: twiliosim.Options{Deliver: deliver}})
	between := &front{next: l.twilio}
	var mu sync.Mutex
	var written []string
	show := amended(l.twilio, "/Workspaces/"+l.world.WorkspaceSID, map[string]any{
		"event_callback_url": "https://user:secret@reports.example.org/flex?key=private", "events_filter": "task.created",
	})
	between.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet && !strings.HasPrefix(r.URL.Path, "/events/") {
			mu.Lock()
			written = append(written, r.Method+" "+r.URL.Path)
			mu.Unlock()
		}
		return show(w, r)
	})
	l.env["TWILIO_URL"] = serve(t, between)
	d = l.run()

	made := l.must(0, "provision")
	if !strings.Contains(made.stdout, "workspace callback to reports.example.org") || !strings.Contains(made.stdout, "somebody else's: left alone") ||
		strings.Contains(made.stdout, "private") || strings.Contains(made.stdout, "secret@") {
		t.Errorf("the callback is not named, or told of too much:\n%s", made.stdout)
	}
	orphan := l.makeSink("flexbrevo twilio_flex", publicURL+"/webhooks/twilio/events")
	if out := l.must(0, "provision").stdout; !strings.Contains(out, orphan) || !strings.Contains(out, "an orphan of ours") || len(l.twilio.Sinks()) != 2 {
		t.Errorf("the orphan is not named, or gone:\n%s", out)
	}
	if l.must(0, "provision", "--remove"); len(l.twilio.Sinks()) != 0 {
		t.Errorf("left %+v", l.twilio.Sinks())
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(written) > 0 {
		t.Errorf("written beside Event Streams: %q", written)
	}
}

// TestFlexOrigins asks, as browsers do, whether pages may post: those of the origins that the account's Flex
// configuration names, and of hosted Flex, may.
func TestFlexOrigins(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(1, 10, false)})
	between := &front{next: l.twilio}
	between.set(amended(l.twilio, "/flex-api/v1/Configuration", map[string]any{"flex_url": "https://agents.example.org/desk", "runtime_domain": "https://desk-7.twil.io"}))
	l.env["TWILIO_URL"] = serve(t, between)
	d := l.run()
	for origin, may := range map[string]bool{
		"https://flex.twilio.com": true, "https://agents.example.org": true, "https://desk-7.twil.io": true,
		"https://evil.example.org": false, "https://agents.example.org.evil.example": false, "null": false,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://"+d.listen+pluginPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,content-type"}}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		h := response.Header
		if got := h.Get("Access-Control-Allow-Origin"); (got == origin) != may || !may && got != "" || (response.StatusCode == http.StatusNoContent) != may {
			t.Errorf("%s: %s, allowed %q, want %t", origin, response.Status, got, may)
		}
		if may && (h.Get("Access-Control-Allow-Methods") != "POST" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization")) {
			t.Errorf("%s: %v", origin, h)
		}
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
