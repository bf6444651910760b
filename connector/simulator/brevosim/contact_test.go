package brevosim_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

func TestCreateContact(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		body   any
		status int
		code   string
	}{
		{"email", object{"email": "Ann@Example.com"}, 201, ""},
		{"phone only", object{"attributes": object{"SMS": "+33612345678"}}, 201, ""},
		{"ext_id only", object{"ext_id": "c-1"}, 201, ""},
		{"unknown attribute", object{"email": "a@example.com", "attributes": object{"NOPE": 1}}, 201, ""},
		{"nothing", object{}, 400, "missing_parameter"},
		{"whatsapp only", object{"attributes": object{"WHATSAPP": "+33612345678"}}, 400, "missing_parameter"},
		{"bad email", object{"email": "ann"}, 400, "invalid_parameter"},
		{"short phone", object{"email": "a@example.com", "attributes": object{"SMS": "+3361"}}, 400, "invalid_parameter"},
		{"national phone", object{"attributes": object{"SMS": "0612345678"}}, 400, "invalid_parameter"},
		{"lettered phone", object{"attributes": object{"SMS": "+33call"}}, 400, "invalid_parameter"},
		{"unknown list", object{"email": "a@example.com", "listIds": []int{99}}, 400, "invalid_parameter"},
		{"no object", "[]", 400, "invalid_parameter"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, brevosim.Options{})
			r := s.send("POST", "/contacts", test.body, test.status)
			if test.code != "" && r.object(t)["code"] != test.code {
				t.Errorf("answered %s, want code %s", r.body, test.code)
			}
			if created := len(s.Contacts()) == 1; created != (test.status == 201) {
				t.Errorf("%d contacts after status %d", len(s.Contacts()), test.status)
			}
			s.violated()
		})
	}
}

func TestPhonesAreStoredWithoutPlus(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{"+33612345678", "0033612345678", "33612345678"} {
		s := newSim(t, brevosim.Options{})
		s.send("POST", "/contacts", object{"attributes": object{"SMS": sent}}, 201)
		if got := s.Contacts()[0].SMS; got != "33612345678" {
			t.Errorf("%s is stored as %s", sent, got)
		}
		r := s.send("GET", "/contacts/%2B33612345678?identifierType=phone_id", nil, 200)
		if !strings.Contains(r.body, `"SMS":"33612345678"`) {
			t.Errorf("read back as %s", r.body)
		}
		s.send("POST", "/contacts", object{"attributes": object{"SMS": "+33612345678"}}, 400)
	}
}

func TestAttributeValues(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	s.AddAttribute(brevosim.Attribute{Name: "DAY", Type: "date"})
	s.AddAttribute(brevosim.Attribute{Name: "SCORE", Type: "float"})
	s.AddAttribute(brevosim.Attribute{Name: "VIP", Type: "boolean"})
	s.AddAttribute(brevosim.Attribute{Name: "TIER", Enumeration: []brevosim.EnumValue{{Value: 1, Label: "gold"}, {ValueStr: "s", Label: "silver"}}})
	s.AddAttribute(brevosim.Attribute{Name: "TOPICS", Type: "multiple-choice", Options: []string{"a", "b"}})
	tests := []struct {
		name  string
		value any
		want  any // nil means dropped
	}{
		{"FIRSTNAME", "Zoë \"x\"", "Zoë \"x\""},
		{"FIRSTNAME", 7, nil},
		{"firstname", "lower", nil},
		{"DAY", "2026-11-20", "2026-11-20"},
		{"DAY", "2026-02-30", nil},
		{"DAY", "2026-11-20T10:00:00Z", nil},
		{"SCORE", 4.5, 4.5},
		{"SCORE", "4.5", nil},
		{"VIP", true, true},
		{"VIP", "true", nil},
		{"TIER", 1, 1.0},
		{"TIER", "s", "s"},
		{"TIER", "gold", nil},
		{"TIER", 3, nil},
		{"TOPICS", []string{"a", "b"}, []any{"a", "b"}},
		{"TOPICS", []string{"c"}, nil},
		{"TOPICS", "a", nil},
		{"NOPE", "x", nil},
	}
	for _, test := range tests {
		id := s.contact(brevosim.Contact{})
		s.send("PUT", path(id), object{"attributes": object{test.name: test.value}}, 204)
		got := s.get(id).Attributes[strings.ToUpper(test.name)]
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s = %v is stored as %v, want %v", test.name, test.value, got, test.want)
		}
	}
}

