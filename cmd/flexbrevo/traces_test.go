package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// spanSeen is one span as a collector gets it.
type spanSeen struct {
	TraceID, SpanID, ParentSpanID, Name string
	StartTimeUnixNano, EndTimeUnixNano  string
	Attributes                          []struct{ Key string }
	Links                               []struct{ TraceID, SpanID string }
}

// collector is a stand-in for an OpenTelemetry collector: it takes OTLP over HTTP in its JSON form.
type collector struct {
	mu    sync.Mutex
	spans []spanSeen
	text  strings.Builder
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var export struct {
		ResourceSpans []struct {
			ScopeSpans []struct{ Spans []spanSeen }
		}
	}
	if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" || err != nil || json.Unmarshal(body, &export) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(body)
	for _, resource := range export.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
	_, _ = w.Write([]byte("{}"))
}

// TestTraces runs a day in two processes, of which one captures and digests while Brevo is away and the other delivers:
// every record has its trace, and every delivery is found from its record through the batch that made it.
func TestTraces(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(51, 40, true)})
	var c collector
	l.write("connector.yaml", readFile(t, l.dir+"/connector.yaml")+"traces: {endpoint: \""+serve(t, &c)+"\"}\n")
	away := &front{next: l.brevo}
	l.env["BREVO_URL"] = serve(t, away)
	away.set(func(w http.ResponseWriter, r *http.Request) bool {
		refused := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/contacts")
		if refused {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return refused
	})
	d := l.run()
	eventually(t, 30*time.Second, "deliveries were tried", func() bool { return strings.Contains(d.stderr.String(), "will be tried again") })
	d.stop()
	away.answer.Store(nil)
	d = l.run()
	l.eventuallyEqual(liveSettings(today().Add(-10*time.Second)), time.Minute, d)
	d.stop()

	c.mu.Lock()
	defer c.mu.Unlock()
	byID, names := map[string]spanSeen{}, map[string]int{}
	for _, s := range c.spans {
		byID[s.TraceID+s.SpanID] = s
		names[s.Name]++
		if s.EndTimeUnixNano < s.StartTimeUnixNano {
			t.Errorf("%s ends before it begins", s.Name)
		}
	}
	for _, name := range []string{"capture", "record", "until captured", "digest", "digest batch", "deliver"} {
		if names[name] == 0 {
			t.Errorf("no span %q among %v", name, names)
		}
	}
	for _, s := range c.spans {
		parent := map[string]string{"until captured": "record", "digest": "record", "deliver": "digest batch"}[s.Name]
		if got := byID[s.TraceID+s.ParentSpanID].Name; got != parent {
			t.Errorf("a span %s has the parent %q, want %q", s.Name, got, parent)
		}
		if s.Name != "digest" {
			continue
		}
		if len(s.Links) != 1 || byID[s.Links[0].TraceID+s.Links[0].SpanID].Name != "digest batch" {
			t.Errorf("a digest links to %+v", s.Links)
		}
	}
	mustNotTell(t, "the traces", c.text.String(), l.secrets())
}

// TestCollectorAway runs with a collector that is not there: nobody waits for it, and the log says that spans are lost.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(52, 10, false)})
	nobody := &front{next: http.NotFoundHandler()}
	l.write("connector.yaml", readFile(t, l.dir+"/connector.yaml")+"traces: {endpoint: \""+serve(t, nobody)+"\", sample: 0.5}\n")
	r := l.must(0, "sync")
	if !strings.Contains(r.stderr, "spans are lost") {
		t.Errorf("nothing is said of lost spans: %s", r.stderr)
	}
	l.mustEqual(settings(today().Add(-10 * time.Second)))
}
