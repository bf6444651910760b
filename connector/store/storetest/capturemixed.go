package storetest

import (
	"reflect"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

var captureMixedTests = map[string]func(*fixture){
	"records keep what is theirs, captured as one page or with others": func(f *fixture) {
		alike := []record.Record{rec("EV1"), rec("EV2")}
		alike[1].Type, alike[1].At, alike[1].Body = "task.created", time.Time{}, []byte("\xff\x00")
		f.capture(page(alike...))

		other, post, late := rec("EV3"), rec("P1"), rec("EV4")
		post.Via, post.Stream, post.Type = record.Post, "surveys", "survey"
		late.Lane = record.Backfill
		got, err := f.s.Capture(f.ctx, []store.Batch{
			{Connector: connector, At: noon, Pages: []record.Page{page(rec("EV1"), other), {Stream: "surveys", Records: []record.Record{post}}}},
			{Connector: connector, At: noon.Add(time.Minute), Pages: []record.Page{page(late)}},
		})
		f.must(err)
		if got != (store.Captured{New: 3, Known: 1}) {
			f.Errorf("captured %+v, want 3 new and 1 known", got)
		}

		want := append(alike, other, post, late)
		found := f.undigested()
		if len(found) != len(want) {
			f.Fatalf("waiting %q, want %q", keysOf(found), keysOf(want))
		}
		for i := range want {
			want[i].ID, want[i].CapturedAt = found[i].ID, noon
			if want[i].Key == late.Key {
				want[i].CapturedAt = noon.Add(time.Minute)
			}
			if !reflect.DeepEqual(found[i], want[i]) {
				f.Errorf("stored %+v, want %+v", found[i], want[i])
			}
		}
	},
	"records are counted as they are captured, as one page or with others": func(f *fixture) {
		f.capture(page(rec("EV1"), rec("EV2")))
		f.capture(page(rec("EV2"), rec("EV3"))) // one of them is known
		post := rec("P1")
		post.Via = record.Post
		f.capture(page(rec("EV3"), rec("EV4"), post))
		f.capture(page(rec("EV4"))) // nothing new
		_, err := f.s.Capture(f.ctx, []store.Batch{{Connector: "other", At: noon, Pages: []record.Page{page(rec("EV1"))}}})
		f.must(err)
		for name, want := range map[string]int{connector: 5, "other": 1} {
			sum, err := f.s.LoadSummary(f.ctx, name, noon)
			f.must(err)
			if got := sum.Records[store.Waiting] + sum.Records[store.Digested]; got != want {
				f.Errorf("of %s there are %v, want %d", name, sum.Records, want)
			}
		}
	},
}
