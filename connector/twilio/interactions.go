package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// InteractionsStream holds the interactions that tasks name. It is no list: Twilio has
// none (facts/twilio.md 3.2).
const InteractionsStream = "interactions"

// InteractionType is the type of the record of one interaction.
const InteractionType = "interaction"

const (
	interactionsURL = "https://flex-api.twilio.com/v1/Interactions/"
	// readFor is how long it is remembered that an interaction was read: its record may
	// not be digested yet.
	readFor = 5 * time.Minute
)

// DueInteraction is an interaction worth reading, with the tasks that named it.
type DueInteraction struct {
	SID   string
	Tasks []string
}

// interactionBody is the body of an interaction's record: who asked, and Twilio's own
// answers. Gone says that Twilio does not have it.
type interactionBody struct {
	SID      string               `json:"sid"`
	Tasks    []string             `json:"tasks"`
	Gone     bool                 `json:"gone,omitempty"`
	Channels []interactionChannel `json:"channels,omitempty"`
}

type interactionChannel struct {
	Channel      json.RawMessage   `json:"channel"`
	Participants []json.RawMessage `json:"participants"`
}

// fetchInteractions reads the interactions that are due, once when their task is new and
// once when it has ended. Invites are not read, because each stands for a task that names
// its interaction itself, and transfers cannot be: nothing tells their SIDs.
func (s *Source) fetchInteractions(ctx context.Context, keep func(record.Page) error) error {
	if s.o.DueInteractions == nil {
		return nil
	}
	due, err := s.o.DueInteractions(ctx, s.o.InteractionsAtOnce)
	if err != nil {
		return fmt.Errorf("load interactions to read: %w", err)
	}
	for _, one := range s.unread(due) {
		r, err := s.interactionRecord(ctx, one)
		if err != nil {
			return err
		}
		if err := keep(record.Page{Stream: InteractionsStream, Records: []record.Record{r}}); err != nil {
			return err
		}
		s.mu.Lock()
		s.interactions[one.SID] = s.o.Clock()
		s.mu.Unlock()
	}
	at := s.client.clock.now()
	return keep(record.Page{Stream: InteractionsStream, Cursor: encodeCursor(map[string]time.Time{"at": seconds(at)})})
}

// unread leaves out what was read a moment ago.
func (s *Source) unread(due []DueInteraction) []DueInteraction {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.o.Clock().Add(-readFor)
	for sid, at := range s.interactions {
		if at.Before(before) {
			delete(s.interactions, sid)
		}
	}
	var out []DueInteraction
	for _, one := range due {
		if _, recently := s.interactions[one.SID]; !recently && isSID(one.SID, "KD") {
			out = append(out, one)
		}
	}
	return out
}

// interactionRecord reads an interaction's channels with their participants. It is a
// record of its own each time that it is read, because that it was read is what its tasks
// wait for.
func (s *Source) interactionRecord(ctx context.Context, one DueInteraction) (record.Record, error) {
	body := interactionBody{SID: one.SID, Tasks: one.Tasks}
	base := interactionsURL + segment(one.SID) + "/Channels"
	channels, date, err := s.wholeList(ctx, base, "channels")
	if failure.ReasonOf(err) == failure.Gone {
		body.Gone, err, date = true, nil, s.client.clock.now()
	}
	if err != nil {
		return record.Record{}, err
	}
	for _, channel := range channels {
		var head listHead
		readHead(channel, &head)
		participants, _, err := s.wholeList(ctx, base+"/"+segment(string(head.SID))+"/Participants", "participants")
		if err != nil && failure.ReasonOf(err) != failure.Gone {
			return record.Record{}, err
		}
		body.Channels = append(body.Channels, interactionChannel{channel, participants})
	}
	raw, err := marshal(body)
	if err != nil {
		return record.Record{}, &failure.Error{Op: "keep interaction", Reason: failure.Transient, Err: err}
	}
	return s.redactor.Redact(record.Record{
		Key: one.SID + ":" + strconv.FormatInt(s.o.Clock().UnixMilli(), 10), Stream: InteractionsStream,
		Type: InteractionType, At: date, Via: record.Poll, Body: raw,
	}), nil
}

// wholeList reads a short list to its end, from its beginning where a page was lost. The
// date is that of the first page: what happened since may not be on it.
func (s *Source) wholeList(ctx context.Context, rawURL, key string) (all []json.RawMessage, date time.Time, err error) {
	first := withQuery(rawURL, url.Values{"PageSize": {pageSizeText}})
	for left := restarts; ; left-- {
		all, date = []json.RawMessage{}, time.Time{}
		err = s.client.walk(ctx, first, key, func(p page) (bool, error) {
			if date.IsZero() {
				date = p.date
			}
			all = append(all, p.rows...)
			return true, nil
		})
		if !errors.Is(err, errPageLost) || left == 0 {
			return all, date, err
		}
	}
}
