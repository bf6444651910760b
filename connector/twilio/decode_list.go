package twilio

import (
	"strconv"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// decodeTask reads a snapshot of a task. Its dates are whole seconds, which would
// put moments before the events that mark them, so it tells no moments; those are
// in the events that were read with it.
func decodeTask(r record.Record) (Decoded, error) {
	row, err := readFields(r.Body)
	if err != nil {
		return Decoded{}, err
	}
	sid := row.text("sid")
	if sid == "" {
		return Decoded{Ignored: ignoredNoTask}, nil
	}
	f := &fact.Fact{Kind: fact.Task, SID: sid}
	at := firstTime(r.At, row.text("date_updated"))
	setRow(f, row, at, [][2]string{
		{fact.Channel, "task_channel_unique_name"},
		{fact.ChannelSID, "task_channel_sid"},
		{fact.QueueName, "task_queue_friendly_name"},
		{fact.QueueSID, "task_queue_sid"},
		{fact.Workflow, "workflow_friendly_name"},
		{fact.WorkflowSID, "workflow_sid"},
		{fact.State, "assignment_status"},
	})
	switch row.text("assignment_status") {
	case "completed":
		f.SetValue(fact.CompletedReason, row.text("reason"), at)
	case "canceled":
		f.SetValue(fact.CanceledReason, row.text("reason"), at)
	}
	if n, err := strconv.Atoi(row.text("priority")); err == nil {
		f.SetValue(fact.Priority, n, at)
	}
	setAttributes(f, row.text("attributes"), at)
	return Decoded{Facts: []*fact.Fact{f}}, nil
}

func setRow(f *fact.Fact, row fields, at time.Time, names [][2]string) {
	for _, v := range names {
		f.SetValue(v[0], row.text(v[1]), at)
	}
}

// decodeWorker reads a row of the Workers list.
func decodeWorker(r record.Record) (Decoded, error) {
	return decodeRow(r, fact.Worker, [][2]string{{fact.FriendlyName, "friendly_name"}, {fact.State, "activity_name"}})
}

// decodeQueue reads a row of the TaskQueues list.
func decodeQueue(r record.Record) (Decoded, error) {
	return decodeRow(r, fact.Queue, [][2]string{{fact.FriendlyName, "friendly_name"}})
}

func decodeRow(r record.Record, kind fact.Kind, names [][2]string) (Decoded, error) {
	row, err := readFields(r.Body)
	if err != nil {
		return Decoded{}, err
	}
	sid := row.text("sid")
	if sid == "" {
		return Decoded{Ignored: ignoredSetup}, nil
	}
	f := &fact.Fact{Kind: kind, SID: sid}
	if created, ok := parseTime(row.text("date_created")); ok {
		f.SetTime(fact.Created, created)
	}
	setRow(f, row, r.At, names)
	setAttributes(f, row.text("attributes"), r.At)
	return Decoded{Facts: []*fact.Fact{f}}, nil
}
