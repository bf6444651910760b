package sqlstore

import (
	"math"
	"reflect"
	"testing"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// TestPayloadsReadBackAlike: what is read in place is what encoding/json makes of it, and
// what is not usual is left to that.
func TestPayloadsReadBackAlike(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 5_000_000, time.UTC)
	odd := map[string]any{
		"text": "a \"quote\", a \u2028 and \xff", "empty": "", "yes": true, "none": nil, "whole": 5, "half": 5.5, "long": 12345678901234567,
		"huge": 1e30, "least": math.MinInt64, "list": []any{"a", 1, nil}, "object": map[string]any{"n": 1.5, "m": map[string]any{}},
	}
	events := map[bool][]record.Event{
		true: {
			{}, {Name: "DONE", ID: "task.completed:WT1", At: at, Rule: "c.yaml:3"}, {Name: "DONE", At: at, Properties: odd},
			{Name: "DONE", At: at.Truncate(time.Second), Properties: map[string]any{"queue": "Support"}},
		},
		false: {{Name: "DONE", At: at, Withheld: "too old"}, {Name: "DONE", At: at.In(time.FixedZone("", 3600))}},
	}
	for usual, list := range events {
		for _, e := range list {
			alike(t, store.EventDelivery, e, usual)
		}
	}
	contacts := map[bool][]record.Contact{
		true: {
			{}, {Email: "a@example.com", Phone: "+33612345678", Create: true, Lists: []string{"3", "support"}},
			{Attributes: []record.Attribute{
				{Name: "FIRSTNAME", Value: "Ada", Type: "text", Overwrite: record.Never, Clear: true, Rule: "c.yaml:3", Source: "friendly_name"},
				{Name: "EMPTY"}, {Name: "MANY", Value: []any{"a", 2, 2.5, false}}, {Name: "ODD", Value: odd},
			}},
		},
		false: {{Leave: []string{"3"}}, {Email: "a@example.com", Merge: map[string]record.Merge{"SMS": {With: 3, Deletes: 4}}}},
	}
	for usual, list := range contacts {
		for _, c := range list {
			alike(t, store.ContactDelivery, c, usual)
		}
	}
}

// alike reads a payload both ways.
func alike(t *testing.T, kind store.DeliveryKind, payload any, usual bool) {
	t.Helper()
	text, err := encode("payload", payload)
	if err != nil {
		t.Fatal(err)
	}
	got := store.Delivery{Kind: kind}
	if err := decodePayload(&got, []byte(text)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	want, inPlace := store.Delivery{Kind: kind}, false
	if kind == store.EventDelivery {
		want.Event = &record.Event{}
		err = decode("event", []byte(text), want.Event)
		plainMap(want.Event.Properties)
		inPlace = readEvent(text, &record.Event{})
	} else {
		want.Contact = &record.Contact{}
		err = decode("contact", []byte(text), want.Contact)
		for i, a := range want.Contact.Attributes {
			want.Contact.Attributes[i].Value = plain(a.Value)
		}
		inPlace = readContact(text, &record.Contact{})
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s is read as\n%+v%+v, not\n%+v%+v: %v", text, got.Event, got.Contact, want.Event, want.Contact, err)
	}
	if inPlace != usual {
		t.Errorf("%s: read in place: %v", text, inPlace)
	}
}

// TestDamagedPayloads: what is not the JSON it was stored as is said to be so.
func TestDamagedPayloads(t *testing.T) {
	t.Parallel()
	for _, text := range []string{``, `{`, `[]`, `"x"`, `{"name":5}`, `{"at":"yesterday"}`, `{"properties":[]}`, `{"attributes":{}}`, `{"lists":"3"}`, `{"email":{}}`} {
		event, contact := store.Delivery{Kind: store.EventDelivery}, store.Delivery{Kind: store.ContactDelivery}
		if decodePayload(&event, []byte(text)) == nil && decodePayload(&contact, []byte(text)) == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
