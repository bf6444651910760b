package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
)

// calls sums how often an endpoint was called.
func (l *lab) calls(names ...string) (n int) {
	for _, name := range names {
		n += l.sim.CallsTo(name)
	}
	return n
}

// contactWrites are the calls that write a contact.
func (l *lab) contactWrites() int { return l.calls("POST /contacts", "PUT /contacts/{identifier}") }

// Ten waiting changes are one call.
func TestBurstIsOneWriteForEachCustomer(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{}, func(l *lab) {
		const customers, changes = 100, 1000
		for id := range int64(customers) {
			l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(id+1, 0)}})
		}
		l.settle(time.Minute)
		l.sim.ResetCalls()
		for n := range changes {
			l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(int64(n%customers)+1, n)}})
		}
		l.settle(time.Minute)
		if n := l.contactWrites(); n != customers {
			t.Errorf("%d contact writes for %d changes of %d customers", n, changes, customers)
		}
		l.sim.ResetCalls()
		for id := range int64(customers) {
			l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(id+1, changes-customers+int(id))}})
		}
		l.settle(time.Minute)
		if n := l.contactWrites(); n != 0 {
			t.Errorf("%d contact writes for values that Brevo holds", n)
		}
	})
}

// While work waits, 98 % of our share of the allowed calls is used, and none is
// refused. The figures of docs/brevo.md are this test's.
func TestBacklogUsesOurShareOfTheLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tier      brevosim.Tier
		perSecond float64
		lasting   time.Duration
	}{
		{brevosim.TierGeneral, 10, 4 * time.Minute}, {brevosim.TierAdvanced, 20, 2 * time.Minute}, {brevosim.TierExtended, 60, time.Minute},
	} {
		t.Run(string(c.tier), func(t *testing.T) {
			t.Parallel()
			s := setup{sim: brevosim.Options{Tier: c.tier, Faults: brevosim.Faults{Latency: 200 * time.Millisecond, Jitter: 50 * time.Millisecond}}}
			inBubble(t, s, func(l *lab) {
				const share = 0.8
				if testing.Short() {
					c.lasting /= 4
				}
				enough := int(c.perSecond * (c.lasting + 20*time.Second).Seconds())
				var d store.Digest
				for id := range int64(enough) {
					d.Contacts = append(d.Contacts, contactOf(id+1, 1))
					d.Events = append(d.Events, eventOf(id+1, 0))
				}
				l.owe(d)
				stop := l.begin()
				time.Sleep(15 * time.Second) // attributes, lists and the tier are learnt
				l.sim.ResetCalls()
				time.Sleep(c.lasting)
				contacts := float64(l.contactWrites()) / c.lasting.Seconds()
				events := float64(l.calls("POST /events")) / c.lasting.Seconds()
				limited := l.sim.Summary().RateLimited
				if err := stop(); err != nil {
					l.Fatal(err)
				}
				l.Logf("%s: %.2f contacts/s and %.2f events/s, %.4f and %.4f of our share, %d refused",
					c.tier, contacts, events, contacts/c.perSecond/share, events/c.perSecond/share, limited)
				if used := min(contacts, events) / (c.perSecond * share); used < 0.98 {
					l.Errorf("used %.4f of our share", used)
				}
				if most := c.perSecond * share; max(contacts, events) > most || limited > 0 {
					l.Errorf("used more than our share, %d were refused", limited)
				}
			})
		})
	}
}

// poison fails every attempt at some customers, each in its own way.
type poison struct {
	adapter
	ways map[string]record.Outcome // by email
}

// Deliver implements pipeline.Destination.
func (p poison) Deliver(ctx context.Context, c record.Change) record.Outcome {
	if c.Contact != nil {
		if way, ok := p.ways[c.Contact.Email]; ok {
			way.Held = c.Held
			return way
		}
	}
	return p.adapter.Deliver(ctx, c)
}

