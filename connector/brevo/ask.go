package brevo

import (
	"context"
	"errors"
	"time"

	"flexbrevo/connector/failure"
)

// Ask is one call of an endpoint that this package does not know, for a part that
// does. It is counted in the hourly bucket (facts/brevo.md 6), of which it may only
// have what nobody else needs.
type Ask struct {
	// Op names the call in errors, such as "POST /crm/notes": nothing private.
	Op           string
	Method, Path string
	// Body is JSON, or nil.
	Body []byte
	// Writes is set where a lost answer may mean that something happened.
	Writes bool
	// Share is the part of the hour's calls, above 0 and up to 1, of which any must be
	// left: spread over the hour, and counting what everybody has used.
	Share float64
}

// Reply is what an Ask was answered.
type Reply struct {
	// Status is 0 where no answer came.
	Status int
	Body   []byte
	// Message is Brevo's own word on a refusal, to be read by the program alone: it may
	// quote what was sent.
	Message string
}

// Do makes a call. The error is nil exactly for a 2xx whose body is empty or JSON;
// else it is a *failure.Error, and the reply still holds what came. Where the share
// is used up, failure.RateLimited says after which time there will be more, and
// nothing was sent.
func (d *Destination) Do(ctx context.Context, a Ask) (Reply, error) {
	if a.Share <= 0 || a.Share > 1 {
		return Reply{}, &failure.Error{Op: a.Op, Reason: failure.Invalid, Err: errors.New("the share of the hour is not above 0 and up to 1")}
	}
	if wait := d.budget.other.spareAfter(a.Share); wait > 0 {
		return Reply{}, &failure.Error{Op: a.Op, Reason: failure.RateLimited, RetryAfter: wait, Err: errors.New("its share of the hour's calls is used up")}
	}
	k := read
	if a.Writes {
		k = write
	}
	got, err := d.call(ctx, a.Op, k, a.Method, a.Path, a.Body)
	r := Reply{Status: got.status, Body: got.body}
	if got.api != nil {
		r.Message = got.api.Message
	}
	return r, err
}

// SpareAfter says after which time an Ask with the share would be made, 0 for now.
func (d *Destination) SpareAfter(share float64) time.Duration {
	return d.budget.other.spareAfter(share)
}

// spareAfter says after which time spare gives a call of the given part of the hour,
// 0 for now.
func (h *hourly) spareAfter(part float64) time.Duration {
	if h.spare(part) {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock()
	if now.Before(h.blocked) {
		return h.blocked.Sub(now)
	}
	began := h.ends.Add(-time.Hour)
	gone := float64(h.used+1) / (part * float64(h.limit) * h.share)
	return max(min(began.Add(time.Duration(gone*float64(time.Hour))).Sub(now), h.ends.Sub(now)), time.Second)
}
