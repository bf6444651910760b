package twilio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// Types of the records of the conversations stream. A gone conversation was open
// when it was last read, and Twilio does not have it any more.
const (
	ConversationType     = "conversation"
	ConversationGoneType = "conversation.gone"
)

const (
	conversationsPage = "100" // the maximum (facts/twilio.md 2.2)
	// createdOverlap is how far before the cursor creations are looked at again.
	createdOverlap = time.Hour
	day            = 24 * time.Hour
	// listedFor is how long it is remembered that a conversation was handed over.
	listedFor = 3 * time.Hour
)

// conversationsCursor holds, by Conversations service, the moment through which
// new conversations are known.
type conversationsCursor struct {
	Services map[string]time.Time `json:"services"`
}

// conversationSeen is what was last handed over of a conversation.
type conversationSeen struct {
	created time.Time
	state   string
}

// conversationHead is what is needed to know of a conversation.
type conversationHead struct {
	SID         scalar `json:"sid"`
	State       scalar `json:"state"`
	Attributes  scalar `json:"attributes"`
	DateCreated scalar `json:"date_created"`
	DateUpdated scalar `json:"date_updated"`
}

func (h conversationHead) created() time.Time {
	return firstTime(time.Unix(0, 0).UTC(), string(h.DateCreated))
}

// fetchConversations lists what is new in each service, and then reads again some
// of what is open: no call tells what has changed (facts/twilio.md 2.5).
func (s *Source) fetchConversations(ctx context.Context, from record.Cursor, keep func(record.Page) error) error {
	d, err := s.Discover(ctx)
	if err != nil {
		return err
	}
	cur := conversationsCursor{Services: map[string]time.Time{}}
	if err := decodeCursor(from, &cur); err != nil {
		return err
	}
	for _, service := range d.services() {
		p := &newConversations{source: s, service: service, cur: cur, keep: keep}
		if err := p.fetch(ctx); err != nil {
			return err
		}
	}
	return s.fetchOpen(ctx, d.services(), keep)
}

// newConversations is one listing of what was created in a service.
type newConversations struct {
	source  *Source
	service string
	cur     conversationsCursor
	keep    func(record.Page) error
	upper   time.Time
}

// fetch lists windows of two days, oldest first, each beginning the day before the
// moment it goes on from, because the date filter works by days (facts/twilio.md
// 2.2). The last window has no end.
func (p *newConversations) fetch(ctx context.Context) error {
	now := p.source.client.clock.now()
	at, known := p.cur.Services[p.service]
	if !known {
		at = seconds(now.Add(-p.source.o.InitialLookback))
	}
	for {
		start := at.UTC().Truncate(day).Add(-day)
		end := start.Add(2 * day)
		q := url.Values{"StartDate": {start.Format(time.RFC3339)}, "PageSize": {conversationsPage}}
		last := !end.Before(now)
		if !last {
			q.Set("EndDate", end.Add(-time.Second).Format(time.RFC3339))
		}
		if err := p.window(ctx, q, at); err != nil {
			return err
		}
		if at = end; last {
			at = p.upper
		}
		if err := p.advance(at); err != nil || last {
			return err
		}
	}
}

// window walks one listing, newest first, until it is older than what is known.
func (p *newConversations) window(ctx context.Context, q url.Values, at time.Time) error {
	first := withQuery(conversationsURL+segment(p.service)+"/Conversations", q)
	limit := at.Add(-createdOverlap)
	p.upper = time.Time{}
	return p.source.client.walkAgain(ctx, first, "conversations", func(pg page) (bool, error) {
		if p.upper.IsZero() {
			p.upper = latest(at, seconds(pg.date.Add(-settle)))
		}
		fresh, more := p.source.unlisted(pg.rows, limit)
		records, err := p.source.conversationRecords(ctx, p.service, fresh, p.source.messagesSince())
		if err != nil {
			return false, err
		}
		if len(records) > 0 {
			if err := p.keep(record.Page{Stream: ConversationsStream, Records: records}); err != nil {
				return false, err
			}
			p.source.remember(fresh)
			p.source.rememberMessages(records)
		}
		return more, nil
	})
}

// advance hands over the cursor, once everything before it has been kept.
func (p *newConversations) advance(at time.Time) error {
	p.cur.Services[p.service] = at
	p.source.forget(at.Add(-listedFor))
	p.source.forgetMessages()
	return p.keep(record.Page{Stream: ConversationsStream, Cursor: encodeCursor(p.cur), Through: p.through()})
}