// A customer that cannot be delivered delays nobody, save by the calls that it
// takes itself.
func TestPoisonedCustomersDelayNobody(t *testing.T) {
	t.Parallel()
	const others, poisoned = 300, 30
	delays := func(t *testing.T, poisonedToo bool) (out []time.Duration, calls int) {
		ways := map[string]record.Outcome{}
		var l *lab
		inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierGeneral, Faults: brevosim.Faults{Latency: 100 * time.Millisecond},
			Quirks: brevosim.Quirks{RefusedPhones: []string{"33699"}}}}, func(inside *lab) {
			l = inside
			destination := poison{adapter{l.brevo}, ways}
			l.deliver = pipeline.NewDeliver(pipeline.DeliverOptions{
				Account: "a", Store: l.store, Destination: destination, Clock: time.Now, Logger: quiet,
			})
			if _, err := l.sim.AddContact(brevosim.Contact{Email: "someone@example.com", SMS: "33612345678"}); err != nil {
				l.Fatal(err)
			}
			var d store.Digest
			for n := range int64(poisoned) {
				if !poisonedToo {
					break
				}
				id := n + 1 // the oldest, so that they come first
				c := contactOf(id, 1)
				switch n % 5 {
				case 0:
					c = contactOf(id, 1, record.Attribute{Name: "SMS", Value: "+33612345678", Type: "text"}) // somebody's
				case 1:
					c = contactOf(id, 1, record.Attribute{Name: "SMS", Value: fmt.Sprintf("+336991234%02d", n), Type: "text"}) // refused
				case 2:
					c = contactOf(id, 1, record.Attribute{Name: "NOTE", Value: "x", Type: "float"}) // another type
				case 3:
					ways[c.Contact.Email] = record.Outcome{Reason: failure.Transient}
				case 4:
					ways[c.Contact.Email] = record.Outcome{Reason: failure.Invalid, Status: 400}
				}
				d.Contacts, d.Events = append(d.Contacts, c), append(d.Events, eventOf(id, 0))
			}
			for n := range int64(others) {
				d.Contacts, d.Events = append(d.Contacts, contactOf(1000+n, 1)), append(d.Events, eventOf(1000+n, 0))
			}
			began := time.Now()
			l.owe(d)
			stop := l.begin()
			time.Sleep(3 * time.Minute)
			if err := stop(); err != nil {
				l.Fatal(err)
			}
			all, err := l.store.LoadDeliveries(l.Context(), "c", store.Delivered, 10_000)
			if err != nil {
				l.Fatal(err)
			}
			for _, delivery := range all {
				if delivery.CustomerID >= 1000 {
					out = append(out, delivery.SettledAt.Sub(began))
				}
			}
			calls = l.contactWrites() + l.calls("GET /contacts/{identifier}") - others
		})
		slices.Sort(out)
		return out, calls
	}
	clean, _ := delays(t, false)
	poisonedRun, extra := delays(t, true)
	if len(clean) != 2*others || len(poisonedRun) != 2*others {
		t.Fatalf("%d and %d deliveries of the others, want %d", len(clean), len(poisonedRun), 2*others)
	}
	own := time.Duration(float64(extra) / 8 * float64(time.Second)) // at our share of ten calls a second
	late := poisonedRun[len(poisonedRun)-1] - clean[len(clean)-1]
	median := poisonedRun[others] - clean[others]
	t.Logf("%d poisoned among %d: median delay %v, last %v, their own calls took %v", poisoned, others, median, late, own)
	if late > own+2*time.Second || median > own+2*time.Second {
		t.Errorf("the others were delayed by %v (median %v), the poisoned customers' own calls took %v", late, median, own)
	}
}

