package pipeline_test

import (
	"testing"
	"time"

	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
)

// A contact that was deleted in Brevo stays deleted, unless the connector has it made
// again: then with its next change, found out by that change or known before.
func TestDeletedContactIsMadeAgainOnlyWhereWanted(t *testing.T) {
	t.Parallel()
	for _, recreates := range []bool{false, true} {
		s := setup{
			sim:     brevosim.Options{Quirks: brevosim.Quirks{Allow: brevosim.Allow{Recreation: recreates}}},
			deliver: pipeline.DeliverOptions{Recreates: map[string]bool{"c": recreates}},
		}
		inBubble(t, s, func(l *lab) {
			owe := func(tickets int) {
				l.owe(store.Digest{
					Contacts: []store.ContactChange{contactOf(1, tickets)}, Events: []store.EventChange{eventOf(1, tickets)},
				})
				l.settle(time.Minute)
			}
			owe(1)
			for round := range 2 { // deleted behind our back, twice
				for _, c := range l.sim.Contacts() {
					if err := l.sim.DeleteContact(c.ID); err != nil {
						l.Fatal(err)
					}
				}
				owe(2 + round)
				contacts, want := l.sim.Contacts(), 0
				if recreates {
					want = 1
				}
				if len(contacts) != want || recreates && (contacts[0].Attributes["TICKETS"] != float64(2+round) || len(contacts[0].ListIDs) != 1) {
					l.Errorf("recreates %t: contacts %+v", recreates, contacts)
				}
			}
			sum := l.summary().Deliveries[store.EventDelivery]
			if recreates && sum[store.Delivered] != 3 || !recreates && sum[store.Skipped] != 2 {
				l.Errorf("recreates %t: events %v", recreates, sum)
			}
		})
	}
}

// What was known to be deleted before the setting was changed comes back with the
// next change, too.
func TestKnownDeletedContactComesBack(t *testing.T) {
	t.Parallel()
	recreates := map[string]bool{}
	s := setup{
		sim:     brevosim.Options{Quirks: brevosim.Quirks{Allow: brevosim.Allow{Recreation: true}}},
		deliver: pipeline.DeliverOptions{Recreates: recreates},
	}
	inBubble(t, s, func(l *lab) {
		owe := func(tickets int) {
			l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(1, tickets)}})
			l.settle(time.Minute)
		}
		owe(1)
		if err := l.sim.DeleteContact(l.sim.Contacts()[0].ID); err != nil {
			l.Fatal(err)
		}
		owe(2)
		if n := len(l.sim.Contacts()); n != 0 {
			l.Fatalf("%d contacts", n)
		}
		recreates["c"] = true // as after a restart
		owe(3)
		if c := l.sim.Contacts(); len(c) != 1 || c[0].Attributes["TICKETS"] != 3.0 {
			l.Errorf("contacts %+v", c)
		}
	})
}
