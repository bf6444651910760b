package storetest

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var captureTests = map[string]func(*fixture){
	"a record is stored once under its key": func(f *fixture) {
		first, again := rec("EV1"), rec("EV1")
		again.Body, again.Via = []byte("other"), record.Callback
		if got := f.capture(page(first, rec("EV2"))); got != (store.Captured{New: 2}) {
			f.Errorf("captured %+v, want 2 new", got)
		}
		if got := f.capture(page(again, rec("EV3"), rec("EV3"))); got != (store.Captured{New: 1, Known: 2}) {
			f.Errorf("captured %+v, want 1 new and 2 known", got)
		}
		waiting := f.undigested()
		if got := keysOf(waiting); !reflect.DeepEqual(got, []string{"EV1", "EV2", "EV3"}) {
			f.Fatalf("waiting %q", got)
		}
		first.CapturedAt = noon
		if first.ID = waiting[0].ID; first.ID == 0 || !reflect.DeepEqual(waiting[0], first) {
			f.Errorf("stored %+v, want the first as it was: %+v", waiting[0], first)
		}
	},
	"connectors do not share keys": func(f *fixture) {
		f.capture(page(rec("EV1")))
		got, err := f.s.Capture(f.ctx, []store.Batch{{Connector: "other", At: noon, Pages: []record.Page{page(rec("EV1"))}}})
		f.must(err)
		if got.New != 1 || len(f.undigested()) != 1 {
			f.Errorf("captured %+v beside the first connector", got)
		}
	},
	"a checkpoint is stored with its records or not at all": func(f *fixture) {
		bad := rec("EV2")
		bad.Lane = 9 // no such lane
		_, err := f.s.Capture(f.ctx, []store.Batch{
			{Connector: connector, At: noon, Pages: []record.Page{{Stream: "events", Records: []record.Record{rec("EV1")}, Cursor: "1"}}},
			{Connector: "other", At: noon, Pages: []record.Page{page(bad)}},
		})
		if err == nil {
			f.Fatal("a record without a lane was stored")
		}
		if got := f.undigested(); len(got) != 0 {
			f.Errorf("stored %q of a batch that failed", keysOf(got))
		}
		if got := f.checkpoints(); len(got) != 0 {
			f.Errorf("stored checkpoints %v of a batch that failed", got)
		}
	},
	"a checkpoint keeps what a page does not say": func(f *fixture) {
		f.capture(record.Page{Stream: "events", Cursor: "a\x00\xff", Through: noon}, record.Page{Stream: "workers", Cursor: "w"})
		f.capture(record.Page{Stream: "events", Through: noon.Add(time.Hour)})
		f.capture(record.Page{Stream: "workers", Cursor: "w2"}, record.Page{Stream: "hooks", Records: []record.Record{rec("EV9")}})
		want := map[string]store.Checkpoint{
			"events":  {Cursor: "a\x00\xff", Through: noon.Add(time.Hour), At: noon},
			"workers": {Cursor: "w2", At: noon},
		}
		if got := f.checkpoints(); !reflect.DeepEqual(got, want) {
			f.Errorf("checkpoints %v, want %v", got, want)
		}
	},
	"records wait in the order of lanes and then of capture": func(f *fixture) {
		slow, live := rec("EV1"), rec("EV2")
		slow.Lane = record.Backfill
		f.capture(page(slow, live))
		f.capture(page(rec("EV3")))
		if got := keysOf(f.undigested()); !reflect.DeepEqual(got, []string{"EV2", "EV3", "EV1"}) {
			f.Errorf("order %q", got)
		}
	},
	"bodies are kept to the byte": func(f *fixture) {
		bodies := [][]byte{
			{0}, []byte("a\x00b"), []byte("\xff\xfe\xc0\x80"), []byte(`{"s":"\ud800"}`), {},
			bytes.Repeat([]byte("\x00\xff0123456789abcd"), 1<<16), // 1 MiB
		}
		var records []record.Record
		for i, body := range bodies {
			r := rec(fmt.Sprint("EV", i))
			r.Body = body
			records = append(records, r)
		}
		f.capture(page(records...))
		for i, got := range f.undigested() {
			if !bytes.Equal(got.Body, bodies[i]) {
				f.Errorf("body %d came back with %d bytes, not as its %d", i, len(got.Body), len(bodies[i]))
			}
		}
	},
	"awkward names poison no batch and stay apart": func(f *fixture) {
		long := string(bytes.Repeat([]byte("k"), 10_000))
		odd := []record.Record{rec("a\x00b"), rec("c\xffd"), rec(long + "1"), rec(long + "2")}
		for i := range odd {
			odd[i].Stream, odd[i].Type = "s\x00\xff", long
		}
		if got := f.capture(page(odd...)); got.New != 4 {
			f.Errorf("captured %+v, want 4 new", got)
		}
		if got := f.capture(page(odd...)); got.Known != 4 {
			f.Errorf("captured %+v again, want 4 known", got)
		}
		if got := f.undigested(); len(got) != 4 {
			f.Errorf("%d records wait, want 4", len(got))
		}
	},
	"captures at the same time lose nothing and store nothing twice": func(f *fixture) {
		const clients, each = 16, 25
		var wg sync.WaitGroup
		captured := make([]store.Captured, clients)
		errs := make([]error, clients)
		for c := range clients {
			wg.Go(func() {
				for i := range each {
					shared, own := rec(fmt.Sprint("EV", i)), rec(fmt.Sprint("EV", c, "-", i))
					got, err := f.s.Capture(f.ctx, []store.Batch{{Connector: connector, At: noon, Pages: []record.Page{page(own, shared)}}})
					captured[c].New, captured[c].Known = captured[c].New+got.New, captured[c].Known+got.Known
					if err != nil {
						errs[c] = err
						return
					}
				}
			})
		}
		wg.Wait()
		total := store.Captured{}
		for c := range clients {
			f.must(errs[c])
			total.New, total.Known = total.New+captured[c].New, total.Known+captured[c].Known
		}
		want := store.Captured{New: clients*each + each, Known: clients*each - each}
		if stored := len(f.undigested()); total != want || stored != want.New {
			f.Errorf("captured %+v and stored %d, want %+v", total, stored, want)
		}
	},
	"an empty capture is no work": func(f *fixture) {
		if got := f.capture(); got != (store.Captured{}) {
			f.Errorf("captured %+v", got)
		}
	},
}

func (f *fixture) checkpoints() map[string]store.Checkpoint {
	f.Helper()
	got, err := f.s.LoadCheckpoints(f.ctx, connector)
	f.must(err)
	return got
}

// pagesOf is one page with records of the given keys.
func pagesOf(keys ...string) []record.Page {
	var p record.Page
	for _, key := range keys {
		p.Records = append(p.Records, rec(key))
	}
	return []record.Page{p}
}
