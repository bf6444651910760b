package connector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// ReplayRequest asks for one connector's customers to be computed anew.
type ReplayRequest struct {
	Connector string `json:"connector"`
	// Since leaves out customers of whom nothing happened since then, and records of
	// before; the zero time leaves out nothing.
	Since time.Time `json:"since"`
	// Rules are the fingerprint of the rules that were meant, see RulesOf.
	Rules string `json:"rules"`
}

// Stages of a replay, beside StageDeliver and StageDone.
const (
	StageRecords   = "records"   // those still kept are digested again, and what is new in them is staged
	StageCustomers = "customers" // everybody is computed anew, and what changes is put in the outbox
)

// ReplayProgress is how far a replay is. It is kept with its run, and counts over all
// processes that worked on it.
type ReplayProgress struct {
	Connector string `json:"connector"`
	Stage     string `json:"stage"`
	// Records were digested again, Customers computed anew; Changed of those differ.
	Records   int `json:"records"`
	Customers int `json:"customers"`
	Changed   int `json:"changed"`
	// Contacts and Events were put in the outbox. A contact that is put there though
	// Brevo holds everything already costs no call.
	Contacts int `json:"contacts"`
	Events   int `json:"events"`
	// Waiting are deliveries not settled yet, Dead those given up while it ran.
	Waiting int `json:"waiting"`
	Dead    int `json:"dead"`
	// Problem says what it waits for.
	Problem string `json:"problem,omitempty"`
}

// replayPosition is where a replay that was cut short goes on.
type replayPosition struct {
	Record   int64          `json:"record"`
	New      fact.Key       `json:"new"`
	Customer int64          `json:"customer"`
	Progress ReplayProgress `json:"progress"`
}

var (
	errReplayTakenOver = errors.New("another replay took its place")
	errReplayStopped   = errors.New("stopped; it goes on when it is run again, or when the daemon is started")
	errReplayRules     = errors.New("the rules are not those that the replay was asked for with: reload the daemon (SIGHUP) or restart it, and run the replay again")
	errReplayBackfill  = errors.New("a backfill is under way; run the replay when that is done")
)

