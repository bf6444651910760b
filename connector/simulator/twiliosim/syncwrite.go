package twiliosim

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/simulator/world"
)

// Limits of Sync; facts/twilio.md 5.
const (
	largestSyncData    = 16 << 10
	largestSyncMessage = 4 << 10
	longestSyncName    = 320
	longestSyncTTL     = 31_536_000
	// syncBurst is the window, in seconds, whose writes may come at once.
	syncBurst = 10
	// heavySyncData is the size from which a write counts ten times: 2 a second were seen at 10 KiB.
	heavySyncData  = 10 << 10
	heavySyncWrite = 10
)

// SyncValue is an item of a map, or a document, that a client wrote.
type SyncValue struct {
	Data      json.RawMessage
	Revision  int
	CreatedAt time.Time
	UpdatedAt time.Time
	ExpiresAt time.Time // zero for never
}

// syncObject is a map, document or stream that a client made.
type syncObject struct {
	sid, name string
	kind      syncKind
	madeAt    time.Time
	value     SyncValue            // of a document
	items     map[string]SyncValue // of a map
	messages  []json.RawMessage    // of a stream
	bucket    bucket
}

// syncKind is what an object is, by its place in a path.
type syncKind string

const (
	syncMaps      syncKind = "Maps"
	syncDocuments syncKind = "Documents"
	syncStreams   syncKind = "Streams"
)

// syncs is what clients wrote to Sync, guarded by Server.mu.
type syncs struct {
	gone    bool
	objects []*syncObject
	made    bucket // creations and deletions of the service
}

// SyncItems returns what clients wrote to a map that they made, by key, as far as it has not expired.
func (s *Server) SyncItems(name string) map[string]SyncValue {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]SyncValue{}
	if o := s.syncs.find(syncMaps, name); o != nil {
		o.expire(s.Now())
		maps.Copy(out, o.items)
	}
	return out
}

// SyncDocuments returns the documents that clients wrote, by name, as far as they have not expired.
func (s *Server) SyncDocuments() map[string]SyncValue {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs.expire(s.Now())
	out := map[string]SyncValue{}
	for _, o := range s.syncs.objects {
		if o.kind == syncDocuments {
			out[o.name] = o.value
		}
	}
	return out
}

// SyncMessages returns the messages that were sent to a stream.
func (s *Server) SyncMessages(name string) []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.syncs.find(syncStreams, name); o != nil {
		return slices.Clone(o.messages)
	}
	return nil
}

// RemoveSync takes away everything that clients made, as somebody in the console of Twilio does; with gone
// set also the service itself, until it is called with false.
func (s *Server) RemoveSync(gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs = syncs{gone: gone}
}

func (k *syncs) find(kind syncKind, name string) *syncObject {
	for _, o := range k.objects {
		if o.kind == kind && (o.name == name || o.sid == name) {
			return o
		}
	}
	return nil
}

func (k *syncs) expire(now time.Time) {
	k.objects = slices.DeleteFunc(k.objects, func(o *syncObject) bool {
		return o.kind == syncDocuments && o.value.expired(now)
	})
}

func (o *syncObject) expire(now time.Time) {
	maps.DeleteFunc(o.items, func(_ string, v SyncValue) bool { return v.expired(now) })
}

func (v *SyncValue) expired(now time.Time) bool {
	return !v.ExpiresAt.IsZero() && !now.Before(v.ExpiresAt)
}

// routeSyncWrites serves what clients write. The world's own map stays as it is.
func (s *Server) routeSyncWrites() {
	const base = "/sync/v1/Services/{service}/"
	for _, kind := range []syncKind{syncMaps, syncDocuments, syncStreams} {
		s.writeSync("POST "+base+string(kind), http.StatusCreated, func(r *http.Request) (world.Fields, error) { return s.makeSync(r, kind) })
	}
	s.writeSync("POST "+base+"Documents/{name}", http.StatusOK, s.updateDocument)
	s.writeSync("DELETE "+base+"Documents/{name}", http.StatusNoContent, s.deleteDocument)
	s.writeSync("POST "+base+"Maps/{name}/Items", http.StatusCreated, s.createItem)
	s.writeSync("POST "+base+"Maps/{name}/Items/{key}", http.StatusOK, s.updateItem)
	s.writeSync("DELETE "+base+"Maps/{name}/Items/{key}", http.StatusNoContent, s.deleteItem)
	s.writeSync("POST "+base+"Streams/{name}/Messages", http.StatusCreated, s.sendMessage)
	s.get(base+"Documents/{name}", s.fetchDocument)
}

