package main_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"flexbrevo/connector/simulator/twiliosim"
)

// toDaemon sends every request to the daemon, whatever host it is for.
type toDaemon struct{ listen func() string }

func (d toDaemon) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", d.listen()
	return http.DefaultTransport.RoundTrip(r)
}

func TestProvision(t *testing.T) {
	t.Parallel()
	var d *daemon
	listen := func() string { return d.listen }
	l := newLab(t, setup{world: aDay(1, 10, false), twilio: twiliosim.Options{Deliver: &http.Client{Transport: toDaemon{listen}}}})
	d = l.run()

	dry := l.must(0, "provision", "--dry-run")
	if len(l.twilio.Sinks())+len(l.twilio.Subscriptions()) != 0 || !strings.Contains(dry.stdout, "create") {
		t.Fatalf("a dry run made something, or planned nothing:\n%s", dry.stdout)
	}
	made := l.must(0, "provision")
	sinks, subscriptions := l.twilio.Sinks(), l.twilio.Subscriptions()
	if len(sinks) != 1 || len(subscriptions) != 1 {
		t.Fatalf("%d sinks, %d subscriptions\n%s", len(sinks), len(subscriptions), made.stdout)
	}
	if k := sinks[0]; !k.Validated || !k.Batch || k.Destination != publicURL+"/webhooks/twilio/events" {
		t.Errorf("sink %+v\n%s", k, made.stdout)
	}
	u := subscriptions[0]
	if u.SinkSID != sinks[0].SID || u.Versions["com.twilio.taskrouter.task.completed"] != 4 || len(u.Types) < 15 {
		t.Errorf("subscription %+v", u)
	}

	again := l.must(0, "provision")
	if len(l.twilio.Sinks()) != 1 || len(l.twilio.Subscriptions()) != 1 || strings.Contains(again.stdout, "created  twilio") {
		t.Errorf("a second run made something:\n%s", again.stdout)
	}

	// Somebody else's sink to the same URL is named and left alone, by --remove too.
	stranger := l.makeSink("marketing", publicURL+"/webhooks/twilio/events")
	if out := l.must(0, "provision").stdout; !strings.Contains(out, stranger) || !strings.Contains(out, "not ours") {
		t.Errorf("the stranger's sink is not named:\n%s", out)
	}
	elsewhere := l.makeSink("flexbrevo twilio_flex", "https://old.example.com/webhooks/twilio/events")
	removed := l.must(0, "provision", "--remove")
	var left []string
	for _, k := range l.twilio.Sinks() {
		left = append(left, k.SID)
	}
	slices.Sort(left)
	want := []string{stranger, elsewhere}
	slices.Sort(want)
	if !slices.Equal(left, want) || len(l.twilio.Subscriptions()) != 0 {
		t.Errorf("left %q, want %q; %d subscriptions\n%s", left, want, len(l.twilio.Subscriptions()), removed.stdout)
	}
	l.must(0, "provision", "--remove")
}

// TestProvisionUnreachable provisions while no daemon runs: the sink is there and works, but is not validated.
func TestProvisionUnreachable(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(1, 10, false)})
	out := l.must(0, "provision", "--patience", "300ms").stdout
	if sinks := l.twilio.Sinks(); len(sinks) != 1 || sinks[0].Validated || !strings.Contains(out, "did not arrive") {
		t.Errorf("sinks %+v\n%s", sinks, out)
	}
	l.env["TWILIO_AUTH_TOKEN"] = strings.Repeat("0", 32)
	if r := l.must(4, "provision"); !strings.Contains(r.stderr, "unauthorized") {
		t.Errorf("stderr %s", r.stderr)
	}
}

// makeSink makes a sink as somebody else would.
func (l *lab) makeSink(description, destination string) string {
	l.t.Helper()
	form := url.Values{"Description": {description}, "SinkType": {"webhook"}, "SinkConfiguration": {`{"destination":"` + destination + `","method":"POST"}`}}
	request, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.env["TWILIO_URL"]+"/events/v1/Sinks", strings.NewReader(form.Encode()))
	if err != nil {
		l.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(l.env["TWILIO_ACCOUNT_SID"], l.env["TWILIO_AUTH_TOKEN"])
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		l.t.Fatal(err)
	}
	_ = response.Body.Close()
	sinks := l.twilio.Sinks()
	return sinks[len(sinks)-1].SID
}
