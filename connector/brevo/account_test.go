package brevo_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

func TestProvision(t *testing.T) {
	t.Parallel()
	plan := brevo.Plan{
		Attributes: []brevo.AttributeSpec{
			{Name: "email", Type: "text"}, {Name: "SMS", Type: "text"}, {Name: "FIRSTNAME", Type: "text"},
			{Name: "avg_wait_time", Type: "float", Rule: "connector.yaml:7"}, {Name: "AVG_WAIT_TIME", Type: "float"},
			{Name: "TICKETS", Type: "text", Rule: "connector.yaml:9"},
			{Name: "CALLBACK", Type: "boolean"}, {Name: "SINCE", Type: "date"}, {Name: "PLAIN"},
			{Name: "GRADE", Type: "category", Values: []string{"low", "high"}}, {Name: "HUES", Type: "multiple-choice", Values: []string{"red"}},
			{Name: "GRADE2", Type: "category"}, {Name: "BAD NAME", Type: "text"}, {Name: "ODD", Type: "user"},
		},
		Lists: []string{"32", "Callers", "callers", "77"},
	}
	want := []brevo.Step{
		{Kind: "attribute", Name: "FIRSTNAME", Type: "text", Action: brevo.Exists},
		{Kind: "attribute", Name: "AVG_WAIT_TIME", Type: "float", Action: brevo.Created},
		{Kind: "attribute", Name: "TICKETS", Type: "float", Action: brevo.Off, Reason: "attribute has another type in Brevo"},
		{Kind: "attribute", Name: "CALLBACK", Type: "boolean", Action: brevo.Created},
		{Kind: "attribute", Name: "SINCE", Type: "date", Action: brevo.Created},
		{Kind: "attribute", Name: "PLAIN", Type: "text", Action: brevo.Created},
		{Kind: "attribute", Name: "GRADE", Type: "category", Action: brevo.Created},
		{Kind: "attribute", Name: "HUES", Type: "multiple-choice", Action: brevo.Created},
		{Kind: "attribute", Name: "GRADE2", Type: "category", Action: brevo.Off, Reason: "attribute needs its values: make it in Brevo"},
		{Kind: "attribute", Name: "BAD NAME", Type: "text", Action: brevo.Off, Reason: "attribute name not allowed"},
		{Kind: "attribute", Name: "ODD", Type: "user", Action: brevo.Off, Reason: "attribute has another type in Brevo"},
		{Kind: "list", Name: "32", Action: brevo.Exists},
		{Kind: "folder", Name: "Twilio Flex", Action: brevo.Created},
		{Kind: "list", Name: "Callers", Action: brevo.Created},
		{Kind: "list", Name: "77", Action: brevo.Off, Reason: "list unknown in Brevo"},
	}
	w := newWorld(t, brevosim.Options{})

	t.Run("dry run", func(t *testing.T) {
		before, lists := len(w.sim.Attributes()), len(w.sim.Lists())
		dry := plan
		dry.DryRun = true
		got, err := w.Provision(t.Context(), dry)
		if err != nil || !got.Missing() || len(w.sim.Attributes()) != before || len(w.sim.Lists()) != lists {
			t.Errorf("report %+v, %v", got, err)
		}
		planned := slices.Clone(want) // the same, to be made
		for i := range planned {
			if planned[i].Action == brevo.Created {
				planned[i].Action = brevo.Create
			}
		}
		if !reflect.DeepEqual(got.Steps, planned) {
			t.Errorf("planned %+v, want %+v", got.Steps, planned)
		}
	})
	t.Run("for real", func(t *testing.T) {
		got, err := w.Provision(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Steps, want) {
			for i, s := range got.Steps {
				t.Logf("%d: %+v", i, s)
			}
			t.Error("steps differ")
		}
		if len(got.Warnings) != 5 || got.Warnings[0].Rule != "connector.yaml:9" {
			t.Errorf("warnings: %+v", got.Warnings)
		}
	})
	t.Run("what was made is used", func(t *testing.T) {
		c := zoe(record.Attribute{Name: "AVG_WAIT_TIME", Value: 12.5, Type: "float"},
			record.Attribute{Name: "GRADE", Value: "high", Type: "category"}, record.Attribute{Name: "HUES", Value: "red", Type: "multiple-choice"})
		c.Lists = []string{"Callers"}
		expect(t, w.deliver(c, record.Held{}), "")
		got := w.only()
		if got.Attributes["AVG_WAIT_TIME"] != 12.5 || got.Attributes["GRADE"] == nil || len(got.ListIDs) != 1 {
			t.Errorf("contact: %+v", got)
		}
	})
	t.Run("again makes nothing", func(t *testing.T) {
		w.sim.ResetCalls()
		if _, err := w.Provision(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		for call := range w.sim.Calls() {
			if call.Method != http.MethodGet {
				t.Errorf("call: %+v", call)
			}
		}
	})
}

func TestProvisionKeepsTheQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	for n := len(w.sim.Attributes()); n < 199; n++ {
		w.sim.AddAttribute(brevosim.Attribute{Name: fmt.Sprintf("A%d", n), Type: "text"})
	}
	got, err := w.Provision(t.Context(), brevo.Plan{Attributes: []brevo.AttributeSpec{{Name: "ONE"}, {Name: "TWO"}}})
	if err != nil || got.Steps[0].Action != brevo.Created || got.Steps[1].Action != brevo.Off {
		t.Errorf("report %+v, %v", got, err)
	}
}