// writeSync serves a write as change does, and lets it fail in the ways of Sync: refused for its rate, or
// answered with an error although it was done.
func (s *Server) writeSync(pattern string, status int, handle func(*http.Request) (world.Fields, error)) {
	s.change(pattern, status, func(r *http.Request) (world.Fields, error) {
		if service := r.PathValue("service"); s.syncs.gone || service != s.world.SyncServiceSID && service != "default" {
			return nil, notFound(r)
		}
		if p := s.faults.SyncRefused; p > 0 && s.random.Float64() < p {
			return nil, syncRate(&s.faults)
		}
		s.syncs.expire(s.Now())
		body, err := handle(r)
		if p := s.faults.SyncLate; err == nil && p > 0 && s.random.Float64() < p {
			return nil, &Problem{Status: http.StatusServiceUnavailable, Code: 20503, Message: "Service Unavailable"}
		}
		return body, err
	})
}

func syncRate(f *Faults) error {
	return &Problem{Status: http.StatusTooManyRequests, Code: 54009, Message: "Rate limit exceeded", RetryAfter: f.RetryAfterSeconds}
}

// spendSync takes a write from a bucket that holds ten seconds of the rate.
func (s *Server) spendSync(b *bucket, cost float64) error {
	perSecond := s.faults.SyncWritesPerSecond
	if perSecond <= 0 {
		return nil
	}
	now := s.options.Wall()
	if b.filled.IsZero() {
		b.tokens = syncBurst * perSecond
	} else {
		b.tokens = min(b.tokens+perSecond*now.Sub(b.filled).Seconds(), syncBurst*perSecond)
	}
	b.filled = now
	if b.tokens < cost {
		return syncRate(&s.faults)
	}
	b.tokens -= cost
	return nil
}

// spendWrite takes a write of some bytes from an object.
func (s *Server) spendWrite(o *syncObject, data json.RawMessage) error {
	if len(data) >= heavySyncData {
		return s.spendSync(&o.bucket, heavySyncWrite)
	}
	return s.spendSync(&o.bucket, 1)
}

// syncData reads the data of a write.
func syncData(r *http.Request, largest int) (json.RawMessage, error) {
	text := r.PostForm.Get("Data")
	if len(text) > largest {
		return nil, &Problem{Status: http.StatusRequestEntityTooLarge, Code: 54006, Message: "Request entity too large"}
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return nil, badRequest(54008, "Invalid JSON")
	}
	return json.RawMessage(text), nil
}

// syncExpiry reads the time to live of a write: ItemTtl before Ttl.
func (s *Server) syncExpiry(r *http.Request) (time.Time, error) {
	text := r.PostForm.Get("ItemTtl")
	if text == "" {
		text = r.PostForm.Get("Ttl")
	}
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 || seconds > longestSyncTTL {
		return time.Time{}, badRequest(54011, "Invalid TTL")
	}
	if seconds == 0 {
		return time.Time{}, nil
	}
	return s.Now().Add(time.Duration(seconds) * time.Second), nil
}

// prefix is that of the kind's SIDs.
func (k syncKind) prefix() string {
	switch k {
	case syncMaps:
		return "MP"
	case syncDocuments:
		return "ET"
	}
	return "TO"
}

func (s *Server) makeSync(r *http.Request, kind syncKind) (world.Fields, error) {
	name := r.PostForm.Get("UniqueName")
	if len(name) > longestSyncName {
		return nil, badRequest(20001, "UniqueName is too long")
	}
	if name != "" && (s.syncs.find(kind, name) != nil || kind == syncMaps && name == world.SyncMap) {
		return nil, &Problem{Status: http.StatusConflict, Code: 54301, Message: "Unique name already exists"}
	}
	expires, err := s.syncExpiry(r)
	if err != nil {
		return nil, err
	}
	var data json.RawMessage
	if kind == syncDocuments {
		if data, err = syncData(r, largestSyncData); err != nil {
			return nil, err
		}
	}
	if err := s.spendSync(&s.syncs.made, 1); err != nil {
		return nil, err
	}
	now := s.Now()
	o := &syncObject{sid: s.newSID(kind.prefix()), name: name, kind: kind, madeAt: now, items: map[string]SyncValue{}}
	o.value = SyncValue{Data: data, CreatedAt: now, UpdatedAt: now, ExpiresAt: expires}
	s.syncs.objects = append(s.syncs.objects, o)
	return s.showSync(o), nil
}

