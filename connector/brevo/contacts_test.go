package brevo_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

func TestCreateThenUpdateOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	full := zoe(number(3),
		record.Attribute{Name: "LAST_SUPPORT_DATE", Value: "2026-11-20T23:30:00+02:00", Type: "date"},
		record.Attribute{Name: "ACTIVE", Value: true, Type: "boolean"},
		record.Attribute{Name: "VIP_TIER", Value: "Gold", Type: "category"},
		record.Attribute{Name: "TOPICS", Value: []any{"repair", "unknown"}, Type: "multiple-choice"},
		record.Attribute{Name: "NOTE", Value: "a\x00b\xff", Type: "text"},
	)
	out := w.deliver(full, record.Held{})
	expect(t, out, "", "TOPICS: not one of the attribute's values")
	got := w.only()
	if got.Email != "zoe@example.com" || got.SMS != "33612345678" || !reflect.DeepEqual(got.ListIDs, []int64{32}) {
		t.Errorf("contact: %+v", got)
	}
	for name, want := range map[string]any{
		"TICKETS": 3.0, "LAST_SUPPORT_DATE": "2026-11-20", "ACTIVE": true, "NOTE": "ab\uFFFD", "TOPICS": []any{"Repair"},
	} {
		if !reflect.DeepEqual(got.Attributes[name], want) {
			t.Errorf("%s: got %v, want %v", name, got.Attributes[name], want)
		}
	}

	t.Run("the same again sends nothing, also after a way through the store", func(t *testing.T) {
		before := w.sim.Summary().Calls
		expect(t, w.deliver(full, stored(t, out.Held)), "unchanged", "TOPICS: not one of the attribute's values")
		if n := w.sim.Summary().Calls; n != before {
			t.Errorf("calls: %d", n-before)
		}
	})
	t.Run("one change is one call", func(t *testing.T) {
		before := w.sim.Summary().Calls
		full.Attributes[1] = number(4)
		again := w.deliver(full, stored(t, out.Held))
		expect(t, again, "", "TOPICS: not one of the attribute's values")
		if again.Calls != 1 || w.sim.Summary().Calls != before+1 {
			t.Errorf("calls: told %d, made %d", again.Calls, w.sim.Summary().Calls-before)
		}
		if got := w.only().Attributes["TICKETS"]; got != 4.0 {
			t.Errorf("TICKETS: %v", got)
		}
	})
}

// stored returns a Held as it comes back from the store.
func stored(t *testing.T, h record.Held) record.Held {
	t.Helper()
	raw, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var out record.Held
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWhatTheAccountCannotTakeIsAnOmission(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		attr record.Attribute
		want string
	}{
		{"unknown", record.Attribute{Name: "NOPE", Value: "x"}, "NOPE: attribute unknown in Brevo"},
		{"another type", record.Attribute{Name: "TICKETS", Value: "3", Type: "text"}, "TICKETS: attribute has another type in Brevo"},
		{"no number", record.Attribute{Name: "TICKETS", Value: "three", Type: "float"}, "TICKETS: not a number"},
		{"no date", record.Attribute{Name: "LAST_SUPPORT_DATE", Value: "20/11/2026"}, "LAST_SUPPORT_DATE: not a date"},
		{"no boolean", record.Attribute{Name: "ACTIVE", Value: "perhaps"}, "ACTIVE: not a boolean"},
		{"no option", record.Attribute{Name: "VIP_TIER", Value: "platinum"}, "VIP_TIER: not one of the attribute's values"},
		{"a list for a text", record.Attribute{Name: "NOTE", Value: []any{"x"}}, "NOTE: not a text"},
		{"no phone", record.Attribute{Name: "WHATSAPP", Value: "client:zoe"}, "WHATSAPP: not a phone number"},
		{"national", record.Attribute{Name: "LANDLINE_NUMBER", Value: "0145678901"}, "LANDLINE_NUMBER: phone number without country code"},
		{"clearing an identifier", record.Attribute{Name: "WHATSAPP", Clear: true}, "WHATSAPP: identifiers are not cleared"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, brevosim.Options{})
			expect(t, w.deliver(zoe(number(1), c.attr), record.Held{}), "", c.want)
			if w.only().Attributes["TICKETS"] != 1.0 {
				t.Error("the rest was not written")
			}
		})
	}
	t.Run("list", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, brevosim.Options{})
		c := zoe()
		c.Lists = []string{"99", "csat"}
		expect(t, w.deliver(c, record.Held{}), "", "list 99: list unknown in Brevo")
		if got := w.only().ListIDs; !reflect.DeepEqual(got, []int64{33}) {
			t.Errorf("lists: %v", got)
		}
	})
}

