package twilio

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// ChatChannelsStream holds the channels of legacy chat, where an account has any
// (facts/twilio.md 3.3).
const ChatChannelsStream = "chat_channels"

// ChatChannelType is the type of the record of one legacy chat channel.
const ChatChannelType = "chat_channel"

const (
	flexURL = "https://flex-api.twilio.com/v1"
	// The list has no filter, so it is read rarely: more so where it was empty.
	chatChannelsEvery   = time.Hour
	noChatChannelsEvery = 24 * time.Hour
)

// chatChannelsCursor is when the list was last read, and how many it had.
type chatChannelsCursor struct {
	At    time.Time `json:"at"`
	Found int       `json:"found"`
}

func (c chatChannelsCursor) due(now time.Time) bool {
	every := chatChannelsEvery
	if c.Found == 0 {
		every = noChatChannelsEvery
	}
	return now.Sub(c.At) >= every || now.Before(c.At)
}

// fetchChatChannels reads the whole list and hands over the channels that were made since
// it was read before, less a day; the first time since the initial lookback. What an
// account does not have, or a key may not read, is none.
func (s *Source) fetchChatChannels(ctx context.Context, from record.Cursor, keep func(record.Page) error) error {
	var cur chatChannelsCursor
	if err := decodeCursor(from, &cur); err != nil {
		return err
	}
	now := s.o.Clock()
	if !cur.due(now) {
		return nil
	}
	since := cur.At.Add(-day)
	if cur.At.IsZero() {
		since = s.client.clock.now().Add(-s.o.InitialLookback)
	}
	cur = chatChannelsCursor{At: now}
	first := withQuery(flexURL+"/Channels", url.Values{"PageSize": {pageSizeText}})
	err := s.client.walkAgain(ctx, first, "flex_chat_channels", func(p page) (bool, error) {
		out := record.Page{Stream: ChatChannelsStream}
		for _, raw := range p.rows {
			if r, fresh := s.chatChannelRecord(raw, since); fresh {
				out.Records = append(out.Records, r)
			}
		}
		cur.Found += len(p.rows)
		return true, keep(out)
	})
	if reason := failure.ReasonOf(err); reason == failure.Gone || reason == failure.Forbidden {
		s.log.DebugContext(ctx, "legacy chat channels not read", "err", err)
		err = nil
	}
	if err != nil {
		return err
	}
	return keep(record.Page{Stream: ChatChannelsStream, Cursor: encodeCursor(cur)})
}

// chatChannelRecord makes the record of a channel, and says whether it is young enough.
func (s *Source) chatChannelRecord(raw json.RawMessage, since time.Time) (r record.Record, fresh bool) {
	var h listHead
	readHead(raw, &h)
	created := firstTime(time.Unix(0, 0).UTC(), string(h.DateCreated))
	if created.Before(since) {
		return record.Record{}, false
	}
	return s.redactor.Redact(record.Record{
		Key: "chat:" + string(h.SID) + ":" + contentHash(raw), Stream: ChatChannelsStream, Type: ChatChannelType,
		At: firstTime(created, string(h.DateUpdated)), Via: record.Poll, Body: raw,
	}), true
}
