package connector

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// readStream captures a stream's part of the range. A failure that may pass is
// waited out, ever longer; a refusal ends it.
func (w *backfill) readStream(ctx context.Context, stream string, from store.Checkpoint) error {
	keep := func(p record.Page) error {
		w.progress.read(p.Stream, p.Cursor)
		from.Cursor = p.Cursor
		p.Stream = backfillStream(stream)
		return w.f.keep(ctx, p)
	}
	w.progress.read(stream, from.Cursor)
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		r, any, err := w.f.readable(ctx, stream, twilio.Range{From: w.row.Since, To: w.row.Until})
		if err == nil && !any {
			return nil // nothing of it is left at Twilio; the plan says so
		}
		if err == nil {
			err = w.f.source.FetchRange(ctx, stream, r, from.Cursor, keep)
		}
		if err == nil || ctx.Err() != nil || !failure.ReasonOf(err).Retryable() {
			w.progress.problem(nil)
			return err
		}
		w.progress.problem(err)
		w.f.logger.Warn("backfill will go on reading", "stream", stream, "reason", failure.ReasonOf(err), "err", err)
		if !schedule.Pause(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}

// readable is the part of a range that Twilio still has.
func (f *flow) readable(ctx context.Context, stream string, r twilio.Range) (twilio.Range, bool, error) {
	if _, err := f.source.Discover(ctx); err != nil { // for Twilio's clock
		return r, false, err
	}
	now := f.source.Health().ServerTime
	if now.IsZero() {
		now = f.clock()
	}
	out, any := twilio.Readable(stream, r, now)
	return out, any, nil
}

// sweep puts in the outbox what the next customers are owed. It never runs beside
// a digest: both read customers before they write them.
func (f *flow) sweep(ctx context.Context, lease store.Lease, channels []string, customers int) (pipeline.Swept, error) {
	f.digests.Lock()
	defer f.digests.Unlock()
	const most = 25 // with all their facts they are in memory at once
	if customers == 0 || customers > most {
		customers = most
	}
	swept, err := f.digest.SweepOwed(ctx, lease, pipeline.Sweep{Customers: customers, Channels: channels})
	if swept.Contacts+swept.Events > 0 {
		f.account.deliver.Wake()
	}
	return swept, err
}

// report keeps the progress with the run, every second, and ends the work when the
// backfill is no longer the one that was begun.
func (w *backfill) report(ctx context.Context, cancel context.CancelCauseFunc) {
	for ticks := 0; schedule.Pause(ctx, time.Second); ticks++ {
		row, err := w.f.store.LoadBackfill(ctx, w.f.cfg.Name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue // it has just ended
		case err != nil:
			continue // said by whoever needs the store next
		case row.RunID != w.row.RunID:
			w.progress.problem(errTakenOver)
			_ = w.save(ctx, errTakenOver) // the run that took over tells the rest
			cancel(errTakenOver)
			return
		}
		w.count(ctx, ticks%10 == 0)
		if err := w.save(ctx, nil); err != nil && ctx.Err() == nil {
			w.f.logger.Warn("progress of the backfill cannot be stored", "run_id", w.row.RunID, "err", err)
		}
	}
}

// count reads what only the store knows of the progress; what waits only now and
// then, because that counts the whole outbox.
func (w *backfill) count(ctx context.Context, whole bool) {
	owed, err := w.f.store.CountOwed(ctx, w.f.cfg.Name)
	if err != nil {
		return // shown as it was
	}
	p := w.progress.now()
	waiting := p.Waiting
	if whole && p.Stage == StageDeliver {
		if waiting, err = w.f.waiting(ctx); err != nil {
			return
		}
	}
	w.progress.counted(owed, waiting)
}

// waiting counts the connector's deliveries that are not settled.
func (f *flow) waiting(ctx context.Context) (n int, err error) {
	sum, err := f.store.LoadSummary(ctx, f.cfg.Name, f.clock())
	if err != nil {
		return 0, err
	}
	for _, states := range sum.Deliveries {
		n += states[store.Pending] + states[store.Sending] + states[store.Unknown]
	}
	return n, nil
}

// save writes the run as it stands now.
func (w *backfill) save(ctx context.Context, err error) error {
	p := w.progress.now()
	if w.told != nil {
		w.told(p)
	}
	run := w.run0
	run.Progress, run.State, run.Error = marshal(p), store.RunRunning, p.Problem
	switch {
	case errors.Is(err, errTakenOver):
		run.State, run.EndedAt = store.RunFailed, w.f.clock()
	case err != nil && w.told != nil: // nobody goes on with it by itself
		run.State, run.EndedAt = store.RunFailed, w.f.clock()
	case err == nil && (p.Stage == StageDone || p.Stage == StageCanary):
		run.State, run.EndedAt = store.RunDone, w.f.clock()
	}
	return w.f.store.SaveRun(ctx, run)
}

// backfillProgress is a BackfillProgress that several goroutines tell of.
type backfillProgress struct {
	f *flow
	// What was counted before it began.
	digested0 int64
	dead0     int

	mu sync.Mutex
	p  BackfillProgress
}

func deadOf(a *account) (n int) {
	for _, states := range a.deliver.Counts() {
		n += states[store.Dead]
	}
	return n
}

func newBackfillProgress(f *flow) *backfillProgress {
	b := &backfillProgress{f: f, digested0: f.digested.Load(), dead0: deadOf(f.account)}
	b.p = BackfillProgress{Connector: f.cfg.Name, Read: map[string]float64{}, Found: map[string]int{}}
	return b
}

func (b *backfillProgress) set(change func(*BackfillProgress)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.p)
}

func (b *backfillProgress) now() BackfillProgress {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.p
	p.Read, p.Found = maps.Clone(p.Read), maps.Clone(p.Found)
	p.Digested = int(b.f.digested.Load() - b.digested0)
	p.Dead = deadOf(b.f.account) - b.dead0
	return p
}

func (b *backfillProgress) stage(name string) { b.set(func(p *BackfillProgress) { p.Stage = name }) }

func (b *backfillProgress) step(what string) { b.set(func(p *BackfillProgress) { p.Step = what }) }

func (b *backfillProgress) read(stream string, c record.Cursor) {
	if c == "" {
		return
	}
	at := twilio.ProgressOf(c)
	b.set(func(p *BackfillProgress) { p.Read[stream], p.Found[stream] = at.Done, at.Found })
}

func (b *backfillProgress) swept(s pipeline.Swept) {
	b.set(func(p *BackfillProgress) {
		p.Contacts, p.Events, p.LeftOut = p.Contacts+s.Contacts, p.Events+s.Events, p.LeftOut+s.Left
	})
}

func (b *backfillProgress) counted(owed, waiting int) {
	b.set(func(p *BackfillProgress) { p.Owed, p.Waiting = owed, waiting })
}

func (b *backfillProgress) verified(kept int, ok bool) {
	b.set(func(p *BackfillProgress) { p.Kept, p.Verified = kept, ok })
}

func (b *backfillProgress) problem(err error) {
	b.set(func(p *BackfillProgress) {
		if p.Problem = ""; err != nil {
			p.Problem = err.Error()
		}
	})
}
