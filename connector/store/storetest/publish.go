package storetest

import (
	"errors"
	"reflect"
	"time"

	"flexbrevo/connector/store"
)

// publisher is the role that writes.
func (f *fixture) publisher() store.Lease {
	f.Helper()
	return f.acquire("publish:"+connector, "one")
}

// written is a customer of whom something stands at a key.
func written(id int64, key string) store.Published {
	return store.Published{
		CustomerID: id, State: store.PublishedWritten, Key: key, Revision: "a1", Hash: "h", ExpiresAt: noon.Add(time.Hour),
	}
}

func (f *fixture) save(lease store.Lease, p store.Published, takenFrom int64) {
	f.Helper()
	f.must(f.s.SavePublished(f.ctx, lease, connector, p, takenFrom, noon))
}

func (f *fixture) published(id int64) store.Published {
	f.Helper()
	found, err := f.s.LoadPublished(f.ctx, connector, []int64{id})
	f.must(err)
	if len(found) != 1 {
		f.Fatalf("of customer %d: %+v", id, found)
	}
	return found[0]
}

func (f *fixture) due(now time.Time, want ...int64) {
	f.Helper()
	found, err := f.s.LoadDuePublished(f.ctx, connector, now, 10)
	f.must(err)
	var got []int64
	for _, p := range found {
		got = append(got, p.CustomerID)
	}
	if !reflect.DeepEqual(got, want) {
		f.Errorf("due are %v, want %v", got, want)
	}
}

var publishTests = map[string]func(*fixture){
	"what is asked for is due, then stands as it was written": func(f *fixture) {
		f.customers(1, 2)
		lease := f.publisher()
		f.must(f.s.AskPublished(f.ctx, lease, connector, []int64{1, 1, 99}, noon))
		f.must(f.s.AskPublished(f.ctx, lease, connector, []int64{2}, noon.Add(time.Minute)))
		f.due(noon, 1)
		f.due(noon.Add(time.Hour), 1, 2)
		f.save(lease, written(1, "+33612345678"), 0)
		f.due(noon.Add(time.Hour), 2)
		if got := f.published(1); !reflect.DeepEqual(got, written(1, "+33612345678")) {
			f.Errorf("stands as %+v", got)
		}
		at, err := f.s.LoadPublishedAt(f.ctx, connector, "+33612345678")
		if f.must(err); at.CustomerID != 1 {
			f.Errorf("at the key: %+v", at)
		}
		if _, err := f.s.LoadPublishedAt(f.ctx, connector, "+33600000000"); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("at a free key: %v", err)
		}
		f.must(f.s.AskPublished(f.ctx, lease, connector, []int64{1}, noon))
		again := written(1, "+33612345678")
		again.DueAt = noon
		if got := f.published(1); !reflect.DeepEqual(got, again) {
			f.Errorf("asked again, it stands as %+v", got)
		}
	},
	"no two customers have one key, and it can be taken over": func(f *fixture) {
		f.customers(1, 2)
		lease := f.publisher()
		f.must(f.s.AskPublished(f.ctx, lease, connector, []int64{1, 2}, noon))
		f.save(lease, written(1, "k"), 0)
		if err := f.s.SavePublished(f.ctx, lease, connector, written(2, "k"), 0, noon); err == nil {
			f.Error("two customers have one key")
		}
		f.due(noon, 2)
		f.save(lease, written(2, "k"), 1)
		f.due(noon, 1)
		if got := f.published(1); got.Key != "" || got.State != store.PublishedWaiting || got.Hash != "" || got.Revision != "" {
			f.Errorf("who lost the key stands as %+v", got)
		}
	},
	"who is let go comes first, can only become gone, and is erased": func(f *fixture) {
		f.customers(1, 2, 3)
		lease := f.publisher()
		f.must(f.s.AskPublished(f.ctx, lease, connector, []int64{1, 2}, noon))
		f.save(lease, written(2, "k"), 0)
		f.must(f.s.LetGo(f.ctx, connector, []int64{2, 3}, noon.Add(time.Minute)))
		f.due(noon.Add(time.Minute), 2, 3, 1)
		f.must(f.s.AskPublished(f.ctx, lease, connector, []int64{2}, noon))
		f.save(lease, written(2, "k"), 0)
		if got := f.published(2); got.State != store.PublishedLeaving || got.Key != "k" || got.Revision != "a1" {
			f.Errorf("who is let go was written: %+v", got)
		}
		f.save(lease, store.Published{CustomerID: 2, State: store.PublishedGone}, 0)
		f.must(f.s.LetGo(f.ctx, connector, []int64{2}, noon))
		f.must(f.s.AskPublished(f.ctx, lease, connector, []int64{2}, noon))
		f.save(lease, written(2, "k"), 0)
		if got := f.published(2); !reflect.DeepEqual(got, store.Published{CustomerID: 2, State: store.PublishedGone}) {
			f.Errorf("who is gone stands as %+v", got)
		}
		_, err := f.s.Erase(f.ctx, f.digester, &store.Erasure{Connector: connector, Customers: []int64{2, 3}})
		f.must(err)
		f.save(lease, written(2, "k"), 0)
		left, err := f.s.LoadPublished(f.ctx, connector, []int64{1, 2, 3})
		if f.must(err); len(left) != 1 || left[0].CustomerID != 1 {
			f.Errorf("after the erasure: %+v", left)
		}
	},
	"customers are counted by state and reason": func(f *fixture) {
		f.customers(1, 2, 3)
		lease := f.publisher()
		f.must(f.s.AskPublished(f.ctx, lease, connector, []int64{1, 2, 3}, noon))
		for _, id := range []int64{1, 2} {
			f.save(lease, store.Published{CustomerID: id, State: store.PublishedLeftOut, Reason: "no phone"}, 0)
		}
		got, err := f.s.CountPublished(f.ctx, connector)
		f.must(err)
		want := []store.PublishedCount{{State: store.PublishedLeftOut, Reason: "no phone", Count: 2}, {State: store.PublishedWaiting, Count: 1}}
		if !reflect.DeepEqual(got, want) {
			f.Errorf("counted %+v, want %+v", got, want)
		}
	},
	"a lost role publishes nothing": func(f *fixture) {
		f.customers(1)
		lease := f.publisher()
		f.must(f.s.AskPublished(f.ctx, lease, connector, []int64{1}, noon))
		f.takeOver(lease)
		if err := f.s.AskPublished(f.ctx, lease, connector, []int64{1}, noon); !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("asked under a lost lease: %v", err)
		}
		if err := f.s.SavePublished(f.ctx, lease, connector, written(1, "k"), 0, noon); !errors.Is(err, store.ErrLeaseLost) {
			f.Errorf("saved under a lost lease: %v", err)
		}
		if got := f.published(1); got.State != store.PublishedWaiting {
			f.Errorf("it stands as %+v", got)
		}
	},
	"shared phones are told from others": func(f *fixture) {
		f.digest(store.Digest{Customers: customersOf(1), Tokens: []store.StoredToken{
			{Token: store.Token{Kind: store.Phone, Value: "+331"}, CustomerID: 1, Shared: true},
			{Token: store.Token{Kind: store.Phone, Value: "+332"}, CustomerID: 1},
			{Token: store.Token{Kind: store.Phone, Value: "+333"}, Shared: true},
		}})
		got, err := f.s.LoadShared(f.ctx, connector, []string{"+331", "+332", "+333", "+334"})
		if f.must(err); !reflect.DeepEqual(got, map[string]bool{"+331": true, "+333": true}) {
			f.Errorf("shared are %v", got)
		}
	},
}
