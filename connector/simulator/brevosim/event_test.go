package brevosim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

func event(name string, identifiers object) object {
	return object{"event_name": name, "identifiers": identifiers}
}

func TestCreateEvent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	with := func(extra object) object {
		e := event("done", object{"email_id": "a@example.com"})
		for name, value := range extra {
			e[name] = value
		}
		return e
	}
	tests := []struct {
		name   string
		body   any
		status int
	}{
		{"plain", with(nil), 204},
		{"every property", with(object{"event_properties": object{"a": 1.5, "b-c": true, "d_e": []any{1}, "f": object{"g": nil}}}), 204},
		{"offset date", with(object{"event_date": "2026-11-20T10:00:00.123+02:00"}), 204},
		{"contact properties", with(object{"contact_properties": object{"FIRSTNAME": "Ann", "N": 1, "B": true}}), 204},
		{"no name", event("", object{"email_id": "a@example.com"}), 400},
		{"dotted name", event("task.done", object{"email_id": "a@example.com"}), 400},
		{"long name", event(long, object{"email_id": "a@example.com"}), 400},
		{"no identifiers", object{"event_name": "done"}, 400},
		{"null identifiers", object{"event_name": "done", "identifiers": nil}, 400},
		{"empty identifiers", event("done", object{}), 400},
		{"local date", with(object{"event_date": "2026-11-20T10:00:00"}), 400},
		{"array properties", with(object{"event_properties": []int{1}}), 400},
		{"bad key", with(object{"event_properties": object{"a b": 1}}), 400},
		{"bad inner key", with(object{"event_properties": object{"a": object{"b.c": 1}}}), 400},
		{"too large", with(object{"event_properties": object{"a": strings.Repeat("x", 50<<10)}}), 400},
		{"float contact property", with(object{"contact_properties": object{"N": 1.5}}), 400},
		{"no json", "{", 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, brevosim.Options{})
			s.contact(brevosim.Contact{Email: "a@example.com"})
			s.send("POST", "/events", test.body, test.status)
			if stored := len(s.Events()) == 1; stored != (test.status == 204) {
				t.Errorf("%d events after status %d", len(s.Events()), test.status)
			}
		})
	}
}

func TestEventOwner(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	a := s.contact(brevosim.Contact{Email: "a@example.com", ExtID: "x", SMS: "33611111111", WhatsApp: "33622222222", Landline: "33133333333"})
	b := s.contact(brevosim.Contact{Email: "b@example.com"})
	tests := []struct {
		identifiers object
		owner       int64
	}{
		{object{"contact_id": a, "email_id": "b@example.com"}, a},
		{object{"contact_id": 99, "email_id": "b@example.com"}, 0},
		{object{"email_id": "B@EXAMPLE.com"}, b},
		{object{"ext_id": "x"}, a},
		{object{"phone_id": "+33611111111"}, a},
		{object{"whatsapp_id": "33622222222"}, a},
		{object{"landline_number_id": "0033133333333"}, a},
		{object{"email_id": "nobody@example.com"}, 0},
		{object{"email_id": "nobody@example.com", "phone_id": "+33611111111"}, a},
	}
	for _, test := range tests {
		before := len(s.Events())
		s.send("POST", "/events", event("e", test.identifiers), 204)
		var owner int64
		if events := s.Events(); len(events) > before {
			owner = events[before].ContactID
		}
		if owner != test.owner {
			t.Errorf("%v went to contact %d, want %d", test.identifiers, owner, test.owner)
		}
	}
	if got := s.Summary().EventsIgnored; got != 2 {
		t.Errorf("%d events ignored, want 2", got)
	}
	s.SetQuirks(brevosim.Quirks{UnknownContact: brevosim.UnknownRefused})
	s.send("POST", "/events", event("e", object{"email_id": "nobody@example.com"}), 400)
}