func TestClearing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		by      brevosim.ClearBy
		value   any
		cleared bool
	}{
		{"", "", true},
		{"", nil, false},
		{brevosim.ClearByNull, nil, true},
		{brevosim.ClearByEither, "", true},
		{brevosim.ClearByNone, nil, false},
	}
	for _, test := range tests {
		s := newSim(t, brevosim.Options{Quirks: brevosim.Quirks{Clear: test.by}})
		id := s.contact(brevosim.Contact{Email: "a@example.com", SMS: "+33612345678", Attributes: object{"FIRSTNAME": "Ann"}})
		s.send("PUT", path(id), object{"attributes": object{"FIRSTNAME": test.value, "SMS": test.value}}, 204)
		c := s.get(id)
		if _, has := c.Attributes["FIRSTNAME"]; has == test.cleared || (c.SMS == "") != test.cleared {
			t.Errorf("%v with %q: %+v", test.value, test.by, c)
		}
	}
}

func TestConflict(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	a := s.contact(brevosim.Contact{Email: "a@example.com"})
	s.contact(brevosim.Contact{Email: "b@example.com", SMS: "+33612345678"})
	codes, spellings := map[any]bool{}, map[any]bool{}
	for range 60 {
		r := s.send("PUT", path(a), object{"attributes": object{"SMS": "0033612345678", "FIRSTNAME": "Ann"}}, 400)
		body := r.object(t)
		codes[body["code"]] = true
		names := body["metadata"].(object)["duplicate_identifiers"].([]any)
		if len(names) != 1 || !strings.EqualFold(names[0].(string), "sms") {
			t.Fatalf("duplicates %v", names)
		}
		spellings[names[0]] = true
		if !strings.Contains(body["message"].(string), "already associate") {
			t.Errorf("message %s", body["message"])
		}
	}
	if len(codes) != 2 || len(spellings) != 2 {
		t.Errorf("codes %v, spellings %v: want two of each", codes, spellings)
	}
	if c := s.get(a); c.SMS != "" || len(c.Attributes) != 0 {
		t.Errorf("a refused write left %+v", c)
	}
	s.SetQuirks(brevosim.Quirks{BareConflicts: true})
	r := s.send("POST", "/contacts", object{"email": "a@example.com"}, 400)
	if _, has := r.object(t)["metadata"]; has {
		t.Errorf("bare conflict has metadata: %s", r.body)
	}
}

func TestUpsertAndMerge(t *testing.T) {
	t.Parallel()
	t.Run("upsert", func(t *testing.T) {
		t.Parallel()
		s := newSim(t, brevosim.Options{})
		id := s.contact(brevosim.Contact{Email: "a@example.com"})
		body := object{"email": "A@example.com", "attributes": object{"FIRSTNAME": "Ann"}, "updateEnabled": true}
		if r := s.send("POST", "/contacts", body, 204); r.body != "" {
			t.Errorf("204 with the body %q", r.body)
		}
		if s.get(id).Attributes["FIRSTNAME"] != "Ann" {
			t.Error("nothing was written")
		}
		s.violated("updateEnabled")
	})
	t.Run("three holders", func(t *testing.T) {
		t.Parallel()
		s := newSim(t, brevosim.Options{Quirks: brevosim.Quirks{Allow: brevosim.Allow{UpdateEnabled: true}}})
		s.contact(brevosim.Contact{Email: "a@example.com"})
		s.contact(brevosim.Contact{ExtID: "b"})
		body := object{"email": "a@example.com", "ext_id": "b", "updateEnabled": true}
		names := s.send("POST", "/contacts", body, 400).object(t)["metadata"].(object)["duplicate_identifiers"].([]any)
		if len(names) != 2 {
			t.Errorf("duplicates %v", names)
		}
		s.violated()
	})
	t.Run("forced merge keeps the latest", func(t *testing.T) {
		t.Parallel()
		s := newSim(t, brevosim.Options{})
		old := s.contact(brevosim.Contact{Email: "a@example.com"})
		s.clock.add(time.Second)
		young := s.contact(brevosim.Contact{SMS: "+33612345678"})
		s.send("POST", "/events", object{"event_name": "e", "identifiers": object{"contact_id": old}}, 204)
		body := object{"email": "a@example.com", "attributes": object{"SMS": "+33612345678"}, "forceMerge": true, "getId": true}
		if got := s.send("POST", "/contacts", body, 201).object(t)["id"]; got != float64(young) {
			t.Errorf("survivor %v, want %d", got, young)
		}
		if _, exists := s.Contact(old); exists || s.Summary().Merges != 1 {
			t.Error("the other contact is still there")
		}
		if c := s.get(young); c.Email != "a@example.com" {
			t.Errorf("survivor %+v", c)
		}
		if events := s.Events(); !events[0].Gone {
			t.Error("the history of the deleted contact is still there")
		}
		s.violated("forceMerge")
	})
}

