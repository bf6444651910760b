package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// BackfillRequest asks for a past range of one connector.
type BackfillRequest struct {
	Connector string `json:"connector"`
	// Since is its beginning. Until is its end and no part of it; the zero time means
	// now, or the end of an unfinished backfill that began at the same moment.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Resources are what to read: tasks, conversations; empty means both, as far as
	// the connector reads them.
	Resources []string `json:"resources,omitempty"`
	// Channels are those by which a customer must have come to be told of now; empty
	// means all. Everything is captured in any case.
	Channels []string           `json:"channels,omitempty"`
	Events   store.EventsPolicy `json:"events"`
	// Import says that the operator agreed to the terms of parts that load contacts in a
	// way of their own; see part.Loader.
	Import bool `json:"import,omitempty"`
	// Canary stops after so many contacts were put in the outbox; 0 does not stop.
	Canary int `json:"canary,omitempty"`
}

// The resources of a backfill.
const (
	ResourceTasks         = "tasks"
	ResourceConversations = "conversations"
)

// resources are those that the connector reads, by stream.
func (f *flow) resources(asked []string) ([]string, error) {
	byName := map[string]string{ResourceTasks: twilio.EventsStream, ResourceConversations: twilio.ConversationsStream}
	if len(asked) == 0 {
		asked = []string{ResourceTasks}
		if f.cfg.Sync.Conversations {
			asked = append(asked, ResourceConversations)
		}
	}
	var out []string
	for _, name := range asked {
		stream, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("resource %q cannot be backfilled; there are %s and %s", name, ResourceTasks, ResourceConversations)
		}
		out = append(out, stream)
	}
	return out, nil
}

// Stages of a backfill.
const (
	StageRead    = "read"    // the range is captured, and digested as it comes
	StageDigest  = "digest"  // what was captured is digested
	StageSettle  = "settle"  // contacts and events are put in the outbox
	StageLoad    = "load"    // contacts are brought by a part that does it in a way of its own
	StageDeliver = "deliver" // and delivered
	StageCanary  = "canary"  // stopped after the first contacts, until asked for again
	StageDone    = "done"
)

// BackfillProgress is how far a backfill is. It is kept with its run.
type BackfillProgress struct {
	Connector string `json:"connector"`
	Stage     string `json:"stage"`
	// Read is how much of the range was read, from 0 to 1, by stream; Found is how
	// many rows Twilio listed.
	Read  map[string]float64 `json:"read"`
	Found map[string]int     `json:"found"`
	// Digested counts records since this process took the backfill up, Owed the
	// customers of whom nothing is in the outbox yet.
	Digested int `json:"digested"`
	Owed     int `json:"owed"`
	// Contacts and Events were put in the outbox by this process; LeftOut are customers
	// who did not come by one of the channels. Waiting are deliveries not settled yet.
	Contacts int `json:"contacts"`
	Events   int `json:"events"`
	LeftOut  int `json:"left_out"`
	Waiting  int `json:"waiting"`
	// Kept is how many of the found events are stored, once that was verified.
	Kept     int  `json:"kept"`
	Verified bool `json:"verified"`
	// Dead are deliveries given up while it ran.
	Dead int `json:"dead"`
	// Step is what the part is at that loads contacts, and in the end what it did.
	Step string `json:"step,omitempty"`
	// Problem says what it waits for.
	Problem string `json:"problem,omitempty"`
}

// errStoppedBackfill is why a backfill is not done though nothing went wrong.
var errStoppedBackfill = errors.New("stopped; it goes on when it is run again, or when the daemon is started")

// errTakenOver ends the work on a backfill that another request has replaced.
var errTakenOver = errors.New("another backfill took its place")

// behindNow is how far a range stays behind now: what is newer is live traffic.
const behindNow = 30 * time.Second

