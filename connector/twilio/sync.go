package twilio

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// SyncStream holds the items of Twilio Sync that the configuration names.
const SyncStream = "sync"

// Types of the records of the sync stream: what an item is.
const (
	SyncDisposition = "sync.disposition"
	SyncSurvey      = "sync.survey"
	SyncCustomer    = "sync.customer"
)

const (
	syncURL  = "https://sync.twilio.com/v1/Services/"
	syncPage = "100" // the maximum (facts/twilio.md 5)
)

// SyncObject is one map, list or document of Twilio Sync.
type SyncObject struct {
	// Service is a Sync service's SID, or "default".
	Service string
	// Map, List or Document is the object's unique name or SID; one of them is set.
	Map, List, Document string
	// Type says what its items are: one of the Sync types.
	Type string
}

// name tells objects apart, whatever they are.
func (o SyncObject) name() string {
	switch {
	case o.Map != "":
		return o.Service + "/map/" + o.Map
	case o.List != "":
		return o.Service + "/list/" + o.List
	}
	return o.Service + "/document/" + o.Document
}

// syncBody is the body of an item's record: whose it is, and Twilio's own answer.
type syncBody struct {
	Object string          `json:"object"`
	Item   json.RawMessage `json:"item"`
}

// syncHead is what needs to be known of an item.
type syncHead struct {
	Key         scalar `json:"key"`
	Index       scalar `json:"index"`
	SID         scalar `json:"sid"`
	Revision    scalar `json:"revision"`
	DateCreated scalar `json:"date_created"`
	DateUpdated scalar `json:"date_updated"`
}

// version tells the states of one item apart. An item that was removed and made
// again starts with the first revision anew, so its creation is part of it.
func (h syncHead) version() string {
	return string(h.Revision) + "@" + string(h.DateCreated) + "@" + string(h.DateUpdated)
}

// fetchSync reads every object whole and hands over the items that are not what
// they were: no list of Sync tells what has changed (facts/twilio.md 5). An item
// that vanished, because it expired or was removed, takes nothing back. One object
// that cannot be read does not stop the others.
func (s *Source) fetchSync(ctx context.Context, keep func(record.Page) error) error {
	if _, err := s.Discover(ctx); err != nil { // the first proof of the credentials, and Twilio's clock
		return err
	}
	began := s.client.clock.now()
	var first error
	for _, object := range s.o.SyncObjects {
		err := s.fetchSyncObject(ctx, object, keep)
		if failure.ReasonOf(err) == failure.Gone { // not made yet, or the last item expired with it
			s.log.WarnContext(ctx, "sync object does not exist", "object", object.name())
			continue
		}
		if err != nil && first == nil {
			first = fmt.Errorf("sync object %s: %w", object.name(), err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if first != nil {
		return first
	}
	return keep(record.Page{Stream: SyncStream, Cursor: encodeCursor(map[string]time.Time{"at": began}), Through: began})
}

func (s *Source) fetchSyncObject(ctx context.Context, o SyncObject, keep func(record.Page) error) error {
	base := syncURL + segment(o.Service)
	if o.Document != "" {
		a, err := s.client.get(ctx, base+"/Documents/"+segment(o.Document))
		if err != nil {
			return err
		}
		return s.keepSync(o, []json.RawMessage{a.body}, keep)
	}
	path := "/Maps/" + segment(o.Map)
	if o.List != "" {
		path = "/Lists/" + segment(o.List)
	}
	first := withQuery(base+path+"/Items", url.Values{"PageSize": {syncPage}})
	return s.client.walkAgain(ctx, first, "items", func(p page) (bool, error) {
		return true, s.keepSync(o, p.rows, keep)
	})
}

// keepSync hands over those items of a page that are not what they were when they
// were last handed over by this process; the store knows the others by their keys.
func (s *Source) keepSync(o SyncObject, rows []json.RawMessage, keep func(record.Page) error) error {
	out := record.Page{Stream: SyncStream}
	seen := map[string]string{}
	for _, raw := range rows {
		var h syncHead
		if !readHead(raw, &h) {
			continue
		}
		id := o.name() + "/" + first(string(h.Key), string(h.Index), string(h.SID))
		if version := h.version(); !s.syncKnown(id, version) {
			body, err := marshal(syncBody{Object: o.name(), Item: raw})
			if err != nil {
				return &failure.Error{Op: "keep sync item", Reason: failure.Transient, Err: err}
			}
			seen[id] = version
			out.Records = append(out.Records, s.redactor.Redact(record.Record{
				Key: "sync:" + contentHash([]byte(id)) + ":" + contentHash([]byte(version)), Stream: SyncStream, Type: o.Type, Via: record.Poll, Body: body,
				At: firstTime(time.Unix(0, 0).UTC(), string(h.DateUpdated), string(h.DateCreated)),
			}))
		}
	}
	if len(out.Records) == 0 {
		return nil
	}
	if err := keep(out); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, version := range seen {
		s.synced[id] = version
	}
	return nil
}

func (s *Source) syncKnown(id, version string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.synced[id] == version
}