func TestContactProperties(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	id := s.contact(brevosim.Contact{Email: "a@example.com", SMS: "33611111111"})
	e := event("e", object{"contact_id": id})
	e["contact_properties"] = object{"FIRSTNAME": "Ann", "SMS": "33699999999", "NOPE": 1}
	s.send("POST", "/events", e, 204)
	if c := s.get(id); c.Attributes["FIRSTNAME"] != "Ann" || c.SMS != "33611111111" {
		t.Errorf("contact %+v", c)
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	good := event("e", object{"email_id": "a@example.com"})
	bad := event("e e", object{"email_id": "a@example.com"})
	unknown := event("e", object{"email_id": "b@example.com"})
	large := event("e", object{"email_id": "a@example.com"})
	large["event_properties"] = object{"x": strings.Repeat("x", 40<<10)}
	list := func(events ...any) object { return object{"events": events} }
	tests := []struct {
		name   string
		quirks brevosim.Quirks
		body   any
		status int
		errors any
		stored int
	}{
		{"all good", brevosim.Quirks{}, list(good, good), 202, nil, 2},
		{"unknown contact lost", brevosim.Quirks{}, list(good, unknown), 202, nil, 1},
		{"some bad", brevosim.Quirks{UnknownContact: brevosim.UnknownRefused}, list(bad, good, bad, unknown), 207, []any{
			object{"eventIndex": []any{0.0, 2.0}, "message": "event_name is invalid"},
			object{"eventIndex": []any{3.0}, "message": "Contact does not exist"},
		}, 1},
		{"all bad", brevosim.Quirks{}, list(bad, bad), 400, []any{
			object{"eventIndex": []any{0.0, 1.0}, "message": "event_name is invalid"},
		}, 0},
		{"most", brevosim.Quirks{}, list(slices.Repeat([]any{good}, 200)...), 202, nil, 200},
		{"too many", brevosim.Quirks{}, list(slices.Repeat([]any{good}, 201)...), 400, nil, 0},
		{"too large", brevosim.Quirks{}, list(slices.Repeat([]any{large}, 13)...), 413, nil, 0},
		{"too large, quirk", brevosim.Quirks{OversizeStatus: 400}, list(slices.Repeat([]any{large}, 13)...), 400, nil, 0},
		{"none", brevosim.Quirks{}, list(), 400, nil, 0},
		{"no json", brevosim.Quirks{}, "{", 400, nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, brevosim.Options{Quirks: test.quirks})
			s.contact(brevosim.Contact{Email: "a@example.com"})
			body := s.send("POST", "/events/batch", test.body, test.status).object(t)
			if !reflect.DeepEqual(body["errors"], test.errors) {
				t.Errorf("errors %v, want %v", body["errors"], test.errors)
			}
			if got := len(s.Events()); got != test.stored {
				t.Errorf("%d events stored, want %d", got, test.stored)
			}
		})
	}
	t.Run("bare array", func(t *testing.T) {
		t.Parallel()
		r := newSim(t, brevosim.Options{}).send("POST", "/events/batch", []any{good}, 400)
		if !strings.Contains(r.body, "cannot unmarshal array into Go value") {
			t.Errorf("answered %s", r.body)
		}
	})
}

