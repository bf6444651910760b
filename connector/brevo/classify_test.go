package brevo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

// aimed returns a destination that talks to a handler of the test's own.
func aimed(t *testing.T, h http.HandlerFunc, change ...func(*brevo.Options)) *brevo.Destination {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return aimedAt(t, server.URL, change...)
}

func aimedAt(t *testing.T, url string, change ...func(*brevo.Options)) *brevo.Destination {
	t.Helper()
	o := brevo.Options{APIKey: testKey, BaseURL: url, Tier: "none"}
	for _, f := range change {
		f(&o)
	}
	d, err := brevo.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// anEvent is a change that takes exactly one write.
func anEvent() record.Change {
	return record.Change{Event: &record.Event{Name: "X", ID: "EV1", At: noon}, Held: record.Held{ID: 7}}
}

// anUpdate is a change that takes exactly one write once the account is known.
func anUpdate() record.Change {
	return record.Change{
		Contact: &record.Contact{Email: "zoe@example.com", Lists: []string{"32"}},
		Held:    record.Held{ID: 7, Identifiers: map[string]string{"email": "zoe@example.com"}},
	}
}

// accountOr answers what an account is asked first, and leaves the rest to next.
func accountOr(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/contacts/attributes":
			_, _ = io.WriteString(w, `{"attributes":[]}`)
		case "/contacts/lists":
			_, _ = io.WriteString(w, `{"lists":[{"id":32,"name":"Support"}],"count":1}`)
		default:
			next(w, r)
		}
	}
}

func TestEveryStatusHasItsReason(t *testing.T) {
	t.Parallel()
	const page = "<html><body>oops</body></html>"
	cases := []struct {
		status int
		body   string
		want   failure.Reason
	}{
		{200, page, failure.Unknown},
		{201, `{"id":`, failure.Unknown},
		{204, "", failure.None},
		{202, `{"message":"queued"}`, failure.None},
		{302, "", failure.Transient},
		{400, `{"code":"invalid_parameter","message":"no"}`, failure.Invalid},
		{400, page, failure.Transient},
		{401, `{"code":"unauthorized","message":"Key not found"}`, failure.Unauthorized},
		{402, `{"code":"not_enough_credits","message":"pay"}`, failure.Forbidden},
		{403, `{"code":"permission_denied","message":"no"}`, failure.Forbidden},
		{404, page, failure.Transient},
		{404, `{"message":"no Route matched with those values"}`, failure.Transient},
		{405, "", failure.Invalid},
		{408, "", failure.Transient},
		{409, "", failure.Transient},
		{413, page, failure.Invalid},
		{415, "", failure.Invalid},
		{422, `{"code":"unprocessable_entity","message":"no"}`, failure.Invalid},
		{425, `{"code":"account_in_process","message":"wait"}`, failure.Transient},
		{429, `{"message":"too many"}`, failure.RateLimited},
		{500, page, failure.Unknown},
		{502, page, failure.Unknown},
		{503, "", failure.Unknown},
		{504, "", failure.Unknown},
	}
	for _, kind := range []struct {
		name   string
		change func() record.Change
	}{{"event", anEvent}, {"contact", anUpdate}} {
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s %d %.12s", kind.name, c.status, c.body), func(t *testing.T) {
				t.Parallel()
				d := aimed(t, accountOr(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					if c.status == 429 {
						w.Header().Set("x-sib-ratelimit-limit", "10")
						w.Header().Set("x-sib-ratelimit-remaining", "0")
						w.Header().Set("x-sib-ratelimit-reset", "9")
					}
					w.Header().Set("Location", "/elsewhere")
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
				}))
				out := d.Deliver(t.Context(), kind.change())
				if out.Reason != c.want || (out.Err == nil) != (c.want == failure.None) || out.Skipped != "" {
					t.Fatalf("got %+v, want %q", out, c.want)
				}
				var e *failure.Error
				if out.Err != nil && (!errors.As(out.Err, &e) || e.Status != c.status || out.Status != c.status) {
					t.Errorf("error: %v", out.Err)
				}
				if c.status == 429 && out.RetryAfter != 9*time.Second {
					t.Errorf("retry after: %v", out.RetryAfter)
				}
			})
		}
	}
}