func (s *Server) showSync(o *syncObject) world.Fields {
	self := s.syncURL() + "/" + string(o.kind) + "/" + o.sid
	out := object(
		"sid", o.sid, "unique_name", o.name, "account_sid", s.world.AccountSID, "service_sid", s.world.SyncServiceSID,
		"url", self, "date_expires", iso(o.value.ExpiresAt), "date_created", iso(o.madeAt), "created_by", "system")
	switch o.kind {
	case syncDocuments:
		return append(out, object("date_updated", iso(o.value.UpdatedAt), "revision", revision(o.value.Revision), "data", o.value.Data,
			"links", object("permissions", self+"/Permissions"))...)
	case syncMaps:
		return append(out, object("date_updated", iso(o.madeAt), "revision", "0", "links", object("items", self+"/Items", "permissions", self+"/Permissions"))...)
	}
	return append(out, object("date_updated", iso(o.madeAt), "links", object("messages", self+"/Messages"))...)
}

// revision is text to clients.
func revision(n int) string { return strconv.FormatInt(int64(n), 16) }

// replace writes a value over another, if the client knows which.
func (s *Server) replace(r *http.Request, v *SyncValue) error {
	if match := r.Header.Get("If-Match"); match != "" && match != revision(v.Revision) {
		return &Problem{Status: http.StatusPreconditionFailed, Code: 54103, Message: "The revision of the resource does not match the expected revision"}
	}
	data, err := syncData(r, largestSyncData)
	if err != nil {
		return err
	}
	expires, err := s.syncExpiry(r)
	if err != nil {
		return err
	}
	if r.PostForm.Has("ItemTtl") || r.PostForm.Has("Ttl") {
		v.ExpiresAt = expires
	}
	v.Data, v.UpdatedAt = data, s.Now()
	v.Revision++
	return nil
}

func (s *Server) updateDocument(r *http.Request) (world.Fields, error) {
	o := s.syncs.find(syncDocuments, r.PathValue("name"))
	if o == nil {
		return nil, notFound(r)
	}
	if err := s.spendWrite(o, json.RawMessage(r.PostForm.Get("Data"))); err != nil {
		return nil, err
	}
	if err := s.replace(r, &o.value); err != nil {
		return nil, err
	}
	return s.showSync(o), nil
}

func (s *Server) deleteDocument(r *http.Request) (world.Fields, error) {
	o := s.syncs.find(syncDocuments, r.PathValue("name"))
	if o == nil {
		return nil, notFound(r)
	}
	if err := s.spendSync(&s.syncs.made, 1); err != nil {
		return nil, err
	}
	s.syncs.objects = slices.DeleteFunc(s.syncs.objects, func(other *syncObject) bool { return other == o })
	return nil, nil
}

func (s *Server) fetchDocument(q *request) (world.Fields, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs.expire(q.now)
	if o := s.syncs.find(syncDocuments, q.PathValue("name")); o != nil && !s.syncs.gone {
		return s.showSync(o), nil
	}
	return nil, notFound(q.Request)
}

// mapOf finds a map that a client made, without what has expired.
func (s *Server) mapOf(r *http.Request) (*syncObject, error) {
	o := s.syncs.find(syncMaps, r.PathValue("name"))
	if o == nil {
		return nil, notFound(r)
	}
	o.expire(s.Now())
	return o, nil
}

