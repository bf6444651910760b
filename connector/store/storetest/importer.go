package storetest

import (
	"errors"
	"slices"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

const importCall = "POST /import"

// backlog puts contacts of a backfill in the outbox.
func (f *fixture) backlog(customers ...int64) {
	f.Helper()
	for _, id := range customers {
		c := contact(id, "a")
		c.Lane = record.Backfill
		f.digest(store.Digest{Customers: customersOf(id), Contacts: []store.ContactChange{c}, Tokens: []store.StoredToken{
			{Token: store.Token{Kind: store.Email, Value: c.Contact.Email}, CustomerID: id},
		}})
	}
}

func (f *fixture) importable(after int64) []int64 {
	f.Helper()
	got, err := f.s.LoadImportable(f.ctx, account, connector, after, 100)
	f.must(err)
	return customersIn(got)
}

func customersIn(deliveries []store.Delivery) (out []int64) {
	for _, d := range deliveries {
		out = append(out, d.CustomerID)
	}
	return out
}

// hand begins an import of everything that may be imported, an hour long.
func (f *fixture) hand() store.Import {
	f.Helper()
	offered, err := f.s.LoadImportable(f.ctx, account, connector, 0, 100)
	f.must(err)
	var rows []store.ImportRow
	for _, d := range offered {
		rows = append(rows, store.ImportRow{DeliveryID: d.ID, CustomerID: d.CustomerID, Sent: []string{"email", "FIRSTNAME"}})
	}
	i := store.Import{Account: account, Connector: connector, HandedAt: noon}
	id, taken, err := f.s.BeginImport(f.ctx, f.deliver, i, rows, noon.Add(time.Hour))
	f.must(err)
	if len(taken) != len(rows) || id == 0 {
		f.Fatalf("import %d has %d contacts of %d", id, len(taken), len(rows))
	}
	i.ID = id
	return i
}

func (f *fixture) endImport(i store.Import, state store.ImportState) int {
	f.Helper()
	i.State = state
	found, err := f.s.EndImport(f.ctx, f.deliver, i, importCall, noon.Add(time.Minute))
	f.must(err)
	return found
}

func (f *fixture) underWay() []store.Import {
	f.Helper()
	got, err := f.s.LoadImportsUnderWay(f.ctx, account)
	f.must(err)
	return got
}

var importTests = map[string]func(*fixture){
	"only untried contacts of a backfill that nobody knows may be imported": func(f *fixture) {
		f.backlog(1, 2, 3, 4, 5)
		f.digest(store.Digest{Customers: customersOf(6), Contacts: []store.ContactChange{contact(6, "live")}})
		f.link(false, entry(72, "c2@example.com", ""))
		first, err := f.s.Claim(f.ctx, f.deliver, account, noon.Add(time.Minute), 2, 10) // the live one, and one of the backlog
		f.must(err)
		if got := customersIn(first); !slices.Equal(got, []int64{6, 1}) {
			f.Fatalf("claimed %v", got)
		}
		f.settle(store.Pending, first[1])
		if got := f.importable(0); !slices.Equal(got, []int64{3, 4, 5}) {
			f.Errorf("importable %v", got)
		}
	},
	"contacts of an import wait until it has ended": func(f *fixture) {
		f.backlog(1, 2, 3)
		if got := f.importable(1); !slices.Equal(got, []int64{2, 3}) {
			f.Errorf("importable behind 1: %v", got)
		}
		i := f.hand()
		if got := f.importable(0); len(got) != 0 {
			f.Errorf("importable again: %v", got)
		}
		if got := f.claim(); len(got) != 0 {
			f.Errorf("claimed %q of an import under way", labels(got))
		}
		if got := f.underWay(); len(got) != 1 || got[0].State != store.ImportHanded || got[0].Contacts != 3 || !got[0].HandedAt.Equal(noon) {
			f.Errorf("under way: %+v", got)
		}
		f.must(f.s.AcceptImport(f.ctx, f.deliver, i.ID, 78))
		if got := f.underWay(); len(got) != 1 || got[0].State != store.ImportAccepted || got[0].ProcessID != 78 {
			f.Errorf("accepted: %+v", got)
		}
		f.link(false, entry(71, "c1@example.com", ""), entry(73, "c3@example.com", ""))
		rows, err := f.s.LoadImported(f.ctx, i.ID, 0, 100)
		f.must(err)
		if len(rows) != 3 || rows[0].Held.ID != 71 || rows[1].Held.ID != 0 || rows[0].Contact.Email == "" {
			f.Errorf("rows %+v", rows)
		}
		i.Reports = map[string]int{"invalid_emails": 1}
		if found := f.endImport(i, store.ImportDone); found != 2 {
			f.Errorf("%d found, want 2", found)
		}
		if found := f.endImport(i, store.ImportFailed); found != 0 {
			f.Errorf("ended twice, %d found", found)
		}
		ended, err := f.s.LoadImports(f.ctx, connector, 10)
		f.must(err)
		if len(ended) != 1 || ended[0].State != store.ImportDone || ended[0].Found != 2 || ended[0].Reports["invalid_emails"] != 1 || ended[0].EndedAt.IsZero() {
			f.Errorf("ended: %+v", ended)
		}
		if got := f.underWay(); len(got) != 0 {
			f.Errorf("still under way: %+v", got)
		}
		got := f.claim()
		if len(got) != 3 {
			f.Fatalf("claimed %q", labels(got))
		}
		for _, d := range got {
			if known := d.Held.ID != 0; d.Call != importCall || known != slices.Equal(d.Sent, []string{"email", "FIRSTNAME"}) || known != (d.Status == 202) {
				f.Errorf("contact of %d: call %q, sent %q, status %d", d.CustomerID, d.Call, d.Sent, d.Status)
			}
		}
	},
	"what an import did not bring is not imported again, save when all of it was lost": func(f *fixture) {
		f.backlog(1, 2)
		f.endImport(f.hand(), store.ImportLost)
		if got := f.importable(0); !slices.Equal(got, []int64{1, 2}) {
			f.Errorf("importable after a loss: %v", got)
		}
		f.endImport(f.hand(), store.ImportFailed)
		if got := f.importable(0); len(got) != 0 {
			f.Errorf("importable after a failure: %v", got)
		}
		if got := f.claim(); len(got) != 2 {
			f.Errorf("claimed %q", labels(got))
		}
	},
	"somebody with something urgent leaves an import": func(f *fixture) {
		f.backlog(1, 2)
		i := f.hand()
		release := func() int {
			n, err := f.s.ReleaseUrgent(f.ctx, f.deliver, i.ID, noon)
			f.must(err)
			return n
		}
		if n := release(); n != 0 {
			f.Errorf("%d released", n)
		}
		f.digest(store.Digest{Customers: customersOf(2), Contacts: []store.ContactChange{contact(2, "live")}})
		if n := release(); n != 1 {
			f.Errorf("%d released, want 1", n)
		}
		if got := f.claim(); !slices.Equal(labels(got), []string{"contact 2 live"}) {
			f.Errorf("claimed %q", labels(got))
		}
		if found := f.endImport(i, store.ImportDone); found != 0 {
			f.Errorf("%d found", found)
		}
		if got := f.claim(); !slices.Equal(labels(got), []string{"contact 1 a"}) {
			f.Errorf("claimed %q", labels(got))
		}
	},
	"what was claimed or linked meanwhile stays out of an import": func(f *fixture) {
		f.backlog(1, 2)
		offered, err := f.s.LoadImportable(f.ctx, account, connector, 0, 100)
		f.must(err)
		f.link(false, entry(71, "c1@example.com", ""))
		f.claim()
		rows := []store.ImportRow{{DeliveryID: offered[0].ID, CustomerID: 1}, {DeliveryID: offered[1].ID, CustomerID: 2}}
		id, taken, err := f.s.BeginImport(f.ctx, f.deliver, store.Import{Account: account, Connector: connector, HandedAt: noon}, rows, noon.Add(time.Hour))
		f.must(err)
		if id != 0 || len(taken) != 0 || len(f.underWay()) != 0 {
			f.Errorf("import %d of %v", id, taken)
		}
	},
	"imports are written under the lease": func(f *fixture) {
		f.backlog(1)
		i := f.hand()
		old := f.deliver
		f.deliver = f.takeOver(f.deliver)
		_, _, begin := f.s.BeginImport(f.ctx, old, i, nil, noon)
		_, release := f.s.ReleaseUrgent(f.ctx, old, i.ID, noon)
		_, end := f.s.EndImport(f.ctx, old, i, importCall, noon)
		for what, err := range map[string]error{"begin": begin, "accept": f.s.AcceptImport(f.ctx, old, i.ID, 1), "release": release, "end": end} {
			if !errors.Is(err, store.ErrLeaseLost) {
				f.Errorf("%s: %v", what, err)
			}
		}
	},
	"who is forgotten leaves an import": func(f *fixture) {
		f.backlog(1, 2)
		i := f.hand()
		importing := func() bool {
			is, err := f.s.Importing(f.ctx, []int64{1, 7})
			f.must(err)
			return is
		}
		if !importing() {
			f.Error("nobody knows that they are in an import")
		}
		_, err := f.s.Erase(f.ctx, f.digester, &store.Erasure{Connector: connector, Customers: []int64{1}})
		f.must(err)
		rows, err := f.s.LoadImported(f.ctx, i.ID, 0, 100)
		f.must(err)
		if got := customersIn(rows); !slices.Equal(got, []int64{2}) {
			f.Errorf("rows of %v", got)
		}
		if importing() {
			f.Error("they are still in an import")
		}
		f.endImport(i, store.ImportDone)
	},
}
