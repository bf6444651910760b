package twilio

import (
	"strconv"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// decodeWorkerChannel reads a row of an agent's Channels list: how many tasks of a
// channel the agent may have at once.
func decodeWorkerChannel(r record.Record) (Decoded, error) {
	row, err := readFields(r.Body)
	if err != nil {
		return Decoded{}, err
	}
	f := &fact.Fact{Kind: fact.Worker, SID: row.text("worker_sid")}
	if f.SID == "" || row.text("task_channel_unique_name") == "" {
		return Decoded{Ignored: ignoredSetup}, nil
	}
	part := fact.WorkerChannel + row.text("task_channel_unique_name")
	if n, err := strconv.Atoi(row.text("configured_capacity")); err == nil {
		f.SetPartValue(part, fact.Capacity, n, r.At)
	}
	setChannelState(f, part, row.text("available"), row.text("available_capacity_percentage"), r.At)
	return Decoded{Facts: []*fact.Fact{f}}, nil
}

// channel is what an event tells of a channel of the agent (facts/twilio.md 1.5). The
// capacity that is configured is in none.
func (e *event) channel(f *fact.Fact) {
	if name := e.get("task_channel_unique_name"); name != "" {
		setChannelState(f, fact.WorkerChannel+name, e.get("worker_channel_available"), e.get("worker_channel_available_capacity"), e.at)
	}
}

func setChannelState(f *fact.Fact, part, available, free string, at time.Time) {
	if yes, err := strconv.ParseBool(available); err == nil {
		f.SetPartValue(part, fact.Available, yes, at)
	}
	if n, err := strconv.Atoi(free); err == nil {
		f.SetPartValue(part, fact.FreeCapacity, n, at)
	}
}