func TestEventPages(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	s.contact(brevosim.Contact{Email: "a@example.com"})
	s.contact(brevosim.Contact{Email: "b@example.com"})
	// The dates come out of order, two to a minute, and two of them are equal.
	for i, date := range []string{
		"2026-11-20T08:03:10Z", "2026-11-20T08:01:00Z", "2026-11-20T08:03:50.250Z", "2026-11-20T08:01:00Z", "2026-02-01T00:00:00Z",
	} {
		e := event([]string{"odd", "even"}[i%2], object{"contact_id": i%2 + 1})
		e["event_date"], e["event_properties"] = date, object{"n": i, "deep": object{"a": []any{"x,y", "}"}}}
		if i == 0 {
			e["object"] = object{"type": "call"}
		}
		s.send("POST", "/events", e, 204)
	}
	tests := []struct {
		query string
		count float64
		want  []float64
	}{
		{"", 4, []float64{2, 0, 3, 1}},
		{"?limit=2&offset=1", 4, []float64{0, 3}},
		{"?limit=1&offset=3", 4, []float64{1}},
		{"?offset=9", 4, nil},
		{"?contact_id=1", 2, []float64{2, 0}},
		{"?contact_id=1&contact_id=2", 4, []float64{2, 0, 3, 1}},
		{"?contact_id=99", 0, nil},
		{"?event_name=even", 2, []float64{3, 1}},
		{"?object_type=call", 1, []float64{0}},
		{"?startDate=2026-01-01&endDate=2026-02-01", 1, []float64{4}},
		{"?startDate=2026-11-20T08:01:00Z&endDate=2026-11-20T08:03:10Z", 3, []float64{0, 3, 1}},
		{"?startDate=2026-11-20T08:03:30Z&endDate=2026-11-20T08:59:00Z", 1, []float64{2}},
		{"?startDate=0001-01-01&endDate=9999-12-31", 5, []float64{2, 0, 3, 1, 4}},
	}
	check := func(t *testing.T) {
		for _, test := range tests {
			body := s.send("GET", "/events"+test.query, nil, 200).object(t)
			var got []float64
			for _, e := range body["events"].([]any) {
				properties := e.(object)["event_properties"].(object)
				got = append(got, properties["n"].(float64))
				if !reflect.DeepEqual(properties["deep"], object{"a": []any{"x,y", "}"}}) {
					t.Errorf("properties %v", properties)
				}
			}
			if body["count"] != test.count || !slices.Equal(got, test.want) {
				t.Errorf("%s: count %v, events %v; want %v, %v", test.query, body["count"], got, test.count, test.want)
			}
		}
	}
	check(t)
	for _, query := range []string{"startDate=2026-01-01", "endDate=2026-01-01", "startDate=2026-01-02&endDate=2026-01-01",
		"startDate=x&endDate=2026-01-01", "limit=0", "limit=10001", "offset=-1", "contact_id=x"} {
		s.send("GET", "/events?"+query, nil, 400)
	}
	// Another contact's deleted history changes nothing for the rest.
	extra := s.contact(brevosim.Contact{Email: "c@example.com"})
	s.send("POST", "/events", event("gone", object{"contact_id": extra}), 204)
	s.do(s.DeleteContact(extra))
	check(t)
}

// TestEventPagesCover reads many events of random dates page by page and wants each exactly once, newest first.
func TestEventPagesCover(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	s.contact(brevosim.Contact{ExtID: "a"})
	random := rand.New(rand.NewPCG(1, 2))
	const total = 3000
	for i := range total {
		e := event("e", object{"ext_id": "a"})
		e["event_date"] = s.clock.now().Add(-time.Duration(random.IntN(600)) * time.Second).Format(time.RFC3339)
		e["event_properties"] = object{"n": i}
		s.send("POST", "/events", e, 204)
	}
	seen, last := map[float64]bool{}, "9"
	for offset := 0; offset < total; offset += 700 {
		body := s.send("GET", fmt.Sprintf("/events?limit=700&offset=%d", offset), nil, 200).object(t)
		for _, e := range body["events"].([]any) {
			e := e.(object)
			if date := e["event_date"].(string); date > last {
				t.Fatalf("%s comes after %s", date, last)
			}
			last = e["event_date"].(string)
			seen[e["event_properties"].(object)["n"].(float64)] = true
		}
	}
	if len(seen) != total {
		t.Errorf("%d events seen, want %d", len(seen), total)
	}
}