func TestGoneContact(t *testing.T) {
	t.Parallel()
	d := aimed(t, accountOr(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(404)
		_, _ = io.WriteString(w, `{"code":"document_not_found","message":"Contact does not exist"}`)
	}))
	out := d.Deliver(t.Context(), anUpdate())
	if out.Reason != failure.None || !out.Held.Deleted || out.Skipped != "deleted in Brevo" {
		t.Errorf("outcome: %+v", out)
	}
}

func TestUnknownAddressIsNamedInTheRemedy(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"203.0.113.7", "2001:db8::17"} {
		w := newWorld(t, brevosim.Options{Faults: brevosim.Faults{UnknownIP: 1, IP: ip}})
		err := w.Ping(t.Context())
		if failure.ReasonOf(err) != failure.Unauthorized || !strings.Contains(err.Error(), "authorise "+ip+" on https://app.brevo.com") {
			t.Errorf("ping: %v", err)
		}
	}
	w := newWorld(t, brevosim.Options{Faults: brevosim.Faults{BadKey: 1}})
	if err := w.Ping(t.Context()); failure.ReasonOf(err) != failure.Unauthorized || !strings.Contains(err.Error(), "Check brevo.api_key") {
		t.Errorf("ping: %v", err)
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	if err := w.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	for name, f := range map[string]brevosim.Faults{
		"a captive proxy": {HTMLSuccess: 1}, "half an answer": {BrokenJSON: 1}, "no body": {EmptySuccess: 1}, "a gateway": {BadGateway: 1},
	} {
		w.sim.SetFaults(f)
		if err := w.Ping(t.Context()); failure.ReasonOf(err) != failure.Transient || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatWasNeverWrittenDidNotHappen(t *testing.T) {
	t.Parallel()
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		url := "http://" + l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		expectReason(t, aimedAt(t, url).Deliver(t.Context(), anEvent()), failure.Transient)
	})
	t.Run("ended before", func(t *testing.T) {
		t.Parallel()
		d := aimed(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
		expectReason(t, d.Deliver(endedContext(), anEvent()), failure.Interrupted)
		expectReason(t, d.Deliver(endedContext(), anUpdate()), failure.Interrupted)
		if _, err := d.Lookup(endedContext(), []record.Event{*anEvent().Event}); failure.ReasonOf(err) != failure.Interrupted {
			t.Errorf("lookup: %v", err)
		}
		if err := d.Ping(endedContext()); failure.ReasonOf(err) != failure.Interrupted {
			t.Errorf("ping: %v", err)
		}
		if _, err := d.Provision(endedContext(), brevo.Plan{}); failure.ReasonOf(err) != failure.Interrupted {
			t.Errorf("provision: %v", err)
		}
	})
}

func TestWhatWasWrittenMayHaveHappened(t *testing.T) {
	t.Parallel()
	t.Run("dropped after the body", func(t *testing.T) {
		t.Parallel()
		d := aimed(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		})
		expectReason(t, d.Deliver(t.Context(), anEvent()), failure.Unknown)
	})
	t.Run("dropped within the answer", func(t *testing.T) {
		t.Parallel()
		d := aimed(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"message":`)
		})
		expectReason(t, d.Deliver(t.Context(), anEvent()), failure.Unknown)
	})
	t.Run("no answer in time", func(t *testing.T) {
		t.Parallel()
		d := aimed(t, never, func(o *brevo.Options) { o.Timeout = 20 * time.Millisecond })
		out := d.Deliver(t.Context(), anEvent())
		expectReason(t, out, failure.Unknown)
		if !strings.Contains(out.Err.Error(), "no answer from Brevo within the time-out") {
			t.Errorf("the cause is not told: %v", out.Err)
		}
		// Only a read may simply be repeated.
		if err := d.Ping(t.Context()); failure.ReasonOf(err) != failure.Transient {
			t.Errorf("ping: %v", err)
		}
	})
	t.Run("we gave up waiting", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		d := aimed(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			never(w, r)
		})
		expectReason(t, d.Deliver(ctx, anEvent()), failure.Unknown)
	})
}

// never answers until the caller is gone.
func never(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func expectReason(t *testing.T, out record.Outcome, want failure.Reason) {
	t.Helper()
	if out.Reason != want || out.Err == nil {
		t.Errorf("reason: got %q (%v), want %q", out.Reason, out.Err, want)
	}
}

func TestNothingPrivateLeaks(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := newWorld(t, brevosim.Options{}, func(o *brevo.Options) {
		o.Logger, o.LogCalls, o.Timeout = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), true, 50*time.Millisecond
	})
	w.add(brevosim.Contact{Email: "zoe@example.com"})
	var told strings.Builder
	for _, f := range []brevosim.Faults{
		{}, {BadKey: 1}, {UnknownIP: 1}, {PaymentRequired: 1}, {Forbidden: 1}, {TooEarly: 1}, {ServerError: 1}, {BadGatewayApplied: 1},
		{Dropped: 1}, {SlowApplied: 1, SlowFor: 100 * time.Millisecond}, {HTMLSuccess: 1}, {BrokenJSON: 1}, {EmptySuccess: 1},
	} {
		f.Only = []string{"GET /contacts/{identifier}", "POST", "PUT", "GET /events", "GET /account"}
		w.sim.SetFaults(f)
		c := zoe(number(1), record.Attribute{Name: "WHATSAPP", Value: "not Zoe's phone"}, record.Attribute{Name: "VIP_TIER", Value: "secret tier"})
		out := w.deliver(c, record.Held{})
		fmt.Fprintln(&told, out.Err, out.Omissions)
		out = w.Deliver(t.Context(), record.Change{Event: &record.Event{Name: "X", ID: "EV1", At: noon, Properties: map[string]any{"who": "zoe@example.com"}}, Held: record.Held{ID: 1}})
		fmt.Fprintln(&told, out.Err, out.Omissions)
		_, err := w.Lookup(t.Context(), []record.Event{{Name: "X", ID: "EV1", At: noon}})
		fmt.Fprintln(&told, err, w.Ping(t.Context()))
	}
	if !strings.Contains(log.String(), `"path":"/contacts/{identifier}"`) {
		t.Error("the call log is missing")
	}
	for _, text := range []string{told.String(), log.String()} {
		for _, private := range []string{"zoe", "Zoe", "612345678", "secret", testKey, "127.0.0.1"} {
			if i := strings.Index(text, private); i >= 0 {
				t.Errorf("%q in %q", private, text[max(0, i-80):min(len(text), i+40)])
			}
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]brevo.Options{
		"no credential":      {},
		"two credentials":    {APIKey: "k", OAuth: &brevo.OAuthOptions{ClientID: "a", ClientSecret: "b"}},
		"half a credential":  {OAuth: &brevo.OAuthOptions{ClientID: "a"}},
		"a pasted line feed": {APIKey: "very-secret\n"},
		"plain http":         {APIKey: "k", BaseURL: "http://api.brevo.com/v3"},
		"no host":            {APIKey: "k", BaseURL: "api.brevo.com"},
		"an unknown tier":    {APIKey: "k", Tier: "gold"},
		"a share over 1":     {APIKey: "k", Share: 1.5},
		"a negative share":   {APIKey: "k", Share: -1},
	} {
		if _, err := brevo.New(o); err == nil || strings.Contains(err.Error(), "very-secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
