package crm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/store"
)

const (
	// notInPlanFor is how long a refusal is believed, noTypeFor how long a task waits for
	// its type.
	notInPlanFor = 24 * time.Hour
	noTypeFor    = time.Hour
	// retryAfter is when a case is tried again that was not taken and may be.
	retryAfter = 10 * time.Second
	// always is longer than anything is put off.
	always = 366 * 24 * time.Hour
)

// writing is one round of writing what is due.
type writing struct {
	part *Part
	kept *kept
}

// due looks up what is unknown, then writes what waits. It returns after which time it
// should go on, 0 for soon.
func (w *writing) due(ctx context.Context) (time.Duration, error) {
	if r := w.kept.Refused; r != nil && w.part.site.Clock().Before(r.Until) {
		return min(r.Until.Sub(w.part.site.Clock()), time.Minute), nil
	}
	unsure, err := w.lookUp(ctx)
	if err == nil {
		err = w.write(ctx, unsure)
	}
	return w.end(ctx, err)
}

// end turns what stopped the round into a wait, or into a refusal that is kept.
func (w *writing) end(ctx context.Context, err error) (time.Duration, error) {
	f := failure.As(err)
	switch {
	case err == nil, f == nil:
		return 0, err
	case f.Reason == failure.RateLimited:
		return min(max(f.RetryAfter, time.Second), time.Minute), nil // new cases are taken in meanwhile
	case f.Reason == failure.Forbidden:
		w.refuse(notInPlanFor, "the plan of the Brevo account has no CRM, or the credential lacks the scopes crm:read and crm:write")
	default:
		return 0, err
	}
	return 0, w.part.save(ctx, w.kept)
}

func (w *writing) refuse(during time.Duration, why string) {
	now := w.part.site.Clock()
	if w.kept.Refused == nil {
		w.part.site.Logger.Warn("the CRM refuses, and nothing is written for a while", "why", why)
		w.kept.Refused = &refusal{At: now}
	}
	w.kept.Refused.Why, w.kept.Refused.Until = why, now.Add(during)
}

// allowed takes a refusal back once a call was taken.
func (w *writing) allowed(ctx context.Context) error {
	w.kept.Calls++
	w.kept.Refused = nil
	return w.part.save(ctx, w.kept)
}

// lookUp finds out what became of calls without an answer. It returns the customers of
// whom something is still not known: nothing else is written for them, so that two
// notes alike are not taken for one.
func (w *writing) lookUp(ctx context.Context) (map[int64]bool, error) {
	now := w.part.site.Clock()
	cases, err := w.part.site.Store.LoadCases(ctx, w.part.site.Config.Name, store.CaseUnknown, now.Add(always), atOnce)
	if err != nil {
		return nil, err
	}
	unsure := map[int64]bool{}
	var later error
	for _, c := range cases {
		if later != nil || now.Sub(c.TriedAt) < w.part.lookupAfter() {
			unsure[c.CustomerID] = true // it may not be visible yet
			continue
		}
		err := w.lookUpOne(ctx, c)
		if r := failure.ReasonOf(err); r == failure.Transient && failure.As(err) != nil || r == failure.RateLimited {
			unsure[c.CustomerID], later = true, err // what others have to be written goes on
			w.part.site.Logger.Warn("a lost note or task is looked up later", "err", err)
		} else if err != nil {
			return nil, err
		}
	}
	return unsure, nil
}

// lookupAfter is how long what was written may stay invisible, beside the time that a
// call of a process that was paused may take to end.
func (p *Part) lookupAfter() time.Duration { return p.site.Config.Brevo.LookupAfter }

