package twilio

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// polledOf is what the store would answer about a conversation's messages.
func polledOf(t *testing.T, k *kept) func(context.Context, string) (int, bool, error) {
	digested, all := 0, map[string]*fact.Fact{}
	var mu sync.Mutex
	return func(_ context.Context, sid string) (int, bool, error) {
		mu.Lock()
		defer mu.Unlock()
		for ; digested < len(k.order); digested++ {
			d, err := Decode(k.order[digested])
			if err != nil {
				t.Error(err)
			}
			for _, f := range d.Facts {
				if all[f.SID] == nil {
					all[f.SID] = &fact.Fact{}
				}
				all[f.SID].Merge(f)
			}
		}
		if all[sid] == nil {
			return 0, false, nil
		}
		index, known := all[sid].Values[fact.PolledIndex].V.(int)
		return index, known, nil
	}
}

// compareMessages compares the messages that were kept with the truth.
func (c *centre) compareMessages(t *testing.T, k *kept, until time.Time) {
	t.Helper()
	all, compared := facts(t, k), 0
	for i, conversation := range c.world.Conversations {
		f := all[fact.Key{Kind: fact.Conversation, SID: conversation.SID}]
		for _, m := range c.world.Messages(i) {
			if m.At.After(until) {
				continue
			}
			p, ok := f.Parts[fact.Message+m.SID]
			if !ok {
				t.Errorf("message %d of a conversation of %s is missing", m.Index, conversation.CreatedAt)
				continue
			}
			if index := p.Values[fact.Index].V; index != m.Index || p.Text(fact.Author) != m.Author || !p.Time(fact.Created).Equal(m.At.Truncate(time.Second)) {
				t.Errorf("message %d of %s became %v", m.Index, m.At, p)
			}
			compared++
		}
	}
	if compared < 100 {
		t.Fatalf("%d messages: the test tells nothing", compared)
	}
	for _, r := range k.order {
		if strings.Contains(string(r.Body), "of a customer") || strings.Contains(string(r.Body), "of an agent") {
			t.Fatal("the text of a message was kept")
		}
	}
}

// followTasks reads the threads that were closed and in which a task began since a moment,
// as the digest asks for, and counts them.
func (c *centre) followTasks(t *testing.T, k *kept, since time.Time) (n int) {
	t.Helper()
	for i := range c.world.Conversations {
		v := &c.world.Conversations[i]
		for j, talk := range v.Talks {
			if j == 0 || v.PausedAt(j-1).IsZero() || talk.From.Before(since) || talk.From.After(c.clock.now()) {
				continue
			}
			n++
			err := errKeep
			for try := 0; err != nil && try < 50; try++ {
				err = c.source.FetchHint(t.Context(), Hint{Conversation: v.SID, Began: true}, k.keep)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

// TestMessagesAreReadOnceEach follows a day's threads, with every fault and with a process
// that ends after each pass: each message is there, and none was read without need.
func TestMessagesAreReadOnceEach(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]twiliosim.Faults{"without faults": {}, "with every fault": everyFault()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKept()
			c := newCentre(t, world.Options{Seed: 31, Contacts: 250}, twiliosim.Options{Seed: 31, Faults: faults}, Options{})
			o := Options{
				OpenConversations: openOf(t, k), ConversationsAtOnce: 1000, ConversationEvery: time.Minute,
				Messages: true, PolledIndex: polledOf(t, k),
			}
			start, reopened := c.world.Options().Start, 0
			for c.clock.set(start.Add(time.Hour)); c.clock.now().Before(start.Add(30 * time.Hour)); c.clock.pass(3 * time.Hour) {
				c.source = sourceAt(t, c.sim, c.world, o, c.clock.now) // nothing remembered
				c.fetchStubbornly(t, k, ConversationsStream)
				reopened += c.followTasks(t, k, c.clock.now().Add(-3*time.Hour))
			}
			if reopened == 0 {
				t.Error("no thread was closed and used again: the test tells less")
			}
			c.compareMessages(t, k, c.clock.now().Add(-time.Hour))
		})
	}
}

func TestNoMessagesAreReadWithoutNeed(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 31}, twiliosim.Options{Seed: 31}, Options{})
	k := newKept()
	k.fetch(t, c.source, ConversationsStream)
	if n := c.calls("/Messages"); n != 0 {
		t.Errorf("%d lists of messages were read", n)
	}
	posted := record.Record{Via: record.Callback, Type: "onMessageAdded", Body: []byte("EventType=onMessageAdded&ConversationSid=CH1&MessageSid=IM1")}
	d, err := c.source.Decode(posted)
	if err != nil || len(d.Facts) != 1 || len(d.Facts[0].Parts) != 0 {
		t.Errorf("a message that nobody asks for made %+v, %v", d, err)
	}
}

