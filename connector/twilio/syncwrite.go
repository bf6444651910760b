package twilio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/failure"
)

// States that a write to Sync runs into when somebody else was first; neither changed
// anything (facts/twilio.md 5).
var (
	// ErrSyncExists: there is an object of that name, or an item of that key, already.
	ErrSyncExists = errors.New("exists already")
	// ErrSyncChanged: it has another revision than the one named.
	ErrSyncChanged = errors.New("was changed meanwhile")
)

// What Sync takes (facts/twilio.md 5).
const (
	// MaxSyncData is the most bytes that the data of an item or a document may have.
	MaxSyncData = 16 << 10
	// MaxSyncMessage is the most bytes that a message to a stream may have.
	MaxSyncMessage = 4 << 10
	// MaxSyncName is the most characters of a name or a key.
	MaxSyncName = 320
)

const remedySync = "Check sync_publish.service: this account has no such Sync service."

// SyncPlace is an item of a map, or a document.
type SyncPlace struct {
	// Service is a Sync service's SID, or "default".
	Service string
	// Map is the unique name of the item's map; empty for a document.
	Map string
	// Key is the item's key, or the document's unique name. It has no slash: an item with one
	// could be made and not be read again.
	Key string
}

// SyncValue is what stands at a place.
type SyncValue struct {
	Data json.RawMessage
	// Revision names this state of it, until the next write.
	Revision string
}

// FetchSyncValue reads what stands at a place. Nothing there is failure.Gone.
func (s *Source) FetchSyncValue(ctx context.Context, p SyncPlace) (SyncValue, error) {
	a, err := s.client.get(ctx, p.url())
	if err != nil {
		return SyncValue{}, err
	}
	return readSyncValue(a.body)
}

// CreateSyncValue puts data at an empty place, for a time; 0 for ever. Where something
// stands there it is ErrSyncExists; where the map is missing, failure.Gone. It makes one
// call. A failure that is not the request's own (transient, unknown) may have happened:
// creating again tells.
func (s *Source) CreateSyncValue(ctx context.Context, p SyncPlace, data []byte, ttl time.Duration) (SyncValue, error) {
	form := url.Values{"Data": {string(data)}}
	if p.Map != "" {
		form.Set("Key", p.Key)
		form.Set("ItemTtl", wholeSeconds(ttl))
		return s.writeSync(ctx, http.MethodPost, p.mapURL()+"/Items", "", form)
	}
	form.Set("UniqueName", p.Key)
	form.Set("Ttl", wholeSeconds(ttl))
	return s.writeSync(ctx, http.MethodPost, syncURL+segment(p.Service)+"/Documents", "", form)
}

// UpdateSyncValue replaces what stands at a place, if it still has the revision; else it
// is ErrSyncChanged, or failure.Gone where nothing does any more. It makes one call; what
// may have happened all the same is found by its revision.
func (s *Source) UpdateSyncValue(ctx context.Context, p SyncPlace, data []byte, ttl time.Duration, revision string) (SyncValue, error) {
	form := url.Values{"Data": {string(data)}, "Ttl": {wholeSeconds(ttl)}}
	if p.Map != "" {
		form.Del("Ttl")
		form.Set("ItemTtl", wholeSeconds(ttl))
	}
	return s.writeSync(ctx, http.MethodPost, p.url(), revision, form)
}

// DeleteSyncValue empties a place. An empty one is no error.
func (s *Source) DeleteSyncValue(ctx context.Context, p SyncPlace) error {
	_, err := s.writeSync(ctx, http.MethodDelete, p.url(), "", nil)
	if failure.ReasonOf(err) == failure.Gone {
		return nil
	}
	return err
}

// MakeSyncMap makes a map; one that exists is no error. Where the service is missing it is
// failure.Gone.
func (s *Source) MakeSyncMap(ctx context.Context, service, name string) error {
	return s.makeSync(ctx, service, "Maps", name)
}

// MakeSyncStream makes a stream; one that exists is no error.
func (s *Source) MakeSyncStream(ctx context.Context, service, name string) error {
	return s.makeSync(ctx, service, "Streams", name)
}

func (s *Source) makeSync(ctx context.Context, service, kind, name string) error {
	_, err := s.writeSync(ctx, http.MethodPost, syncURL+segment(service)+"/"+kind, "", url.Values{"UniqueName": {name}})
	var fail *failure.Error
	switch {
	case errors.Is(err, ErrSyncExists):
		return nil
	case errors.As(err, &fail) && fail.Reason == failure.Gone:
		fail.Remedy = remedySync
	}
	return err
}

// SendSyncMessage sends a message to a stream. Nobody keeps it. Where the stream is
// missing it is failure.Gone.
func (s *Source) SendSyncMessage(ctx context.Context, service, stream string, data []byte) error {
	_, err := s.writeSync(ctx, http.MethodPost, syncURL+segment(service)+"/Streams/"+keySegment(stream)+"/Messages", "", url.Values{"Data": {string(data)}})
	return err
}

func (p SyncPlace) mapURL() string {
	return syncURL + segment(p.Service) + "/Maps/" + keySegment(p.Map)
}

func (p SyncPlace) url() string {
	if p.Map != "" {
		return p.mapURL() + "/Items/" + keySegment(p.Key)
	}
	return syncURL + segment(p.Service) + "/Documents/" + keySegment(p.Key)
}

// keySegment escapes a name as part of a path, the plus of a phone included: some read
// it as a space.
func keySegment(s string) string { return strings.ReplaceAll(url.PathEscape(s), "+", "%2B") }

func wholeSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// writeSync makes one call that changes something, under a revision where one is named.
// twilio-go would send the path as it is, with whatever a key holds (facts/twilio.md 11.4).
func (s *Source) writeSync(ctx context.Context, method, rawURL, revision string, form url.Values) (SyncValue, error) {
	req, err := http.NewRequestWithContext(ctx, method, rawURL, strings.NewReader(form.Encode()))
	if err != nil {
		return SyncValue{}, &failure.Error{Op: method + " sync", Reason: failure.Invalid, Err: errors.New("the URL cannot be parsed")}
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if revision != "" {
		req.Header.Set("If-Match", revision)
	}
	body, err := s.change(req)
	var fail *failure.Error
	if !errors.As(err, &fail) {
		if method == http.MethodDelete {
			return SyncValue{}, nil
		}
		return readSyncValue(body)
	}
	switch fail.Status {
	case http.StatusConflict:
		fail.Reason = failure.Transient
		return SyncValue{}, fmt.Errorf("%w: %w", ErrSyncExists, fail)
	case http.StatusPreconditionFailed:
		fail.Reason = failure.Transient
		return SyncValue{}, fmt.Errorf("%w: %w", ErrSyncChanged, fail)
	}
	return SyncValue{}, fail
}

// readSyncValue reads the answer to a read or a write. A write whose answer cannot be read
// was done; its revision is found by reading.
func readSyncValue(body []byte) (SyncValue, error) {
	var v struct {
		Data     json.RawMessage `json:"data"`
		Revision scalar          `json:"revision"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(body), &v); err != nil {
		return SyncValue{}, &failure.Error{Op: "read sync", Reason: failure.Transient, Status: http.StatusOK, Err: errNotJSON}
	}
	return SyncValue{Data: v.Data, Revision: string(v.Revision)}, nil
}
