package brevo

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	t.Parallel()
	tier := definition{kind: "category", options: []option{categoryOption(1, "1", "standard"), categoryOption(0, "vip", "VIP customer"), categoryOption(3, "", "old")}}
	topics := definition{kind: "multiple-choice", options: []option{{send: "Billing", names: []string{"Billing"}}, {send: "Repair", names: []string{"Repair"}}}}
	kind := func(k string) definition { return definition{kind: k} }
	cases := []struct {
		name   string
		def    definition
		in     any
		want   any
		reason string
	}{
		{"text", kind("text"), "x", "x", ""},
		{"text of a number", kind("text"), 12.5, "12.5", ""},
		{"text of a whole number", kind("text"), 12, "12", ""},
		{"text of a boolean", kind("text"), true, "true", ""},
		{"text with NUL and half a rune", kind("text"), "a\x00\xc3", "a\uFFFD", ""},
		{"text of NULs", kind("text"), "\x00", nil, ""},
		{"text too long", kind("text"), strings.Repeat("x", maxText+1), nil, reasonTooLong},
		{"text of a list", kind("text"), []any{"x"}, nil, reasonNotText},
		{"nothing", kind("date"), nil, nil, ""},
		{"empty", kind("float"), "", nil, ""},
		{"day", kind("date"), "2026-02-28", "2026-02-28", ""},
		{"moment, day in its own zone", kind("date"), "2026-02-28T23:59:00-05:00", "2026-02-28", ""},
		{"no such day", kind("date"), "2026-02-30", nil, reasonNotDate},
		{"number for a date", kind("date"), 20260228, nil, reasonNotDate},
		{"float", kind("float"), 1.5, 1.5, ""},
		{"float of an int64", kind("float"), int64(7), 7.0, ""},
		{"float of a text", kind("float"), " 7.25 ", 7.25, ""},
		{"float of json.Number", kind("float"), json.Number("7"), 7.0, ""},
		{"float of NaN", kind("float"), math.NaN(), nil, reasonNotNumber},
		{"float of infinity", kind("float"), "Inf", nil, reasonNotNumber},
		{"float of a boolean", kind("float"), true, nil, reasonNotNumber},
		{"boolean", kind("boolean"), false, false, ""},
		{"boolean of a word", kind("boolean"), "Yes", true, ""},
		{"boolean of a digit", kind("boolean"), 0.0, false, ""},
		{"boolean of another number", kind("boolean"), 2, nil, reasonNotBoolean},
		{"category by label", tier, "Standard", int64(1), ""},
		{"category by number", tier, 1.0, int64(1), ""},
		{"category by valueStr", tier, "VIP", "vip", ""},
		{"category by label of a text value", tier, "vip customer", "vip", ""},
		{"category of the days before valueStr", tier, "old", int64(3), ""},
		{"category by the zero that stands for a text", tier, 0, nil, reasonNotOption},
		{"one choice", topics, "repair", []any{"Repair"}, ""},
		{"choices, one twice", topics, []any{"billing", "Billing", "Repair"}, []any{"Billing", "Repair"}, ""},
		{"choices, one unknown", topics, []string{"Billing", "x"}, []any{"Billing"}, reasonNotOption},
		{"choices, all unknown", topics, []any{"x"}, nil, reasonNotOption},
		{"a type of Brevo's that we do not write", kind("user"), "x", nil, reasonOtherType},
	}
	for _, c := range cases {
		got, reason := convert(c.in, c.def)
		if !reflect.DeepEqual(got, c.want) || reason != c.reason {
			t.Errorf("%s: got %#v (%s), want %#v (%s)", c.name, got, reason, c.want, c.reason)
		}
		if c.want != nil && c.reason == "" {
			if !sameValue(got, c.want, c.def) {
				t.Errorf("%s: not the same as itself", c.name)
			}
			if again := throughJSON(t, got); !sameValue(again, c.want, c.def) {
				t.Errorf("%s: %#v, read back, is not the same as %#v", c.name, again, c.want)
			}
		}
	}
}

func throughJSON(t *testing.T, v any) (out any) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSameValue(t *testing.T) {
	t.Parallel()
	day, text := definition{kind: "date"}, definition{kind: "text"}
	choice := definition{kind: "multiple-choice", options: []option{{send: "a", names: []string{"a"}}, {send: "b", names: []string{"b"}}}}
	for _, c := range []struct {
		held, want any
		def        definition
		same       bool
	}{
		{nil, "", text, true}, {"", nil, text, true}, {nil, "x", text, false}, {"x", "", text, false},
		{"2026-01-02T00:00:00.000Z", "2026-01-02", day, true}, {"2026-01-02", "2026-01-03", day, false},
		{[]any{"b", "a"}, []any{"a", "b"}, choice, true}, {[]any{"a"}, []any{"a", "b"}, choice, false}, {"a", []any{"a"}, choice, true},
		{map[string]any{"odd": 1}, "x", text, false}, {[]any{map[string]any{}}, []any{"a"}, choice, false},
	} {
		if got := sameValue(c.held, c.want, c.def); got != c.same {
			t.Errorf("%v and %v: %v", c.held, c.want, got)
		}
	}
}

func TestPhoneNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, resolved, want, reason string }{
		{"+33612345678", "", "+33612345678", ""},
		{"whatsapp:+33612345678", "", "+33612345678", ""},
		{" +33 (0)6.12-34/56 78 ", "", "+330612345678", ""},
		{"0033612345678", "", "+33612345678", ""},
		{"0612345678", "+33612345678", "+33612345678", ""},
		{"33612345678", "+33612345678", "+33612345678", ""},
		{"0612345678", "", "", reasonNoCountryCode},
		{"0612345678", "+33699999999", "", reasonNoCountryCode},
		{"client:zoe", "", "", reasonNotPhone}, {"sip:a@b", "", "", reasonNotPhone}, {"anonymous", "", "", reasonNotPhone},
		{"+33", "", "", reasonNotPhone}, {"+1234567890123456", "", "", reasonNotPhone}, {"", "", "", reasonNotPhone},
	} {
		if got, reason := phoneNumber(c.raw, c.resolved); got != c.want || reason != c.reason {
			t.Errorf("%q with %q: got %q (%s), want %q (%s)", c.raw, c.resolved, got, reason, c.want, c.reason)
		}
	}
}

func TestDuplicatesInAllTheirSpellings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		want []string
		yes  bool
	}{
		{`{"code":"duplicate_parameter","message":"Unable to create contact, email is already associated with another Contact","metadata":{"duplicate_identifiers":["email"]}}`, []string{email}, true},
		{`{"code":"invalid_parameter","message":"x","metadata":{"duplicate_identifiers":["SMS"]}}`, []string{sms}, true},
		{`{"code":"invalid_parameter","message":"x","metadata":{"duplicate_identifiers":["phone_id","email_id"]}}`, []string{sms, email}, true},
		{`{"code":"invalid_parameter","message":"x","metadata":{"duplicate_identifiers":["whatsapp","ext_id","LANDLINE_NUMBER"]}}`, []string{whatsApp, extID, landline}, true},
		{`{"code":"invalid_parameter","message":"SMS is already associate with another Contact"}`, []string{sms}, true},
		{`{"code":"duplicate_parameter","message":"Contact already exist"}`, nil, true},
		{`{"message":"Unable to update contact, WHATSAPP is already associated with another Contact"}`, []string{whatsApp}, true},
		{`{"code":"x","message":"x","metadata":{"duplicate_identifiers":["new_kind"]}}`, nil, true},
		{`{"code":"invalid_parameter","message":"Invalid phone number","metadata":"odd"}`, nil, false},
		{`<html>`, nil, false},
	} {
		which, yes := parseError([]byte(c.body)).duplicate(400)
		if yes != c.yes || !reflect.DeepEqual(which, c.want) {
			t.Errorf("%s: got %v, %v", c.body, which, yes)
		}
	}
}

func TestRefusedIdentifiers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		message string
		sent    []string
		want    []string
	}{
		{"Invalid phone number", []string{email, sms}, []string{sms}},
		{"Invalid phone number", []string{whatsApp, landline}, []string{whatsApp, landline}},
		{"Invalid WHATSAPP number", []string{sms, whatsApp}, []string{whatsApp}},
		{"Invalid email address", []string{email, sms}, []string{email}},
		{"email is not valid in this account", []string{email}, []string{email}},
		{"Invalid phone number", []string{email}, nil},
		{"listIds are invalid", []string{email, sms}, nil},
		{"something else", []string{email, sms}, nil},
	} {
		e := &apiError{Code: "invalid_parameter", Message: c.message}
		if got, _ := e.refusedIdentifiers(400, c.sent); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q of %v: got %v, want %v", c.message, c.sent, got, c.want)
		}
	}
}

func TestCodesThatMayBeTold(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"duplicate_parameter": "duplicate_parameter", "Record(s) for identifier not found": "Record(s) for identifier not found",
		"zoe@example.com": "other", "+33612345678": "other", "": "", strings.Repeat("x", 65): "other",
	} {
		if got := openCode(code); got != want {
			t.Errorf("%q: got %q, want %q", code, got, want)
		}
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path, template string
		bucket                 bucketName
	}{
		{"POST", "/events", "/events", bucketEvents}, {"POST", "/events/batch", "/events/batch", bucketOther}, {"GET", "/events", "/events", bucketOther},
		{"POST", "/contacts", "/contacts", bucketContacts}, {"GET", "/contacts", "/contacts", bucketContacts},
		{"GET", "/contacts/zoe@example.com", "/contacts/{identifier}", bucketContacts},
		{"GET", "/contacts/a%2Fb", "/contacts/{identifier}", bucketContacts},
		{"GET", "/contacts/attributes", "/contacts/attributes", bucketContacts},
		{"POST", "/contacts/attributes/normal/VIP", "/contacts/attributes/normal/{name}", bucketContacts},
		{"GET", "/contacts/lists", "/contacts/lists", bucketContacts}, {"GET", "/account", "/account", bucketOther},
	} {
		if got := routeOf(c.method, c.path); got.template != c.template || got.bucket != c.bucket {
			t.Errorf("%s %s: %+v", c.method, c.path, got)
		}
	}
	for _, c := range []struct{ value, want string }{
		{"+33612345678", "/contacts/%2B33612345678?identifierType=phone_id"}, {"a/b?c", "/contacts/a%2Fb%3Fc?identifierType=phone_id"},
	} {
		if got := contactPath(c.value, "phone_id"); got != c.want {
			t.Errorf("path: %s", got)
		}
	}
}