func TestForcedMergeByUpdate(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{Quirks: brevosim.Quirks{TooEarlyFor: time.Second}})
	a := s.contact(brevosim.Contact{Email: "a@example.com", ListIDs: []int64{2}})
	b := s.contact(brevosim.Contact{SMS: "+33612345678"})
	body := object{"attributes": object{"SMS": "+33612345678"}, "forceMerge": true}
	s.send("PUT", path(b), object{"attributes": object{"EMAIL": "a@example.com"}}, 400)
	s.send("PUT", path(a), body, 425)
	if len(s.Contacts()) != 2 {
		t.Fatal("a refused merge was carried out")
	}
	s.clock.add(time.Second)
	s.do(s.EditContact(a, object{"FIRSTNAME": "Ann"}))
	s.send("PUT", path(a), body, 204)
	if c := s.Contacts(); len(c) != 1 || c[0].ID != a || c[0].SMS != "33612345678" || c[0].Email != "a@example.com" {
		t.Errorf("contacts %+v", c)
	}
	s.ResetViolations()
	s.violated()
}

func TestEmails(t *testing.T) {
	t.Parallel()
	for email, status := range map[string]int{
		"ann@example.com": 201, "o'brien@example.com": 201, "a+b@ex-ample.co.uk": 201, "jürgen@example.com": 201,
		"a@b": 400, "@example.com": 400, "a@@example.com": 400, "a..b@example.com": 400, "Ann <a@example.com>": 400, "a b@example.com": 400,
	} {
		newSim(t, brevosim.Options{}).send("POST", "/contacts", object{"email": email}, status)
	}
}

func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	s.send("POST", "/contacts", `{"email":"`+strings.Repeat("x", 13<<20)+`"}`, 413)
}

func TestIdentifierTypes(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	s.contact(brevosim.Contact{Email: "a+b@example.com", ExtID: "x/1", SMS: "33611111111", WhatsApp: "33622222222", Landline: "33133333333"})
	for _, identifier := range []string{
		"1", "a%2Bb@example.com", "+33611111111", "33611111111", "1?identifierType=contact_id",
		"a%2Bb@example.com?identifierType=email_id", "x%2F1?identifierType=ext_id",
		"%2B33611111111?identifierType=phone_id", "33622222222?identifierType=whatsapp_id",
		"0033133333333?identifierType=landline_number_id",
	} {
		if r := s.send("GET", "/contacts/"+identifier, nil, 200); !strings.Contains(r.body, `"id":1`) {
			t.Errorf("%s: %s", identifier, r.body)
		}
	}
	s.send("PUT", "/contacts/x%2F1?identifierType=ext_id", object{"ext_id": "y"}, 204)
	s.send("GET", "/contacts/x%2F1?identifierType=ext_id", nil, 404)
	s.send("GET", "/contacts/1?identifierType=nonsense", nil, 400)
	s.send("PUT", "/contacts/9", object{}, 404)
	s.send("DELETE", "/contacts/a%2Bb@example.com", nil, 204)
	s.send("DELETE", "/contacts/1", nil, 404)
	s.contact(brevosim.Contact{Email: "owner@example.com"})
	s.send("DELETE", "/contacts/owner@example.com", nil, 405)
}

func TestListsOfContactWrites(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	s.AddList(32, "support")
	s.AddList(33, "csat")
	s.send("POST", "/contacts", object{"email": "a@example.com", "listIds": []int{33, 32}}, 201)
	s.send("PUT", "/contacts/1", object{"listIds": []int{2}, "unlinkListIds": []int{33}}, 204)
	if got := s.get(1).ListIDs; !slices.Equal(got, []int64{2, 32}) {
		t.Errorf("lists %v", got)
	}
}

func TestTooEarly(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{Quirks: brevosim.Quirks{TooEarlyFor: 2 * time.Second}})
	s.send("POST", "/contacts", object{"email": "a@example.com"}, 201)
	r := s.send("PUT", "/contacts/1", object{"attributes": object{"FIRSTNAME": "Ann"}}, 425)
	if r.object(t)["code"] != "account_in_process" {
		t.Errorf("answered %s", r.body)
	}
	s.clock.add(2 * time.Second)
	s.send("PUT", "/contacts/1", object{"attributes": object{"FIRSTNAME": "Ann"}}, 204)
}

