package twilio

import (
	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// decodeChatChannel reads a legacy chat channel: it joins its task to the chat that the
// task was held in. Channels of Studio and of other systems name no task.
func decodeChatChannel(r record.Record) (Decoded, error) {
	row, err := readFields(r.Body)
	if err != nil {
		return Decoded{}, err
	}
	task, channel := row.text("task_sid"), row.text("sid")
	if !isSID(task, "WT") || !isSID(channel, "CH") {
		return Decoded{Ignored: ignoredNoTask}, nil
	}
	f := &fact.Fact{Kind: fact.Task, SID: task}
	f.SetValue(fact.ConversationSID, channel, r.At)
	return Decoded{Facts: []*fact.Fact{f}}, nil
}
