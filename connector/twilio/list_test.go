package twilio

import (
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

func TestWorkersAndQueuesAreReadWhole(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 8, Agents: 1200, Contacts: 50}, twiliosim.Options{Seed: 8, Faults: everyFault()}, Options{})
	k := newKept()
	c.fetchStubbornly(t, k, WorkersStream)
	c.fetchStubbornly(t, k, QueuesStream)
	all := facts(t, k)
	for _, agent := range c.world.Agents {
		if f := all[fact.Key{Kind: fact.Worker, SID: agent.SID}]; f == nil || f.Text(fact.FriendlyName) != agent.Name {
			t.Fatalf("agent %s is missing", agent.SID)
		}
	}
	for _, queue := range c.world.Queues {
		if f := all[fact.Key{Kind: fact.Queue, SID: queue.SID}]; f == nil || f.Text(fact.FriendlyName) != queue.Name {
			t.Fatalf("queue %s is missing", queue.SID)
		}
	}
	for _, stream := range []string{WorkersStream, QueuesStream} {
		if k.cursor[stream] == "" || !k.through[stream].Equal(c.clock.now()) {
			t.Errorf("%s: cursor %q, through %s", stream, k.cursor[stream], k.through[stream])
		}
	}

	before := len(k.records)
	c.sim.SetFaults(twiliosim.Faults{})
	c.clock.pass(time.Second)
	k.fetch(t, c.source, WorkersStream)
	k.fetch(t, c.source, QueuesStream)
	if len(k.records) != before {
		t.Errorf("%d new records of what did not change", len(k.records)-before)
	}
}
