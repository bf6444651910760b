package world_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/world"
)

func TestSameSeedSameWorld(t *testing.T) {
	t.Parallel()
	options := world.Options{Seed: 7, Odd: true}
	one, two := world.New(options), world.New(options)
	if !reflect.DeepEqual(one, two) {
		t.Fatal("two worlds of one seed differ")
	}
	for i := range one.EventCount() {
		if !reflect.DeepEqual(one.EventAt(i), two.EventAt(i)) {
			t.Fatalf("event %d differs", i)
		}
	}
	if other := world.New(world.Options{Seed: 8, Odd: true}); other.AccountSID == one.AccountSID {
		t.Fatal("another seed gives the same account")
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	w := world.New(world.Options{})
	got := w.Summary()
	if got.Contacts != 300 || got.Customers != 120 || got.Agents != 12 || got.Queues != 5 {
		t.Errorf("sizes: %+v", got)
	}
	for i := range w.Contacts {
		if at := w.Contacts[i].StartedAt; at.Before(got.Start) || !at.Before(got.End) {
			t.Fatalf("contact %d begins at %s, outside the world", i, at)
		}
		if i > 0 && w.Contacts[i].StartedAt.Before(w.Contacts[i-1].StartedAt) {
			t.Fatalf("contact %d begins before the one before it", i)
		}
	}
}

// TestEveryKindHappens holds the generator to the list of what a contact centre's day must contain.
func TestEveryKindHappens(t *testing.T) {
	t.Parallel()
	w := world.New(world.Options{Seed: 3, Odd: true})
	seen := map[string]bool{}
	for i := range w.Contacts {
		c := &w.Contacts[i]
		seen["kind "+string(c.Kind)] = true
		seen["odd "+string(c.Odd)] = true
		seen["channel "+c.Channel] = true
	}
	for i := range w.Tasks {
		task := &w.Tasks[i]
		seen["reason "+task.Reason] = true
		seen["later"] = seen["later"] || task.Later
		seen["linked in "+task.Shown.LinkedIn] = true
		seen["both identifiers"] = seen["both identifiers"] || task.Shown.Phone != "" && task.Shown.Email != ""
		seen["survey timed out"] = seen["survey timed out"] || task.Survey && task.Reason == world.ReasonTTL
		seen["score on the task"] = seen["score on the task"] || task.Scored && !task.Survey
		seen["tier"] = seen["tier"] || task.Tier != ""
		seen["account"] = seen["account"] || task.AccountID != ""
		for _, r := range task.Reservations {
			seen["reservation "+r.Outcome] = true
		}
	}
	for i := range w.Conversations {
		seen["shared thread"] = seen["shared thread"] || len(w.Conversations[i].Talks) > 1
	}
	want := []string{"later", "both identifiers", "survey timed out", "score on the task", "tier", "account", "shared thread"}
	for _, odd := range world.Oddities() {
		want = append(want, "odd "+string(odd))
	}
	for _, kind := range []world.Kind{world.Answered, world.Abandoned, world.Transfer, world.Outbound, world.TimedOut, world.Expired, world.ThreadOnly, world.Forgotten} {
		want = append(want, "kind "+string(kind))
	}
	for _, channel := range []string{world.ChannelVoice, world.ChannelSMS, world.ChannelWhatsApp, world.ChannelWebchat, world.ChannelMessenger, world.ChannelEmail} {
		want = append(want, "channel "+channel)
	}
	for _, link := range []string{world.LinkAttributes, world.LinkCustomers, world.LinkForm} {
		want = append(want, "linked in "+link)
	}
	for _, reason := range []string{world.ReasonHangup, world.ReasonCSATSaved, world.ReasonSurveyCompleted, world.ReasonWorkflowTimeout, world.ReasonCustomerLeft} {
		want = append(want, "reason "+reason)
	}
	for _, outcome := range []string{world.ReservationRejected, world.ReservationTimeout, world.ReservationCanceled, world.ReservationOpen} {
		want = append(want, "reservation "+outcome)
	}
	for _, name := range want {
		if !seen[name] {
			t.Errorf("never happened: %s", name)
		}
	}
}

// TestEventsTellTheTruth calculates every task's times from its events alone and compares them with the
// ground truth.
func TestEventsTellTheTruth(t *testing.T) {
	t.Parallel()
	w := world.New(world.Options{Seed: 11, Odd: true, Contacts: 1500})
	for i := range w.Tasks {
		task := &w.Tasks[i]
		told := retell(w.TaskEvents(i))
		if told.wait != task.WaitSeconds() || told.ring != task.RingSeconds() || told.talk != task.TalkSeconds() || told.wrapup != task.WrapupSeconds() {
			t.Errorf("task %d (%s): events tell %+v; truth is wait %d, ring %d, talk %d, wrap-up %d",
				i, w.Contacts[task.Contact].Kind, told, task.WaitSeconds(), task.RingSeconds(), task.TalkSeconds(), task.WrapupSeconds())
		}
		if told.end != "task."+task.End {
			t.Errorf("task %d: ends with %q, want task.%s", i, told.end, task.End)
		}
		if task.Outcome != "" && told.outcome != task.Outcome {
			t.Errorf("task %d: the newest outcome told is %q, want %q", i, told.outcome, task.Outcome)
		}
	}
}

// TestVersionsFollowTime checks that a task's version never falls from one moment to a later one.
func TestVersionsFollowTime(t *testing.T) {
	t.Parallel()
	w := world.New(world.Options{Seed: 12})
	for i := range w.Tasks {
		events := w.TaskEvents(i)
		slices.SortFunc(events, func(a, b world.Event) int {
			return a.Data.Get("task_version").(int) - b.Data.Get("task_version").(int)
		})
		for k := 1; k < len(events); k++ {
			if events[k].At.Before(events[k-1].At) {
				t.Fatalf("task %d: %s has a later version than %s and is older", i, events[k].Type, events[k-1].Type)
			}
		}
	}
}

type telling struct {
	wait, ring, talk, wrapup int
	end, outcome             string
}

func retell(events []world.Event) (told telling) {
	slices.SortFunc(events, func(a, b world.Event) int { return a.At.Compare(b.At) })
	var entered, accepted, ended int64
	marks := map[string]map[string]int64{}
	for _, e := range events {
		family, name, _ := strings.Cut(e.Type, ".")
		switch {
		case e.Type == "task-queue.entered" && entered == 0:
			entered = e.At.Unix()
		case e.Type == "task.completed" || e.Type == "task.canceled" || e.Type == "task.system-deleted":
			told.end, ended = e.Type, e.At.Unix()
		case family == "reservation":
			sid := e.Data.Text("reservation_sid")
			if marks[sid] == nil {
				marks[sid] = map[string]int64{}
			}
			marks[sid][name] = e.At.Unix()
			if name == "accepted" && accepted == 0 {
				accepted = e.At.Unix()
			}
		}
		var attributes struct {
			Conversations struct{ Outcome string }
		}
		if json.Unmarshal([]byte(e.Data.Text("task_attributes")), &attributes) == nil && attributes.Conversations.Outcome != "" {
			told.outcome = attributes.Conversations.Outcome
		}
	}
	if accepted == 0 {
		accepted = ended
	}
	told.wait = int(accepted - entered)
	for _, m := range marks {
		for _, answer := range []string{"accepted", "rejected", "timeout", "canceled", "rescinded"} {
			if at, ok := m[answer]; ok {
				told.ring += int(at - m["created"])
			}
		}
		if m["completed"] == 0 {
			continue
		}
		hungUp := m["completed"]
		if at, ok := m["wrapup"]; ok {
			hungUp = at
		}
		told.talk += int(hungUp - m["accepted"])
		told.wrapup += int(m["completed"] - hungUp)
	}
	return told
}

// TestScoresAreTold looks for each score where the public survey implementations keep it.
func TestScoresAreTold(t *testing.T) {
	t.Parallel()
	w := world.New(world.Options{Seed: 5, Contacts: 1000})
	scores := 0
	for i := range w.Tasks {
		task := &w.Tasks[i]
		if !task.Scored {
			continue
		}
		scores++
		var attributes struct {
			CSAT          *float64
			Conversations struct {
				Kind         string   `json:"kind"`
				Measure      *float64 `json:"conversation_measure_1"`
				Attribute    *float64 `json:"conversation_attribute_1"`
				Conversation string   `json:"conversation_id"`
			}
		}
		if err := json.Unmarshal([]byte(w.Attributes(task, task.EndedAt.Add(time.Second))), &attributes); err != nil {
			t.Fatalf("attributes of task %d: %v", i, err)
		}
		got := attributes.CSAT
		if task.Survey {
			got = attributes.Conversations.Measure
			if task.Channel == world.ChannelVoice {
				got = attributes.Conversations.Attribute
				if attributes.Conversations.Conversation != w.Tasks[task.Surveyed].SID {
					t.Errorf("survey %d does not name its task", i)
				}
			}
		}
		if got == nil || *got != task.Score {
			t.Errorf("task %d (%s, survey %t): score %v, want %v", i, task.Channel, task.Survey, got, task.Score)
		}
	}
	if scores == 0 {
		t.Fatal("nobody answered a survey")
	}
}

func TestEventsAreFoundAgain(t *testing.T) {
	t.Parallel()
	w := world.New(world.Options{Seed: 2, Odd: true})
	sids := map[string]bool{}
	for i := range w.EventCount() {
		e := w.EventAt(i)
		if sids[e.SID] {
			t.Fatalf("event SID %s twice", e.SID)
		}
		sids[e.SID] = true
		if at, ok := w.EventPosition(e.SID); !ok || at != i {
			t.Fatalf("event %d is found at %d, %t", i, at, ok)
		}
		if !e.At.Equal(w.EventTime(i)) {
			t.Fatalf("event %d at %s, index says %s", i, e.At, w.EventTime(i))
		}
	}
	for _, sid := range []string{"", "EV1", "EV00000000000000000000000000000001", w.Tasks[0].SID} {
		if _, ok := w.EventPosition(sid); ok {
			t.Errorf("found an event for %q", sid)
		}
	}
	noon := w.Options().Start.Add(12 * time.Hour)
	for e := range w.Events(noon, noon.Add(time.Hour)) {
		if e.At.Before(noon) || !e.At.Before(noon.Add(time.Hour)) {
			t.Fatalf("event at %s outside the hour asked for", e.At)
		}
	}
}

func TestFieldsAsJSON(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		value any
		want  string
	}{
		{"text", `a"b\c` + "\n", `"a\"b\\c\u000a"`},
		{"nul", "a\x00b", `"a\u0000b"`},
		{"lone surrogate", "a\xed\xa0\xbdb", `"a\ud83db"`},
		{"not utf-8", "a\xffb", "\"a\xffb\""},
		{"letters", "Zoë €", `"Zoë €"`},
		{"long", "Zoë, Jules und Aïcha warten", `"Zoë, Jules und Aïcha warten"`},
		{"quotes in a long text", `12345678"23456"8"`, `"12345678\"23456\"8\""`},
		{"all escapes in a row", "1234567\x1f\"\\\xed\xb0\x80\xed\x9f\xbf end", "\"1234567\\u001f\\\"\\\\\\udc00\xed\x9f\xbf end\""},
		{"surrogate across eight bytes", "123456\xed\xa0\xbd90", `"123456\ud83d90"`},
		{"numbers", []any{1, int64(2), 2.5, 4.0}, `[1,2,2.5,4]`},
		{"object", world.Fields{{Name: "b", Value: nil}, {Name: "a", Value: true}}, `{"b":null,"a":true}`},
		{"moment", time.Date(2026, 1, 2, 3, 4, 5, 123e6, time.UTC), `"2026-01-02T03:04:05.123Z"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := string(world.Fields{{Name: "v", Value: c.value}}.AppendJSON(nil))
			if want := `{"v":` + c.want + `}`; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for range b.N {
		world.New(world.Options{Seed: 1, Contacts: 20_000, Customers: 5000, Agents: 100, Odd: true})
	}
	b.ReportMetric(20_000, "contacts/op")
}

func BenchmarkEventAt(b *testing.B) {
	w := world.New(world.Options{Seed: 1})
	for i := range b.N {
		w.EventAt(i % w.EventCount())
	}
}