func TestEventSnapshotsKeepProperties(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	s.contact(brevosim.Contact{ExtID: "a"})
	for _, properties := range []string{`{}`, `{"a":"\n\"b\\","c":[1,{"d":"]"}],"e":{"f":{}},"g":null,"h":-1.5e3}`, `{"a":1}`, `{"a":2}`} {
		body := `{"event_name":"e","identifiers":{"ext_id":"a"},"event_properties": ` + properties + `}`
		s.send("POST", "/events", body, 204)
		events := s.Events()
		if got := string(events[len(events)-1].Properties); got != properties {
			t.Errorf("stored %s, want %s", got, properties)
		}
	}
	if got := s.Events()[3].Property("a"); got != 2.0 {
		t.Errorf("property %v", got)
	}
}

// typicalEvent is as large as the connector's own ones.
func typicalEvent(n int) []byte {
	return fmt.Appendf(nil, `{"event_name":"SUPPORT_RESOLVED","event_date":"2026-11-20T08:%02d:%02d.123Z","identifiers":{"contact_id":%d},`+
		`"event_properties":{"source_event_id":"WT%032x-completed","task_sid":"WT%032x","channel":"voice","direction":"inbound",`+
		`"queue":"Customer support","agent":"Ann Example","wait_time":%d,"handle_time":312,"outcome":"completed","score":5,`+
		`"link":"https://flex.twilio.com/agent-desktop/?task=WT%032x"}}`, n/60%60, n%60, n%100+1, n, n, n%600, n)
}

// TestMillionEventsFit measures a part of a million events and scales it up.
func TestMillionEventsFit(t *testing.T) {
	s := newSim(t, brevosim.Options{})
	for i := range 100 {
		s.contact(brevosim.Contact{ExtID: fmt.Sprint(i)})
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const part = 20_000
	before := heap()
	for i := range part {
		post(s.Server, "/events", typicalEvent(i))
	}
	perEvent := (heap() - before) / part
	if got := s.Summary().Events; got != part {
		t.Fatalf("%d events stored, want %d", got, part)
	}
	t.Logf("%d bytes an event, for %d on the wire", perEvent, len(typicalEvent(0)))
	if perEvent > 400 {
		t.Errorf("%d bytes an event: a million take %d MB", perEvent, perEvent)
	}
}

// discard is a response nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// post calls the handler with no network and no client in between.
func post(s *brevosim.Server, path string, body []byte) int {
	request, err := http.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Api-Key", "key")
	w := &discard{header: http.Header{}}
	s.ServeHTTP(w, request)
	return w.status
}

func BenchmarkPostEvent(b *testing.B) {
	s := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	for i := range 100 {
		if _, err := s.AddContact(brevosim.Contact{ExtID: fmt.Sprint(i)}); err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; b.Loop(); i++ {
		if status := post(s, "/v3/events", typicalEvent(i)); status != http.StatusNoContent {
			b.Fatalf("status %d", status)
		}
	}
}

func BenchmarkPostContact(b *testing.B) {
	s := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	for i := 0; b.Loop(); i++ {
		body := fmt.Appendf(nil, `{"email":"caller-%d@example.com","attributes":{"SMS":"+336%08d","FIRSTNAME":"Ann"},"listIds":[2]}`, i, i)
		if status := post(s, "/v3/contacts", body); status != http.StatusCreated {
			b.Fatalf("status %d", status)
		}
	}
}

func BenchmarkGetEvents(b *testing.B) {
	s := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	if _, err := s.AddContact(brevosim.Contact{ExtID: "a"}); err != nil {
		b.Fatal(err)
	}
	event, err := json.Marshal(object{"event_name": "e", "identifiers": object{"ext_id": "a"}, "event_properties": object{"n": 1}})
	if err != nil {
		b.Fatal(err)
	}
	for range 100_000 {
		post(s, "/events", event)
	}
	for b.Loop() {
		request, err := http.NewRequest(http.MethodGet, "/events?limit=100", http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Api-Key", "key")
		s.ServeHTTP(&discard{header: http.Header{}}, request)
	}
}
