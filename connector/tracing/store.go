package tracing

import (
	"context"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// Store tells of the steps by what passes through the store; it changes nothing of
// it.
func (t *Tracer) Store(next store.Store) store.Store {
	return &traced{Store: next, t: t, loaded: map[string]map[int64]loaded{}, claimed: map[int64]time.Time{}}
}

// traced is a store whose steps are told of.
type traced struct {
	store.Store
	t *Tracer

	mu sync.Mutex
	// loaded are each connector's records that are being digested, without bodies, by id.
	loaded map[string]map[int64]loaded
	// claimed is since when a delivery is under way.
	claimed map[int64]time.Time
}

// loaded is a record since it was taken up.
type loaded struct {
	record.Record
	at time.Time
}

var _ store.Store = (*traced)(nil)

// Capture tells of the commit. The records are told of when they are digested: a
// record that is read again is none.
func (s *traced) Capture(ctx context.Context, batch []store.Batch) (store.Captured, error) {
	begin := s.t.clock()
	captured, err := s.Store.Capture(ctx, batch)
	s.t.tell(span{
		name: "capture", begin: begin, end: s.t.clock(), failed: err != nil,
		about: []attribute.KeyValue{
			attribute.Int("batches", len(batch)), attribute.Int("records_new", captured.New), attribute.Int("records_known", captured.Known),
		},
	})
	return captured, err
}

// EachUndigested takes note of the batch.
func (s *traced) EachUndigested(ctx context.Context, connector string, limit int, beside []int64, each func(record.Record)) error {
	begin := s.t.clock()
	var records []record.Record
	err := s.Store.EachUndigested(ctx, connector, limit, beside, func(r record.Record) {
		each(r)
		r.Body = nil
		records = append(records, r)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(beside) == 0 { // a digest begins
		s.loaded[connector] = make(map[int64]loaded, len(records))
	}
	for _, r := range records {
		s.loaded[connector][r.ID] = loaded{r, begin}
	}
	return nil
}

// take gives back the records of a digest, and since when the first of them is under way.
func (s *traced) take(d *store.Digest) (since time.Time, records map[int64]record.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, records = d.At, make(map[int64]record.Record, len(d.Records))
	for _, result := range d.Records {
		if l, ok := s.loaded[d.Connector][result.ID]; ok {
			records[result.ID] = l.Record
			if l.at.Before(since) {
				since = l.at
			}
		}
	}
	return since, records
}

// SaveDigest tells of the batch and of each record in it.
func (s *traced) SaveDigest(ctx context.Context, lease store.Lease, d *store.Digest) error {
	err := s.Store.SaveDigest(ctx, lease, d)
	begin, records := s.take(d)
	end, batch := s.t.clock(), batchOf(d.Connector, d.At)
	s.t.tell(span{
		id: batch, name: "digest batch", begin: begin, end: end, failed: err != nil,
		about: []attribute.KeyValue{
			attribute.String("connector", d.Connector), attribute.Int("records", len(d.Records)),
			attribute.Int("contacts_owed", len(d.Contacts)), attribute.Int("events_owed", len(d.Events)),
		},
	})
	if err != nil {
		return err // they are digested again
	}
	for _, result := range d.Records {
		if r, ok := records[result.ID]; ok {
			s.record(d.Connector, r, result, begin, end, batch)
		}
	}
	return nil
}

// record tells of one record's way: from when it happened until it was digested.
func (s *traced) record(connector string, r record.Record, result store.RecordResult, begin, end time.Time, batch identity) {
	whole := identify("record", connector, r.Key)
	about := []attribute.KeyValue{
		attribute.String("connector", connector), attribute.String("stream", r.Stream), attribute.String("type", r.Type),
		attribute.String("via", string(r.Via)), attribute.String("state", string(result.State)),
	}
	if isSID(r.Key) {
		about = append(about, attribute.String("key", r.Key))
	}
	happened := r.At
	if happened.IsZero() || r.CapturedAt.Before(happened) {
		happened = r.CapturedAt
	}
	failed := result.State == store.Failed
	s.t.tell(span{id: whole, name: "record", begin: happened, end: end, failed: failed, about: about})
	s.t.tell(span{id: identify("capture", connector, r.Key), parent: whole.span, name: "until captured", begin: happened, end: r.CapturedAt})
	s.t.tell(span{id: identify("digest", connector, r.Key), parent: whole.span, name: "digest", begin: begin, end: end, failed: failed, link: batch})
}

// Claim takes note of when deliveries began.
func (s *traced) Claim(ctx context.Context, lease store.Lease, account string, now time.Time, limit, perCustomer int) ([]store.Delivery, error) {
	claimed, err := s.Store.Claim(ctx, lease, account, now, limit, perCustomer)
	at := s.t.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range claimed {
		s.claimed[d.ID] = at
	}
	return claimed, err
}

// Settle tells of the attempts, each in the trace of the batch that put its delivery
// in the outbox.
func (s *traced) Settle(ctx context.Context, lease store.Lease, now time.Time, settlements []store.Settlement) error {
	err := s.Store.Settle(ctx, lease, now, settlements)
	if err != nil {
		return err // it is settled again, or by somebody else
	}
	end := s.t.clock()
	for _, st := range settlements {
		s.mu.Lock()
		begin, ok := s.claimed[st.Delivery.ID]
		delete(s.claimed, st.Delivery.ID)
		s.mu.Unlock()
		if !ok {
			begin = end // its outcome was looked up
		}
		if !st.Uncounted {
			s.attempt(st, begin, end)
		}
	}
	return nil
}

func (s *traced) attempt(st store.Settlement, begin, end time.Time) {
	d, id := st.Delivery, strconv.FormatInt(st.Delivery.ID, 10)
	batch := batchOf(d.Connector, d.CreatedAt)
	about := []attribute.KeyValue{
		attribute.String("connector", d.Connector), attribute.String("account", d.Account), attribute.String("kind", string(d.Kind)),
		attribute.Int64("delivery_id", d.ID), attribute.Int("attempt", d.Attempts+1),
		attribute.String("state", string(st.State)), attribute.Int("status", st.Status), attribute.String("reason", st.Reason),
	}
	if d.Event != nil {
		about = append(about, attribute.String("event", d.Event.Name))
	}
	in := batch
	in.span = identify("deliver "+id+" "+strconv.Itoa(d.Attempts), d.Connector).span
	s.t.tell(span{
		id: in, parent: batch.span, name: "deliver", begin: begin, end: end, about: about,
		failed: st.State == store.Dead || st.State == store.Pending || st.State == store.Unknown,
	})
}

// batchOf is the batch that was digested at a moment. Tables keep milliseconds.
func batchOf(connector string, at time.Time) identity {
	return identify("batch", connector, "batch", strconv.FormatInt(at.UnixMilli(), 10))
}

// isSID says whether a key is a SID and nothing else: two letters and 32
// hexadecimal digits.
func isSID(key string) bool {
	if len(key) != 34 || key[0] < 'A' || key[0] > 'Z' || key[1] < 'A' || key[1] > 'Z' {
		return false
	}
	for _, c := range []byte(key[2:]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