func TestProvisionDoesNotTakeABrokenAnswerForAnEmptyAccount(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]brevosim.Faults{"page": {HTMLSuccess: 1}, "half": {BrokenJSON: 1}, "nothing": {EmptySuccess: 1}} {
		w := newWorld(t, brevosim.Options{Faults: f})
		before := len(w.sim.Lists())
		if _, err := w.Provision(t.Context(), brevo.Plan{Lists: []string{"Support"}}); failure.ReasonOf(err) != failure.Transient {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(w.sim.Lists()); n != before {
			t.Errorf("%s: lists: %d", name, n)
		}
	}
	w := newWorld(t, brevosim.Options{Faults: brevosim.Faults{HTMLSuccess: 1, Only: []string{"POST"}}})
	if _, err := w.Provision(t.Context(), brevo.Plan{Lists: []string{"New"}}); failure.ReasonOf(err) != failure.Unknown {
		t.Errorf("a write answered by a page: %v", err)
	}
}

func TestAnAttributeMadeLaterIsFound(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	w := newWorld(t, brevosim.Options{}, func(o *brevo.Options) { o.Clock = func() time.Time { return now } })
	c := zoe(record.Attribute{Name: "LATER", Value: "x"})
	out := w.deliver(c, record.Held{})
	expect(t, out, "", "LATER: attribute unknown in Brevo")
	w.sim.AddAttribute(brevosim.Attribute{Name: "LATER", Type: "text"})
	expect(t, w.deliver(c, out.Held), "unchanged", "LATER: attribute unknown in Brevo")
	now = now.Add(5 * time.Minute)
	w.sim.SetFaults(brevosim.Faults{BadGateway: 1, Only: []string{"GET"}})
	expect(t, w.deliver(c, out.Held), "unchanged", "LATER: attribute unknown in Brevo")
	w.sim.SetFaults(brevosim.Faults{})
	now = now.Add(5 * time.Minute)
	out = w.deliver(c, out.Held)
	expect(t, out, "")

	w.sim.AddAttribute(brevosim.Attribute{Name: "LATER", Type: "float"})
	now = now.Add(time.Hour)
	c.Attributes[1] = record.Attribute{Name: "LATER", Value: "y", Type: "text"}
	expect(t, w.deliver(c, out.Held), "unchanged", "LATER: attribute has another type in Brevo")
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	for n := range 2500 {
		w.add(brevosim.Contact{
			Email: fmt.Sprintf("customer%d@example.com", n), SMS: fmt.Sprintf("3361%07d", n), ListIDs: []int64{33},
			Attributes: map[string]any{"TICKETS": float64(n), "NOTE": "kept out"},
		})
	}
	w.sim.ResetCalls()
	var all []brevo.HeldContact
	err := w.FetchDirectory(t.Context(), time.Time{}, []string{"tickets", "FIRSTNAME"}, func(page []brevo.HeldContact) error {
		all = append(all, page...)
		return nil
	})
	if err != nil || len(all) != 2500 || w.sim.CallsTo("GET /contacts") != 3 {
		t.Fatalf("contacts %d, calls %d, %v", len(all), w.sim.CallsTo("GET /contacts"), err)
	}
	h := all[42].Held
	want := record.Held{
		ID: h.ID, ReadAt: h.ReadAt, Lists: []string{"33"}, Attributes: map[string]any{"TICKETS": 42.0, "FIRSTNAME": nil},
		Identifiers: map[string]string{"email": "customer42@example.com", "SMS": "33610000042", "WHATSAPP": "", "LANDLINE_NUMBER": "", "EXT_ID": ""},
	}
	if !reflect.DeepEqual(h, want) || h.ReadAt.IsZero() {
		t.Errorf("held: %+v", h)
	}

	t.Run("a known contact costs one call", func(t *testing.T) {
		c := record.Contact{Email: "customer42@example.com", Create: true, Attributes: []record.Attribute{
			{Name: "TICKETS", Value: 43, Type: "float"}, {Name: "FIRSTNAME", Value: "Zoe", Overwrite: record.Never},
		}}
		out := w.deliver(c, stored(t, h))
		expect(t, out, "")
		if out.Calls != 1 {
			t.Errorf("calls: %d", out.Calls)
		}
	})
	t.Run("an error of the caller's comes back as it is", func(t *testing.T) {
		mine := errors.New("mine")
		if err := w.FetchDirectory(t.Context(), time.Time{}, nil, func([]brevo.HeldContact) error { return mine }); err != mine {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("half a page is no page", func(t *testing.T) {
		w.sim.SetFaults(brevosim.Faults{BrokenJSON: 1})
		err := w.FetchDirectory(t.Context(), time.Time{}, nil, func([]brevo.HeldContact) error {
			t.Error("a broken page was handed over")
			return nil
		})
		if failure.ReasonOf(err) != failure.Transient {
			t.Errorf("error: %v", err)
		}
	})
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	client := &brevosim.OAuthClient{ID: "app", Secret: "app-secret"}
	sim := brevosim.New(brevosim.Options{Tier: brevosim.TierNone, OAuth: client, Clock: clock})
	server := httptest.NewServer(sim)
	defer server.Close()
	open := func(secret string) *brevo.Destination {
		d, err := brevo.New(brevo.Options{
			BaseURL: server.URL + "/v3", Tier: "none", Clock: clock,
			OAuth: &brevo.OAuthOptions{ClientID: "app", ClientSecret: secret, TokenURL: server.URL + "/realms/partner/oauth/token"},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	d := open("app-secret")
	for range 3 {
		if err := d.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tokens := func() int { return sim.CallsTo("POST /realms/partner/oauth/token") }
	if n := tokens(); n != 1 {
		t.Errorf("tokens: %d, want one for three calls", n)
	}
	now = now.Add(59*time.Minute + time.Second)
	if err := d.Ping(t.Context()); err != nil || tokens() != 2 {
		t.Errorf("a token that is about to end was not renewed: %d, %v", tokens(), err)
	}
	sim.SetFaults(brevosim.Faults{BadKey: 1, Only: []string{"GET /account"}})
	if err := d.Ping(t.Context()); failure.ReasonOf(err) != failure.Unauthorized || !strings.Contains(err.Error(), "brevo.oauth") || strings.Contains(err.Error(), "api_key") {
		t.Errorf("a refused token: %v", err)
	}
	sim.SetFaults(brevosim.Faults{})
	if err := d.Ping(t.Context()); err != nil || tokens() != 3 {
		t.Errorf("a refused token was not replaced: %d, %v", tokens(), err)
	}
	if err := open("wrong").Ping(t.Context()); failure.ReasonOf(err) != failure.Unauthorized {
		t.Errorf("wrong secret: %v", err)
	}
}