// BeginBackfill makes a request the connector's backfill: the run that shows it is
// executed by whoever digests the connector, now or when it is started next. A
// range that was begun before goes on where it was.
func BeginBackfill(ctx context.Context, s store.Store, r BackfillRequest, run int64, now time.Time) (store.Backfill, error) {
	before, err := s.LoadBackfill(ctx, r.Connector)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Backfill{}, err
	}
	r.Since = r.Since.UTC().Truncate(time.Second)
	latest := now.Add(-behindNow)
	switch {
	case r.Until.IsZero() && err == nil && before.Since.Equal(r.Since):
		r.Until = before.Until
	case r.Until.IsZero() || r.Until.After(latest):
		r.Until = latest
	}
	r.Until = r.Until.UTC().Truncate(time.Second)
	if !r.Until.After(r.Since) {
		return store.Backfill{}, errors.New("the range is empty: --until must be after --since")
	}
	if r.Events == "" {
		r.Events = store.EventsRecent
	}
	b := store.Backfill{Connector: r.Connector, RunID: run, Since: r.Since, Until: r.Until, Events: r.Events, Request: marshal(r)}
	return b, s.SaveBackfill(ctx, b)
}

// backfilling works on the connector's backfill, whenever there is one, for as
// long as the digest's lease lasts.
func (f *flow) backfilling(ctx context.Context, lease store.Lease) {
	for wait := time.Second; schedule.Pause(ctx, wait); {
		wait = time.Second
		b, err := f.store.LoadBackfill(ctx, f.cfg.Name)
		if err != nil || b.Held {
			continue
		}
		w, err := f.newBackfill(ctx, b, lease, nil)
		if err == nil {
			err = w.run(ctx)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errTakenOver) {
			f.logger.Error("backfill will be taken up again", "run_id", b.RunID, "err", err)
			wait = time.Minute
		}
	}
}

// backfill is one process's work on a backfill.
type backfill struct {
	f       *flow
	lease   store.Lease
	row     store.Backfill
	request BackfillRequest
	streams []string
	told    func(BackfillProgress)
	// deliver, when set, delivers until nothing is owed; otherwise others do that, and
	// it is waited for.
	deliver func(context.Context) error

	run0     store.Run
	progress *backfillProgress
}

func (f *flow) newBackfill(ctx context.Context, row store.Backfill, lease store.Lease, told func(BackfillProgress)) (*backfill, error) {
	w := &backfill{f: f, lease: lease, row: row, told: told}
	if err := json.Unmarshal(row.Request, &w.request); err != nil {
		return nil, errors.New("the stored request of the backfill cannot be read; ask for it again")
	}
	var err error
	if w.streams, err = f.resources(w.request.Resources); err != nil {
		return nil, err
	}
	if w.run0, err = f.store.LoadRun(ctx, row.RunID); err != nil {
		return nil, fmt.Errorf("load run of the backfill: %w", err)
	}
	w.progress = newBackfillProgress(f)
	return w, nil
}

// run does all stages that are left. Each may be cut short at any moment and is
// gone on with by the next call, in whichever process.
func (w *backfill) run(ctx context.Context) error {
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	saved := make(chan struct{})
	go func() {
		defer close(saved)
		w.report(ctx, cancel)
	}()
	err := w.stages(ctx)
	stopped := outer.Err() != nil
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-saved
	if errors.Is(err, errTakenOver) {
		return err
	}
	if stopped {
		err = errStoppedBackfill
	}
	w.progress.problem(err)
	end, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	return errors.Join(err, w.save(end, err))
}

// stage is a step of a backfill.
type stage struct {
	name string
	do   func(context.Context) error
}

func (w *backfill) stages(ctx context.Context) error {
	if err := w.each(ctx, stage{StageRead, w.read}, stage{StageDigest, w.digested}); err != nil {
		return err
	}
	for {
		if err := w.each(ctx, stage{StageSettle, w.sweep}, stage{StageLoad, w.load}, stage{StageDeliver, w.delivered}); err != nil {
			return err
		}
		if w.canaryIsOut() {
			w.progress.stage(StageCanary)
			w.row.Held = true
			return w.f.store.SaveBackfill(ctx, w.row)
		}
		if err := w.verify(ctx); err != nil {
			return fmt.Errorf("backfill, verify: %w", err)
		}
		if ended, err := w.end(ctx); err != nil || ended {
			return err
		}
	}
}

func (w *backfill) each(ctx context.Context, stages ...stage) error {
	for _, s := range stages {
		if s.name == StageLoad && len(w.f.loaders()) == 0 {
			continue
		}
		w.progress.stage(s.name)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("backfill, %s: %w", s.name, err)
		}
	}
	return nil
}