func TestPhoneAloneIdentifies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	out := w.deliver(record.Contact{Phone: "+33612345678", Create: true, Attributes: []record.Attribute{number(1)}}, record.Held{})
	expect(t, out, "")
	if got := w.only(); got.SMS != "33612345678" || out.Held.Identifiers["SMS"] != "+33612345678" {
		t.Errorf("contact %+v, held %+v", got, out.Held)
	}
	expect(t, w.deliver(record.Contact{Create: true, Attributes: []record.Attribute{number(1)}}, record.Held{}),
		"no identifier left", "contact: no identifier left")
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	stories := []struct {
		name string
		// there are the contacts before; ours is the index of the one to adopt, or -1.
		there     []brevosim.Contact
		customer  record.Contact
		ours      int
		omissions []string
		sms       string // of the contact written in the end
	}{
		{
			name: "the email is held", ours: 0, sms: "33612345678",
			there: []brevosim.Contact{{Email: "Zoe@example.com"}}, customer: zoe(number(2)),
		},
		{
			name: "the phone is held by a contact without email", ours: 0, sms: "33612345678",
			there: []brevosim.Contact{{SMS: "33612345678"}}, customer: zoe(number(2)),
		},
		{
			name: "the phone is held by somebody else", ours: -1,
			there: []brevosim.Contact{{Email: "max@example.com", SMS: "33612345678"}}, customer: zoe(number(2)),
			omissions: []string{"SMS: conflicting identifier"},
		},
		{
			name: "email and phone are held by two", ours: 1,
			there:    []brevosim.Contact{{Email: "max@example.com", SMS: "33612345678"}, {Email: "zoe@example.com"}},
			customer: zoe(number(2)), omissions: []string{"SMS: conflicting identifier"},
		},
		{
			name: "a phone-only caller is found by phone", ours: 0, sms: "33612345678",
			there:    []brevosim.Contact{{Email: "max@example.com", SMS: "33612345678"}},
			customer: record.Contact{Phone: "+33612345678", Create: true, Attributes: []record.Attribute{number(2)}},
		},
		{
			name: "a number of the company's is somebody else's", ours: -1, sms: "33612345678",
			there: []brevosim.Contact{{Email: "max@example.com", ExtID: "4711"}}, customer: zoe(number(2), record.Attribute{Name: "EXT_ID", Value: "4711"}),
			omissions: []string{"EXT_ID: conflicting identifier"},
		},
	}
	for _, s := range stories {
		for _, bare := range []bool{false, true} {
			name := s.name
			if bare {
				name += ", told without metadata"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, brevosim.Options{Seed: 7, Quirks: brevosim.Quirks{BareConflicts: bare}})
				var ids []int64
				for _, c := range s.there {
					ids = append(ids, w.add(c))
				}
				first := w.deliver(s.customer, record.Held{})
				if first.Adopt != (s.ours >= 0) {
					t.Fatalf("adopt: %+v", first)
				}
				out := first
				if first.Adopt {
					if first.Held.ID != ids[s.ours] {
						t.Fatalf("adopted %d, want %d", first.Held.ID, ids[s.ours])
					}
					out = w.deliver(s.customer, first.Held)
				}
				expect(t, out, "", s.omissions...)
				got, _ := w.sim.Contact(out.Held.ID)
				if got.Attributes["TICKETS"] != 2.0 || got.SMS != s.sms {
					t.Errorf("contact: %+v", got)
				}
				expectQuiet(t, w, s.customer, out.Held)
			})
		}
	}
}

// expectQuiet delivers once more: what was refused is not sent again.
func expectQuiet(t *testing.T, w *world, c record.Contact, held record.Held) {
	t.Helper()
	before := w.sim.Summary().Calls
	out := w.deliver(c, stored(t, held))
	if out.Skipped != "unchanged" || w.sim.Summary().Calls != before {
		t.Errorf("delivered again: %+v, %d calls", out, w.sim.Summary().Calls-before)
	}
}

func TestRefusedPhoneIsDroppedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{Quirks: brevosim.Quirks{RefusedPhones: []string{"336"}}})
	out := w.deliver(zoe(number(2)), record.Held{})
	expect(t, out, "", "SMS: refused phone")
	if got := w.only(); got.SMS != "" || got.Attributes["TICKETS"] != 2.0 || out.Calls != 2 {
		t.Errorf("contact %+v after %d calls", got, out.Calls)
	}
	expectQuiet(t, w, zoe(number(2)), out.Held)

	t.Run("another number is tried", func(t *testing.T) {
		w.sim.SetQuirks(brevosim.Quirks{})
		next := zoe(number(2))
		next.Attributes[0].Value = "+4915112345678"
		expect(t, w.deliver(next, stored(t, out.Held)), "")
		if got := w.only().SMS; got != "4915112345678" {
			t.Errorf("SMS: %q", got)
		}
	})
	t.Run("nothing else identifies", func(t *testing.T) {
		w.sim.SetQuirks(brevosim.Quirks{RefusedPhones: []string{"336"}})
		expect(t, w.deliver(record.Contact{Phone: "+33699999999", Create: true}, record.Held{}), "no identifier left", "SMS: refused phone")
	})
}

func TestOtherPeoplesWorkStays(t *testing.T) {
	t.Parallel()
	customer := zoe(number(9), record.Attribute{Name: "FIRSTNAME", Value: "Zoe", Type: "text", Overwrite: record.Never})
	setUp := func(t *testing.T) (*world, record.Held) {
		w := newWorld(t, brevosim.Options{})
		out := w.deliver(zoe(number(1)), record.Held{})
		expect(t, out, "")
		return w, stored(t, out.Held)
	}
	t.Run("a better phone", func(t *testing.T) {
		t.Parallel()
		w, held := setUp(t)
		edit(t, w, held.ID, map[string]any{"SMS": "+33700000000"})
		next := customer
		next.Attributes = append([]record.Attribute{{Name: "SMS", Value: "+33611111111"}}, customer.Attributes[1:]...)
		expect(t, w.deliver(next, held), "", "SMS: identifier differs from the one in Brevo")
		if got := w.only(); got.SMS != "33700000000" {
			t.Errorf("SMS: %q", got.SMS)
		}
	})
	t.Run("a phone that the rule may replace", func(t *testing.T) {
		t.Parallel()
		w, held := setUp(t)
		w.sim.SetQuirks(brevosim.Quirks{Allow: brevosim.Allow{IdentifierChange: true}})
		next := zoe()
		next.Attributes[0].Value, next.Attributes[0].Overwrite = "+33611111111", record.Always
		expect(t, w.deliver(next, held), "")
		if got := w.only(); got.SMS != "33611111111" {
			t.Errorf("SMS: %q", got.SMS)
		}
	})
	t.Run("another email", func(t *testing.T) {
		t.Parallel()
		w, held := setUp(t)
		next := customer
		next.Email = "zoe@elsewhere.example"
		expect(t, w.deliver(next, held), "", "email: email differs from the one in Brevo")
		if got := w.only(); got.Email != "zoe@example.com" || got.Attributes["TICKETS"] != 9.0 {
			t.Errorf("contact: %+v", got)
		}
	})
	t.Run("a first name filled in by hand since", func(t *testing.T) {
		t.Parallel()
		w, held := setUp(t)
		edit(t, w, held.ID, map[string]any{"FIRSTNAME": "Zoë"})
		expect(t, w.deliver(customer, held), "")
		if got := w.only().Attributes["FIRSTNAME"]; got != "Zoë" {
			t.Errorf("FIRSTNAME: %v", got)
		}
	})
	t.Run("an empty first name is filled in", func(t *testing.T) {
		t.Parallel()
		w, held := setUp(t)
		expect(t, w.deliver(customer, held), "")
		if got := w.only().Attributes["FIRSTNAME"]; got != "Zoe" {
			t.Errorf("FIRSTNAME: %v", got)
		}
	})
	t.Run("off the list", func(t *testing.T) {
		t.Parallel()
		w, held := setUp(t)
		if err := w.sim.RemoveFromList(held.ID, 32); err != nil {
			t.Fatal(err)
		}
		expect(t, w.deliver(customer, held), "")
		if got := w.only().ListIDs; len(got) != 0 {
			t.Errorf("lists: %v", got)
		}
	})
	t.Run("on the blocklist", func(t *testing.T) {
		t.Parallel()
		w, held := setUp(t)
		if err := w.sim.BlocklistContact(held.ID); err != nil {
			t.Fatal(err)
		}
		expect(t, w.deliver(customer, held), "")
		if got := w.only(); !got.EmailBlacklisted || !got.SMSBlacklisted {
			t.Errorf("blocklist: %+v", got)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		w, held := setUp(t)
		if err := w.sim.DeleteContact(held.ID); err != nil {
			t.Fatal(err)
		}
		out := w.deliver(customer, held)
		expect(t, out, "deleted in Brevo", "contact: deleted in Brevo")
		before := w.sim.Summary().Calls
		out = w.deliver(customer, stored(t, out.Held))
		expect(t, out, "deleted in Brevo")
		event := w.Deliver(t.Context(), record.Change{Event: &record.Event{Name: "X", ID: "1", At: time.Unix(1, 0)}, Held: out.Held})
		expect(t, event, "deleted in Brevo")
		if len(w.sim.Contacts()) != 0 || w.sim.Summary().Calls != before {
			t.Error("something was sent for a deleted contact")
		}
	})
}

func edit(t *testing.T, w *world, id int64, attributes map[string]any) {
	t.Helper()
	if err := w.sim.EditContact(id, attributes); err != nil {
		t.Fatal(err)
	}
}

func TestEmailIsAddedToAContactWithoutOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	out := w.deliver(record.Contact{Phone: "+33612345678", Create: true}, record.Held{})
	expect(t, out, "")
	out = w.deliver(zoe(), stored(t, out.Held))
	expect(t, out, "")
	if got := w.only(); got.Email != "zoe@example.com" || out.Calls != 2 {
		t.Errorf("contact %+v after %d calls", got, out.Calls)
	}
}

func TestClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	out := w.deliver(zoe(record.Attribute{Name: "NOTE", Value: "call back"}), record.Held{})
	expect(t, out, "")
	cleared := zoe(record.Attribute{Name: "NOTE", Clear: true})
	out = w.deliver(cleared, stored(t, out.Held))
	expect(t, out, "")
	if got := w.only().Attributes["NOTE"]; got != nil && got != "" {
		t.Errorf("NOTE: %v", got)
	}
	expectQuiet(t, w, cleared, out.Held)
}

func TestExistingOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	c := zoe(number(1))
	c.Create = false
	expect(t, w.deliver(c, record.Held{}), "not in Brevo")
	id := w.add(brevosim.Contact{SMS: "33612345678"})
	out := w.deliver(c, record.Held{})
	if !out.Adopt || out.Held.ID != id {
		t.Fatalf("outcome: %+v", out)
	}
	expect(t, w.deliver(c, out.Held), "")
	if got := w.only(); got.Email != "zoe@example.com" || got.Attributes["TICKETS"] != 1.0 {
		t.Errorf("contact: %+v", got)
	}
}

func TestCreateWithoutAnID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{Faults: brevosim.Faults{EmptySuccess: 1, Only: []string{"POST /contacts"}}})
	out := w.deliver(zoe(number(1)), record.Held{})
	expect(t, out, "")
	if out.Held.ID != w.only().ID || out.Calls != 2 {
		t.Errorf("held %d of %d after %d calls", out.Held.ID, w.only().ID, out.Calls)
	}
}

func TestConflictWithAContactThatCannotBeReadYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{ReadLag: time.Hour, Quirks: brevosim.Quirks{LagSingleReads: true}})
	expect(t, w.deliver(zoe(number(1)), record.Held{}), "")
	out := w.deliver(zoe(number(1)), record.Held{})
	if out.Reason != failure.Transient || out.RetryAfter == 0 || out.Held.ID != 0 || len(out.Held.Refused) != 0 {
		t.Errorf("outcome: %+v", out)
	}
	if w.only().Email != "zoe@example.com" {
		t.Error("a second contact was made")
	}
}