func TestRefusedPhones(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{Quirks: brevosim.Quirks{RefusedPhones: []string{"3369"}}})
	r := s.send("POST", "/contacts", object{"email": "a@example.com", "attributes": object{"SMS": "+33691234567"}}, 400)
	if r.object(t)["message"] != "Invalid phone number" {
		t.Errorf("answered %s", r.body)
	}
}

func TestViolations(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		run  func(s *sim)
		want []string
	}{
		{"blocklist flags", func(s *sim) {
			id := s.contact(brevosim.Contact{Email: "a@example.com", EmailBlacklisted: true})
			s.send("PUT", path(id), object{"emailBlacklisted": false, "smsBlacklisted": false}, 204)
			if s.get(id).EmailBlacklisted {
				s.t.Error("false did not allow")
			}
		}, []string{"emailBlacklisted", "smsBlacklisted"}},
		{"email of a blocklisted contact", func(s *sim) {
			id := s.contact(brevosim.Contact{Email: "a@example.com"})
			s.do(s.BlocklistContact(id))
			s.send("PUT", path(id), object{"attributes": object{"EMAIL": "b@example.com"}}, 204)
			if s.get(id).EmailBlacklisted {
				s.t.Error("the blocklisting outlived the change of the email")
			}
		}, []string{"EMAIL of contact 1 replaced", "blocklisting of contact 1 removed"}},
		{"first email", func(s *sim) {
			id := s.contact(brevosim.Contact{SMS: "+33612345678"})
			s.send("PUT", path(id), object{"attributes": object{"EMAIL": "b@example.com"}}, 204)
		}, nil},
		{"other phone", func(s *sim) {
			id := s.contact(brevosim.Contact{SMS: "+33612345678"})
			s.send("PUT", path(id), object{"attributes": object{"SMS": "+33612345679"}}, 204)
			s.send("PUT", path(id), object{"attributes": object{"SMS": "0033612345679"}}, 204)
		}, []string{"SMS of contact 1 replaced"}},
		{"recreated", func(s *sim) {
			s.do(s.DeleteContact(s.contact(brevosim.Contact{Email: "a@example.com"})))
			s.send("POST", "/contacts", object{"email": "a@example.com"}, 201)
		}, []string{"recreated"}},
		{"back on a list", func(s *sim) {
			id := s.contact(brevosim.Contact{Email: "a@example.com", ListIDs: []int64{2}})
			s.do(s.RemoveFromList(id, 2))
			s.send("PUT", path(id), object{"listIds": []int{2}}, 204)
		}, []string{"put back on list 2"}},
		{"back on a list by the list call", func(s *sim) {
			id := s.contact(brevosim.Contact{Email: "a@example.com", ListIDs: []int64{2}})
			s.do(s.RemoveFromList(id, 2))
			s.send("POST", "/contacts/lists/2/contacts/add", object{"ids": []int64{id}}, 201)
		}, []string{"put back on list 2"}},
		{"deprecated batch", func(s *sim) {
			s.send("POST", "/contacts/batch", object{"contacts": []any{}}, 404)
		}, []string{"deprecated"}},
		{"all allowed", func(s *sim) {
			s.SetQuirks(brevosim.Quirks{Allow: brevosim.Allow{
				UpdateEnabled: true, ForceMerge: true, BlocklistFlags: true, IdentifierChange: true, Recreation: true, Relisting: true,
			}})
			id := s.contact(brevosim.Contact{Email: "a@example.com", SMS: "+33612345678", ListIDs: []int64{2}})
			s.do(s.RemoveFromList(id, 2))
			s.send("PUT", path(id), object{"attributes": object{"SMS": "+33612345679"}, "listIds": []int{2}, "emailBlacklisted": true}, 204)
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, brevosim.Options{})
			test.run(s)
			s.violated(test.want...)
			if got := s.Summary().Violations; got != len(test.want) {
				t.Errorf("summary counts %d violations", got)
			}
		})
	}
}

