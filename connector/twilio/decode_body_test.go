package twilio

import (
	"bytes"
	"testing"

	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestABodyIsNobodysOnceItIsDecoded: a body is the next record's as soon as it is decoded
// (store.Digester.EachUndigested), so that nothing that was told or remembered may be a
// part of it.
func TestABodyIsNobodysOnceItIsDecoded(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 5, Odd: true, Contacts: 80}, twiliosim.Options{Seed: 5}, Options{Messages: true, KeepText: true})
	k := newKept()
	for _, stream := range []string{EventsStream, ConversationsStream, WorkersStream, QueuesStream} {
		k.fetch(t, c.source, stream)
	}
	records := append(everyForm(c.world), k.order...)
	records = append(records,
		record.Record{Key: "P1", Via: record.Plugin, Body: []byte(`{"payload":{"TaskSid":"WT00000000000000000000000000000001"}}`)},
		record.Record{Key: "S1", Via: record.Post, Body: []byte(`{"task_sid":"WT00000000000000000000000000000001","score":4,"comment":"very good","submitted_at":"2026-11-20T12:00:00Z"}`)},
		record.Record{Key: "EV1", Via: record.EventStreams, Body: []byte(`{"type":"com.twilio.conversations.x","data":{"conversation_sid":"CH00000000000000000000000000000001"}}`)},
	)
	vias, hints, raw, spells := map[record.Via]bool{}, 0, 0, 0
	var told []Decoded
	var before []string
	for _, decodeBy := range []func(record.Record) (Decoded, error){Decode, c.source.Decode, c.source.Decode} { // the last time out of memory
		for _, r := range records {
			r.Body = bytes.Clone(r.Body)
			d, err := decodeBy(r)
			if err != nil {
				t.Fatalf("%s %s: %v", r.Via, r.Type, err)
			}
			told, before = append(told, d), append(before, dump(d))
			for i := range r.Body {
				r.Body[i] = '#'
			}
			vias[r.Via], hints, raw, spells = true, hints+len(d.Hints), raw+len(d.Raw), spells+len(d.Spells)
		}
	}
	for i, d := range told {
		if after := dump(d); after != before[i] {
			t.Fatalf("what was told changed with the body:\n%s\nbefore:\n%s", after, before[i])
		}
	}
	if len(vias) != 5 || hints == 0 || raw == 0 || spells == 0 {
		t.Errorf("the test tells too little: %v, %d hints, %d raw events, %d spells", vias, hints, raw, spells)
	}
}
