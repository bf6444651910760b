package twilio

import (
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// message is one message of a conversation, however it came in.
type message struct {
	sid, index, author, participant, body string
	created                               time.Time // zero where it is not told
	at                                    time.Time // of what is told
}

// decodeMessage reads a message as polling keeps it (facts/twilio.md 2.3). Only polling
// says how far the messages were read without a gap.
func decodeMessage(r record.Record) (Decoded, error) {
	row, err := readFields(r.Body)
	if err != nil {
		return Decoded{}, err
	}
	conversation := row.text("conversation_sid")
	if conversation == "" || row.text("sid") == "" {
		return Decoded{Ignored: ignoredNoConversation}, nil
	}
	f := &fact.Fact{Kind: fact.Conversation, SID: conversation}
	created := firstTime(r.At, row.text("date_created"))
	setMessage(f, message{
		sid: row.text("sid"), index: row.text("index"), author: row.text("author"),
		participant: row.text("participant_sid"), body: row.text("body"), created: created, at: created,
	})
	f.SetValue(fact.PolledIndex, indexOf(scalar(row.text("index"))), created)
	return Decoded{Facts: []*fact.Fact{f}}, nil
}

// message is what a webhook tells of a message. An edit changes its text, which is
// all that an edit is needed for.
func (e conversationEvent) message(f *fact.Fact) {
	m := message{sid: e.get("MessageSid"), body: e.get("Body")}
	m.at = firstTime(e.record.At, e.get("DateUpdated"), e.get("DateCreated"))
	if e.kind == "onMessageAdded" {
		m.created = firstTime(e.record.At, e.get("DateCreated"))
		m.index, m.author, m.participant = e.get("Index"), e.get("Author"), e.get("ParticipantSid")
	}
	setMessage(f, m)
}

// setMessage notes a message on its conversation. Its text is there only where it was
// kept because a rule reads it.
func setMessage(f *fact.Fact, m message) {
	if m.sid == "" {
		return
	}
	part := fact.Message + m.sid
	f.SetPartTime(part, fact.Created, m.created)
	if m.index != "" {
		f.SetPartValue(part, fact.Index, indexOf(scalar(m.index)), m.at)
	}
	f.SetPartValue(part, fact.Author, m.author, m.at)
	f.SetPartValue(part, fact.ParticipantSID, m.participant, m.at)
	f.SetPartValue(part, fact.Body, m.body, m.at)
}

// withoutMessages takes the messages out of a conversation's fact.
func withoutMessages(f *fact.Fact) {
	for name := range f.Parts {
		if strings.HasPrefix(name, fact.Message) {
			delete(f.Parts, name)
		}
	}
	delete(f.Values, fact.PolledIndex)
}

// indexOf reads an index; 0 for what is none.
func indexOf(s scalar) int {
	n, err := strconv.ParseInt(string(s), 10, 32)
	if err != nil {
		return 0
	}
	return int(n)
}