func (w *writing) lookUpOne(ctx context.Context, c store.Case) error {
	what, err := contentOf(c)
	if err != nil {
		return err
	}
	ours, err := w.part.site.Store.LoadWritten(ctx, w.part.site.Config.Name, c.CustomerID)
	if err != nil {
		return err
	}
	id, err := w.part.wire.find(ctx, what, c, ours)
	switch failure.ReasonOf(err) {
	case failure.Forbidden, failure.Gone, failure.Invalid:
		// It cannot be read, and may be there.
		w.kept.Assumed++
		c.State = store.CaseWritten
		if err := w.part.save(ctx, w.kept); err != nil {
			return err
		}
		return w.part.settle(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("look up a %s: %w", what.Kind, err)
	}
	if err := w.allowed(ctx); err != nil {
		return err
	}
	if c.State, c.WrittenID = store.CaseWaiting, ""; id != "" {
		c.State, c.WrittenID = store.CaseWritten, id
	}
	return w.part.settle(ctx, c)
}

// write writes what is due, one call for each.
func (w *writing) write(ctx context.Context, unsure map[int64]bool) error {
	for {
		cases, err := w.part.site.Store.LoadCases(ctx, w.part.site.Config.Name, store.CaseWaiting, w.part.site.Clock(), atOnce)
		if err != nil {
			return err
		}
		written := 0
		for _, c := range cases {
			if unsure[c.CustomerID] {
				continue
			}
			ok, err := w.writeOne(ctx, c)
			if err != nil {
				return err
			}
			if !ok {
				unsure[c.CustomerID] = true
			}
			written++
		}
		if len(cases) < atOnce || written == 0 {
			return nil
		}
	}
}

// writeOne writes one case. It returns false where it is not known whether it is there.
func (w *writing) writeOne(ctx context.Context, c store.Case) (known bool, err error) {
	what, err := contentOf(c)
	if err != nil {
		return false, err
	}
	ready, err := w.part.wire.prepare(ctx, what, c)
	var missing *noTypeError
	if errors.As(err, &missing) {
		return true, w.postpone(ctx, c, missing)
	}
	if err != nil {
		return false, err
	}
	if wait := w.part.site.Brevo.SpareAfter(share); wait > 0 { // before the case is taken
		return false, noneLeft(wait)
	}
	taken, err := w.part.site.Store.TakeCase(ctx, w.part.site.Config.Name, c.Key, w.part.site.Clock())
	if err != nil || !taken {
		return true, err
	}
	id, err := w.part.wire.send(ctx, ready)
	var stop error
	switch failure.ReasonOf(err) {
	case failure.None:
		c.State, c.WrittenID = store.CaseWritten, id
		if err := w.allowed(ctx); err != nil {
			return false, err
		}
	case failure.Unknown:
		c.State = store.CaseUnknown
	case failure.Invalid:
		c.State, c.Reason = store.CaseLeftOut, whyRefused
		w.part.site.Logger.Warn("note or task is left out, because brevo refuses it", "kind", what.Kind, "err", err)
	case failure.Gone:
		c.State, c.Reason = store.CaseLeftOut, whyGone
	case failure.Interrupted, failure.Transient:
		c.State, c.DueAt = store.CaseWaiting, w.part.site.Clock().Add(max(failure.As(err).RetryAfter, retryAfter))
	default: // nothing can be written now
		c.State, stop = store.CaseWaiting, err
	}
	if err := w.part.settle(context.WithoutCancel(ctx), c); err != nil {
		return false, err
	}
	return c.State != store.CaseUnknown, stop
}

// postpone has a task wait for its type; what others have to write goes on.
func (w *writing) postpone(ctx context.Context, c store.Case, missing *noTypeError) error {
	if w.kept.NoType != missing.title {
		w.kept.NoType = missing.title
		w.part.site.Logger.Warn("tasks wait for a type that the brevo account does not have", "type", missing.title)
		if err := w.part.save(ctx, w.kept); err != nil {
			return err
		}
	}
	c.DueAt = w.part.site.Clock().Add(noTypeFor)
	return w.part.settle(ctx, c)
}

// settle keeps what became of a case.
func (p *Part) settle(ctx context.Context, c store.Case) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return p.site.Store.SaveCase(ctx, p.site.Config.Name, c)
}

func contentOf(c store.Case) (content, error) {
	var what content
	if err := json.Unmarshal(c.Body, &what); err != nil {
		return what, errors.New("a stored note or task cannot be read")
	}
	return what, nil
}
