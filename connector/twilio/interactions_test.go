package twilio

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// dueOf is what the digest would find due at a centre: the interactions of tasks that were
// not read since they began, and since they ended.
func (c *centre) dueOf(t *testing.T, k *kept) func(context.Context, int) ([]DueInteraction, error) {
	return func(_ context.Context, limit int) ([]DueInteraction, error) {
		all, now := facts(t, k), c.clock.now()
		var due []DueInteraction
		for i := range c.world.Tasks {
			task := &c.world.Tasks[i]
			sid := c.world.InteractionSID(task.Contact)
			if sid == "" || task.CreatedAt.After(now) || len(due) == limit {
				continue
			}
			f := all[fact.Key{Kind: fact.Task, SID: task.SID}]
			if f != nil {
				read := time.UnixMilli(f.Values[fact.InteractionRead].T)
				if task.EndedAt.After(now) || !task.EndedAt.After(read) {
					continue
				}
			}
			due = append(due, DueInteraction{SID: sid, Tasks: []string{task.SID}})
		}
		return due, nil
	}
}

// TestInteractionsJoinTasksAndAgents follows a day, with every fault, and compares who took
// part with the truth. Each interaction is read at most twice for a task.
func TestInteractionsJoinTasksAndAgents(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]twiliosim.Faults{"without faults": {}, "with every fault": everyFault()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKept()
			c := newCentre(t, world.Options{Seed: 61, Contacts: 80}, twiliosim.Options{Seed: 61, Faults: faults}, Options{})
			c.source = sourceAt(t, c.sim, c.world, Options{DueInteractions: c.dueOf(t, k), InteractionsAtOnce: 50}, c.clock.now)
			start := c.world.Options().Start
			for c.clock.set(start); c.clock.now().Before(start.Add(36 * time.Hour)); c.clock.pass(40 * time.Minute) {
				c.fetchStubbornly(t, k, InteractionsStream)
			}
			reads := map[string]int{}
			for _, r := range k.order {
				sid, _, _ := strings.Cut(r.Key, ":")
				reads[sid]++
			}
			all, agents := facts(t, k), 0
			for i := range c.world.Tasks {
				task := &c.world.Tasks[i]
				sid := c.world.InteractionSID(task.Contact)
				if sid == "" {
					continue
				}
				f := all[fact.Key{Kind: fact.Task, SID: task.SID}]
				if f == nil || f.Text(fact.InteractionSID) != sid || f.Text(fact.InteractionState) == "" {
					t.Fatalf("task of %s is not joined to its interaction: %v", task.CreatedAt, f)
				}
				for _, r := range task.Reservations {
					if !r.Accepted() {
						continue
					}
					agents++
					if worker := memberFor(f, r.SID); worker != c.world.Agents[r.Agent].SID {
						t.Errorf("agent of a reservation of %s is %q", r.CreatedAt, worker)
					}
				}
				if n := reads[sid]; n > 2*len(c.world.Contacts[task.Contact].Tasks) {
					t.Errorf("an interaction of %d tasks was read %d times", len(c.world.Contacts[task.Contact].Tasks), n)
				}
			}
			if agents < 20 {
				t.Errorf("%d agents: the test tells nothing", agents)
			}
		})
	}
}

// memberFor is the agent who takes part by a reservation.
func memberFor(f *fact.Fact, reservation string) string {
	for name, p := range f.Parts {
		if strings.HasPrefix(name, fact.Member) && p.Text(fact.ReservationSID) == reservation && p.Text(fact.MemberType) == "agent" {
			return p.Text(fact.WorkerSID)
		}
	}
	return ""
}

// TestInteractionsThatAreGone says that one which Twilio does not have is asked for once.
func TestInteractionsThatAreGone(t *testing.T) {
	t.Parallel()
	asked := 0
	h := stub{answer: func(w http.ResponseWriter, _ *http.Request) {
		asked++
		http.Error(w, `{"code":20404,"status":404}`, http.StatusNotFound)
	}}
	due := func(context.Context, int) ([]DueInteraction, error) {
		return []DueInteraction{{SID: sid("KD", 1), Tasks: []string{sid("WT", 1)}}, {SID: "no interaction"}}, nil
	}
	source := sourceAt(t, h, nil, Options{DueInteractions: due}, time.Now)
	k := newKept()
	k.fetch(t, source, InteractionsStream)
	k.fetch(t, source, InteractionsStream) // not digested yet
	if asked != 1 || len(k.order) != 1 {
		t.Errorf("asked %d times for %d records", asked, len(k.order))
	}
	f := facts(t, k)[fact.Key{Kind: fact.Task, SID: sid("WT", 1)}]
	if f == nil || f.Values[fact.InteractionRead].V != true {
		t.Errorf("the task waits on: %v", f)
	}
}

func TestInteractionsOfStrangeShape(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"sid":"KD1","tasks":["WT1"],"channels":[{"channel":null,"participants":[null,7,{"routing_properties":"x"}]}]}`,
		`{"sid":"KD1","tasks":["WT1"],"channels":[{"channel":{"type":7},"participants":[{"sid":"UT1","routing_properties":{"task_sid":"nonsense"}}]}]}`,
	} {
		d, err := Decode(record.Record{Via: record.Poll, Type: InteractionType, Body: []byte(body)})
		if err != nil || len(d.Facts) != 1 || d.Facts[0].SID != "WT1" {
			t.Errorf("%s gives %+v, %v", body, d, err)
		}
	}
	if _, err := Decode(record.Record{Via: record.Poll, Type: InteractionType, Body: []byte(`{}`)}); err == nil {
		t.Error("an interaction without SID is one")
	}
}
