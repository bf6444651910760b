package twilio

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

const streamsURL = "https://connector.example.com/webhooks/twilio/events"

// streamsFixture is a source of an account whose Event Streams nobody has set up.
func streamsFixture(t *testing.T) (*Source, *twiliosim.Server) {
	t.Helper()
	now := time.Now().UTC()
	w := world.New(world.Options{Start: now.Add(-3 * time.Hour), End: now.Add(-2 * time.Hour), Contacts: 1, Customers: 1})
	sim := twiliosim.New(twiliosim.Options{World: w})
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	s, err := New(Options{AccountSID: w.AccountSID, AuthToken: w.AuthToken, BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, sim
}

func actions(steps []StreamsStep) string {
	var out []string
	for _, s := range steps {
		what, _, _ := strings.Cut(s.What, " ")
		out = append(out, s.Action+" "+what)
	}
	return strings.Join(out, ", ")
}

func TestProvisionStreamsIsRepeatable(t *testing.T) {
	s, sim := streamsFixture(t)
	plan := StreamsPlan{Destination: streamsURL, Name: "flex", TestID: func(context.Context) (string, error) { return "t1", nil }}
	steps, err := s.ProvisionStreams(t.Context(), plan)
	if got := actions(steps); err != nil || !strings.HasSuffix(got, "created sink, validated sink, created subscription") {
		t.Fatalf("%s, %v", got, err)
	}
	steps, err = s.ProvisionStreams(t.Context(), plan)
	if got := actions(steps); err != nil || !strings.HasSuffix(got, "exists sink, exists subscription") {
		t.Errorf("again: %s, %v", got, err)
	}
	if len(sim.Sinks()) != 1 || len(sim.Subscriptions()) != 1 {
		t.Errorf("%d sinks, %d subscriptions", len(sim.Sinks()), len(sim.Subscriptions()))
	}
	for _, k := range sim.Sinks() {
		if !k.Validated || k.Description != "flexbrevo flex" {
			t.Errorf("sink %+v", k)
		}
	}
}

// TestProvisionStreamsAfterUnknownOutcomes breaks the connection in the middle of every answer in turn: whatever had
// been made by then is found again.
func TestProvisionStreamsAfterUnknownOutcomes(t *testing.T) {
	s, sim := streamsFixture(t)
	plan := StreamsPlan{Destination: streamsURL, Name: "flex"}
	failed := 0
	for try := 0; ; try++ {
		if try == 10 {
			t.Fatal("it comes to no end")
		}
		unknown := 0
		if len(sim.Sinks()) == 0 || len(sim.Subscriptions()) == 0 {
			unknown = 1
		}
		s.client.once = &breaking{next: s.client.once, left: unknown}
		_, err := s.ProvisionStreams(t.Context(), plan)
		if err == nil {
			break
		}
		failed++
		if failure.ReasonOf(err) != failure.Unknown {
			t.Errorf("reason %s of %v", failure.ReasonOf(err), err)
		}
		s.client.once = s.client.rt.(*retry).next
	}
	if failed != 2 || len(sim.Sinks()) != 1 || len(sim.Subscriptions()) != 1 {
		t.Errorf("after %d failures %d sinks, %d subscriptions; want 2, 1, 1", failed, len(sim.Sinks()), len(sim.Subscriptions()))
	}
}

func TestProvisionStreamsRefused(t *testing.T) {
	s, sim := streamsFixture(t)
	s.o.AuthToken = "wrong"
	bad, err := New(s.o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bad.ProvisionStreams(t.Context(), StreamsPlan{Destination: streamsURL, Name: "flex"}); failure.ReasonOf(err) != failure.Unauthorized {
		t.Errorf("error %v", err)
	}
	if _, err := bad.RemoveStreams(t.Context(), StreamsPlan{Destination: streamsURL, Name: "flex"}); failure.ReasonOf(err) != failure.Unauthorized {
		t.Errorf("error %v", err)
	}
	if len(sim.Sinks()) != 0 {
		t.Error("a sink was made")
	}
}

func TestRemoveStreamsLeavesOthers(t *testing.T) {
	s, sim := streamsFixture(t)
	for _, plan := range []StreamsPlan{
		{Destination: streamsURL, Name: "flex"}, {Destination: streamsURL, Name: "other"}, {Destination: "https://old.example.com/x", Name: "flex"},
	} {
		if _, err := s.ProvisionStreams(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
	}
	dry, err := s.RemoveStreams(t.Context(), StreamsPlan{Destination: streamsURL, Name: "flex", DryRun: true})
	if got := actions(dry); err != nil || got != "remove subscription, remove sink, warning sink" || len(sim.Sinks()) != 3 {
		t.Errorf("dry run: %s, %v, %d sinks", got, err, len(sim.Sinks()))
	}
	done, err := s.RemoveStreams(t.Context(), StreamsPlan{Destination: streamsURL, Name: "flex"})
	if got := actions(done); err != nil || got != "removed subscription, removed sink, warning sink" {
		t.Errorf("%s, %v", got, err)
	}
	if len(sim.Sinks()) != 2 || len(sim.Subscriptions()) != 2 {
		t.Errorf("%d sinks, %d subscriptions left", len(sim.Sinks()), len(sim.Subscriptions()))
	}
}

func TestWithoutUser(t *testing.T) {
	for given, want := range map[string]string{
		"https://user:password@example.com/x": "https://example.com/x", streamsURL: streamsURL, "%": "%", "": "",
	} {
		if got := withoutUser(given); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}

var errCut = errors.New("the connection broke")

// breaking lets a number of calls happen and loses their answers.
type breaking struct {
	next http.RoundTripper
	left int
}

// RoundTrip implements http.RoundTripper.
func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if b.left > 0 {
		b.left--
		return nil, errCut
	}
	return resp, err
}
