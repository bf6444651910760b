package storetest

import (
	"reflect"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
)

// snapshotOf is a queue's hour.
func snapshotOf(sid string, hour int, body string) store.Snapshot {
	at := noon.Truncate(time.Hour).Add(time.Duration(hour) * time.Hour)
	return store.Snapshot{Kind: store.QueueHourSnapshot, SID: sid, Since: at, Until: at.Add(time.Hour), Body: []byte(body)}
}

var snapshotTests = map[string]func(*fixture){
	"snapshots replace those of the same interval, in order of their ends": func(f *fixture) {
		now := store.Snapshot{Kind: store.QueueNowSnapshot, SID: "WQ1", Since: noon, Until: noon, Body: []byte(`{}`)}
		f.must(f.s.SaveSnapshots(f.ctx, connector, []store.Snapshot{snapshotOf("WQ2", 1, `{"a":1}`), snapshotOf("WQ1", 1, `{"a":2}`), snapshotOf("WQ1", 0, `{"a":3}`), now}))
		f.must(f.s.SaveSnapshots(f.ctx, connector, []store.Snapshot{snapshotOf("WQ1", 1, `{"a":0}`), snapshotOf("WQ1", 1, `{"a":4}`)}))
		f.must(f.s.SaveSnapshots(f.ctx, "another", []store.Snapshot{snapshotOf("WQ9", 1, `{}`)}))
		f.must(f.s.SaveSnapshots(f.ctx, connector, nil))
		got, err := f.s.LoadSnapshots(f.ctx, connector, store.QueueHourSnapshot, noon, noon.Add(2*time.Hour))
		f.must(err)
		want := []store.Snapshot{snapshotOf("WQ1", 0, `{"a":3}`), snapshotOf("WQ1", 1, `{"a":4}`), snapshotOf("WQ2", 1, `{"a":1}`)}
		if !reflect.DeepEqual(got, want) {
			f.Errorf("snapshots %+v, want %+v", got, want)
		}
		got, err = f.s.LoadSnapshots(f.ctx, connector, store.QueueHourSnapshot, noon.Add(time.Hour), noon.Add(2*time.Hour))
		if f.must(err); len(got) != 2 {
			f.Errorf("%d snapshots end after an hour, want 2", len(got))
		}
		last, err := f.s.LoadLastSnapshot(f.ctx, connector, store.QueueHourSnapshot)
		if f.must(err); !last.Equal(noon.Add(2 * time.Hour)) {
			f.Errorf("the last ends at %s", last)
		}
		if last, err = f.s.LoadLastSnapshot(f.ctx, connector, store.AgentsDaySnapshot); err != nil || !last.IsZero() {
			f.Errorf("the last of none: %s, %v", last, err)
		}
	},
	"old snapshots go with old records": func(f *fixture) {
		f.must(f.s.SaveSnapshots(f.ctx, connector, []store.Snapshot{snapshotOf("WQ1", 0, `{}`), snapshotOf("WQ1", 1, `{}`), snapshotOf("WQ1", 2, `{}`)}))
		for range 3 { // one at a time
			_, err := f.s.Prune(f.ctx, store.Retention{Records: noon.Add(2*time.Hour + time.Second)}, 1)
			f.must(err)
		}
		got, err := f.s.LoadSnapshots(f.ctx, connector, store.QueueHourSnapshot, noon, noon.Add(9*time.Hour))
		if f.must(err); len(got) != 1 || !got[0].Until.Equal(noon.Add(3*time.Hour)) {
			f.Errorf("left are %+v", got)
		}
	},
	"facts of a kind come page by page": func(f *fixture) {
		agent := func(sid string) store.StoredFact {
			worker := &fact.Fact{Kind: fact.Worker, SID: sid}
			worker.SetValue(fact.State, "Available", noon)
			return store.StoredFact{Fact: worker}
		}
		f.digest(store.Digest{Facts: []store.StoredFact{agent("WK2"), agent("WK1"), agent("WK3"), {Fact: &fact.Fact{Kind: fact.Queue, SID: "WQ1"}}}})
		var sids []string
		for after := ""; ; {
			page, err := f.s.LoadKind(f.ctx, connector, fact.Worker, after, 2)
			f.must(err)
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				if p.Kind != fact.Worker || p.Text(fact.State) != "Available" {
					f.Errorf("fact %+v", p)
				}
				sids, after = append(sids, p.SID), p.SID
			}
		}
		if want := []string{"WK1", "WK2", "WK3"}; !reflect.DeepEqual(sids, want) {
			f.Errorf("agents %v, want %v", sids, want)
		}
	},
}
