package pipeline_test

import (
	"testing"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
)

// What an import brought about is delivered without a call, once it is seen to be
// there; what it did not bring about, or not as it should be, is written singly.
func TestImportedContactsAreDeliveredByWhatBrevoHolds(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{}, func(l *lab) {
		var d store.Digest
		for id := int64(1); id <= 3; id++ {
			c := contactOf(id, 5)
			c.Lane = record.Backfill
			d.Contacts = append(d.Contacts, c)
			d.Tokens = append(d.Tokens, store.StoredToken{Token: store.Token{Kind: store.Email, Value: c.Contact.Email}, CustomerID: id})
		}
		l.owe(d)
		l.imported(func() {
			for i, tickets := range []float64{5, 4} { // and the third is not there
				c := brevosim.Contact{Email: d.Contacts[i].Contact.Email, Attributes: map[string]any{"TICKETS": tickets}, ListIDs: []int64{32}}
				if _, err := l.sim.AddContact(c); err != nil {
					l.Fatal(err)
				}
			}
		})
		l.settle(time.Minute)
		if puts, posts := l.calls("PUT /contacts/{identifier}"), l.calls("POST /contacts"); puts != 1 || posts != 1 {
			l.Errorf("%d updates and %d creates, want one of each", puts, posts)
		}
		delivered, err := l.store.LoadDeliveries(l.Context(), "c", store.Delivered, 10)
		if err != nil {
			l.Fatal(err)
		}
		calls := map[int64]string{}
		for _, d := range delivered {
			calls[d.CustomerID] = d.Call
			if d.CustomerID == 1 && (d.Status != 202 || len(d.Sent) != 1 || d.Reason != "") {
				l.Errorf("the imported one: %+v", d)
			}
		}
		if len(calls) != 3 || calls[1] != "POST /contacts/import" || calls[2] != "PUT /contacts/{identifier}" || calls[3] != "POST /contacts" {
			l.Errorf("delivered by %v", calls)
		}
	})
}

// imported hands over what may be imported, lets the destination work on it, and looks.
func (l *lab) imported(work func()) {
	l.Helper()
	lease := l.acquire("import")
	offered, err := l.store.LoadImportable(l.Context(), "a", "c", 0, 100)
	if err != nil {
		l.Fatal(err)
	}
	var rows []store.ImportRow
	for _, d := range offered {
		rows = append(rows, store.ImportRow{DeliveryID: d.ID, CustomerID: d.CustomerID, Sent: []string{"TICKETS"}})
	}
	i := store.Import{Account: "a", Connector: "c", HandedAt: time.Now()}
	if i.ID, _, err = l.store.BeginImport(l.Context(), lease, i, rows, time.Now().Add(time.Hour)); err != nil {
		l.Fatal(err)
	}
	work()
	err = l.reading().Fetch(l.Context(), time.Time{}, func(page []store.DirectoryEntry) error {
		_, _, err := l.store.Link(l.Context(), lease, "a", []string{"c"}, page, true)
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	i.State = store.ImportDone
	if _, err := l.store.EndImport(l.Context(), lease, i, "POST /contacts/import", time.Now()); err != nil {
		l.Fatal(err)
	}
}
