package brevo_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

// guard fails when a request carries what none may carry (promise 4 of the
// design): it looks at the bytes, whatever the simulator thinks of them.
type guard struct {
	fail func(format string, args ...any)
	sim  *brevosim.Server
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	lower := strings.ToLower(string(body))
	for _, word := range []string{"blacklist", "forcemerge", "updateenabled", "unlinklistids"} {
		if strings.Contains(lower, word) {
			g.fail("%s on the wire: %s", word, body)
		}
	}
	if strings.Contains(r.URL.Path, "import") || strings.Contains(r.URL.Path, "batch") || r.Method == http.MethodDelete {
		g.fail("%s %s", r.Method, r.URL.Path)
	}
	if r.Method == http.MethodPut {
		g.put(r, body)
	}
	forward := r.Clone(r.Context())
	forward.Body = io.NopCloser(bytes.NewReader(body))
	return g.next.RoundTrip(forward)
}

// put checks that an update gives an email only to a contact without one.
func (g *guard) put(r *http.Request, body []byte) {
	var sent struct {
		Email      *string
		Attributes map[string]any
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		g.fail("body: %v", err)
	}
	id, err := strconv.ParseInt(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], 10, 64)
	if err != nil || r.URL.Query().Get("identifierType") != "contact_id" {
		g.fail("an update not by id: %s", r.URL)
	}
	there, _ := g.sim.Contact(id)
	if _, has := sent.Attributes["EMAIL"]; has && there.Email != "" || sent.Email != nil {
		g.fail("the email of contact %d was to be changed", id)
	}
}

// Whatever the customers, whatever marketing did before and in between, no
// request may touch consent or other people's work, and a contact once delivered
// is delivered again without a call.
func TestConsentAndOtherPeoplesWorkAreNeverTouched(t *testing.T) {
	t.Parallel()
	emails := rapid.SampledFrom([]string{"", "a@example.com", "A@example.com", "b@example.com", "c@example.com", "no address"})
	phones := rapid.SampledFrom([]string{"", "+33612345601", "+33612345602", "+33612345603", "0612345601", "withheld", "+33600"})
	rapid.Check(t, func(rt *rapid.T) {
		sim := brevosim.New(brevosim.Options{Tier: brevosim.TierNone, Seed: rapid.Uint64().Draw(rt, "seed"), Quirks: brevosim.Quirks{
			BareConflicts: rapid.Bool().Draw(rt, "bare"), RefusedPhones: []string{"33612345603"},
		}})
		for _, a := range testAttributes() {
			sim.AddAttribute(a)
		}
		sim.AddList(32, "Support")
		sim.AddList(33, "CSAT")
		d, err := brevo.New(brevo.Options{APIKey: testKey, Tier: "none", HTTP: &guard{rt.Fatalf, sim, sim.Transport()}})
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(0, 4).Draw(rt, "there") {
			// What cannot be there, such as two contacts with one phone, is not.
			_, _ = sim.AddContact(brevosim.Contact{
				Email: emails.Draw(rt, "email"), SMS: strings.TrimPrefix(phones.Draw(rt, "sms"), "+"), EmailBlacklisted: rapid.Bool().Draw(rt, "blocked"),
				Attributes: map[string]any{"TICKETS": 1.0},
			})
		}
		customers := make([]record.Held, 3)
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			n := rapid.IntRange(0, len(customers)-1).Draw(rt, "customer")
			c := drawContact(rt, emails, phones)
			mine := func(id int64) bool { return !others(customers, n, id) }
			out := attempt(rt, d, c, customers[n], mine)
			if !mine(out.Held.ID) {
				continue
			}
			customers[n] = out.Held
			if calls := sim.Summary().Calls; out.Reason == "" && attempt(rt, d, c, out.Held, mine).Reason == "" && sim.Summary().Calls != calls && out.Held.ID != 0 {
				rt.Fatalf("delivered again with a call: %+v, held %+v", c, out.Held)
			}
			disturb(rt, sim)
		}
		if v := sim.Violations(); len(v) != 0 {
			rt.Fatalf("violations: %v", v)
		}
	})
}

// others says whether a contact is another customer's, who keeps it.
func others(customers []record.Held, n int, id int64) bool {
	for i, h := range customers {
		if i != n && h.ID == id && id != 0 {
			return true
		}
	}
	return false
}

// attempt delivers, following an adoption unless the contact is another
// customer's.
func attempt(rt *rapid.T, d *brevo.Destination, c record.Contact, held record.Held, mine func(id int64) bool) record.Outcome {
	out := d.Deliver(rt.Context(), record.Change{Contact: &c, Held: held})
	if out.Adopt {
		if out.Held.ID == 0 {
			rt.Fatalf("adopted nobody: %+v", out)
		}
		if !mine(out.Held.ID) {
			return out
		}
		out = d.Deliver(rt.Context(), record.Change{Contact: &c, Held: out.Held})
	}
	if out.Adopt || out.Calls > 6 {
		rt.Fatalf("a loop: %+v", out)
	}
	return out
}

// drawContact makes a customer with whatever rules may give.
func drawContact(rt *rapid.T, emails, phones *rapid.Generator[string]) record.Contact {
	overwrite := rapid.SampledFrom([]record.Overwrite{record.Default, record.Never})
	value := rapid.OneOf(rapid.Just[any](nil), rapid.Just[any](""), rapid.Just[any](true), rapid.Just[any]("2026-11-20"),
		rapid.Just[any]("gold"), rapid.Just[any]([]any{"Billing", 3.0}), rapid.Just[any](map[string]any{"x": 1}), rapid.Map(rapid.Float64(), func(f float64) any { return f }))
	c := record.Contact{Email: emails.Draw(rt, "email"), Phone: phones.Draw(rt, "phone"), Create: rapid.Bool().Draw(rt, "create")}
	for _, name := range []string{"email", "SMS", "WHATSAPP", "EXT_ID"} {
		if rapid.Bool().Draw(rt, "maps "+name) {
			c.Attributes = append(c.Attributes, record.Attribute{Name: name, Value: phones.Draw(rt, name), Overwrite: overwrite.Draw(rt, "overwrite"), Clear: rapid.Bool().Draw(rt, "clear")})
		}
	}
	for _, name := range []string{"TICKETS", "NOTE", "VIP_TIER", "TOPICS", "LAST_SUPPORT_DATE", "ACTIVE", "NOPE"} {
		c.Attributes = append(c.Attributes, record.Attribute{Name: name, Value: value.Draw(rt, name), Overwrite: overwrite.Draw(rt, "overwrite"), Clear: rapid.Bool().Draw(rt, "clear")})
	}
	c.Lists = rapid.SliceOfN(rapid.SampledFrom([]string{"32", "CSAT", "33", "nowhere"}), 0, 3).Draw(rt, "lists")
	return c
}

// disturb does what marketing does in the meantime.
func disturb(rt *rapid.T, sim *brevosim.Server) {
	all := sim.Contacts()
	if len(all) == 0 {
		return
	}
	c := all[rapid.IntRange(0, len(all)-1).Draw(rt, "whom")]
	var err error
	switch rapid.SampledFrom([]string{"nothing", "blocklist", "take off", "clear"}).Draw(rt, "marketing") {
	case "blocklist":
		err = sim.BlocklistContact(c.ID)
	case "take off":
		if slices.Contains(c.ListIDs, 32) {
			err = sim.RemoveFromList(c.ID, 32)
		}
	case "clear":
		err = sim.EditContact(c.ID, map[string]any{"TICKETS": nil})
	}
	if err != nil {
		rt.Fatal(err)
	}
}
