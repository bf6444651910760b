package brevo

import (
	"cmp"
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
	worthFrom = batchMost / 4
	// batchShare is the part of the hour's calls that batches may use; the rest is
	// for look-ups.
	batchShare = 0.5
)

// batches is what is known of the price of a batch, learnt from the headers of
// the first one (facts/brevo.md 4.2 and 10), because Brevo documents none.
type batches struct {
	mu     sync.Mutex
	bucket bucketName // "" until it is known
	most   int        // halved where Brevo finds a batch too large; 0 for batchMost
	// until is when batches are tried again after an answer that told nothing.
	until time.Time
	off   bool // Brevo has no batches
}

// tryAgain is how long single calls are made after a batch whose answer was none
// of a batch, or told no price.
const tryAgain = 10 * time.Minute

// BatchSize says how many events a batch may have now, and from how many on it is
// cheaper than single calls; most is 0 where single calls are.
func (d *Destination) BatchSize() (least, most int) {
	b := &d.batches
	b.mu.Lock()
	defer b.mu.Unlock()
	most = cmp.Or(b.most, batchMost)
	switch {
	case b.off || d.clock().Before(b.until):
		return 0, 0
	case d.budget.events.unlimited, b.bucket == bucketEvents:
		return 2, most
	case !d.budget.other.spare(batchShare):
		return 0, 0
	case b.bucket == bucketOther:
		return min(worthFrom, most), most
	}
	return probeFrom, most
}

// begin notes that a batch is on its way: while no price is known, the next waits
// for its answer.
func (b *batches) begin(now time.Time, unlimited bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bucket == "" && !unlimited {
		b.until = now.Add(tryAgain)
	}
}

// learn takes the price from the headers of a batch's answer and returns the bucket
// that it was counted in. Contacts and events are allowed tens a second or tens of
// thousands an hour, everything else some hundreds an hour.
func (b *batches) learn(told limits) bucketName {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case told.limit <= 0:
		return cmp.Or(b.bucket, bucketOther)
	case told.limit >= 1000, told.limit < 100 && told.reset <= time.Minute:
		b.bucket = bucketEvents
	default:
		b.bucket = bucketOther
	}
	b.until = time.Time{}
	return b.bucket
}

// remember takes over the price that an earlier process learnt; the next answer
// corrects it.
func (b *batches) remember(bucket bucketName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bucket == "" && (bucket == bucketEvents || bucket == bucketOther) {
		b.bucket = bucket
	}
}

// price is the bucket that a batch is taken from, the small one until it is known.
func (b *batches) price() (bucket bucketName, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return cmp.Or(b.bucket, bucketOther), b.bucket != ""
}

// refuse goes back to single calls: for ever, for a while, or with smaller batches
// where one was too large.
func (b *batches) refuse(status int, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case status == http.StatusRequestEntityTooLarge && b.most != 1:
		b.most = max(cmp.Or(b.most, batchMost)/2, 1)
	case status >= 200 && status < 300:
		b.until = now.Add(tryAgain)
	default:
		b.off = true
	}
}

// BatchPrice says what a batch costs on this account, for status: "events" or
// "other" by the bucket it is counted in, "" while it is not known.
func (d *Destination) BatchPrice() string {
	d.batches.mu.Lock()
	defer d.batches.mu.Unlock()
	return string(d.batches.bucket)
}

// EventsPerCall is how many events a call of the events bucket carries on average
// while many wait: half a batch where batches are counted there, else one.
func (d *Destination) EventsPerCall() float64 {
	if d.BatchPrice() == string(bucketEvents) {
		return batchMost / 2
	}
	return 1
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
		b.add(ctx, i, c)
	}
	if len(b.sent) == 0 {
		return b.outcomes
	}
	raw, err := json.Marshal(b.body)
	if err != nil {
		b.all(record.Outcome{Reason: failure.Invalid, Err: unencodable(opBatch, err)})
		return b.outcomes
	}
	d.batches.begin(d.clock(), d.budget.events.unlimited)
	got, err := d.call(ctx, opBatch, write, http.MethodPost, "/events/batch", raw)
	b.settle(got, err)
	return b.outcomes
}

// add puts an event into the body, or says why not.
func (b *batching) add(ctx context.Context, i int, c record.Change) {
	if c.Held.ID == 0 || c.Held.Deleted || c.Event == nil {
		b.outcomes[i] = b.d.Deliver(ctx, c) // skipped without a call
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

// all gives every event that was sent the same outcome, each with its own Held and
// what was left out of it.
func (b *batching) all(out record.Outcome) {
	for _, i := range b.sent {
		out.Held, out.Omissions = b.outcomes[i].Held, b.outcomes[i].Omissions
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
	named := len(result.Errors) > 0
	switch {
	case err != nil && got.status == http.StatusBadRequest && named:
		b.refused(result, got.status)
	case err != nil && b.isRefused(got):
		// A batch refused as a whole condemns none of its events, and stored none.
		b.d.batches.refuse(got.status, b.d.clock())
		b.d.answers.note(QuestionBatchRefusal, fmt.Sprintf("%d, as a whole", got.status))
		b.d.logger.Warn("brevo refused a batch of events as a whole", "status", got.status)
		b.all(record.Outcome{Reason: failure.Interrupted, Status: got.status})
	case err != nil:
		out := failed(err)
		out.Status = got.status
		b.all(out)
	case named || result.Failed > 0:
		b.refused(result, got.status)
	case !readable || result.Count == nil || *result.Count != len(b.sent):
		// A success that does not say how many were taken may have taken any.
		b.d.batches.refuse(got.status, b.d.clock())
		b.all(failed(unreadable(opBatch, write, got.status)))
	default:
		b.all(record.Outcome{Status: got.status})
	}
	b.outcomes[b.sent[0]].Calls = 1
	for _, i := range b.sent {
		b.outcomes[i].Call = opBatch
	}
}

// isRefused says whether an answer is about the batch and not about its events.
func (b *batching) isRefused(got answer) bool {
	switch got.status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return got.api != nil
	case http.StatusRequestEntityTooLarge, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	return false
}

// refused gives the failed positions their outcome; the others were taken. A
// position that Brevo did not name, while it counts more failures than it names, is
// unknown.
func (b *batching) refused(result batchResult, status int) {
	b.d.answers.note(QuestionBatchRefusal, fmt.Sprintf("%d, by positions", status))
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
