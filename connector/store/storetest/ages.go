package storetest

import (
	"reflect"
	"time"

	"flexbrevo/connector/store"
)

var ageTests = map[string]func(*fixture){
	"the outbox is counted by age": func(f *fixture) {
		f.customers(1, 2, 3)
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(1, "Zoe")}, Events: []store.EventChange{event(1, "a", 0)}, At: noon})
		f.settle(store.Delivered, f.claim()...)
		f.digest(store.Digest{Events: []store.EventChange{event(1, "b", 0)}, At: noon}) // all else of 1 is owed no more
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(2, "Max")}, At: noon.Add(30 * time.Second)})
		f.digest(store.Digest{Contacts: []store.ContactChange{contact(3, "Ida")}, At: noon.Add(10 * time.Minute)})
		count := func(now time.Time) map[store.DeliveryKind][5]int {
			ago := func(d time.Duration) time.Time { return now.Add(-d) }
			ages, err := f.s.LoadOutboxAges(f.ctx, connector, [4]time.Time{ago(time.Minute), ago(5 * time.Minute), ago(time.Hour), ago(24 * time.Hour)})
			f.must(err)
			return ages
		}
		want := map[store.DeliveryKind][5]int{store.ContactDelivery: {1, 0, 1, 0, 0}, store.EventDelivery: {0, 0, 1, 0, 0}}
		if got := count(noon.Add(10 * time.Minute)); !reflect.DeepEqual(got, want) {
			f.Errorf("after ten minutes %v, want %v", got, want)
		}
		want = map[store.DeliveryKind][5]int{store.ContactDelivery: {0, 0, 0, 0, 2}, store.EventDelivery: {0, 0, 0, 0, 1}}
		if got := count(noon.Add(48 * time.Hour)); !reflect.DeepEqual(got, want) {
			f.Errorf("after two days %v, want %v", got, want)
		}
	},
}
