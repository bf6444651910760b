package brevo_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

const testKey = "xkeysib-of-a-test-0123456789"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a simulated account and a destination that writes to it.
type world struct {
	*brevo.Destination
	sim *brevosim.Server
	url string
	t   *testing.T
}

// newWorld starts a simulated account with the attributes and lists of these
// tests. Whatever a test does, nothing forbidden may have been sent.
func newWorld(t *testing.T, so brevosim.Options, change ...func(*brevo.Options)) *world {
	t.Helper()
	so.APIKey = testKey
	if so.Tier == "" {
		so.Tier = brevosim.TierNone
	}
	sim := brevosim.New(so)
	for _, a := range testAttributes() {
		sim.AddAttribute(a)
	}
	sim.AddList(32, "Support")
	sim.AddList(33, "CSAT")
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	o := brevo.Options{APIKey: testKey, BaseURL: server.URL + "/v3", Tier: "none", Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	d, err := brevo.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		for _, v := range sim.Violations() {
			t.Errorf("violation: %s", v)
		}
	})
	return &world{Destination: d, sim: sim, url: server.URL, t: t}
}

func testAttributes() []brevosim.Attribute {
	return []brevosim.Attribute{
		{Name: "LAST_SUPPORT_DATE", Type: "date"},
		{Name: "TICKETS", Type: "float"},
		{Name: "ACTIVE", Type: "boolean"},
		{Name: "NOTE", Type: "text"},
		{Name: "VIP_TIER", Category: "category", Type: "category", Enumeration: []brevosim.EnumValue{
			{Value: 1, ValueStr: "1", Label: "standard"}, {Value: 2, ValueStr: "2", Label: "gold"},
		}},
		{Name: "TOPICS", Type: "multiple-choice", Options: []string{"Billing", "Repair"}},
	}
}

// add makes a contact as marketing would.
func (w *world) add(c brevosim.Contact) int64 {
	w.t.Helper()
	id, err := w.sim.AddContact(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// deliver makes one attempt at a contact.
func (w *world) deliver(c record.Contact, held record.Held) record.Outcome {
	w.t.Helper()
	return w.Deliver(w.t.Context(), record.Change{Key: "customer", Contact: &c, Held: held})
}

// settle delivers as the pipeline does: an adopted contact is tried again at once,
// what may be repeated is repeated a few times.
func (w *world) settle(c record.Contact, held record.Held) record.Outcome {
	w.t.Helper()
	var out record.Outcome
	for range 40 {
		out = w.deliver(c, held)
		held = out.Held
		if !out.Adopt && !out.Reason.Retryable() {
			return out
		}
	}
	w.t.Fatalf("not settled: %+v", out)
	return out
}

// only returns the one contact of the account.
func (w *world) only() brevosim.Contact {
	w.t.Helper()
	all := w.sim.Contacts()
	if len(all) != 1 {
		w.t.Fatalf("contacts: got %d, want 1: %+v", len(all), all)
	}
	return all[0]
}

// expect checks how an attempt ended.
func expect(t *testing.T, out record.Outcome, skipped string, omissions ...string) {
	t.Helper()
	if out.Reason != "" || out.Err != nil || out.Adopt {
		t.Fatalf("outcome: %q, adopt %v, %v", out.Reason, out.Adopt, out.Err)
	}
	if out.Skipped != skipped {
		t.Errorf("skipped: got %q, want %q", out.Skipped, skipped)
	}
	var got []string
	for _, o := range out.Omissions {
		got = append(got, o.What+": "+o.Reason)
	}
	if len(got) != len(omissions) {
		t.Fatalf("omissions: got %q, want %q", got, omissions)
	}
	for i := range got {
		if got[i] != omissions[i] {
			t.Errorf("omission: got %q, want %q", got[i], omissions[i])
		}
	}
}

// zoe is a customer as the pipeline would have her written.
func zoe(attributes ...record.Attribute) record.Contact {
	return record.Contact{
		Email: "zoe@example.com", Phone: "+33612345678", Lists: []string{"32"}, Create: true,
		Attributes: append([]record.Attribute{{Name: "SMS", Value: "+33612345678", Type: "text"}}, attributes...),
	}
}

func number(n float64) record.Attribute {
	return record.Attribute{Name: "TICKETS", Value: n, Type: "float"}
}

func endedContext() context.Context {
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	cancel()
	return ctx
}

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
