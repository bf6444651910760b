package oracle_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/world"
)

var start = time.Date(2026, 11, 20, 22, 30, 0, 0, time.UTC)

func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

// call is a finished call: it waits for a minute, is talked over for two, and is over.
func call(id, minute int, shown world.Shown) world.Task {
	return world.Task{
		ID: id, SID: fmt.Sprintf("WT%d", id), Contact: id, Channel: world.ChannelVoice, Surveyed: -1, Shown: shown,
		CreatedAt: at(minute), QueuedAt: at(minute), EndedAt: at(minute + 3), End: world.EndCompleted, Reason: world.ReasonConference,
		Reservations: []world.Reservation{{AnsweredAt: at(minute + 1), EndedAt: at(minute + 3), Outcome: world.ReservationCompleted}},
	}
}

// calls makes a world of calls, each a contact of its own.
func calls(tasks ...world.Task) *world.World {
	w := &world.World{Tasks: tasks}
	for i := range tasks {
		w.Contacts = append(w.Contacts, world.Contact{ID: i, Channel: tasks[i].Channel, Tasks: []int{i}, Conversation: -1})
	}
	return w
}

func settings() oracle.Settings {
	return oracle.Settings{
		Until: at(1000), CSAT: true, Supported: "all", Respondents: "answered", Zone: time.FixedZone("", 2*60*60),
		Attributes: map[string]string{"COUNT": "total_conversations", "LAST": "last_conversation_date", "WAIT": "avg_wait_time", "NAME": "friendly_name"},
		Events:     map[string]string{"task.completed": "DONE", "conversation.ended": "ENDED"},
	}
}