func TestContactPages(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	for i := range 5 {
		s.contact(brevosim.Contact{ExtID: string(rune('a' + i)), Attributes: object{"FIRSTNAME": string(rune('A' + i%2))}})
		s.clock.add(time.Minute)
	}
	s.do(s.AddToList(2, 2))
	s.do(s.EditContact(1, object{"LASTNAME": "x"}))
	s.clock.add(time.Minute)
	tests := []struct {
		query string
		count float64
		want  []float64
	}{
		{"", 5, []float64{5, 4, 3, 2, 1}},
		{"?limit=2&offset=1", 5, []float64{4, 3}},
		{"?sort=asc&limit=2", 5, []float64{1, 2}},
		{"?offset=9", 5, nil},
		{"?modifiedSince=2026-11-20T09:04:30Z", 2, []float64{2, 1}},
		{"?modifiedSince=2026-11-20T11:00:00%2B02:00&limit=1", 5, []float64{5}},
		{"?createdSince=2026-11-20T09:03:00Z", 2, []float64{5, 4}},
		{"?ids=3,1&ids=77", 2, []float64{3, 1}},
		{"?listIds=2", 1, []float64{2}},
		{"?filter=equals(FIRSTNAME,%22B%22)", 2, []float64{4, 2}},
	}
	for _, test := range tests {
		body := s.send("GET", "/contacts"+test.query, nil, 200).object(t)
		var ids []float64
		for _, c := range body["contacts"].([]any) {
			ids = append(ids, c.(object)["id"].(float64))
		}
		if body["count"] != test.count || !slices.Equal(ids, test.want) {
			t.Errorf("%s: count %v, ids %v; want %v, %v", test.query, body["count"], ids, test.count, test.want)
		}
	}
	for _, query := range []string{"limit=1001", "limit=x", "offset=-1", "sort=up", "modifiedSince=now", "createdSince=1", "filter=x",
		"segmentId=1", "listIds=a", "ids=" + strings.Repeat("1,", 20) + "1"} {
		s.send("GET", "/contacts?"+query, nil, 400)
	}
}

func TestReadLag(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{ReadLag: 10 * time.Second, Seed: 1})
	s.send("POST", "/contacts", object{"email": "a@example.com"}, 201)
	s.send("POST", "/events", object{"event_name": "e", "identifiers": object{"email_id": "a@example.com"}}, 204)
	counts := func() (contacts, events any) {
		return s.send("GET", "/contacts", nil, 200).object(t)["count"], s.send("GET", "/events", nil, 200).object(t)["count"]
	}
	if contacts, events := counts(); contacts != 0.0 || events != 0.0 {
		t.Errorf("visible at once: %v contacts, %v events", contacts, events)
	}
	if len(s.Contacts()) != 1 || len(s.Events()) != 1 {
		t.Error("snapshots lag too")
	}
	s.send("GET", "/contacts/1", nil, 200)
	s.clock.add(10 * time.Second)
	if contacts, events := counts(); contacts != 1.0 || events != 1.0 {
		t.Errorf("still invisible: %v contacts, %v events", contacts, events)
	}
	s.send("PUT", "/contacts/1", object{"attributes": object{"FIRSTNAME": "Ann"}}, 204)
	if r := s.send("GET", "/contacts", nil, 200); strings.Contains(r.body, "Ann") {
		t.Error("an update is visible at once")
	}
	s.SetQuirks(brevosim.Quirks{LagSingleReads: true})
	if r := s.send("GET", "/contacts/1", nil, 200); strings.Contains(r.body, "Ann") {
		t.Error("an update is visible at once to the single read")
	}
	s.clock.add(10 * time.Second)
	if r := s.send("GET", "/contacts?modifiedSince=2026-11-20T09:00:10Z", nil, 200); !strings.Contains(r.body, "Ann") {
		t.Error("an update is never visible")
	}
}

// TestModifiedSinceMissesNothing lets writes become visible in another order than they were made in.
func TestModifiedSinceMissesNothing(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{ReadLag: 10 * time.Second, Seed: 3})
	const total = 200
	for i := range total {
		s.send("POST", "/contacts", object{"ext_id": fmt.Sprint(i)}, 201)
		s.clock.add(100 * time.Millisecond)
	}
	s.clock.add(10 * time.Second)
	for _, seconds := range []int{1, 5, 10, 15, 19} {
		since := fmt.Sprintf("2026-11-20T09:00:%02dZ", seconds)
		body := s.send("GET", "/contacts?modifiedSince="+since, nil, 200).object(t)
		if want := float64(total - 10*seconds); body["count"] != want {
			t.Errorf("since %s: count %v, want %v", since, body["count"], want)
		}
	}
}

func TestDeletedBeforeVisible(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{ReadLag: time.Minute})
	s.send("POST", "/contacts", object{"email": "a@example.com"}, 201)
	s.do(s.DeleteContact(1))
	s.clock.add(time.Minute)
	if got := s.send("GET", "/contacts", nil, 200).object(t)["count"]; got != 0.0 {
		t.Errorf("%v contacts visible", got)
	}
}