// TestMessagesOfALongThread says how far back a thread is read, and that a failure half
// way leaves no hole.
func TestMessagesOfALongThread(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	clock := &clockwork{at: now}
	thread, last := sid("CH", 1), 250 // a message an hour, the newest now
	pages := 0
	message := func(index int) string {
		at := now.Add(-time.Duration(last-index) * time.Hour).Format(time.RFC3339)
		return `{"sid":"` + sid("IM", index) + `","conversation_sid":"` + thread + `","index":` + strconv.Itoa(index) + `,"author":"x","date_created":"` + at + `"}`
	}
	h := stub{date: clock.now, answer: func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/Conversations"):
			list(w, "conversations", 100, "")
		case strings.HasSuffix(r.URL.Path, "/Participants"):
			list(w, "participants", 100, "")
		case strings.HasSuffix(r.URL.Path, "/Messages"):
			pages++
			if q := r.URL.Query(); q.Get("Order") != "desc" || q.Get("PageSize") != "100" {
				t.Errorf("asked for %s", r.URL.RawQuery)
			}
			from, next := last, ""
			if token := r.URL.Query().Get("PageToken"); token != "" {
				from, _ = strconv.Atoi(token)
			}
			if from >= 100 {
				next = "https://conversations.twilio.com" + strings.TrimPrefix(r.URL.Path, "/conversations") + "?Order=desc&PageSize=100&PageToken=" + strconv.Itoa(from-100)
			}
			var rows []string
			for index := from; index > max(from-100, -1); index-- {
				rows = append(rows, message(index))
			}
			list(w, "messages", 100, next, rows...)
		default:
			_, _ = w.Write([]byte(`{"sid":"` + thread + `","state":"active","date_created":"2026-01-01T00:00:00Z"}`))
		}
	}}
	k := newKept()
	o := Options{
		OpenConversations: func(context.Context, time.Time, int) ([]string, error) { return []string{thread}, nil },
		InitialLookback:   150 * time.Hour, Messages: true, PolledIndex: polledOf(t, k),
	}
	indexes := func() (out []int) {
		for _, r := range k.order {
			if r.Type == MessageType {
				var h messageHead
				readHead(r.Body, &h)
				out = append(out, indexOf(h.Index))
			}
		}
		return out
	}
	source := sourceAt(t, h, nil, o, clock.now)

	k.failAt = 2 // after the page that only has the cursor
	if err := source.Fetch(t.Context(), ConversationsStream, "", k.keep); !errors.Is(err, errKeep) {
		t.Fatalf("the store's error became %v", err)
	}
	if got := indexes(); len(got) != 0 {
		t.Fatalf("messages %v were kept although the store was full", got)
	}
	k.fetch(t, source, ConversationsStream)
	got := indexes()
	if len(got) != 151 || got[0] != 100 || got[150] != 250 || !slices.IsSorted(got) {
		t.Fatalf("kept %d messages, %v", len(got), got)
	}
	pages = 0
	last = 253
	clock.pass(3 * time.Hour)
	now = clock.now()
	k.fetch(t, sourceAt(t, h, nil, o, clock.now), ConversationsStream)
	if got := indexes(); len(got) != 154 || got[153] != 253 || pages != 1 {
		t.Errorf("after three more messages %d are kept, with %d calls", len(got), pages)
	}
}
