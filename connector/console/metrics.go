package console

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the figures of one process, which outlive its configuration. No
// label holds anything of a customer: labels are names of the configuration, of
// the two APIs and of our own states.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.HistogramVec
	requests *prometheus.HistogramVec
}

// Metric is one of the gauges that are read when somebody asks for them.
type Metric struct {
	Name   string
	Help   string
	Labels []string
	// Counter says that the value only grows while the process lives.
	Counter bool
}

// Reading is one value of a Metric, with the values of its labels in order.
type Reading struct {
	Metric Metric
	Values []string
	Value  float64
}

// callBuckets reach from a local stand-in's answer to a call's time-out.
var callBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// NewMetrics makes the metrics of a process of this version.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flexbrevo_api_call_duration_seconds", Buckets: callBuckets,
			Help: "Calls to Twilio and Brevo until their answer began, by API and status; status 0 is no answer.",
		}, []string{"side", "api", "status"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flexbrevo_webhook_request_duration_seconds", Buckets: callBuckets,
			Help: "Requests to the public listener, by path and status.",
		}, []string{"path", "status"}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "flexbrevo_build_info", Help: "Always 1; the labels say what runs."}, []string{"version", "go_version"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.calls, m.requests, build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Calls measures every call that next carries to one side, "twilio" or "brevo".
func (m *Metrics) Calls(side string, next http.RoundTripper) http.RoundTripper {
	return &measuredCalls{RoundTripper: next, calls: m.calls, side: side}
}

type measuredCalls struct {
	http.RoundTripper
	calls *prometheus.HistogramVec
	side  string
}

// RoundTrip implements http.RoundTripper.
func (c *measuredCalls) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := c.RoundTripper.RoundTrip(r)
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	c.calls.WithLabelValues(c.side, apiOf(c.side, r), strconv.Itoa(status)).Observe(time.Since(began).Seconds())
	return resp, err
}

// CloseIdleConnections passes on what sources and destinations ask for at their end.
func (c *measuredCalls) CloseIdleConnections() {
	if next, ok := c.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// apis are the names that a label may have; a path may hold an address, and must
// not become one.
var apis = map[string]bool{
	"taskrouter": true, "conversations": true, "flex-api": true, "sync": true, "events": true, "iam": true,
	"contacts": true, "account": true, "processes": true, "token": true,
}

// apiOf names the API of a call by the host of Twilio's, or by the first known
// word of the path.
func apiOf(side string, r *http.Request) string {
	if host, ok := strings.CutSuffix(r.URL.Host, ".twilio.com"); ok && apis[host] {
		return host
	}
	for _, word := range strings.SplitN(strings.Trim(r.URL.Path, "/"), "/", 5) {
		if apis[word] {
			return word
		}
	}
	return "other"
}

// Requests measures every request that next answers.
func (m *Metrics) Requests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		m.requests.WithLabelValues(pathOf(r), strconv.Itoa(seen.status)).Observe(time.Since(began).Seconds())
	})
}

// paths are those of the public listener; anybody can ask for others.
var paths = map[string]bool{
	"/webhooks/flex/task-complete": true, "/webhooks/twilio/taskrouter": true, "/webhooks/twilio/events": true,
	"/webhooks/twilio/conversations": true, "/webhooks/survey": true, "/healthz": true, "/readyz": true,
}

func pathOf(r *http.Request) string {
	path := r.URL.Path
	if rest, ok := strings.CutPrefix(path, "/c/"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		path = "/" + rest
	}
	if paths[path] {
		return path
	}
	return "other"
}

type statusWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Handler answers GET /metrics: what was measured, and what read reads now. While
// read fails, flexbrevo_store_up is 0 and its metrics are left out.
func (m *Metrics) Handler(read func(ctx context.Context) ([]Reading, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := prometheus.NewRegistry()
		now.MustRegister(&reader{ctx: r.Context(), read: read})
		promhttp.HandlerFor(prometheus.Gatherers{m.registry, now}, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// reader hands the readings of one request to the client library.
type reader struct {
	ctx  context.Context
	read func(ctx context.Context) ([]Reading, error)
}

// Describe implements prometheus.Collector; what there is depends on what is read.
func (*reader) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *reader) Collect(out chan<- prometheus.Metric) {
	up := prometheus.NewDesc("flexbrevo_store_up", "1 when the store answered this scrape.", nil, nil)
	readings, err := c.read(c.ctx)
	if err != nil {
		out <- prometheus.MustNewConstMetric(up, prometheus.GaugeValue, 0)
		return
	}
	out <- prometheus.MustNewConstMetric(up, prometheus.GaugeValue, 1)
	for _, r := range readings {
		kind := prometheus.GaugeValue
		if r.Metric.Counter {
			kind = prometheus.CounterValue
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(r.Metric.Name, r.Metric.Help, r.Metric.Labels, nil), kind, r.Value, r.Values...)
	}
}