// through is the moment through which every listed service is known.
func (p *newConversations) through() time.Time {
	var through time.Time
	for _, at := range p.cur.Services {
		if through.IsZero() || at.Before(through) {
			through = at
		}
	}
	return through
}

// unlisted returns the rows created since limit that were not handed over in their
// present state, and whether older pages are of interest: some row was not older.
func (s *Source) unlisted(rows []json.RawMessage, limit time.Time) (fresh []json.RawMessage, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, raw := range rows {
		var h conversationHead
		readHead(raw, &h)
		if h.created().Before(limit) {
			continue
		}
		more = true
		if seen, ok := s.listed[string(h.SID)]; !ok || seen.state != string(h.State) {
			fresh = append(fresh, raw)
		}
	}
	return fresh, more
}

// remember notes what was handed over, so that the next listing does not read the
// participants again.
func (s *Source) remember(rows []json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, raw := range rows {
		var h conversationHead
		readHead(raw, &h)
		s.listed[string(h.SID)] = conversationSeen{created: h.created(), state: string(h.State)}
	}
}

func (s *Source) forget(before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sid, seen := range s.listed {
		if seen.created.Before(before) {
			delete(s.listed, sid)
		}
	}
}

// conversationRecords reads the participants of each conversation, and its messages
// since a moment where they are wanted, a few at a time, and makes the records. A
// conversation comes after its messages, so that its end is told with their number.
func (s *Source) conversationRecords(ctx context.Context, service string, rows []json.RawMessage, since time.Time) ([]record.Record, error) {
	made := make([][]record.Record, len(rows))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxInFlight)
	for i, raw := range rows {
		g.Go(func() error {
			var h conversationHead
			readHead(raw, &h)
			participants, err := s.fetchParticipants(ctx, service, string(h.SID))
			if err != nil {
				return err
			}
			messages, err := s.messageRecords(ctx, service, string(h.SID), since)
			if err != nil {
				return err
			}
			r, err := s.conversationRecord(raw, h, participants)
			made[i] = append(messages, r)
			return err
		})
	}
	err := g.Wait()
	return slices.Concat(made...), err
}

// fetchParticipants reads all participants of a conversation; one that is deleted
// meanwhile has none.
func (s *Source) fetchParticipants(ctx context.Context, service, sid string) ([]json.RawMessage, error) {
	first := withQuery(conversationURL(service, sid)+"/Participants", url.Values{"PageSize": {conversationsPage}})
	var all []json.RawMessage
	for left := restarts; ; left-- {
		all = []json.RawMessage{}
		err := s.client.walk(ctx, first, "participants", func(p page) (bool, error) {
			all = append(all, p.rows...)
			return true, nil
		})
		switch {
		case errors.Is(err, errPageLost) && left > 0:
			continue
		case failure.ReasonOf(err) == failure.Gone:
			return all, nil
		}
		return all, err
	}
}

func conversationURL(service, sid string) string {
	return conversationsURL + segment(service) + "/Conversations/" + segment(sid)
}

// conversationBody is the body of a conversation's record: Twilio's own answers.
type conversationBody struct {
	Conversation json.RawMessage   `json:"conversation"`
	Participants []json.RawMessage `json:"participants"`
}

// conversationRecord makes a record keyed by the conversation, its state and what
// it holds. date_updated is part of that, so that a thread that closes, opens and
// closes again is three records.
func (s *Source) conversationRecord(raw json.RawMessage, h conversationHead, participants []json.RawMessage) (record.Record, error) {
	body, err := marshal(conversationBody{Conversation: raw, Participants: participants})
	if err != nil {
		return record.Record{}, &failure.Error{Op: "keep conversation", Reason: failure.Transient, Err: err}
	}
	at := h.created()
	if h.State == "closed" {
		at = firstTime(at, string(h.DateUpdated))
	}
	parts := [][]byte{[]byte(h.Attributes), []byte(h.DateUpdated)}
	for _, p := range participants {
		parts = append(parts, identifying(p))
	}
	return s.redactor.Redact(record.Record{
		Key:    string(h.SID) + ":" + string(h.State) + ":" + contentHash(parts...),
		Stream: ConversationsStream, Type: ConversationType, At: at, Via: record.Poll, Body: body,
	}), nil
}

// identifying is what of a participant makes a difference to us: not how far they
// have read.
func identifying(raw []byte) []byte {
	var p struct {
		SID        scalar `json:"sid"`
		Identity   scalar `json:"identity"`
		Attributes scalar `json:"attributes"`
		Binding    scalar `json:"messaging_binding"`
	}
	readHead(raw, &p)
	return []byte(p.SID + "\x00" + p.Identity + "\x00" + p.Attributes + "\x00" + p.Binding)
}