// byAddress lists customers readably.
func byAddress(e oracle.Expected) (lines []string) {
	for _, c := range e.Customers {
		lines = append(lines, fmt.Sprintf("%s %s %v %v %v", c.Email, c.Phone, c.Attributes["COUNT"], c.Lists, c.Split))
	}
	slices.Sort(lines)
	return lines
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	phone, other := world.Shown{Phone: "+331"}, world.Shown{Phone: "+332"}
	for name, c := range map[string]struct {
		tasks []world.Task
		want  []string
	}{
		"one phone is one customer":       {[]world.Task{call(0, 0, phone), call(1, 10, phone)}, []string{" 331 2 [all] false"}},
		"two phones are two":              {[]world.Task{call(0, 0, phone), call(1, 10, other)}, []string{" 331 1 [all] false", " 332 1 [all] false"}},
		"nobody makes no contact":         {[]world.Task{call(0, 0, world.Shown{Name: "Ann"})}, nil},
		"an identity alone waits":         {[]world.Task{call(0, 0, world.Shown{Identity: "visitor"})}, nil},
		"a later record links":            {[]world.Task{call(0, 0, phone), call(1, 10, world.Shown{Email: "a@b.c"}), call(2, 20, world.Shown{Phone: "+331", Email: "a@b.c"})}, []string{"a@b.c 331 3 [all] true"}},
		"a link before is no split":       {[]world.Task{call(0, 0, phone), call(1, 10, world.Shown{Phone: "+331", Email: "a@b.c"})}, []string{"a@b.c 331 2 [all] false"}},
		"a chain links through identity":  {[]world.Task{call(0, 0, world.Shown{Identity: "v", Phone: "+331"}), call(1, 10, world.Shown{Identity: "v", Email: "a@b.c"})}, []string{"a@b.c 331 2 [all] false"}},
		"a phone with two emails is none": {[]world.Task{call(0, 0, world.Shown{Phone: "+331", Email: "a@b.c"}), call(1, 10, world.Shown{Phone: "+331", Email: "d@e.f"}), call(2, 20, phone)}, []string{" 331 1 [all] true", "a@b.c  1 [all] true", "d@e.f  1 [all] true"}},
	} {
		s := settings()
		s.Live = true
		if got := byAddress(oracle.Calculate(calls(c.tasks...), s)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	w := calls(call(0, 0, world.Shown{Phone: "+331"}), call(1, 60, world.Shown{Phone: "+331", Name: "Ann"}), call(2, 10, world.Shown{Phone: "+332"}))
	w.Tasks[0].Scored, w.Tasks[0].Score = true, 4
	for name, c := range map[string]struct {
		change func(*oracle.Settings)
		want   []string
	}{
		"all":            {func(*oracle.Settings) {}, []string{" 331 2 [all answered] false", " 332 1 [all] false"}},
		"channels":       {func(s *oracle.Settings) { s.Channels = []string{"sms"} }, nil},
		"no scores":      {func(s *oracle.Settings) { s.CSAT = false }, []string{" 331 2 [all] false", " 332 1 [all] false"}},
		"the past only":  {func(s *oracle.Settings) { s.Until = at(5) }, []string{" 331 1 [all answered] false"}},
		"nobody is held": {func(s *oracle.Settings) { s.ExistingOnly = true }, nil},
		"one is held, and another": {func(s *oracle.Settings) {
			s.ExistingOnly = true
			s.Held = []oracle.Contact{{Phone: "332", Email: "a@b.c", Lists: []string{"news"}}, {Email: "x@y.z"}}
		}, []string{"a@b.c 332 1 [all news] false", "x@y.z  <nil> [] false"}},
	} {
		s := settings()
		c.change(&s)
		if got := byAddress(oracle.Calculate(w, s)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	first := oracle.Calculate(w, settings()).Customers[0]
	want := map[string]any{"COUNT": 2.0, "LAST": "2026-11-21", "WAIT": 60.0, "NAME": "Ann"}
	if !reflect.DeepEqual(first.Attributes, want) {
		t.Errorf("attributes are %v, want %v", first.Attributes, want)
	}
}

// TestEnd follows a contact in writing through a transfer.
func TestEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		gap    time.Duration // from the end of the first task to the beginning of the second
		closed time.Time
		want   time.Time
	}{
		"the next task follows at once":  {3 * time.Second, time.Time{}, at(6).Add(3 * time.Second)},
		"the next task comes later":      {6 * time.Second, time.Time{}, at(3)},
		"the thread is closed meanwhile": {3 * time.Second, at(4), at(4)},
		"the thread is closed later":     {3 * time.Second, at(60), at(6).Add(3 * time.Second)},
	} {
		first, second := call(0, 0, world.Shown{Phone: "+331"}), call(1, 3, world.Shown{Phone: "+331"})
		second.Contact, second.CreatedAt, second.EndedAt = 0, first.EndedAt.Add(c.gap), second.EndedAt.Add(c.gap)
		w := &world.World{
			Tasks:         []world.Task{first, second},
			Contacts:      []world.Contact{{Channel: world.ChannelSMS, Tasks: []int{0, 1}}},
			Conversations: []world.Conversation{{SID: "CH0", Channel: world.ChannelSMS, Address: "+331", CreatedAt: at(0), ClosedAt: c.closed, Talks: []world.Talk{{}}}},
		}
		for i := range w.Tasks {
			w.Tasks[i].Channel = world.ChannelSMS
		}
		moments := oracle.Calculate(w, settings()).Moments
		last := moments[len(moments)-1]
		if last.ID != "conversation.ended:WT0" || !last.At.Equal(c.want) {
			t.Errorf("%s: got %s at %s, want %s", name, last.ID, last.At, c.want)
		}
	}
}

// TestWorlds calculates generated worlds: twice the same, with each event named once.
func TestWorlds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		w := world.New(world.Options{Seed: seed, Odd: true})
		s := settings()
		s.Until = w.Options().End.Add(12 * time.Hour)
		one, two := oracle.Calculate(w, s), oracle.Calculate(w, s)
		if !reflect.DeepEqual(one, two) {
			t.Errorf("world %d: two calculations differ", seed)
		}
		seen := map[string]bool{}
		for _, m := range one.Moments {
			if seen[m.ID] || m.At.After(s.Until) {
				t.Errorf("world %d: event %s is there twice, or not yet", seed, m.ID)
			}
			seen[m.ID] = true
		}
		if len(one.Customers) < 50 || len(one.Moments) < 250 {
			t.Errorf("world %d: only %d customers and %d events", seed, len(one.Customers), len(one.Moments))
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	s := settings()
	w := calls(call(0, 0, world.Shown{Phone: "+331", Name: "Ann"}), call(1, 10, world.Shown{Email: "a@b.c"}))
	want := oracle.Calculate(w, s)
	for name, c := range map[string]struct {
		change func(*[]oracle.Contact, *[]oracle.Event)
		says   string
	}{
		"nothing":              {func(*[]oracle.Contact, *[]oracle.Event) {}, ""},
		"a missing contact":    {func(c *[]oracle.Contact, _ *[]oracle.Event) { *c = (*c)[1:] }, "is missing"},
		"a contact too many":   {func(c *[]oracle.Contact, _ *[]oracle.Event) { *c = append(*c, oracle.Contact{Email: "x@y.z"}) }, "one too many"},
		"a contact twice":      {func(c *[]oracle.Contact, _ *[]oracle.Event) { *c = append(*c, (*c)[0]) }, "is there 2 times"},
		"another address":      {func(c *[]oracle.Contact, _ *[]oracle.Event) { (*c)[0].Email = "x@y.z" }, "has the addresses"},
		"another value":        {func(c *[]oracle.Contact, _ *[]oracle.Event) { (*c)[0].Attributes["COUNT"] = 2.0 }, "COUNT is 2, want 1"},
		"a value too many":     {func(c *[]oracle.Contact, _ *[]oracle.Event) { (*c)[0].Attributes["EXTRA"] = "x" }, "EXTRA is x, want <nil>"},
		"a missing value":      {func(c *[]oracle.Contact, _ *[]oracle.Event) { delete((*c)[0].Attributes, "NAME") }, "NAME is <nil>, want Ann"},
		"another list":         {func(c *[]oracle.Contact, _ *[]oracle.Event) { (*c)[0].Lists = nil }, "is on the lists"},
		"a missing event":      {func(_ *[]oracle.Contact, e *[]oracle.Event) { *e = (*e)[1:] }, "is missing"},
		"an event twice":       {func(_ *[]oracle.Contact, e *[]oracle.Event) { *e = append(*e, (*e)[0]) }, "is one too many"},
		"an event too many":    {func(_ *[]oracle.Contact, e *[]oracle.Event) { *e = append(*e, oracle.Event{ID: "x"}) }, "is one too many"},
		"another event's name": {func(_ *[]oracle.Contact, e *[]oracle.Event) { (*e)[0].Name = "X" }, "is called X"},
		"another date":         {func(_ *[]oracle.Contact, e *[]oracle.Event) { (*e)[0].At = at(500) }, "is dated"},
		"somebody else's":      {func(_ *[]oracle.Contact, e *[]oracle.Event) { (*e)[0].Phone = "999" }, "belongs to"},
	} {
		contacts, events := held(oracle.Calculate(w, s))
		c.change(&contacts, &events)
		lines := strings.Join(oracle.Compare(want, contacts, events), "\n")
		if c.says == "" && lines != "" || !strings.Contains(lines, c.says) {
			t.Errorf("%s: got %q, want %q", name, lines, c.says)
		}
	}
}

// held is a Brevo that holds what is expected.
func held(e oracle.Expected) (contacts []oracle.Contact, events []oracle.Event) {
	for _, c := range e.Customers {
		contacts = append(contacts, c.Contact)
	}
	for _, m := range e.Moments {
		events = append(events, m.Event)
	}
	return contacts, events
}
