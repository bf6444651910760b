package connector

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/console"
)

// The metrics that are read from a running service when somebody asks.
var (
	metricConnected  = gauge("flexbrevo_connector_connected", "1 when both sides of the connector answer and accept us.", "connector")
	metricLag        = gauge("flexbrevo_stream_lag_seconds", "How far the complete reading of a stream is behind.", "connector", "stream")
	metricFailing    = gauge("flexbrevo_stream_failing", "1 when the last reading of a stream failed.", "connector", "stream")
	metricRecords    = gauge("flexbrevo_records", "Records kept in the store, by state.", "connector", "state")
	metricDeliveries = gauge("flexbrevo_deliveries", "Deliveries kept in the store, by kind and state.", "connector", "kind", "state")
	metricOldest     = gauge("flexbrevo_outbox_oldest_seconds", "Since when the oldest delivery that is due waits; 0 when none does.", "connector")
	metricDead       = gauge("flexbrevo_dead_letters", "Deliveries given up and records that could not be digested.", "connector")
	metricOmissions  = gauge("flexbrevo_omissions", "What was left out, by reason.", "connector", "reason")
	metricPaused     = gauge("flexbrevo_brevo_paused", "1 while a Brevo account refuses us; everything owed is kept.", "account")
	metricInHand     = gauge("flexbrevo_deliveries_in_hand", "Customers whose deliveries are being made now.", "account")
	metricAllowed    = gauge("flexbrevo_brevo_calls_allowed_per_second", "Our share of what Brevo allows, by bucket.", "account", "bucket")
	metricPace       = gauge("flexbrevo_brevo_calls_pace_per_second", "The pace in force, less than allowed after a 429.", "account", "bucket")
	metricRemaining  = gauge("flexbrevo_brevo_calls_remaining", "What Brevo said is left of its window.", "account", "bucket")
	metricPart       = gauge("flexbrevo_part", "What a part of the connector counts, such as kinesis and lag_seconds.", "connector", "part", "what")
	metricSkew       = gauge("flexbrevo_clock_skew_seconds", "How far this machine's clock is ahead of Twilio's.", "connector")
	metricCaptured   = counter("flexbrevo_records_captured_total", "New records stored since this configuration runs.", "connector")
	metricSettled    = counter("flexbrevo_deliveries_settled_total", "Deliveries that came to a final state since this configuration runs.", "account", "kind", "state")
)

func gauge(name, help string, labels ...string) console.Metric {
	return console.Metric{Name: name, Help: help, Labels: labels}
}

func counter(name, help string, labels ...string) console.Metric {
	return console.Metric{Name: name, Help: help, Labels: labels, Counter: true}
}

// carrier carries the calls to one side and measures them.
func (s *Service) carrier(side string) http.RoundTripper {
	return s.o.Metrics.Calls(side, s.transport)
}

// readings is every metric of the running service.
func (s *Service) readings(ctx context.Context) ([]console.Reading, error) {
	status, err := s.status.get(ctx)
	if err != nil {
		return nil, err
	}
	var out readings
	for _, c := range status.Connectors {
		out.connector(c, s.o.Clock())
	}
	for _, f := range s.flows {
		out.add(metricCaptured, float64(f.captured.Load()), f.cfg.Name)
		out.add(metricSkew, f.source.Health().Skew.Seconds(), f.cfg.Name)
	}
	for _, name := range s.accountNames() {
		out.account(s.accounts[name])
	}
	figures, err := s.figureReadings(ctx)
	return append(out, figures...), err
}

type readings []console.Reading

func (r *readings) add(m console.Metric, value float64, labels ...string) {
	*r = append(*r, console.Reading{Metric: m, Value: value, Values: labels})
}

func (r *readings) connector(c ConnectorStatus, now time.Time) {
	r.add(metricConnected, asNumber(c.Connected), c.Name)
	r.add(metricDead, float64(c.DeadLetters), c.Name)
	age := 0.0
	if c.OldestOwed != nil {
		age = max(0, now.Sub(*c.OldestOwed).Seconds())
	}
	r.add(metricOldest, age, c.Name)
	for stream, s := range c.Streams {
		r.add(metricFailing, asNumber(s.Problem != ""), c.Name, stream)
		if s.Through != nil {
			r.add(metricLag, max(0, now.Sub(*s.Through).Seconds()), c.Name, stream)
		}
	}
	for state, n := range c.Records {
		r.add(metricRecords, float64(n), c.Name, string(state))
	}
	for kind, states := range c.Outbox {
		for state, n := range states {
			r.add(metricDeliveries, float64(n), c.Name, string(kind), string(state))
		}
	}
	for _, p := range c.Parts {
		for what, n := range p.Counts {
			r.add(metricPart, float64(n), c.Name, p.Name, what)
		}
	}
	reasons := map[string]int{}
	for _, o := range c.Omissions {
		reason, _, _ := strings.Cut(o.Reason, ":") // what follows is of one customer
		reasons[reason] += o.Count
	}
	for reason, n := range reasons {
		r.add(metricOmissions, float64(n), c.Name, reason)
	}
}

func (r *readings) account(a *account) {
	since, _ := a.deliver.Circuit()
	r.add(metricPaused, asNumber(!since.IsZero()), a.name)
	r.add(metricInHand, float64(a.deliver.InHand()), a.name)
	for _, b := range a.destination.Budgets() {
		if b.Window > 0 {
			r.add(metricAllowed, b.Allowed/b.Window.Seconds(), a.name, b.Bucket)
		}
		r.add(metricPace, b.PerSecond, a.name, b.Bucket)
		if b.Remaining >= 0 {
			r.add(metricRemaining, float64(b.Remaining), a.name, b.Bucket)
		}
	}
	for kind, states := range a.deliver.Counts() {
		for state, n := range states {
			r.add(metricSettled, float64(n), a.name, string(kind), string(state))
		}
	}
}

func asNumber(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// MetricNames are the names of all metrics of our own, for the tests of the
// dashboard and the alerts that are made of them.
func MetricNames() []string {
	names := []string{"flexbrevo_build_info", "flexbrevo_store_up", "flexbrevo_api_call_duration_seconds", "flexbrevo_webhook_request_duration_seconds"}
	for _, m := range append(figureMetrics(), []console.Metric{
		metricConnected, metricLag, metricFailing, metricRecords, metricDeliveries, metricOldest, metricDead, metricOmissions,
		metricPaused, metricInHand, metricAllowed, metricPace, metricRemaining, metricSkew, metricCaptured, metricSettled,
	}...) {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}
