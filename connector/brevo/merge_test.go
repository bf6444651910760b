package brevo_test

import (
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

// split is an account in which zoe's phone is held by a contact of its own.
type split struct {
	*world
	held    record.Held
	hers    int64 // zoe's own contact, by email
	caller  int64 // the one that has her phone
	newest  int64
	deleted int64
}

// newSplit makes it; her own contact is the one modified last, or the other is.
func newSplit(t *testing.T, hersIsNewer bool) *split {
	t.Helper()
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	tick := func() time.Time { now = now.Add(time.Second); return now }
	s := &split{world: newWorld(t, brevosim.Options{Clock: tick})}
	s.caller = s.add(brevosim.Contact{SMS: "33612345678", Attributes: map[string]any{"NOTE": "called"}})
	hers := s.add(brevosim.Contact{Email: "zoe@example.com"})
	out := s.deliver(zoe(number(1)), record.Held{ID: hers})
	expect(t, out, "", "SMS: conflicting identifier")
	s.held, s.hers = stored(t, out.Held), hers
	s.newest, s.deleted = s.hers, s.caller
	if !hersIsNewer {
		if err := s.sim.EditContact(s.caller, map[string]any{"NOTE": "called again"}); err != nil {
			t.Fatal(err)
		}
		s.newest, s.deleted = s.caller, s.hers
	}
	return s
}

// agree allows the merges of a test and returns zoe's contact with that agreement.
func (s *split) agree(deletes int64) record.Contact {
	s.sim.SetQuirks(brevosim.Quirks{Allow: brevosim.Allow{ForceMerge: true}})
	c := zoe(number(2))
	c.Merge = map[string]record.Merge{"SMS": {With: s.caller, Deletes: deletes}}
	return c
}

func TestConflictIsNotedWithBothSides(t *testing.T) {
	t.Parallel()
	s := newSplit(t, true)
	if s.held.Taken["SMS"] != s.caller || s.held.Refused["SMS"] != "+33612345678" {
		t.Errorf("held %+v", s.held)
	}
	out := s.deliver(zoe(number(2)), s.held)
	expect(t, out, "", "SMS: conflicting identifier")
	if v := out.Omissions[0].Value; !strings.HasSuffix(v, " of contact 1") || strings.Contains(v, "612345") {
		t.Errorf("noted %q", v)
	}
	t.Run("found by a create", func(t *testing.T) {
		w := newWorld(t, brevosim.Options{})
		other := w.add(brevosim.Contact{Email: "zara@example.com", SMS: "33612345678"})
		out := w.settle(zoe(number(2)), record.Held{})
		expect(t, out, "", "SMS: conflicting identifier")
		if out.Held.Taken["SMS"] != other {
			t.Errorf("held %+v", out.Held)
		}
	})
}

func TestPlanMergeSaysWhichContactIsDeleted(t *testing.T) {
	t.Parallel()
	for _, hersIsNewer := range []bool{true, false} {
		s := newSplit(t, hersIsNewer)
		plan, err := s.PlanMerge(t.Context(), s.held, "SMS")
		if err != nil || plan.Obstacle != "" {
			t.Fatalf("plan %+v, %v", plan, err)
		}
		if plan.Keeps.ID != s.newest || plan.Deletes.ID != s.deleted || plan.With != s.caller || plan.Value != "+33*******78" {
			t.Errorf("plan %+v, want to keep %d and delete %d", plan, s.newest, s.deleted)
		}
		if len(s.sim.Contacts()) != 2 {
			t.Error("a plan merged")
		}
	}
	t.Run("obstacles", func(t *testing.T) {
		for want, arrange := range map[string]func(*split) error{
			"blocklist": func(s *split) error { return s.sim.BlocklistContact(s.caller) },
			"nobody":    func(s *split) error { return s.sim.DeleteContact(s.caller) },
			"not in":    func(s *split) error { return s.sim.DeleteContact(s.hers) },
		} {
			s := newSplit(t, true)
			if err := arrange(s); err != nil {
				t.Fatal(err)
			}
			if plan, err := s.PlanMerge(t.Context(), s.held, "SMS"); err != nil || !strings.Contains(plan.Obstacle, want) {
				t.Errorf("plan %+v, %v; want an obstacle about %q", plan, err, want)
			}
		}
	})
}

func TestAgreedMerge(t *testing.T) {
	t.Parallel()
	for name, hersIsNewer := range map[string]bool{"into hers": true, "into the caller's": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSplit(t, hersIsNewer)
			out := s.deliver(s.agree(s.deleted), s.held)
			expect(t, out, "")
			got := s.only()
			if got.ID != s.newest || out.Held.ID != s.newest || got.Email != "zoe@example.com" || got.SMS != "33612345678" || got.Attributes["TICKETS"] != 2.0 {
				t.Errorf("left: %+v, held %+v", got, out.Held)
			}
			if len(out.Held.Taken)+len(out.Held.Refused) != 0 {
				t.Errorf("still refused: %+v", out.Held)
			}
			expectQuiet(t, s.world, zoe(number(2)), out.Held)
		})
	}
}

func TestMergeIsMadeAsAgreedOrNotAtAll(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		arrange   func(*split) error
		omissions []string
	}{
		"another would be deleted": {
			func(s *split) error { return s.sim.EditContact(s.caller, map[string]any{"NOTE": "newer"}) },
			[]string{"SMS: conflicting identifier", "SMS: not merged: another contact than the one agreed to would be deleted"},
		},
		"blocklisted since": {
			func(s *split) error { return s.sim.BlocklistContact(s.hers) },
			[]string{"SMS: conflicting identifier", "SMS: not merged: one of the contacts is on a blocklist"},
		},
		"held by a third one now": {
			func(s *split) error {
				if err := s.sim.DeleteContact(s.caller); err != nil {
					return err
				}
				_, err := s.sim.AddContact(brevosim.Contact{Email: "third@example.com", SMS: "33612345678"})
				return err
			},
			[]string{"SMS: conflicting identifier"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSplit(t, true)
			if err := c.arrange(s); err != nil {
				t.Fatal(err)
			}
			out := s.deliver(s.agree(s.caller), s.held)
			expect(t, out, "", c.omissions...)
			if n := len(s.sim.Contacts()); n != 2 || s.sim.Summary().Merges != 0 {
				t.Errorf("%d contacts, %d merges", n, s.sim.Summary().Merges)
			}
			if got, _ := s.sim.Contact(s.hers); got.Attributes["TICKETS"] != 2.0 {
				t.Errorf("the rest was not sent: %+v", got)
			}
		})
	}
}

// A merge whose answer was lost was made: the next attempt finds that and goes on.
func TestMergeOfUnknownOutcomeIsRecognised(t *testing.T) {
	t.Parallel()
	for _, hersIsNewer := range []bool{true, false} {
		s := newSplit(t, hersIsNewer)
		c := s.agree(s.deleted)
		s.sim.SetFaults(brevosim.Faults{BadGatewayApplied: 1, Only: []string{"PUT "}, AtMost: 1})
		out := s.deliver(c, s.held)
		if out.Reason != failure.Unknown {
			t.Fatalf("outcome %+v", out)
		}
		expect(t, s.deliver(c, stored(t, out.Held)), "")
		if got := s.only(); got.ID != s.newest || got.Attributes["TICKETS"] != 2.0 || s.sim.Summary().Merges != 1 {
			t.Errorf("left: %+v after %d merges", got, s.sim.Summary().Merges)
		}
	}
}
