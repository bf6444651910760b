package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// MessageType is the type of the record of one message.
const MessageType = "message"

// messageHead is what is needed to know of a message.
type messageHead struct {
	SID          scalar `json:"sid"`
	Conversation scalar `json:"conversation_sid"`
	Index        scalar `json:"index"`
	DateCreated  scalar `json:"date_created"`
}

// seenIndex is how far the messages of a conversation were handed over, and when.
type seenIndex struct {
	index int
	at    time.Time
}

// messageRecords reads the messages of a conversation that were not handed over yet,
// newest first until one that was, because there is no way to ask from an index on
// (facts/twilio.md 2.5). Of a conversation that was never read, those before since are
// left out; the zero time asks for all of them, as a backfill does, whatever was handed
// over. The records are in the order of the index and must be kept all at once: that one
// is kept says that all before it are.
func (s *Source) messageRecords(ctx context.Context, service, sid string, since time.Time) ([]record.Record, error) {
	if !s.o.Messages {
		return nil, nil
	}
	through, known, err := s.polledIndex(ctx, sid)
	if err != nil {
		return nil, err
	}
	if known = known && !since.IsZero(); known {
		since = time.Time{}
	}
	first := withQuery(conversationURL(service, sid)+"/Messages", url.Values{"Order": {"desc"}, "PageSize": {conversationsPage}})
	var records []record.Record
	for left := restarts; ; left-- {
		records = nil
		err = s.client.walk(ctx, first, "messages", func(p page) (bool, error) {
			for _, raw := range p.rows {
				var h messageHead
				readHead(raw, &h)
				index, at := indexOf(h.Index), firstTime(p.date, string(h.DateCreated))
				if known && index <= through || at.Before(since) {
					return false, nil
				}
				records = append(records, s.messageRecord(raw, h, at))
			}
			return true, nil
		})
		if !errors.Is(err, errPageLost) || left == 0 {
			break
		}
	}
	if failure.ReasonOf(err) == failure.Gone && !errors.Is(err, errPageLost) {
		return nil, nil // the conversation was deleted meanwhile
	}
	slices.Reverse(records)
	return records, err
}

// messageRecord makes the record of a message. A message that is edited is the same
// record: nothing that is kept of it changes.
func (s *Source) messageRecord(raw json.RawMessage, h messageHead, at time.Time) record.Record {
	return s.redactor.Redact(record.Record{
		Key: string(h.SID), Stream: MessagesStream, Type: MessageType, At: at, Via: record.Poll, Body: raw,
	})
}

// polledIndex is up to which index a conversation's messages were handed over: memory
// knows, else the store. Each says at most too little, which costs some reads.
func (s *Source) polledIndex(ctx context.Context, sid string) (int, bool, error) {
	s.mu.Lock()
	seen, known := s.indexes[sid]
	s.mu.Unlock()
	if known || s.o.PolledIndex == nil {
		return seen.index, known, nil
	}
	index, known, err := s.o.PolledIndex(ctx, sid)
	if err != nil {
		return 0, false, fmt.Errorf("load how far messages were read: %w", err)
	}
	return index, known, nil
}

// rememberMessages notes which messages were kept.
func (s *Source) rememberMessages(records []record.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range records {
		if records[i].Type != MessageType {
			continue
		}
		var h messageHead
		readHead(records[i].Body, &h)
		index, sid := indexOf(h.Index), string(h.Conversation)
		if seen, known := s.indexes[sid]; !known || seen.index < index {
			s.indexes[sid] = seenIndex{index, s.o.Clock()}
		}
	}
}

// forgetMessages forgets conversations whose messages were not handed over lately.
func (s *Source) forgetMessages() {
	before := s.o.Clock().Add(-askedFor)
	s.mu.Lock()
	defer s.mu.Unlock()
	for sid, seen := range s.indexes {
		if seen.at.Before(before) {
			delete(s.indexes, sid)
		}
	}
}

// keepMessages hands over the new messages of an open conversation.
func (s *Source) keepMessages(ctx context.Context, service, sid string, keep func(record.Page) error) error {
	records, err := s.messageRecords(ctx, service, sid, s.messagesSince())
	if err != nil || len(records) == 0 {
		return err
	}
	if err := keep(record.Page{Stream: ConversationsStream, Records: records}); err != nil {
		return err
	}
	s.rememberMessages(records)
	return nil
}

// messagesSince is how far back the messages of an old thread are read the first time.
func (s *Source) messagesSince() time.Time {
	return s.client.clock.now().Add(-s.o.InitialLookback)
}
