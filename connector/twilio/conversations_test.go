package twilio

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// facts merges everything that records tell.
func facts(t *testing.T, k *kept) map[fact.Key]*fact.Fact {
	t.Helper()
	all := map[fact.Key]*fact.Fact{}
	for _, r := range k.order {
		d, err := Decode(r)
		if err != nil {
			t.Fatalf("decode %s: %v", r.Type, err)
		}
		for _, f := range d.Facts {
			if known, ok := all[f.Key()]; ok {
				known.Merge(f)
			} else {
				all[f.Key()] = f
			}
		}
	}
	return all
}

// openOf is what the store would answer: the conversations that no record closed.
func openOf(t *testing.T, k *kept) func(context.Context, time.Time, int) ([]string, error) {
	return func(_ context.Context, _ time.Time, limit int) ([]string, error) {
		var open []string
		for key, f := range facts(t, k) {
			if key.Kind == fact.Conversation && f.Text(fact.State) != "closed" && len(open) < limit {
				open = append(open, key.SID)
			}
		}
		return open, nil
	}
}

func TestConversationsAreFoundAndFollowedUntilClosed(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]twiliosim.Faults{"without faults": {}, "with every fault": everyFault()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKept()
			c := newCentre(t, world.Options{Seed: 11, Contacts: 200}, twiliosim.Options{Seed: 11, Faults: faults},
				Options{OpenConversations: openOf(t, k), ConversationsAtOnce: 1000})
			start := c.world.Options().Start
			for c.clock.set(start.Add(time.Hour)); c.clock.now().Before(start.Add(48 * time.Hour)); c.clock.pass(40 * time.Minute) {
				c.fetchStubbornly(t, k, ConversationsStream)
			}
			c.compareConversations(t, k)
		})
	}
}

// compareConversations compares what was kept with the truth.
func (c *centre) compareConversations(t *testing.T, k *kept) {
	t.Helper()
	all := facts(t, k)
	if len(c.world.Conversations) == 0 {
		t.Fatal("the world has no conversations: the test tells nothing")
	}
	for _, want := range c.world.Conversations {
		f := all[fact.Key{Kind: fact.Conversation, SID: want.SID}]
		if f == nil {
			t.Errorf("conversation of %s is missing", want.CreatedAt)
			continue
		}
		if got := f.Time(fact.Created); !got.Equal(want.CreatedAt.Truncate(time.Second)) {
			t.Errorf("created %s, want %s", got, want.CreatedAt)
		}
		closedAt := want.ClosedAt
		if closedAt.After(c.clock.now().Add(-2 * time.Hour)) {
			closedAt = time.Time{}
		}
		if got := f.Time(fact.Closed); !closedAt.IsZero() && !got.Equal(closedAt.Truncate(time.Second)) {
			t.Errorf("closed %s, want %s", got, closedAt)
		}
		if !hasParticipant(f, want.Address) {
			t.Errorf("no participant %s in %v", want.Channel, f.Parts)
		}
	}
}

func hasParticipant(f *fact.Fact, address string) bool {
	for name, p := range f.Parts {
		known := p.Text(fact.Address) == address || p.Text(fact.Identity) == address
		if strings.HasPrefix(name, fact.Participant) && known {
			return true
		}
	}
	return false
}

func TestConversationsOfAMonthAgo(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	c := newCentre(t, world.Options{Seed: 2, Start: start, End: start.Add(12 * 24 * time.Hour), Contacts: 600},
		twiliosim.Options{Seed: 2}, Options{InitialLookback: 20 * 24 * time.Hour})
	whole := newKept()
	whole.fetch(t, c.source, ConversationsStream)
	c.compareConversations(t, whole)

	t.Run("goes on after a failure at any page", func(t *testing.T) {
		for n := 1; n <= whole.pages; n += 5 {
			k := newKept()
			k.failAt = n
			fresh := sourceAt(t, c.sim, c.world, c.source.o, c.clock.now) // nothing remembered
			if err := fresh.Fetch(t.Context(), ConversationsStream, "", k.keep); !errors.Is(err, errKeep) {
				t.Fatalf("page %d: error of keep became %v", n, err)
			}
			k.fetch(t, fresh, ConversationsStream)
			if len(k.records) != len(whole.records) {
				t.Errorf("failure at page %d: %d records, want %d", n, len(k.records), len(whole.records))
			}
		}
	})
}

