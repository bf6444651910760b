package twilio

import (
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

func TestHints(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 4}, twiliosim.Options{Seed: 4, Faults: twiliosim.Faults{BadGateway: 0.1, Reset: 0.1}}, Options{})
	polled := newKept()
	c.fetchStubbornly(t, polled, EventsStream)
	task := c.taskWithConversation(t)
	reservation := task.Reservations[0].SID

	tests := map[string]struct {
		hint          Hint
		at            time.Time
		snapshots     int
		events        bool
		conversations int
	}{
		"a task just ended":                {hint: Hint{Task: task.SID}, at: task.EndedAt.Add(time.Minute), snapshots: 1, events: true},
		"a task long gone":                 {hint: Hint{Task: task.SID}, at: task.EndedAt.Add(time.Hour), events: true},
		"a reservation":                    {hint: Hint{Reservation: reservation}, at: task.EndedAt.Add(time.Minute), snapshots: 1, events: true},
		"a reservation's SID for a task's": {hint: Hint{Task: reservation}, at: task.EndedAt.Add(time.Hour), events: true},
		"a conversation":                   {hint: Hint{Conversation: c.world.Conversations[0].SID}, at: c.clock.now(), conversations: 1},
		"a task of nobody":                 {hint: Hint{Task: sid("WT", 99)}, at: c.clock.now()},
		"a reservation of nobody":          {hint: Hint{Reservation: sid("WR", 99)}, at: c.clock.now()},
		"a conversation of nobody":         {hint: Hint{Conversation: sid("CH", 99)}, at: c.clock.now()},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c.clock.set(test.at)
			source := sourceAt(t, c.sim, c.world, Options{}, c.clock.now)
			k := newKept()
			for try := 0; ; try++ {
				if err := source.FetchHint(t.Context(), test.hint, k.keep); err == nil {
					break
				} else if try == 20 {
					t.Fatal(err)
				}
			}
			if len(k.cursor) != 0 {
				t.Error("a hint moved a cursor")
			}
			byType := count(k)
			if byType[TaskType] != test.snapshots || byType[ConversationType] != test.conversations {
				t.Errorf("%d snapshots and %d conversations, want %d and %d",
					byType[TaskType], byType[ConversationType], test.snapshots, test.conversations)
			}
			if test.events {
				c.compareEventsOf(t, k, polled, task, test.at)
			}
		})
	}
}

func count(k *kept) map[string]int {
	n := map[string]int{}
	for _, r := range k.order {
		n[r.Type]++
	}
	return n
}

// compareEventsOf wants every event of a task that had happened, under the key and
// in the stream that polling gave it.
func (c *centre) compareEventsOf(t *testing.T, k, polled *kept, task *world.Task, at time.Time) {
	t.Helper()
	for _, e := range c.world.TaskEvents(task.ID) {
		if e.At.After(at) {
			continue
		}
		got, want := k.records[e.SID], polled.records[e.SID]
		if got.Key != want.Key || got.Stream != want.Stream || got.Type != want.Type || !got.At.Equal(want.At) || got.Key == "" {
			t.Errorf("event %s: %q of %q, polled %q of %q", e.Type, got.Key, got.Stream, want.Key, want.Stream)
		}
	}
}

func (c *centre) taskWithConversation(t *testing.T) *world.Task {
	t.Helper()
	for i := range c.world.Tasks {
		task := &c.world.Tasks[i]
		if len(task.Reservations) > 0 && !task.EndedAt.IsZero() && strings.Contains(c.world.Attributes(task, task.EndedAt), "conversationSid") {
			return task
		}
	}
	t.Fatal("the world has no written task")
	return nil
}

func TestTheEndOfATaskHintsAtItsConversation(t *testing.T) {
	t.Parallel()
	body := `{"sid":"` + sid("EV", 1) + `","event_type":"task.completed","event_date_ms":1767323045123,"event_data":{"task_sid":"` +
		sid("WT", 1) + `","task_attributes":"{\"conversationSid\":\"` + sid("CH", 1) + `\"}"}}`
	for lane, want := range map[record.Lane]int{record.Live: 1, record.Backfill: 0} {
		d, err := Decode(record.Record{Via: record.Poll, Type: "task.completed", Lane: lane, Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Hints) != want || (want == 1 && d.Hints[0].Conversation != sid("CH", 1)) {
			t.Errorf("lane %d: hints %v, want %d", lane, d.Hints, want)
		}
	}
}
