package brevo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

const (
	opBatch = "POST /events/batch"
	// batchMost is how many events one batch may have (facts/brevo.md 4.2).
	batchMost = 200
	// batchBytes is how long its body may be: 512 KB, read as the smaller of its two
	// meanings, and some room.
	batchBytes = 500_000
	// probeFrom is how many events must wait together before the first batch is
	// tried, whose headers show what a batch costs on this account.
	probeFrom = 20
	// worthFrom is how many events a batch must have where it costs one of the few
	// calls of the hour; where it costs what a single event costs, two are enough.
	worthFrom = batchMost / 2
	// batchShare is the part of the hour's calls that batches may use; the rest is
	// for look-ups.
	batchShare = 0.5
)

// batches is what is known of the price of a batch, learnt from the headers of
// the first one (facts/brevo.md 4.2 and 10), because Brevo documents none.
type batches struct {
	mu     sync.Mutex
	bucket bucketName // "" until it is known
	tried  time.Time  // when the price was last asked and not told
	off    bool       // Brevo has no batches for this account
}

// retryPrice is how long after a batch whose answer told no price the next one
// is tried.
const retryPrice = 10 * time.Minute

// BatchSize says how many events a batch may have now, and from how many on it is
// cheaper than single calls; most is 0 where single calls are.
func (d *Destination) BatchSize() (least, most int) {
	b := &d.batches
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.off:
		return 0, 0
	case d.budget.events.unlimited:
		return 2, batchMost // nothing is counted
	case b.bucket == bucketEvents:
		return 2, batchMost
	case b.bucket == bucketOther && d.budget.other.spare(batchShare):
		return worthFrom, batchMost
	case b.bucket == "" && d.clock().Sub(b.tried) >= retryPrice && d.budget.other.spare(batchShare):
		return probeFrom, batchMost
	}
	return 0, 0
}

// learn takes the price from the headers of a batch's answer. Contacts and events
// are allowed tens a second or tens of thousands an hour, everything else some
// hundreds an hour.
func (b *batches) learn(told limits, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case told.limit <= 0:
		b.tried = now
	case told.limit >= 1000, told.limit < 100 && told.reset <= time.Minute:
		b.bucket = bucketEvents
	default:
		b.bucket = bucketOther
	}
}

// price is the bucket that a batch is taken from: the small one until it is known.
func (b *batches) price() bucketName {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bucket == bucketEvents {
		return bucketEvents
	}
	return bucketOther
}

// BatchPrice says what a batch costs on this account, for status: "events" or
// "other" by the bucket it is counted in, "" while it is not known.
func (d *Destination) BatchPrice() string {
	d.batches.mu.Lock()
	defer d.batches.mu.Unlock()
	return string(d.batches.bucket)
}

// batchBody is what goes on the wire: an object, never a bare array (facts/brevo.md
// 4.2). The same changes make the same bytes.
type batchBody struct {
	Events []json.RawMessage `json:"events"`
}

// batching is one batch on its way.
type batching struct {
	d        *Destination
	outcomes []record.Outcome
	// sent are the positions of the changes that are in the body, in its order.
	sent []int
	body batchBody
	size int
}

// DeliverBatch makes one attempt at several events in one call, and returns one
// outcome for each in their order. What Brevo refuses is taken apart: only the
// refused events fail. Events that found no room in the body are Interrupted: they
// were not sent. All changes are events.
func (d *Destination) DeliverBatch(ctx context.Context, changes []record.Change) []record.Outcome {
	b := &batching{d: d, outcomes: make([]record.Outcome, len(changes))}
	for i, c := range changes {
		b.add(i, c)
	}
	if len(b.sent) == 0 {
		return b.outcomes
	}
	raw, err := json.Marshal(b.body)
	if err != nil {
		b.all(record.Outcome{Reason: failure.Invalid, Err: unencodable(opBatch, err)})
		return b.outcomes
	}
	got, err := d.call(ctx, opBatch, write, http.MethodPost, "/events/batch", raw)
	b.settle(got, err)
	return b.outcomes
}

