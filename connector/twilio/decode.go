package twilio

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/rawjson"
	"flexbrevo/connector/record"
)

// Decoded is what one record tells.
type Decoded struct {
	// Facts to merge; several may have the same key.
	Facts []*fact.Fact
	// Ignored says why the record tells nothing; empty otherwise.
	Ignored string
	// Omissions are parts that could not be read.
	Omissions []record.Omission
	// Hints are things worth reading at once because of this record.
	Hints []Hint
	// Raw are event types that no state of a fact stands for.
	Raw []RawEvent
	// Spells are stretches of an agent's activity that have ended.
	Spells []Spell
}

// RawEvent is a TaskRouter or Conversations event that a rule may want.
type RawEvent struct {
	Fact fact.Key
	Type string
	Key  string
}

// Why a record tells nothing.
const (
	ignoredUnknown        = "unknown event type"
	ignoredSetup          = "tells of the workspace, not of a customer, an agent or a queue"
	ignoredNoTask         = "names no task"
	ignoredHint           = "a hint: what it is about is read from Twilio"
	ignoredNoHint         = "names neither a task nor a reservation"
	ignoredNoConversation = "names no conversation"
	ignoredUser           = "tells of a chat user only"
	ignoredDelivery       = "tells of a message's delivery only"
	ignoredTestEvent      = "a test event"
	ignoredRateLimit      = "tells of Twilio's own rate limits, which the budget has taken note of"
	ignoredNoAnswer       = "a survey without a score or a comment"
)

var (
	errNotObject = errors.New("the body is not a JSON object")
	errNotForm   = errors.New("the body is not a form")
)

// Decode turns one record into what it tells of facts, by the way it came in. The
// same event gives equal facts whichever way that was. An error means that the
// record can never be decoded; its text holds nothing of the record.
//
// What it returns is no part of the record's body.
//
// Where messages are not read, what a webhook tells of one is left out: no rule asks for
// it, and every message would make its conversation's fact longer.
func (s *Source) Decode(r record.Record) (Decoded, error) {
	d, err := s.memo.record(r)
	if !s.o.Messages {
		for _, f := range d.Facts {
			if f.Kind == fact.Conversation {
				withoutMessages(f)
			}
		}
	}
	return d, err
}

// Decode is Source.Decode without a source: decoding needs nothing but the record. Without a
// memory what it returns has parts of the body, which therefore is one of its own.
func Decode(r record.Record) (Decoded, error) {
	var none *memo
	r.Body = bytes.Clone(r.Body)
	return none.record(r)
}

// record decodes a record with what is remembered.
func (m *memo) record(r record.Record) (Decoded, error) {
	d, err := decode(r, m)
	if err != nil {
		return Decoded{}, fmt.Errorf("decode %s record: %w", r.Via, err)
	}
	return d, nil
}

func decode(r record.Record, m *memo) (Decoded, error) {
	if r.Damage != "" {
		return Decoded{}, errors.New(r.Damage)
	}
	switch r.Via {
	case record.Plugin:
		return decodePlugin(r)
	case record.Post:
		return decodeSurvey(r)
	case record.Callback:
		return decodeCallback(r, m)
	case record.EventStreams:
		return decodeCloudEvent(r, m)
	}
	switch r.Type {
	case TaskType:
		return decodeTask(r)
	case ConversationType:
		return decodeConversation(r)
	case ConversationGoneType:
		return decodeGone(r)
	case MessageType:
		return decodeMessage(r)
	case ChatChannelType:
		return decodeChatChannel(r)
	case InteractionType:
		return decodeInteraction(r)
	case WorkerType:
		return decodeWorker(r)
	case WorkerChannelType:
		return decodeWorkerChannel(r)
	case QueueType:
		return decodeQueue(r)
	case SyncDisposition, SyncSurvey, SyncCustomer:
		return decodeSync(r)
	}
	return decodeRestEvent(r, m)
}

// decodeCallback tells TaskRouter's form from one of Conversations, whose types
// are words like onMessageAdded.
func decodeCallback(r record.Record, m *memo) (Decoded, error) {
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return Decoded{}, errNotForm
	}
	if kind := form.Get("EventType"); strings.HasPrefix(kind, "on") {
		return decodeConversationEvent(r, form)
	}
	return callbackEvent(r, form, m).decode()
}

// fields are the members of a JSON object, decoded one by one when asked for. They
// are few, so that looking through them costs less than a map.
type fields []rawjson.Member

func readFields[T ~string | ~[]byte](text T) (fields, error) {
	f, err := rawjson.Members(string(text), fields{})
	if err != nil {
		return nil, errNotObject
	}
	return f, nil
}

// UnmarshalJSON implements json.Unmarshaler; what is no object has no fields.
func (f *fields) UnmarshalJSON(b []byte) error {
	*f, _ = readFields(b)
	return nil
}

// raw returns a member as JSON, empty when there is none.
func (f fields) raw(name string) string { return rawjson.Find(f, name) }

// text returns a member as text, see scalar.
func (f fields) text(name string) string { return textOf(f.raw(name)) }

// attributes decodes attributes, which are a string of JSON or an object. It says
// no when there is something that is no object. Nothing, null and what Twilio
// blanks after 30 days are fine and tell nothing (facts/twilio.md 1.3).
func attributes(text string) (map[string]any, bool) {
	text = strings.TrimSpace(text)
	if text == "" || text == "null" || isRedacted(text) {
		return nil, true
	}
	v, err := rawjson.Decode(text)
	if err != nil {
		return nil, false
	}
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case nil:
		return nil, true
	case string: // encoded twice, as some plugins do
		if !strings.HasPrefix(strings.TrimSpace(v), "{") {
			return nil, isRedacted(v) || strings.TrimSpace(v) == ""
		}
		return attributes(v)
	}
	return nil, false
}

// isRedacted knows the word in whatever brackets.
func isRedacted(s string) bool {
	return strings.EqualFold(strings.Trim(strings.TrimSpace(s), `"<>[](){}* `), "redacted")
}
