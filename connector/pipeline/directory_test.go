package pipeline_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
)

// reading reads the simulated account's contacts, as the service does.
func (l *lab) reading() *pipeline.Directory {
	return &pipeline.Directory{Store: l.store, Connectors: []string{"c"}, Fetch: func(ctx context.Context, since time.Time, keep func([]store.DirectoryEntry) error) error {
		return l.brevo.FetchDirectory(ctx, since, []string{"TICKETS", "NOTE"}, func(page []brevo.HeldContact) error {
			entries := make([]store.DirectoryEntry, len(page))
			for i, c := range page {
				entries[i] = store.DirectoryEntry{Email: c.Held.Identifiers["email"], Phone: c.Phone(), Held: c.Held, ModifiedAt: c.ModifiedAt}
			}
			return keep(entries)
		})
	}}
}

// A large first load costs one call for each contact, whether it is there already
// or not, and one for a thousand contacts of the account.
func TestLargeLoadCostsOneCallAContact(t *testing.T) {
	t.Parallel()
	for _, customers := range []int64{900, 100} {
		t.Run(fmt.Sprint(customers, " customers"), func(t *testing.T) {
			t.Parallel()
			inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierGeneral}}, func(l *lab) {
				l.deliver = pipeline.NewDeliver(pipeline.DeliverOptions{
					Account: "a", Store: l.store, Destination: adapter{l.brevo}, Directory: l.reading(), Clock: time.Now, Logger: quiet,
				})
				add := func(c brevosim.Contact) {
					if _, err := l.sim.AddContact(c); err != nil {
						l.Fatal(err)
					}
				}
				for n := range 2500 { // of no customer
					add(brevosim.Contact{Email: fmt.Sprintf("other%d@example.com", n)})
				}
				there := customers / 2
				var d store.Digest
				for id := int64(1); id <= customers; id++ {
					c := contactOf(id, 5, record.Attribute{Name: "NOTE", Value: "from Flex", Type: "text", Overwrite: record.Never})
					if id <= there {
						add(brevosim.Contact{Email: c.Contact.Email, Attributes: map[string]any{"NOTE": "by hand"}})
					}
					d.Contacts = append(d.Contacts, c)
					d.Tokens = append(d.Tokens, store.StoredToken{Token: store.Token{Kind: store.Email, Value: c.Contact.Email}, CustomerID: id})
				}
				l.owe(d)
				l.settle(time.Hour)
				pages, searches := l.calls("GET /contacts"), l.calls("GET /contacts/{identifier}")
				made, changed := l.calls("POST /contacts"), l.calls("PUT /contacts/{identifier}")
				l.Logf("%d customers, %d of them there: %d pages, %d searches, %d creates, %d updates", customers, there, pages, searches, made, changed)
				if customers >= 500 && (pages < 3 || pages > 12 || searches != 0 || made != int(customers-there) || changed != int(there)) {
					l.Errorf("%d pages, %d searches, %d creates, %d updates", pages, searches, made, changed)
				}
				if customers < 500 && pages != 0 {
					l.Errorf("%d pages were read for few customers", pages)
				}
				kept := 0
				for _, c := range l.sim.Contacts() {
					if c.Attributes["NOTE"] == "by hand" && c.Attributes["TICKETS"] == 5.0 {
						kept++
					}
				}
				if kept != int(there) {
					l.Errorf("%d of %d contacts that were there are as they should be", kept, there)
				}
			})
		})
	}
}

// What people fill in while a large load waits for its turn stays, where a rule only
// fills what is empty, and is not searched for one by one.
func TestWhatIsFilledDuringALargeLoadStays(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierGeneral, ReadLag: 8 * time.Second}}, func(l *lab) {
				l.deliver = pipeline.NewDeliver(pipeline.DeliverOptions{
					Account: "a", Store: l.store, Destination: adapter{l.brevo}, Directory: l.reading(), Clock: time.Now, Logger: quiet,
				})
				const customers = 1400
				contacts := map[int64]int64{}
				var d store.Digest
				for id := int64(1); id <= customers; id++ {
					c := contactOf(id, 5, record.Attribute{Name: "NOTE", Value: "from Flex", Type: "text", Overwrite: record.Never})
					contact, err := l.sim.AddContact(brevosim.Contact{Email: c.Contact.Email})
					if err != nil {
						l.Fatal(err)
					}
					contacts[id] = contact
					d.Contacts = append(d.Contacts, c)
					d.Tokens = append(d.Tokens, store.StoredToken{Token: store.Token{Kind: store.Email, Value: c.Contact.Email}, CustomerID: id})
				}
				time.Sleep(time.Minute)
				l.owe(d)
				stop := l.begin()
				time.Sleep(20 * time.Second)
				for id := int64(1); id <= customers; id++ {
					if c, _ := l.sim.Contact(contacts[id]); c.Attributes["NOTE"] == nil && id%4 == 0 && id > customers/2 {
						if err := l.sim.EditContact(contacts[id], map[string]any{"NOTE": "by hand"}); err != nil {
							l.Fatal(err)
						}
					}
				}
				if crash {
					time.Sleep(10 * time.Second)
					if err := stop(); err != nil {
						l.Fatal(err)
					}
					stop = l.begin()
				}
				l.untilIdle(time.Hour)
				if err := stop(); err != nil {
					l.Fatal(err)
				}
				kept, filled := 0, 0
				for _, c := range l.sim.Contacts() {
					switch c.Attributes["NOTE"] {
					case "by hand":
						kept++
					case "from Flex":
						filled++
					}
				}
				if kept != customers/8 || filled != customers-customers/8 {
					l.Errorf("%d of %d stayed as they were filled in, %d of %d were filled", kept, customers/8, filled, customers-customers/8)
				}
				l.Logf("%d pages, %d reads, %d updates", l.calls("GET /contacts"), l.calls("GET /contacts/{identifier}"), l.calls("PUT /contacts/{identifier}"))
				if n := l.calls("GET /contacts/{identifier}"); n > customers/100 {
					l.Errorf("%d contacts were read one by one", n)
				}
			})
		})
	}
}

// When the directory cannot be read, customers are searched for one by one.
func TestWithoutDirectoryCustomersAreSearchedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{sim: brevosim.Options{Faults: brevosim.Faults{BadGateway: 1, Only: []string{"GET /contacts"}}}}, func(l *lab) {
		l.deliver = pipeline.NewDeliver(pipeline.DeliverOptions{
			Account: "a", Store: l.store, Destination: adapter{l.brevo}, Directory: l.reading(), Clock: time.Now, Logger: quiet,
		})
		var d store.Digest
		for id := range int64(600) {
			d.Contacts = append(d.Contacts, contactOf(id+1, 1))
		}
		l.owe(d)
		stop := l.begin()
		time.Sleep(time.Second)
		l.sim.SetFaults(brevosim.Faults{})
		l.untilIdle(5 * time.Minute)
		if err := stop(); err != nil {
			l.Fatal(err)
		}
		if n := len(l.sim.Contacts()); n != 600 {
			l.Errorf("%d contacts", n)
		}
	})
}