// marshal is json.Marshal that leaves the source's bytes as they are written.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// openSeen is what an open conversation was when it was last read again.
type openSeen struct {
	at   time.Time
	head conversationHead
}

// askedFor is how long it is remembered what an open conversation was like.
const askedFor = 24 * time.Hour

// fetchOpen reads again some conversations that are not known to be closed.
func (s *Source) fetchOpen(ctx context.Context, services []string, keep func(record.Page) error) error {
	if s.o.OpenConversations == nil {
		return nil
	}
	now := s.o.Clock()
	before := now.Add(-s.o.ConversationEvery)
	// A conversation that did not change leaves no trace in the store, so it is asked
	// for beyond those that were read lately.
	open, err := s.o.OpenConversations(ctx, before, s.recentlyAsked(now, before)+s.o.ConversationsAtOnce)
	if err != nil {
		return fmt.Errorf("load open conversations: %w", err)
	}
	for _, sid := range s.dueOpen(open, before) {
		if err := s.readAgain(ctx, services, sid, keep); err != nil {
			return err
		}
	}
	return nil
}

// recentlyAsked forgets what was asked long ago and counts what was asked since.
func (s *Source) recentlyAsked(now, since time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	recent := len(s.vanished)
	for sid, seen := range s.asked {
		switch {
		case seen.at.Before(now.Add(-askedFor)):
			delete(s.asked, sid)
		case !seen.at.Before(since):
			recent++
		}
	}
	return recent
}

// dueOpen returns which open conversations to read in this pass.
func (s *Source) dueOpen(open []string, before time.Time) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []string
	for _, sid := range open {
		if seen, ok := s.asked[sid]; (ok && !seen.at.Before(before)) || s.vanished[sid] {
			continue
		}
		if due = append(due, sid); len(due) == s.o.ConversationsAtOnce {
			break
		}
	}
	return due
}

// readAgain reads one open conversation, and its participants only when it is not
// what it was. Messages do not show in what it is (facts/twilio.md 2.5).
func (s *Source) readAgain(ctx context.Context, services []string, sid string, keep func(record.Page) error) error {
	c, found, err := s.findConversation(ctx, services, sid)
	if err != nil {
		return err
	}
	if !found {
		return s.keepGone(sid, keep)
	}
	s.mu.Lock()
	last, known := s.asked[sid]
	s.mu.Unlock()
	if known && last.head == c.head {
		err = s.keepMessages(ctx, c.service, sid, keep)
	} else {
		err = s.keepConversation(ctx, c, keep)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[sid] = openSeen{at: s.o.Clock(), head: c.head}
	return nil
}

// foundConversation is a conversation and the service that has it.
type foundConversation struct {
	service string
	raw     json.RawMessage
	head    conversationHead
}

// findConversation reads a conversation in whichever service has it, and says
// whether one has.
func (s *Source) findConversation(ctx context.Context, services []string, sid string) (c foundConversation, found bool, err error) {
	for _, service := range services {
		a, err := s.client.get(ctx, conversationURL(service, sid))
		if failure.ReasonOf(err) == failure.Gone {
			continue
		}
		if err != nil {
			return foundConversation{}, false, err
		}
		c := foundConversation{service: service, raw: a.body}
		readHead(a.body, &c.head)
		return c, true, nil
	}
	return foundConversation{}, false, nil
}

// keepConversation hands a conversation over with its participants.
func (s *Source) keepConversation(ctx context.Context, c foundConversation, keep func(record.Page) error) error {
	records, err := s.conversationRecords(ctx, c.service, []json.RawMessage{c.raw}, s.messagesSince())
	if err != nil {
		return err
	}
	if err := keep(record.Page{Stream: ConversationsStream, Records: records}); err != nil {
		return err
	}
	s.rememberMessages(records)
	return nil
}

// keepGone says that a conversation does not exist any more. Its body is ours:
// Twilio has only a 404 to give.
func (s *Source) keepGone(sid string, keep func(record.Page) error) error {
	body, err := marshal(map[string]string{"sid": sid})
	if err != nil {
		return &failure.Error{Op: "keep conversation", Reason: failure.Transient, Err: err}
	}
	r := record.Record{
		Key: sid + ":gone", Stream: ConversationsStream, Type: ConversationGoneType,
		At: s.client.clock.now(), Via: record.Poll, Body: body,
	}
	if err := keep(record.Page{Stream: ConversationsStream, Records: []record.Record{r}}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vanished[sid] = true
	return nil
}
