package twilio

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// everyForm are the events of a world in each of the ways in which they may come.
func everyForm(w *world.World) []record.Record {
	sim := twiliosim.New(twiliosim.Options{World: w})
	var out []record.Record
	for e := range w.Events(w.Options().Start, w.Options().End) {
		rest, err := json.Marshal(map[string]any{
			"sid": e.SID, "event_type": e.Type, "event_date_ms": e.At.UnixMilli(), "event_data": json.RawMessage(e.Data.AppendJSON(nil)),
		})
		if err != nil {
			panic(err) // Fields are JSON
		}
		out = append(out,
			record.Record{Key: e.SID, Via: record.Poll, Body: rest},
			record.Record{Key: e.SID, Via: record.Callback, Body: []byte(sim.Callback(&e).Encode())},
			record.Record{Key: e.SID, Via: record.EventStreams, Body: sim.CloudEvent(&e).AppendJSON(nil)})
	}
	return out
}

// TestWhatIsRememberedChangesNothing: what is decoded with a memory, of a text or of
// memory that was used before, is what is decoded without; also after all the rest was
// decoded, so that nothing of one record is ever another's.
func TestWhatIsRememberedChangesNothing(t *testing.T) {
	t.Parallel()
	records := everyForm(world.New(world.Options{Seed: 3, Contacts: 60}))
	for _, attributes := range []string{ // which look alike, by JSON or as text
		`"null"`, `null`, `"\"null\""`, `{}`, `"{}"`, `"\"{}\""`, `"[1]"`, `[1]`, `""`, `"redacted"`, `"{\"channelType\":\"sms\"}"`,
		`{"channelType":"sms"}`, `"\"{\\\"channelType\\\":\\\"sms\\\"}\""`, `{"full_name":"Zoë"}`, `"{\"full_name\":\"Zo\u00eb\"}"`, `"full_name"`, `1`,
	} {
		for _, name := range []string{"task_attributes", "worker_attributes"} {
			body := `{"event_type":"reservation.accepted","event_data":{"task_sid":"WT1","reservation_sid":"WR1","` + name + `":` + attributes + `}}`
			records = append(records, record.Record{Key: "EV", Via: record.Poll, Body: []byte(body)})
			form := "EventType=reservation.accepted&TaskSid=WT1&ReservationSid=WR1&" + camel(name) + "=" + attributes
			records = append(records, record.Record{Key: "EV", Via: record.Callback, Body: []byte(form)})
		}
	}
	if len(records) < 1000 {
		t.Fatalf("%d records: the test tells nothing", len(records))
	}
	m := &memo{}
	var facts [][]*fact.Fact
	for range 2 { // the second time, all is known
		facts = facts[:0]
		for _, r := range records {
			d, err := m.record(r)
			if err != nil {
				t.Fatal(err)
			}
			facts = append(facts, d.Facts)
		}
	}
	for i, r := range records {
		want, err := Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := textOfAll(facts[i]), textOfAll(want.Facts); got != want {
			t.Fatalf("%s record %s gives\n%s\nwant\n%s", r.Via, r.Body, got, want)
		}
	}
}

// TestFactsThatWereJoinedAreUsedAgain: what records tell together is the same whether or
// not facts that were joined to others are made use of again.
func TestFactsThatWereJoinedAreUsedAgain(t *testing.T) {
	t.Parallel()
	records := everyForm(world.New(world.Options{Seed: 4, Contacts: 60}))
	together := func(decode func(record.Record) (Decoded, error), join func(f, other *fact.Fact)) map[fact.Key]*fact.Fact {
		out := map[fact.Key]*fact.Fact{}
		for _, r := range records {
			d, err := decode(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range d.Facts {
				if known, ok := out[f.Key()]; ok {
					join(known, f)
				} else {
					out[f.Key()] = f
				}
			}
		}
		return out
	}
	m := &memo{}
	got := together(m.record, func(f, other *fact.Fact) {
		f.Merge(other)
		fact.Newest(f)
		other.Free()
	})
	want := together(Decode, func(f, other *fact.Fact) { f.Merge(other) })
	if len(got) != len(want) || len(want) < 60 {
		t.Fatalf("%d facts, want %d", len(got), len(want))
	}
	for key, f := range want {
		if got, want := textOfAll([]*fact.Fact{got[key]}), textOfAll([]*fact.Fact{f}); got != want {
			t.Errorf("%s is\n%s\nwant\n%s", key, got, want)
		}
		if !reflect.DeepEqual(fact.Newest(got[key]), fact.Newest(f)) {
			t.Errorf("newest of %s: %v, want %v", key, fact.Newest(got[key]), fact.Newest(f))
		}
	}
}

func textOfAll(facts []*fact.Fact) string {
	var b []byte
	for _, f := range facts {
		b = f.AppendJSON(append(b, f.SID+" "...))
	}
	return string(b)
}

// TestAnEventIsDecodedInPlace: a known event costs its fact and hardly anything beside it.
func TestAnEventIsDecodedInPlace(t *testing.T) {
	m := &memo{}
	r := record.Record{Key: "EV1", Via: record.Poll, At: time.UnixMilli(1767323045000), Body: []byte(
		`{"event_type":"task.wrapup","event_date_ms":1767323045123,"event_data":{"task_sid":"WT1","task_attributes":"{\"a\":\"\u00e9\",\"b\":[1,2,3]}"}}`)}
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := m.record(r); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 16 {
		t.Errorf("%v allocations", allocations)
	}
}
