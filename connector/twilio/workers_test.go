package twilio

import (
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestChannelsOfAgentsAreReadOnceADay reads the agents often and what each may do at
// once only after a day; a new process goes by the cursor.
func TestChannelsOfAgentsAreReadOnceADay(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 4, Agents: 5, Contacts: 5}, twiliosim.Options{}, Options{WorkerChannels: true})
	k := newKept()
	for n, want := range []int{5, 5, 5, 10} {
		if n == 3 {
			c.clock.pass(24 * time.Hour)
		}
		k.fetch(t, sourceAt(t, c.sim, c.world, Options{WorkerChannels: true}, c.clock.now), WorkersStream)
		if got := c.calls("/Channels"); got != want {
			t.Errorf("%d reads of channels after %d fetches, want %d", got, n+1, want)
		}
		c.clock.pass(10 * time.Minute)
	}
	agent := &fact.Fact{Kind: fact.Worker, SID: c.world.Agents[0].SID}
	for _, r := range k.records {
		d, err := Decode(r)
		if err != nil {
			t.Fatalf("%s: %v", r.Type, err)
		}
		for _, f := range d.Facts {
			if f.Key() == agent.Key() {
				agent.Merge(f)
			}
		}
	}
	if got := agent.Parts[fact.WorkerChannel+"chat"].Values[fact.Capacity].V; got != world.Capacity("chat") {
		t.Errorf("chats at once %v, want %d", got, world.Capacity("chat"))
	}
}

// TestChannelsThatFailAreReadAgain does not move on when one agent's cannot be read.
func TestChannelsThatFailAreReadAgain(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 4, Agents: 5, Contacts: 5}, twiliosim.Options{}, Options{WorkerChannels: true})
	k := newKept()
	if err := c.source.Fetch(t.Context(), QueuesStream, "", k.keep); err != nil { // discovers
		t.Fatal(err)
	}
	c.sim.FailNext(twiliosim.NoFault, 3) // the agents and two of their channels
	c.sim.FailNext(twiliosim.BadGateway, tries)
	if err := c.source.Fetch(t.Context(), WorkersStream, "", k.keep); err == nil {
		t.Fatal("no error though channels could not be read")
	}
	k.fetch(t, c.source, WorkersStream)
	if got := c.calls("/Channels"); got < 7 {
		t.Errorf("%d reads of channels: they were not read again", got)
	}
}

// TestEventsTellOfChannels, in the words of callbacks and of Event Streams.
func TestEventsTellOfChannels(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"as text":    `"worker_channel_available":"false","worker_channel_available_capacity":"50"`,
		"as numbers": `"worker_channel_available":false,"worker_channel_available_capacity":50`,
	} {
		d, err := Decode(record.Record{Via: record.Poll, Type: "worker.capacity.update", Body: []byte(
			`{"sid":"EV1","event_type":"worker.capacity.update","event_date":"2026-11-20T12:00:00Z","event_data":{"worker_sid":"WK1","task_channel_unique_name":"voice",` + body + `}}`)})
		if err != nil || len(d.Facts) != 1 {
			t.Fatalf("%s: %+v, %v", name, d, err)
		}
		part := d.Facts[0].Parts[fact.WorkerChannel+"voice"]
		if part.Values[fact.Available].V != false || part.Values[fact.FreeCapacity].V != 50 {
			t.Errorf("%s: %+v", name, part)
		}
	}
}

// TestStatistics reads both kinds, across a page that is lost, and refuses an answer
// that is something else.
func TestStatistics(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 4, Agents: 5, Contacts: 60}, twiliosim.Options{}, Options{})
	start := c.world.Options().Start
	c.sim.SetFaults(twiliosim.Faults{TooManyRequests: 0.2, BadGateway: 0.2, Reset: 0.1, UnknownFields: 1})
	got, err := c.source.FetchQueueStatistics(t.Context(), start, start.Add(24*time.Hour))
	for err != nil { // four tries may all fail
		got, err = c.source.FetchQueueStatistics(t.Context(), start, start.Add(24*time.Hour))
	}
	entered := int64(0)
	for _, q := range got {
		entered += ReadCounts(q.Cumulative, "tasks_entered")[0]
	}
	if len(got) != len(c.world.Queues) || entered == 0 {
		t.Errorf("%d queues with %d tasks", len(got), entered)
	}
	c.sim.SetFaults(twiliosim.Faults{})
	body, err := c.source.FetchWorkerStatistics(t.Context(), start, start.Add(24*time.Hour))
	if err != nil || ReadCounts(body, "reservations_created", "no_such")[0] == 0 {
		t.Errorf("worker statistics %s, %v", body, err)
	}
	if n := ReadWaiting([]byte(`{"tasks_by_status":{"pending":"2","reserved":1,"assigned":9}}`)); n != 3 {
		t.Errorf("%d waiting, want 3", n)
	}
	if n := ReadCounts([]byte(`[]`), "a"); n[0] != 0 {
		t.Errorf("counts of nothing: %v", n)
	}
}