func TestEveryFaultEndsInOneTrueContact(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{Seed: 3, Faults: brevosim.Faults{
		TooEarly: .05, ServerError: .05, BadGateway: .05, BadGatewayApplied: .1, Dropped: .1, DroppedApplied: .1,
		HTMLSuccess: .1, BrokenJSON: .1, EmptySuccess: .05,
		Only: []string{"POST /contacts", "PUT /contacts", "GET /contacts"},
	}})
	held := record.Held{}
	for n := range 60 {
		out := w.settle(zoe(number(float64(n))), stored(t, held))
		if out.Reason != failure.None {
			t.Fatalf("write %d: %+v", n, out)
		}
		held = out.Held
	}
	if got := w.only(); got.Attributes["TICKETS"] != 59.0 || got.SMS != "33612345678" || len(got.ListIDs) != 1 {
		t.Errorf("contact: %+v", got)
	}
}

func TestNoEmailForABlocklistedContact(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	out := w.deliver(record.Contact{Phone: "+33612345678", Create: true}, record.Held{})
	expect(t, out, "")
	if err := w.sim.BlocklistContact(out.Held.ID); err != nil {
		t.Fatal(err)
	}
	out = w.deliver(zoe(number(1)), stored(t, out.Held))
	expect(t, out, "", "email: no email added to a blocklisted contact")
	if got := w.only(); got.Email != "" || !got.EmailBlacklisted || got.Attributes["TICKETS"] != 1.0 {
		t.Errorf("contact: %+v", got)
	}
	expectQuiet(t, w, zoe(number(1)), out.Held)
}

func TestAContactOfAnotherCustomerIsNeverAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	theirs := w.add(brevosim.Contact{Email: "max@example.com", SMS: "33612345678"})
	change := func(c record.Contact) record.Change {
		return record.Change{Contact: &c, NotOurs: []int64{theirs}}
	}
	caller := w.Deliver(t.Context(), change(record.Contact{Phone: "+33612345678", Create: true, Attributes: []record.Attribute{number(1)}}))
	if caller.Adopt || caller.Reason != "" || caller.Skipped != "no identifier left" {
		t.Errorf("a caller with only their phone: %+v", caller)
	}
	c := zoe(number(2))
	mixed := w.Deliver(t.Context(), change(c))
	if got, _ := w.sim.Contact(mixed.Held.ID); mixed.Adopt || got.Email != "zoe@example.com" || got.SMS != "" {
		t.Errorf("a customer with an email of their own: %+v, contact %+v", mixed, got)
	}
	if got, _ := w.sim.Contact(theirs); got.Attributes["TICKETS"] != nil {
		t.Errorf("their contact was written: %+v", got)
	}
}

// Rules end membership once and may begin it again; what people do to it stays.
func TestListsAreJoinedAndLeftOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	on := func(lists ...int64) {
		t.Helper()
		if got := w.only().ListIDs; !slices.Equal(slices.Sorted(slices.Values(got)), lists) {
			t.Errorf("on lists %v, want %v", got, lists)
		}
	}
	member := func(join, leave []string) record.Contact {
		c := zoe()
		c.Lists, c.Leave = join, leave
		return c
	}
	held := w.settle(member([]string{"Support", "CSAT"}, nil), record.Held{}).Held
	on(32, 33)
	held = stored(t, w.settle(member([]string{"Support"}, []string{"CSAT"}), held).Held)
	on(32)
	if out := w.settle(member([]string{"Support"}, []string{"33"}), held); out.Calls != 0 {
		t.Errorf("left again with %d calls", out.Calls)
	}
	if err := w.sim.AddToList(w.only().ID, 33); err != nil {
		t.Fatal(err)
	}
	held = w.settle(member([]string{"Support"}, []string{"CSAT"}), held).Held
	on(32, 33) // marketing put her there
	if err := w.sim.RemoveFromList(w.only().ID, 32); err != nil {
		t.Fatal(err)
	}
	held = w.settle(member([]string{"Support", "CSAT"}, nil), held).Held
	on(33) // marketing took her off 32, and our rule began 33 again
	expect(t, w.settle(member(nil, []string{"nowhere"}), held), "unchanged", "list nowhere: list unknown in Brevo")
}
