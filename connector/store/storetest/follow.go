package storetest

import (
	"slices"

	"flexbrevo/connector/store"
)

// changed returns the customers in the feed behind a place, and the last place.
func (f *fixture) changed(after int64, limit int) (ids []int64, last int64) {
	f.Helper()
	found, err := f.s.LoadChanged(f.ctx, connector, after, limit)
	f.must(err)
	for _, c := range found {
		if c.Seq <= max(after, last) {
			f.Fatalf("places do not grow: %+v behind %d", found, after)
		}
		ids, last = append(ids, c.CustomerID), c.Seq
	}
	return ids, last
}

func (f *fixture) fed(customers ...store.Customer) {
	f.Helper()
	f.digest(store.Digest{Feed: true, Customers: customers})
}

func (f *fixture) follows(after int64, limit int, want ...int64) int64 {
	f.Helper()
	got, last := f.changed(after, limit)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		f.Errorf("behind %d: customers %v, want %v", after, got, want)
	}
	return last
}

var followTests = map[string]func(*fixture){
	"a digest that feeds nobody leaves no trace": func(f *fixture) {
		f.customers(1, 2)
		f.follows(0, 10)
	},
	"a customer stands in the feed once, at the last touch": func(f *fixture) {
		f.fed(customersOf(1, 2, 2, 3)...)
		read := f.follows(0, 10, 1, 2, 3)
		f.follows(read, 10)
		f.fed(customersOf(2)...)
		f.follows(read, 10, 2)
		f.follows(0, 10, 1, 2, 3)
		f.customers(1)
		f.follows(read, 10, 2)
	},
	"the feed is read in parts": func(f *fixture) {
		f.fed(customersOf(1)...)
		f.fed(customersOf(2)...)
		f.fed(customersOf(3)...)
		read := f.follows(0, 2, 1, 2)
		read = f.follows(read, 2, 3)
		f.follows(read, 2)
	},
	"who is merged away stands in the feed beside the survivor": func(f *fixture) {
		f.fed(customersOf(1, 2)...)
		_, read := f.changed(0, 10)
		f.fed(store.Customer{ID: 1, CreatedAt: noon}, store.Customer{ID: 2, CreatedAt: noon, MergedInto: 1})
		f.follows(read, 10, 1, 2)
	},
	"who is erased leaves the feed, and their place is not given again": func(f *fixture) {
		f.fed(customersOf(1, 2)...)
		_, read := f.changed(0, 10)
		f.fed(customersOf(3)...)
		_, last := f.changed(read, 10)
		_, err := f.s.Erase(f.ctx, f.digester, &store.Erasure{Connector: connector, Customers: []int64{3}})
		f.must(err)
		f.follows(0, 10, 1, 2)
		f.fed(customersOf(4)...)
		f.follows(last, 10, 4)
	},
	"the feed of another connector is another one": func(f *fixture) {
		f.fed(customersOf(1)...)
		d := filled(store.Digest{Feed: true, Customers: customersOf(7)})
		d.Connector = "other"
		f.must(f.s.SaveDigest(f.ctx, f.digester, d))
		f.follows(0, 10, 1)
		others, err := f.s.LoadChanged(f.ctx, "other", 0, 10)
		f.must(err)
		if len(others) != 1 || others[0].CustomerID != 7 {
			f.Errorf("the other's feed: %+v", others)
		}
	},
}