func (s *Server) createItem(r *http.Request) (world.Fields, error) {
	o, err := s.mapOf(r)
	if err != nil {
		return nil, err
	}
	key := r.PostForm.Get("Key")
	if key == "" || len(key) > longestSyncName {
		return nil, badRequest(20001, "Key is missing or too long")
	}
	data, err := syncData(r, largestSyncData)
	if err != nil {
		return nil, err
	}
	expires, err := s.syncExpiry(r)
	if err != nil {
		return nil, err
	}
	if _, known := o.items[key]; known {
		return nil, &Problem{Status: http.StatusConflict, Code: 54208, Message: "An item with this key already exists in the map"}
	}
	if err := errors.Join(s.spendSync(&s.syncs.made, 1), s.spendWrite(o, data)); err != nil {
		return nil, err
	}
	now := s.Now()
	o.items[key] = SyncValue{Data: data, CreatedAt: now, UpdatedAt: now, ExpiresAt: expires}
	return s.showWritten(o, key), nil
}

func (s *Server) updateItem(r *http.Request) (world.Fields, error) {
	o, err := s.mapOf(r)
	if err != nil {
		return nil, err
	}
	v, known := o.items[r.PathValue("key")]
	if !known || strings.Contains(r.PathValue("key"), "/") { // such a key cannot be addressed
		return nil, notFound(r)
	}
	if err := s.spendWrite(o, json.RawMessage(r.PostForm.Get("Data"))); err != nil {
		return nil, err
	}
	if err := s.replace(r, &v); err != nil {
		return nil, err
	}
	o.items[r.PathValue("key")] = v
	return s.showWritten(o, r.PathValue("key")), nil
}

func (s *Server) deleteItem(r *http.Request) (world.Fields, error) {
	o, err := s.mapOf(r)
	if err != nil {
		return nil, err
	}
	if _, known := o.items[r.PathValue("key")]; !known {
		return nil, notFound(r)
	}
	if err := errors.Join(s.spendSync(&s.syncs.made, 1), s.spendWrite(o, nil)); err != nil {
		return nil, err
	}
	delete(o.items, r.PathValue("key"))
	return nil, nil
}

func (s *Server) showWritten(o *syncObject, key string) world.Fields {
	v := o.items[key]
	return object(
		"key", key, "account_sid", s.world.AccountSID, "service_sid", s.world.SyncServiceSID, "map_sid", o.sid,
		"url", s.syncURL()+"/Maps/"+o.sid+"/Items/"+key, "revision", revision(v.Revision), "data", v.Data, "date_expires", iso(v.ExpiresAt),
		"date_created", iso(v.CreatedAt), "date_updated", iso(v.UpdatedAt), "created_by", "system")
}

func (s *Server) sendMessage(r *http.Request) (world.Fields, error) {
	o := s.syncs.find(syncStreams, r.PathValue("name"))
	if o == nil {
		return nil, notFound(r)
	}
	data, err := syncData(r, largestSyncMessage)
	if err != nil {
		return nil, err
	}
	if err := s.spendWrite(o, data); err != nil {
		return nil, err
	}
	o.messages = append(o.messages, data)
	return object("sid", s.newSID("TZ"), "data", data), nil
}

func (s *Server) fetchMade(q *request) (world.Fields, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.mapOf(q.Request)
	if err != nil {
		return nil, err
	}
	return s.showSync(o), nil
}

// fetchWritten and listWritten show the items of a map that a client made.
func (s *Server) fetchWritten(q *request) (world.Fields, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.mapOf(q.Request)
	if err != nil {
		return nil, err
	}
	if _, known := o.items[q.PathValue("key")]; !known || strings.Contains(q.PathValue("key"), "/") {
		return nil, notFound(q.Request)
	}
	return s.showWritten(o, q.PathValue("key")), nil
}

func (s *Server) listWritten(q *request) (world.Fields, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.mapOf(q.Request)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, key := range slices.Sorted(maps.Keys(o.items)) {
		rows = append(rows, row{key, func() world.Fields { return s.showWritten(o, key) }})
	}
	return s.list(q, "items", largestSyncPage, rows)
}

// either shows a map of the world, or one that a client made.
func (s *Server) either(worlds, made func(*request) (world.Fields, error)) func(*request) (world.Fields, error) {
	return func(q *request) (world.Fields, error) {
		if s.madeByClients(q.PathValue("name")) {
			return made(q)
		}
		return worlds(q)
	}
}

func (s *Server) syncIsGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.syncs.gone
}

// madeByClients says whether a request is for a map of a client, and not for the world's.
func (s *Server) madeByClients(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.syncs.find(syncMaps, name) != nil
}
