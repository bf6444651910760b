package twilio

import (
	"encoding/json"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// decodeInteraction reads an interaction: it joins its tasks to it and to the agents who
// took part for them (facts/twilio.md 3.2). Participants have no dates, so it tells no
// moments.
func decodeInteraction(r record.Record) (Decoded, error) {
	var body interactionBody
	if !readHead(r.Body, &body) || body.SID == "" {
		return Decoded{}, errNotObject
	}
	i := &interaction{sid: body.SID, at: r.At, tasks: map[string]*fact.Fact{}}
	for _, task := range body.Tasks {
		f := i.task(task)
		f.SetValue(fact.InteractionRead, true, i.at)
		if len(body.Channels) == 1 {
			i.channel(f, body.Channels[0])
		}
	}
	for _, c := range body.Channels {
		for _, raw := range c.Participants {
			i.participant(c, raw)
		}
	}
	return Decoded{Facts: i.facts}, nil
}

// interaction collects what a record tells of its tasks.
type interaction struct {
	sid   string
	at    time.Time
	tasks map[string]*fact.Fact
	facts []*fact.Fact // in the order of the record
}

func (i *interaction) task(sid string) *fact.Fact {
	f, known := i.tasks[sid]
	if !known {
		f = &fact.Fact{Kind: fact.Task, SID: sid}
		f.SetValue(fact.InteractionSID, i.sid, i.at)
		i.tasks[sid], i.facts = f, append(i.facts, f)
	}
	return f
}

func (i *interaction) channel(f *fact.Fact, c interactionChannel) {
	channel, err := readFields(c.Channel)
	if err != nil {
		return
	}
	f.SetValue(fact.InteractionChannel, channel.text("type"), i.at)
	f.SetValue(fact.InteractionState, channel.text("status"), i.at)
}

// participant joins an agent to the task that brought them in. Customers have no task.
func (i *interaction) participant(c interactionChannel, raw json.RawMessage) {
	p, err := readFields(raw)
	if err != nil {
		return
	}
	routing := nested(p, "routing_properties")
	task, sid := routing.text("task_sid"), p.text("sid")
	if !isSID(task, "WT") || sid == "" {
		return
	}
	f := i.task(task)
	i.channel(f, c)
	part := fact.Member + sid
	f.SetPartValue(part, fact.MemberType, p.text("type"), i.at)
	f.SetPartValue(part, fact.WorkerSID, routing.text("worker_sid"), i.at)
	f.SetPartValue(part, fact.ReservationSID, routing.text("reservation_sid"), i.at)
}