// add puts an event into the body, or says why not.
func (b *batching) add(i int, c record.Change) {
	if c.Held.ID == 0 || c.Held.Deleted || c.Event == nil {
		b.outcomes[i] = b.d.Deliver(context.Background(), c) // decides without a call
		return
	}
	body, omissions, err := newEventBody(c.Event, c.Held.ID)
	var raw []byte
	if err == nil {
		if raw, err = json.Marshal(body); err != nil {
			err = unencodable(opBatch, err)
		}
	}
	if err != nil {
		b.outcomes[i] = failed(err)
		b.outcomes[i].Held = c.Held
		return
	}
	b.outcomes[i] = record.Outcome{Held: c.Held, Omissions: omissions}
	if len(b.sent) == batchMost || len(b.sent) > 0 && b.size+len(raw)+1 > batchBytes {
		b.outcomes[i] = record.Outcome{Reason: failure.Interrupted, Held: c.Held}
		return
	}
	b.sent, b.size = append(b.sent, i), b.size+len(raw)+1
	b.body.Events = append(b.body.Events, raw)
}

// all gives every event that was sent the same outcome, each with its own Held.
func (b *batching) all(out record.Outcome) {
	for _, i := range b.sent {
		out.Held = b.outcomes[i].Held
		b.outcomes[i] = out
	}
}

// batchResult is the body of a 207 and of the 400 of a batch, and of a 202
// (facts/brevo.md 4.2).
type batchResult struct {
	Count  *int `json:"count"`
	Failed int  `json:"failed_events"`
	Errors []struct {
		Index   []int  `json:"eventIndex"`
		Message string `json:"message"`
	} `json:"errors"`
}

// settle takes an answer apart.
func (b *batching) settle(got answer, err error) {
	var result batchResult
	readable := json.Unmarshal(got.body, &result) == nil
	switch {
	case err != nil && got.status == http.StatusBadRequest && readable && len(result.Errors) > 0:
		b.refused(result, got.status)
	case err != nil && (got.status == http.StatusNotFound || got.status == http.StatusMethodNotAllowed):
		b.none(got.status)
	case err != nil && got.status == http.StatusBadRequest, err != nil && got.status == http.StatusRequestEntityTooLarge:
		// A batch refused as a whole condemns none of its events: they go one by one.
		b.none(got.status)
	case err != nil:
		out := failed(err)
		out.Status = got.status
		b.all(out)
	case result.Failed > 0 || len(result.Errors) > 0:
		b.refused(result, got.status)
	case len(got.body) == 0 || !readable || result.Count == nil || *result.Count != len(b.sent):
		// A success that does not say how many were taken may have taken any.
		b.all(failed(unreadable(opBatch, write, got.status)))
	default:
		b.all(record.Outcome{Status: got.status})
	}
	if len(b.sent) > 0 {
		b.outcomes[b.sent[0]].Calls = 1
	}
}

// none is a batch that Brevo does not take as such: from now on single calls are
// made. Nothing was stored.
func (b *batching) none(status int) {
	b.d.batches.mu.Lock()
	b.d.batches.off = true
	b.d.batches.mu.Unlock()
	b.d.logger.Warn("brevo takes no event batches; events go one by one", "status", status)
	b.all(record.Outcome{Reason: failure.Interrupted, Status: status})
}

// refused gives the failed positions their outcome; the others were taken. A
// position that Brevo did not name, while it counts more failures than it names, is
// unknown.
func (b *batching) refused(result batchResult, status int) {
	bad := map[int]bool{}
	for _, e := range result.Errors {
		for _, n := range e.Index {
			bad[n] = true
		}
	}
	for n, i := range b.sent {
		out := record.Outcome{Held: b.outcomes[i].Held, Omissions: b.outcomes[i].Omissions, Status: status}
		switch {
		case bad[n]:
			// The message may quote the event, and is not passed on.
			e := &failure.Error{Op: opBatch, Reason: failure.Invalid, Status: status, Err: fmt.Errorf("event %d of %d is refused", n+1, len(b.sent))}
			out.Reason, out.Err = e.Reason, e
		case result.Failed > len(bad):
			e := unreadable(opBatch, write, status)
			out.Reason, out.Err = e.Reason, e
		}
		b.outcomes[i] = out
	}
}
