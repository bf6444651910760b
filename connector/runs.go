package connector

import (
	"context"
	"errors"
	"time"

	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// Kinds of runs.
const (
	runSync     = "sync"
	runBackfill = "backfill"
	runReplay   = "replay"
)

// runs executes what commands asked for beside the daemon, one after the other.
func (s *Service) runs(ctx context.Context) {
	var told time.Time // when the log was, of a store that does not answer
	for schedule.Pause(ctx, time.Second) {
		run, err := s.o.Store.NextRun(ctx, s.o.Clock())
		switch {
		case errors.Is(err, store.ErrNotFound) || ctx.Err() != nil:
			told = time.Time{}
			continue
		case err != nil:
			if time.Since(told) >= time.Minute {
				told = time.Now()
				s.o.Logger.Warn("runs cannot be read yet", "err", err)
			}
			continue
		}
		s.execute(ctx, run)
	}
}

// execute does one run. What it does is what the daemon does anyway, only now;
// so a run cut short by a stop is simply marked so, and nothing is lost.
func (s *Service) execute(ctx context.Context, run store.Run) {
	var report Report
	var err error
	switch run.Kind {
	case runBackfill:
		if err = s.takeBackfill(ctx, run); err == nil {
			return // whoever digests the connector tells of it
		}
	case runReplay:
		if err = s.takeReplay(ctx, run); err == nil {
			return // likewise
		}
	case runForget, runReconcile:
		if err = s.takeAsked(run); err == nil {
			return // likewise
		}
	case runSync:
		report, err = s.syncNow(ctx, run.Connector)
	default:
		err = errors.New("this version does not know runs of kind " + run.Kind)
	}
	if ctx.Err() != nil {
		err = errors.New("the daemon was stopped")
	}
	if errors.Is(context.Cause(ctx), errReloading) {
		s.again(ctx, run)
		return
	}
	run.State, run.EndedAt, run.Progress = store.RunDone, s.o.Clock(), marshal(report)
	if err != nil {
		run.State, run.Error = store.RunFailed, err.Error()
	}
	save, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	end := s.o.Store.SaveRun
	if run.Kind == runForget {
		end = s.o.Store.EndAsked // the request says who
	}
	if err := end(save, run); err != nil {
		s.o.Logger.Error("outcome of a run cannot be stored", "run_id", run.ID, "err", err)
	}
}

// again leaves a run that a reload cut short to the service that takes over.
func (s *Service) again(ctx context.Context, run store.Run) {
	run.State, run.StartedAt = store.RunQueued, time.Time{}
	save, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.o.Store.SaveRun(save, run); err != nil {
		s.o.Logger.Error("run cannot be handed over", "run_id", run.ID, "err", err)
	}
}

// syncNow pulls every stream now and waits until all that was owed is settled.
// It counts what the daemon did in that time.
func (s *Service) syncNow(ctx context.Context, connector string) (Report, error) {
	p := s.newPass(nil)
	before := map[*account]pipeline.Counts{}
	for _, a := range s.accounts {
		before[a] = a.deliver.Counts()
	}
	var errs []error
	for _, f := range s.flows {
		if connector == "" || connector == f.cfg.Name {
			release := f.account.deliver.Hold()
			errs = append(errs, p.pull(ctx, f), s.settled(ctx, p, f, release))
			release()
		}
	}
	for a, counts := range before {
		p.countOutcomes(counts, a.deliver.Counts())
	}
	return p.report, errors.Join(errs...)
}

// settled waits until a connector has no record to digest, releases its deliveries, and
// waits until its account has nothing due soon.
func (s *Service) settled(ctx context.Context, p *pass, f *flow, release func()) error {
	for schedule.Pause(ctx, 100*time.Millisecond) {
		waiting, err := s.o.Store.LoadUndigested(ctx, f.cfg.Name, 1)
		if err != nil {
			return err
		}
		if len(waiting) == 0 {
			release()
			return p.untilIdle(ctx, f.account)
		}
	}
	return context.Cause(ctx)
}

// Ask leaves a run for the daemon that works on this store and returns its id.
func Ask(ctx context.Context, s store.Store, kind, connector string, now time.Time) (int64, error) {
	return s.AddRun(ctx, store.Run{Kind: kind, Connector: connector, State: store.RunQueued, CreatedAt: now})
}

// Follow waits for a run to end and returns it.
func Follow(ctx context.Context, s store.Store, id int64) (store.Run, error) {
	for {
		run, err := s.LoadRun(ctx, id)
		if err != nil || run.State == store.RunDone || run.State == store.RunFailed {
			return run, err
		}
		if !schedule.Pause(ctx, 250*time.Millisecond) {
			return run, context.Cause(ctx)
		}
	}
}