// RulesOf is a fingerprint of everything in a connector's configuration that decides
// what its contacts and events are.
func RulesOf(c *config.Connector) string {
	b, err := json.Marshal([]any{
		c.Region, c.Timezone, c.ConversationSettle, c.Sync, c.Channels, c.Lists, c.Identity, c.Events, c.CSATScale, c.CSAT,
		c.Abandoned, c.FieldMapping, c.EventMapping, c.SyncObjects,
	})
	if err != nil {
		panic("connector: rules are not JSON: " + err.Error()) // they were read from YAML
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// RequestReplay is a request for a connector as it is configured now.
func (s *Service) RequestReplay(connector string, since time.Time) (ReplayRequest, error) {
	f, err := s.flowOf(connector)
	if err != nil {
		return ReplayRequest{}, err
	}
	return ReplayRequest{Connector: connector, Since: since.UTC(), Rules: RulesOf(f.cfg)}, nil
}

// AskReplay leaves a replay for whoever digests the connector, and returns the run to
// follow: that of the same request where it is under way already.
func (s *Service) AskReplay(ctx context.Context, r ReplayRequest) (int64, error) {
	row, err := s.o.Store.LoadReplay(ctx, r.Connector)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	if err == nil && string(row.Request) == string(marshal(r)) {
		run, err := s.o.Store.LoadRun(ctx, row.RunID)
		if err != nil {
			return 0, err
		}
		run.State, run.Error, run.EndedAt = store.RunRunning, "", time.Time{}
		return row.RunID, s.o.Store.SaveRun(ctx, run)
	}
	return s.o.Store.AddRun(ctx, store.Run{
		Kind: runReplay, Connector: r.Connector, State: store.RunQueued, Request: marshal(r), CreatedAt: s.o.Clock(),
	})
}

// takeReplay makes a queued run the replay of its connector.
func (s *Service) takeReplay(ctx context.Context, run store.Run) error {
	var r ReplayRequest
	if err := json.Unmarshal(run.Request, &r); err != nil {
		return errors.New("the request cannot be read")
	}
	if _, err := s.flowOf(r.Connector); err != nil {
		return err
	}
	_, err := beginReplay(ctx, s.o.Store, r, run.ID)
	return err
}

// beginReplay makes a request the connector's replay. One that was begun by the same
// run goes on where it was.
func beginReplay(ctx context.Context, s store.Store, r ReplayRequest, run int64) (store.Replay, error) {
	row, err := s.LoadReplay(ctx, r.Connector)
	if err == nil && row.RunID == run {
		return row, nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Replay{}, err
	}
	row = store.Replay{Connector: r.Connector, RunID: run, Request: marshal(r), Position: marshal(replayPosition{})}
	return row, s.SaveReplay(ctx, row)
}

// Replay computes a connector's customers anew and delivers what changes, without a
// daemon. It may be cut short at any moment: asking for the same again goes on with
// it. told hears of it every second.
func (s *Service) Replay(ctx context.Context, r ReplayRequest, told func(ReplayProgress)) (ReplayProgress, error) {
	f, err := s.flowOf(r.Connector)
	if err != nil {
		return ReplayProgress{}, err
	}
	id, err := s.AskReplay(ctx, r)
	if err != nil {
		return ReplayProgress{}, err
	}
	row, err := beginReplay(ctx, s.o.Store, r, id)
	if err != nil {
		return ReplayProgress{}, err
	}
	var end ReplayProgress
	err = s.roles.Once(ctx, "digest:"+f.cfg.Name, func(ctx context.Context, lease store.Lease) error {
		w, err := f.newReplay(ctx, row, lease)
		if err != nil {
			return err
		}
		w.told = told
		w.deliver = func(ctx context.Context) error { return s.newPass(nil).deliver(ctx, f.account) }
		err = w.execute(ctx)
		end = w.at.Progress
		return err
	})
	return end, err
}

// replaying works on the connector's replay, whenever there is one, for as long as
// the digest's lease lasts.
func (f *flow) replaying(ctx context.Context, lease store.Lease) {
	for wait := time.Second; schedule.Pause(ctx, wait); {
		wait = time.Second
		row, err := f.store.LoadReplay(ctx, f.cfg.Name)
		if err != nil {
			continue // there is none, or whoever needs the store next says what is wrong
		}
		w, err := f.newReplay(ctx, row, lease)
		if err == nil {
			err = w.execute(ctx)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errReplayTakenOver) {
			f.logger.Error("replay is not done", "run_id", row.RunID, "err", err)
			wait = time.Minute
		}
	}
}

// replay is one process's work on a replay, or on a dry run of one.
type replay struct {
	f       *flow
	lease   *store.Lease // nil: a dry run
	row     store.Replay
	run     store.Run
	request ReplayRequest
	how     pipeline.Replaying
	at      replayPosition
	dead0   int
	saved   time.Time // when the run was last written
	// told hears of the progress, differs of each difference; either may be nil.
	told    func(ReplayProgress)
	differs func(pipeline.Difference) error
	// deliver, when set, delivers until nothing is owed; otherwise others do that, and
	// it is waited for.
	deliver func(context.Context) error
}

// newReplay takes up a replay where it stands.
func (f *flow) newReplay(ctx context.Context, row store.Replay, lease store.Lease) (*replay, error) {
	w := &replay{f: f, lease: &lease, row: row, dead0: deadOf(f.account)}
	var err error
	if w.run, err = f.store.LoadRun(ctx, row.RunID); err != nil {
		return nil, fmt.Errorf("load run of the replay: %w", err)
	}
	if json.Unmarshal(row.Request, &w.request) != nil || json.Unmarshal(row.Position, &w.at) != nil {
		return nil, errors.New("the stored request of the replay cannot be read; ask for it again")
	}
	w.at.Progress.Connector = f.cfg.Name
	w.how = pipeline.Replaying{Run: row.RunID, Since: w.request.Since, MaxAge: f.cfg.Events.MaxAge}
	return w, nil
}

// execute does all stages that are left. Each may be cut short at any moment and is
// gone on with by the next call, in whichever process.
func (w *replay) execute(ctx context.Context) error {
	err := w.stages(ctx)
	end, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	// What another try helps against is tried again by a daemon; a command ends.
	over := err == nil || errors.Is(err, errReplayRules) || errors.Is(err, errReplayBackfill) || errors.Is(err, errReplayTakenOver)
	switch {
	case over:
		err = errors.Join(err, w.f.store.EndReplay(end, w.f.cfg.Name, w.row.RunID, w.f.clock()))
	case ctx.Err() != nil:
		err = errReplayStopped
	}
	return errors.Join(err, w.saveRun(end, err, over || w.deliver != nil))
}

func (w *replay) stages(ctx context.Context) error {
	if w.request.Rules != RulesOf(w.f.cfg) {
		return errReplayRules
	}
	if err := w.compute(ctx); err != nil {
		return err
	}
	w.at.Progress.Stage = StageDeliver
	if err := w.save(ctx); err != nil {
		return err
	}
	deliver := w.deliver
	if deliver == nil {
		deliver = w.settled
	}
	if err := deliver(ctx); err != nil {
		return fmt.Errorf("replay, deliver: %w", err)
	}
	w.at.Progress.Stage, w.at.Progress.Waiting = StageDone, 0
	return nil
}

// settled waits until what was put in the outbox is settled.
func (w *replay) settled(ctx context.Context) error {
	return w.f.outboxSettled(ctx, func() {
		if w.f.clock().Sub(w.saved) < 5*time.Second {
			return
		}
		if n, err := w.f.waiting(ctx); err == nil {
			w.at.Progress.Waiting = n
		}
		_ = w.save(ctx) // it is only shown; the next one, or the end, says what is wrong
	})
}

// compute digests records again and computes everybody anew.
func (w *replay) compute(ctx context.Context) error {
	_, err := w.f.store.LoadBackfill(ctx, w.f.cfg.Name)
	switch {
	case err == nil:
		return errReplayBackfill
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if w.how.Preview, err = w.f.account.destination.Preview(ctx, w.f.account.plan()); err != nil {
		return fmt.Errorf("read Brevo account %s: %w", w.f.account.name, err)
	}
	preview := w.how.Preview
	w.how.Preview = func(c record.Change) record.Preview {
		c.Recreate = w.f.cfg.Identity.OnDeleted == config.OnDeletedRecreate
		return preview(c)
	}
	for _, stage := range []struct {
		name string
		step func(context.Context) (int, error)
	}{
		{StageRecords, w.records}, {StageCustomers, w.strangers}, {StageCustomers, w.customers},
	} {
		w.at.Progress.Stage = stage.name
		for n := -1; n != 0; {
			if n, err = stage.step(ctx); err != nil {
				return fmt.Errorf("replay, %s: %w", stage.name, err)
			}
			if err := w.save(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *replay) records(ctx context.Context) (n int, err error) {
	w.at.Record, n, err = w.f.digest.StageRecords(ctx, &w.how, w.at.Record)
	w.at.Progress.Records += n
	return n, err
}

// strangers are customers of facts that nobody has yet.
func (w *replay) strangers(ctx context.Context) (int, error) {
	w.f.digests.Lock()
	next, did, err := w.f.digest.ReplayNew(ctx, w.lease, &w.how, w.at.New)
	w.f.digests.Unlock()
	if err != nil {
		return 0, err
	}
	w.at.New = next
	return did.Customers, w.count(did)
}

func (w *replay) customers(ctx context.Context) (int, error) {
	w.f.digests.Lock()
	did, err := w.f.digest.ReplayCustomers(ctx, w.lease, &w.how, w.at.Customer)
	w.f.digests.Unlock()
	if err != nil {
		return 0, err
	}
	w.at.Customer = did.Last
	w.at.Progress.Customers += did.Customers
	return did.Customers, w.count(did)
}

// count tells of a step's differences and wakes the delivery.
func (w *replay) count(did pipeline.Replayed) error {
	p := &w.at.Progress
	p.Changed, p.Contacts, p.Events = p.Changed+len(did.Differences), p.Contacts+did.Contacts, p.Events+did.Events
	if w.differs != nil {
		for _, d := range did.Differences {
			if err := w.differs(d); err != nil {
				return err
			}
		}
	}
	if w.lease != nil && did.Contacts+did.Events > 0 {
		w.f.account.deliver.Wake()
	}
	return nil
}

// save writes where the replay goes on, and every second the run.
func (w *replay) save(ctx context.Context) error {
	now := w.f.clock()
	due := now.Sub(w.saved) >= time.Second
	if due && w.told != nil {
		w.told(w.at.Progress)
	}
	if w.lease == nil {
		if due {
			w.saved = now
		}
		return nil
	}
	if due {
		row, err := w.f.store.LoadReplay(ctx, w.f.cfg.Name)
		if err != nil {
			return err
		}
		if row.RunID != w.row.RunID {
			return errReplayTakenOver
		}
		if err := w.saveRun(ctx, nil, false); err != nil {
			return err
		}
		w.saved = now
	}
	w.row.Position = marshal(w.at)
	return w.f.store.SaveReplay(ctx, w.row)
}

// saveRun writes the run as it stands; over says that nobody goes on with it by
// itself.
func (w *replay) saveRun(ctx context.Context, err error, over bool) error {
	p := &w.at.Progress
	p.Dead = deadOf(w.f.account) - w.dead0
	if p.Problem = ""; err != nil {
		p.Problem = err.Error()
	}
	run := w.run
	run.State, run.Progress, run.Error = store.RunRunning, marshal(p), p.Problem
	if over {
		run.State, run.EndedAt = store.RunDone, w.f.clock()
	}
	if over && err != nil {
		run.State = store.RunFailed
	}
	return w.f.store.SaveRun(ctx, run)
}

// ReplayPlan is what a replay would change, in numbers.
type ReplayPlan struct {
	Connector string `json:"connector"`
	Records   int    `json:"records"`
	Customers int    `json:"customers"`
	Changed   int    `json:"changed"`
	// Created are contacts that are not known in Brevo.
	Created int `json:"created"`
	// Values counts changed values by attribute, Joins and Leaves memberships by list.
	Values map[string]int `json:"values"`
	Joins  map[string]int `json:"joins"`
	Leaves map[string]int `json:"leaves"`
	// Events counts by event and by what becomes of it.
	Events map[string]map[string]int `json:"events"`
}

func (p *ReplayPlan) add(d *pipeline.Difference) {
	p.Changed++
	if d.Action == "create or join" && d.Preview.Changes() {
		p.Created++
	}
	for _, v := range d.Values {
		p.Values[v.Name]++
	}
	for _, l := range d.Joins {
		p.Joins[l]++
	}
	for _, l := range d.Leaves {
		p.Leaves[l]++
	}
	for _, e := range d.Events {
		if p.Events[e.Name] == nil {
			p.Events[e.Name] = map[string]int{}
		}
		p.Events[e.Name][e.Becomes]++
	}
}

// PlanReplay says what a replay would change, customer by customer, and changes
// nothing but rows of its own that it takes away again. It works beside a daemon, and
// reads the attributes and lists of the Brevo account.
func (s *Service) PlanReplay(ctx context.Context, r ReplayRequest, told func(ReplayProgress), differs func(pipeline.Difference) error) (plan ReplayPlan, err error) {
	f, err := s.flowOf(r.Connector)
	if err != nil {
		return ReplayPlan{}, err
	}
	plan = ReplayPlan{Connector: r.Connector, Values: map[string]int{}, Joins: map[string]int{}, Leaves: map[string]int{}, Events: map[string]map[string]int{}}
	run := store.DryRun(s.o.Clock())
	w := &replay{f: f, request: r, told: told, saved: s.o.Clock()}
	w.how = pipeline.Replaying{Run: run, Since: r.Since, MaxAge: f.cfg.Events.MaxAge}
	w.at.Progress.Connector = r.Connector
	w.differs = func(d pipeline.Difference) error {
		plan.add(&d)
		return differs(d)
	}
	defer func() {
		end, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		err = errors.Join(err, s.o.Store.EndReplay(end, r.Connector, run, s.o.Clock()))
	}()
	err = w.compute(ctx)
	plan.Records, plan.Customers = w.at.Progress.Records, w.at.Progress.Customers
	return plan, err
}
