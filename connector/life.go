package connector

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

const (
	// lifeEvery is how often an account that can be delivered to is noted to be alive.
	lifeEvery = 30 * time.Second
	// quiet is the silence after which it is asked what was sent meanwhile: the store may
	// be a backup that was restored, which looks like a rest.
	quiet = 2 * time.Minute
	// longQuiet is the silence after which everything is compared, too.
	longQuiet = 24 * time.Hour
)

// awake is called under the account's lease before anything is sent. After a silence it
// marks the events that Brevo has as told, so that none of them is told twice. It
// returns how long the silence was, 0 for none.
func (a *account) awake(ctx context.Context, lease store.Lease) (time.Duration, error) {
	st, clock := a.flows[0].store, a.flows[0].clock
	life, err := st.LoadLife(ctx, a.name)
	if err != nil {
		return 0, err
	}
	silence := time.Duration(0)
	if !life.IsZero() {
		silence = clock().Sub(life)
	}
	if silence > quiet {
		for _, f := range a.flows {
			if err := f.recall(ctx, lease, life); err != nil {
				return 0, err
			}
		}
	} else {
		silence = 0
	}
	return silence, st.SaveLife(ctx, a.name, clock())
}

// ask is awake for one pass: what may pass is tried again a few times.
func (a *account) ask(ctx context.Context, lease store.Lease) (err error) {
	for try := range 4 {
		if !schedule.Pause(ctx, time.Duration(try)*time.Second) {
			return context.Cause(ctx)
		}
		if _, err = a.awake(ctx, lease); !failure.ReasonOf(err).Retryable() {
			return err
		}
	}
	return err
}

// alive notes that the account is alive for as long as it is delivered to.
func (a *account) alive(ctx context.Context, deliver func() error) error {
	f := a.flows[0]
	living, stop := context.WithCancel(ctx)
	var noted sync.WaitGroup
	noted.Go(func() {
		for schedule.Pause(living, lifeEvery) {
			if err := f.store.SaveLife(living, a.name, f.clock()); err != nil && living.Err() == nil {
				a.logger.Warn("sign of life cannot be stored", "err", err)
			}
		}
	})
	err := deliver()
	stop()
	noted.Wait()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	return errors.Join(err, f.store.SaveLife(last, a.name, f.clock()))
}

// anyAge stands for how old an event may have been that was sent, where there is no limit.
const anyAge = 30 * 24 * time.Hour

// recall marks what Brevo has of the connector's events. They are found by their own
// date, and what was sent after the last sign of life may have been old by then.
func (f *flow) recall(ctx context.Context, lease store.Lease, life time.Time) error {
	from := life.Add(-cmp.Or(f.cfg.Events.MaxAge, anyAge))
	earliest, err := f.store.EarliestOwed(ctx, f.account.name)
	if err != nil {
		return err
	}
	if !earliest.IsZero() && earliest.Before(from) {
		from = earliest
	}
	if b, err := f.store.LoadBackfill(ctx, f.cfg.Name); err == nil && b.Since.Before(from) {
		from = b.Since
	}
	var found []store.FoundEvent
	offset, until := 0, f.clock().Add(time.Hour) // by whichever clock they were dated
	err = patiently(ctx, func() (err error) {
		offset, err = f.account.destination.FetchEvents(ctx, f.eventNames(), from, until, offset, func(e brevo.SeenEvent) {
			found = append(found, store.FoundEvent{Key: e.ID, At: e.At})
		})
		return err
	})
	if e := failure.As(err); e != nil && (e.Reason == failure.Forbidden || e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed) {
		f.logger.Warn("events in Brevo cannot be read; what a lost store sent may be sent again", "reason", e.Reason, "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	marked := 0
	for len(found) > 0 {
		part := found[:min(len(found), 500)]
		n, err := f.store.MarkFound(ctx, lease, f.cfg.Name, part, f.clock())
		if err != nil {
			return err
		}
		marked, found = marked+n, found[len(part):]
	}
	if marked > 0 {
		f.logger.Warn("events that Brevo has were not known to be sent; they are not sent again", "count", marked)
	}
	return nil
}

// asksItself has everything compared after a long silence.
func (f *flow) asksItself(ctx context.Context, silence time.Duration) {
	now := f.clock()
	r := ReconcileRequest{Connector: f.cfg.Name, Since: now.Add(-silence - time.Hour).UTC()}
	_, err := f.store.AddRun(ctx, store.Run{
		Kind: runReconcile, Connector: f.cfg.Name, State: store.RunQueued, Request: marshal(r), CreatedAt: now,
	})
	if err != nil {
		f.logger.Warn("both sides cannot be compared after the silence", "err", err)
	}
}