// end ends the backfill, unless a digest has left somebody to its end meanwhile. No digest is under way while it looks:
// whom one leaves that began before the end, nobody would sweep after it.
func (w *backfill) end(ctx context.Context) (bool, error) {
	w.f.digests.Lock()
	defer w.f.digests.Unlock()
	owed, err := w.f.store.CountOwed(ctx, w.f.cfg.Name)
	if err != nil || owed > 0 {
		return false, err
	}
	w.progress.stage(StageDone)
	if err := w.forgetCursors(ctx); err != nil {
		return false, err
	}
	return true, w.f.store.EndBackfill(ctx, w.f.cfg.Name)
}

// forgetCursors lets the same range be read from its beginning when it is asked for
// another time.
func (w *backfill) forgetCursors(ctx context.Context) error {
	for _, stream := range w.streams {
		if err := w.f.keep(ctx, record.Page{Stream: backfillStream(stream), Cursor: "{}"}); err != nil {
			return err
		}
	}
	return nil
}

// backfillStream is the name of the checkpoint of a stream's past.
func backfillStream(stream string) string { return "backfill:" + stream }

// read captures the range of every stream from where it was left.
func (w *backfill) read(ctx context.Context) error {
	for _, stream := range w.streams {
		checkpoints, err := w.f.store.LoadCheckpoints(ctx, w.f.cfg.Name)
		if err != nil {
			return err
		}
		if err := w.readStream(ctx, stream, checkpoints[backfillStream(stream)]); err != nil {
			return fmt.Errorf("%s: %w", stream, err)
		}
	}
	return nil
}

// digested waits until no record of the range waits for its digest.
func (w *backfill) digested(ctx context.Context) error {
	for ctx.Err() == nil {
		waits, err := w.f.store.LoadWaiting(ctx, w.f.cfg.Name, record.Backfill)
		if err != nil || !waits.Records {
			return err
		}
		schedule.Pause(ctx, 100*time.Millisecond)
	}
	return context.Cause(ctx)
}

// sweep puts in the outbox what the range's customers are owed, or the first of
// them.
func (w *backfill) sweep(ctx context.Context) error {
	for !w.canaryIsOut() {
		swept, err := w.f.sweep(ctx, w.lease, w.request.Channels, w.room())
		if err != nil {
			return err
		}
		if swept.Customers == 0 {
			return nil
		}
		w.progress.swept(swept)
	}
	return nil
}

// canaryIsOut says that as many contacts as a canary may have are in the outbox and
// others are still owed.
func (w *backfill) canaryIsOut() bool {
	return w.request.Canary > 0 && w.progress.now().Contacts >= w.request.Canary
}

// room is how many customers may be taken at once.
func (w *backfill) room() int {
	if w.request.Canary == 0 {
		return 0
	}
	return max(1, w.request.Canary-w.progress.now().Contacts)
}

// delivered waits until what was put in the outbox is settled.
func (w *backfill) delivered(ctx context.Context) error {
	if w.deliver != nil {
		return w.deliver(ctx)
	}
	return w.f.outboxSettled(ctx, func() {})
}

// outboxSettled waits until nothing of the past is left in the outbox, and tells of
// each look at it.
func (f *flow) outboxSettled(ctx context.Context, looked func()) error {
	for ctx.Err() == nil {
		f.account.deliver.Wake()
		waits, err := f.store.LoadWaiting(ctx, f.cfg.Name, record.Backfill)
		if err != nil || !waits.Deliveries {
			return err
		}
		looked()
		schedule.Pause(ctx, 500*time.Millisecond)
	}
	return context.Cause(ctx)
}

// verify compares what Twilio listed with what is stored.
func (w *backfill) verify(ctx context.Context) error {
	found, ok := w.progress.now().Found[twilio.EventsStream]
	if !ok {
		return nil
	}
	kept, err := w.f.store.CountRecords(ctx, w.f.cfg.Name, twilio.EventsStream, w.row.Since, w.row.Until)
	if err != nil {
		return err
	}
	w.progress.verified(kept, kept >= found)
	if kept < found {
		return fmt.Errorf("%d events are stored of %d that Twilio listed; run the backfill again", kept, found)
	}
	return nil
}
