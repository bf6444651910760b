package storetest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// awkwardBodies are bodies of every size and kind, as they come and as a store may
// keep them in some other form.
func awkwardBodies() [][]byte {
	noise := make([]byte, 300_000)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(noise) // never fails
	text := `{"event_type":"task.completed","resource_sid":"WT00000000000000000000000000000001","task_attributes":"{\"from\":\"+33600000000\"}"}`
	bodies := [][]byte{
		{}, []byte("{"), []byte("{}"), []byte(text), []byte("[" + strings.Repeat(text+",", 8000) + text + "]"),
		bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("a"), 1<<20+1), noise, noise[:1], noise[:40],
		[]byte("EventType=task.completed&TaskSid=WT00000000000000000000000000000001&TaskAttributes=%7B%7D"),
	}
	for first := range 256 {
		bodies = append(bodies, []byte{byte(first)}, append([]byte{byte(first)}, text...))
	}
	return bodies
}

// captureAwkward captures awkward bodies, posted by the plugin, and returns them by key.
func (f *fixture) captureAwkward() map[string][]byte {
	f.Helper()
	bodies := map[string][]byte{}
	var p record.Page
	for i, body := range awkwardBodies() {
		r := rec(fmt.Sprintf("EV%04d", i))
		r.Via, r.Body, bodies[r.Key] = record.Plugin, body, body
		p.Records = append(p.Records, r)
	}
	f.capture(p)
	return bodies
}

// mustHold fails the test where records are not all of some bodies, to the byte.
func (f *fixture) mustHold(how string, got []record.Record, bodies map[string][]byte) {
	f.Helper()
	if len(got) != len(bodies) {
		f.Errorf("%s: %d records, want %d", how, len(got), len(bodies))
	}
	for _, r := range got {
		if want := bodies[r.Key]; !bytes.Equal(r.Body, want) || r.Damage != "" {
			f.Errorf("%s: the body of %s has %d bytes that are not its %d: %q", how, r.Key, len(r.Body), len(want), r.Damage)
		}
	}
}

// digestAll ends the wait of all records in one state.
func (f *fixture) digestAll(state store.RecordState) {
	f.Helper()
	var results []store.RecordResult
	for _, r := range f.undigested() {
		results = append(results, store.RecordResult{ID: r.ID, State: state, Reason: "because"})
	}
	f.digest(store.Digest{Records: results})
}

var bodyTests = map[string]func(*fixture){
	"bodies of every kind come back from every question": func(f *fixture) {
		bodies := f.captureAwkward()
		f.mustHold("waiting", f.undigested(), bodies)
		all, err := f.s.LoadRecordsAfter(f.ctx, connector, 0, 1000)
		f.must(err)
		f.mustHold("all", all, bodies)
		var ids []int64
		for _, r := range all {
			ids = append(ids, r.ID)
		}
		byID, err := f.s.LoadRecords(f.ctx, connector, ids)
		f.must(err)
		f.mustHold("by id", byID, bodies)
		posts, err := f.s.LoadPluginPosts(f.ctx, connector, noon.Add(-time.Hour), noon.Add(time.Hour), 1000)
		f.must(err)
		f.mustHold("posted", posts, bodies)
		f.digestAll(store.Ignored)
		again, err := f.s.LoadRecordsAgain(f.ctx, connector, 0, time.Time{}, 1000)
		f.must(err)
		f.mustHold("again", again, bodies)
	},
	"bodies of failed records come back": func(f *fixture) {
		bodies := f.captureAwkward()
		f.digestAll(store.Failed)
		letters, err := f.s.LoadDead(f.ctx, store.DeadFilter{Connector: connector}, 1000)
		f.must(err)
		var got []record.Record
		for _, l := range letters {
			got = append(got, *l.Record)
		}
		f.mustHold("failed", got, bodies)
	},
	"records are found by their keys": func(f *fixture) {
		bodies := f.captureAwkward()
		keys := slices.Collect(maps.Keys(bodies))
		got, err := f.s.LoadRecordsByKey(f.ctx, connector, append(keys, keys...))
		f.must(err)
		f.mustHold("by key", got, bodies)
		if !slices.IsSortedFunc(got, func(a, b record.Record) int { return cmp.Compare(a.ID, b.ID) }) {
			f.Error("records are not in the order of their capture")
		}
		for c, keys := range map[string][]string{connector: {"nobody's"}, "other": keys} {
			if got, err := f.s.LoadRecordsByKey(f.ctx, c, keys); err != nil || len(got) > 0 {
				f.Errorf("%d records of %s, %v", len(got), c, err)
			}
		}
	},
	"only a body that is there is digested again": func(f *fixture) {
		f.captureAwkward()
		f.digestAll(store.Ignored)
		n, err := f.s.DigestAgain(f.ctx, connector, []string{"EV0000", "EV0001", "EV0003"})
		f.must(err)
		if n != 2 {
			f.Errorf("%d records are digested again, want the 2 with a body", n)
		}
	},
}