// What marketing did stays as it is, whatever is delivered after.
func TestMarketingsWorkSurvivesABackfill(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{}, func(l *lab) {
		phone := func(id int64) record.Attribute {
			return record.Attribute{Name: "SMS", Value: fmt.Sprintf("+3361234%04d", id), Type: "text"}
		}
		const customers = 40
		owe := func(tickets int) {
			var d store.Digest
			for id := range int64(customers) {
				d.Contacts = append(d.Contacts, contactOf(id+1, tickets, phone(id+1),
					record.Attribute{Name: "NOTE", Value: "from Flex", Type: "text", Overwrite: record.Never}))
				d.Events = append(d.Events, eventOf(id+1, tickets))
			}
			l.owe(d)
			l.settle(time.Hour)
		}
		owe(1)
		ids := map[string]int64{}
		for _, c := range l.sim.Contacts() {
			ids[c.Email] = c.ID
		}
		id := func(n int) int64 { return ids[fmt.Sprintf("c%d@example.com", n)] }
		for _, err := range []error{
			l.sim.BlocklistContact(id(1)), l.sim.EditContact(id(2), map[string]any{"SMS": "+33700000002"}),
			l.sim.RemoveFromList(id(3), 32), l.sim.DeleteContact(id(4)), l.sim.EditContact(id(5), map[string]any{"NOTE": "by hand"}),
			l.sim.EditContact(id(6), map[string]any{"EMAIL": "better@example.com"}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		owe(2)
		after := map[int64]brevosim.Contact{}
		for _, c := range l.sim.Contacts() {
			after[c.ID] = c
			if c.Attributes["TICKETS"] != 2.0 {
				t.Errorf("contact %d was not updated: %v", c.ID, c.Attributes)
			}
		}
		switch {
		case len(after) != customers-1:
			t.Errorf("%d contacts, want %d: the deleted one is made again or others are gone", len(after), customers-1)
		case !after[id(1)].EmailBlacklisted || !after[id(1)].SMSBlacklisted:
			t.Error("the blocklisted contact may be written to again")
		case after[id(2)].SMS != "33700000002":
			t.Errorf("the better phone became %s", after[id(2)].SMS)
		case slices.Contains(after[id(3)].ListIDs, 32):
			t.Error("back on the list that it was taken off")
		case after[id(5)].Attributes["NOTE"] != "by hand":
			t.Errorf("the note became %v", after[id(5)].Attributes["NOTE"])
		case after[id(6)].Email != "better@example.com":
			t.Errorf("the better address became %s", after[id(6)].Email)
		}
		var reasons []string
		for _, o := range l.summary().Omissions {
			reasons = append(reasons, o.What+": "+o.Reason)
		}
		for _, want := range []string{"contact: deleted in Brevo"} {
			if !slices.Contains(reasons, want) {
				t.Errorf("omissions %s, want %q among them", strings.Join(reasons, "; "), want)
			}
		}
	})
}

// Live traffic goes before a backlog.
func TestLiveTrafficOvertakesABacklog(t *testing.T) {
	t.Parallel()
	s := setup{sim: brevosim.Options{Tier: brevosim.TierGeneral, Faults: brevosim.Faults{Latency: 200 * time.Millisecond}}}
	inBubble(t, s, func(l *lab) {
		var d store.Digest
		for id := range int64(2000) {
			c := contactOf(id+1, 1)
			c.Lane = record.Backfill
			d.Contacts = append(d.Contacts, c)
			for n := range 10 {
				e := eventOf(id+1, n)
				e.Lane = record.Backfill
				d.Events = append(d.Events, e)
			}
		}
		l.owe(d)
		stop := l.begin()
		var worst time.Duration
		rounds := int64(20)
		if testing.Short() {
			rounds = 3
		}
		for id := range rounds {
			time.Sleep(11 * time.Second)
			began := time.Now()
			l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(10_000+id, 1)}, Events: []store.EventChange{eventOf(10_000+id, 0)}})
			l.deliver.Wake()
			for len(l.live()) < int(id)+1 {
				time.Sleep(100 * time.Millisecond)
			}
			worst = max(worst, time.Since(began))
		}
		if err := stop(); err != nil {
			l.Fatal(err)
		}
		l.Logf("live contact and event behind a backlog of 22,000: at most %v", worst)
		if worst > 8*time.Second {
			l.Errorf("live traffic waited %v behind a backlog", worst)
		}
	})
}

// live are the events of live customers that are there.
func (l *lab) live() (out []brevosim.Event) {
	for _, e := range l.sim.Events() {
		if id, _ := e.Property("source_event_id").(string); strings.HasPrefix(id, "task.completed:WT10") && strings.HasSuffix(id, "-0") && len(id) == len("task.completed:WT10000-0") {
			out = append(out, e)
		}
	}
	return out
}

// A burst that is digested in several batches beside a running delivery is one
// write for each customer too, and a digest that never ends delays nothing for long.
func TestDeliveriesWaitForTheRestOfABurst(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{}, func(l *lab) {
		const customers = 100
		stop := l.begin()
		for batch := range 5 {
			l.deliver.Defer(true)
			var d store.Digest
			for id := range int64(customers) {
				d.Contacts = append(d.Contacts, contactOf(id+1, batch))
			}
			l.owe(d)
			l.deliver.Wake()
			time.Sleep(200 * time.Millisecond)
		}
		if n := l.contactWrites(); n != 0 {
			l.Errorf("%d contact writes while the burst went on", n)
		}
		l.deliver.Defer(false)
		l.untilIdle(time.Minute)
		if n := l.contactWrites(); n != customers {
			l.Errorf("%d contact writes, want %d", n, customers)
		}
		l.deliver.Defer(true)
		l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(1, 99)}})
		time.Sleep(5 * time.Second)
		if n := l.contactWrites(); n != customers+1 {
			l.Error("a digest that goes on holds deliveries up")
		}
		if err := stop(); err != nil {
			l.Fatal(err)
		}
	})
}

// What several hold back waits for the last of them, but for no longer than a minute.
func TestDeliveriesAreHeldBack(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{}, func(l *lab) {
		stop := l.begin()
		one, other := l.deliver.Hold(), l.deliver.Hold()
		l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(1, 0)}})
		one()
		one()
		time.Sleep(20 * time.Second)
		if n := l.contactWrites(); n != 0 {
			l.Errorf("%d contact writes while they are held back", n)
		}
		other()
		l.untilIdle(5 * time.Second)
		if n := l.contactWrites(); n != 1 {
			l.Errorf("%d contact writes after the release, want 1", n)
		}
		defer l.deliver.Hold()()
		l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(1, 1)}})
		time.Sleep(70 * time.Second)
		if n := l.contactWrites(); n != 2 {
			l.Error("somebody who never releases holds deliveries up")
		}
		if err := stop(); err != nil {
			l.Fatal(err)
		}
	})
}