func TestAQuietPassOfConversationsIsCheap(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 11, Contacts: 300}, twiliosim.Options{Seed: 11}, Options{})
	c.clock.set(c.world.Options().End.Add(-6 * time.Hour))
	k := newKept()
	k.fetch(t, c.source, ConversationsStream)
	lists, participants := c.calls("/Conversations "), c.calls("/Participants")
	if lists == 0 || participants == 0 {
		t.Fatal("the first pass made no calls: the test tells nothing")
	}
	c.clock.pass(time.Second)
	k.fetch(t, c.source, ConversationsStream)
	if n := c.calls("/Participants") - participants; n > 1 {
		t.Errorf("participants of %d conversations were read again", n)
	}
	if n := c.calls("/Conversations ") - lists; n > 3 { // two services, and a page more of yesterday
		t.Errorf("%d lists were read for one second", n)
	}
}

func TestOpenConversationsAreReadGently(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	clock := &clockwork{at: now}
	var read []string
	participants := 0
	h := stub{date: clock.now, answer: func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/")
		switch last := parts[len(parts)-1]; {
		case last == "Conversations":
			list(w, "conversations", 100, "")
		case last == "Participants":
			participants++
			list(w, "participants", 100, "")
		default:
			read = append(read, last)
			if last == sid("CH", 3) {
				http.Error(w, `{"code":20404}`, http.StatusNotFound)
				return
			}
			list(w, "conversation", 0, "") // any object will do; its SID is not needed
		}
	}}
	limit := 0
	open := []string{sid("CH", 1), sid("CH", 2), sid("CH", 3), sid("CH", 4), sid("CH", 5)}
	source := sourceAt(t, h, nil, Options{
		ConversationsAtOnce: 2,
		OpenConversations: func(_ context.Context, before time.Time, n int) ([]string, error) {
			if want := clock.now().Add(-15 * time.Minute); !before.Equal(want) {
				t.Errorf("asked for those not read since %s, want %s", before, want)
			}
			limit = n
			return open[:min(n, len(open))], nil
		},
	}, clock.now)
	k := newKept()
	for pass, want := range []int{2, 4, 5, 5} { // two a pass, and the fifth alone
		k.fetch(t, source, ConversationsStream)
		if len(read) != want {
			t.Fatalf("pass %d: %d were read, want %d", pass, len(read), want)
		}
		clock.pass(time.Minute)
	}
	if limit != len(open)+2 {
		t.Errorf("the last pass asked for %d, want two beyond those read lately", limit)
	}
	if gone := k.records[sid("CH", 3)+":gone"]; gone.Type != ConversationGoneType {
		t.Error("the conversation that vanished was not noted")
	}
	clock.pass(15 * time.Minute)
	before := participants
	k.fetch(t, source, ConversationsStream)
	if participants != before || len(read) != 7 {
		t.Errorf("%d reads and %d of participants of what did not change, want 7 and none", len(read), participants-before)
	}
}

func TestAReopenedConversationIsARecordOfItsOwn(t *testing.T) {
	t.Parallel()
	s := &Source{redactor: NewRedactor(nil, false)}
	keys := map[string]bool{}
	for _, updated := range []string{"2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z"} {
		h := conversationHead{SID: "CH1", State: "active", DateUpdated: scalar(updated)}
		r, err := s.conversationRecord([]byte(`{}`), h, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys[r.Key] = true
	}
	if len(keys) != 3 {
		t.Errorf("%d keys for three openings", len(keys))
	}
}
