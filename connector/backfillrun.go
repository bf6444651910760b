package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"flexbrevo/connector/store"
)

// digestRole is what the holder of a connector's digest does: it digests, works
// on the connector's backfill and replay, and does what it is asked for.
func (f *flow) digestRole(ctx context.Context, lease store.Lease) error {
	ctx, cancel := context.WithCancel(ctx)
	var past sync.WaitGroup
	past.Go(func() { f.backfilling(ctx, lease) })
	past.Go(func() { f.replaying(ctx, lease) })
	past.Go(func() { f.operationsRole(ctx, lease) })
	past.Go(func() { f.asked(ctx, lease) })
	defer past.Wait()
	defer cancel()
	return f.digesting(ctx, lease)
}

// takeBackfill makes a queued run the backfill of its connector.
func (s *Service) takeBackfill(ctx context.Context, run store.Run) error {
	var r BackfillRequest
	if err := json.Unmarshal(run.Request, &r); err != nil {
		return errors.New("the request cannot be read")
	}
	f, err := s.flowOf(r.Connector)
	if err != nil {
		return err
	}
	if _, err := f.resources(r.Resources); err != nil {
		return err
	}
	_, err = BeginBackfill(ctx, s.o.Store, r, run.ID, s.o.Clock())
	return err
}

func (s *Service) flowOf(connector string) (*flow, error) {
	for _, f := range s.flows {
		if f.cfg.Name == connector {
			return f, nil
		}
	}
	return nil, fmt.Errorf("there is no enabled connector %q", connector)
}

// ConnectorNames are the connectors that the service runs, in the file's order.
func (s *Service) ConnectorNames() []string {
	var out []string
	for _, f := range s.flows {
		out = append(out, f.cfg.Name)
	}
	return out
}

// AskBackfill leaves a backfill for the daemon that works on this store, and returns
// the run to follow.
func (s *Service) AskBackfill(ctx context.Context, r BackfillRequest) (int64, error) {
	return s.o.Store.AddRun(ctx, store.Run{
		Kind: runBackfill, Connector: r.Connector, State: store.RunQueued, Request: marshal(r), CreatedAt: s.o.Clock(),
	})
}

// Backfill reads a past range of one connector and delivers what follows from it,
// without a daemon. It may be cut short at any moment: asking for the same again
// goes on with it. told hears of it every second.
func (s *Service) Backfill(ctx context.Context, r BackfillRequest, told func(BackfillProgress)) (BackfillProgress, error) {
	f, err := s.flowOf(r.Connector)
	if err != nil {
		return BackfillProgress{}, err
	}
	id, err := s.AskBackfill(ctx, r)
	if err != nil {
		return BackfillProgress{}, err
	}
	row, err := BeginBackfill(ctx, s.o.Store, r, id, s.o.Clock())
	if err != nil {
		return BackfillProgress{}, err
	}
	take, stop := context.WithCancel(context.WithoutCancel(ctx))
	var intake sync.WaitGroup
	intake.Go(func() { s.intake.Run(take) })
	defer intake.Wait()
	defer stop()
	var end BackfillProgress
	err = s.roles.OnceMore(ctx, "digest:"+f.cfg.Name, func(ctx context.Context, lease store.Lease) error {
		w, err := f.newBackfill(ctx, row, lease, told)
		if err != nil {
			return err
		}
		w.deliver = func(ctx context.Context) error { return s.newPass(nil).deliver(ctx, f.account) }
		err = f.beside(ctx, lease, w.run)
		end = w.progress.now()
		return err
	})
	return end, err
}

// beside does work while the connector digests; the first error of either ends both.
func (f *flow) beside(ctx context.Context, lease store.Lease, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	digested := make(chan error, 1)
	go func() {
		err := f.digesting(ctx, lease)
		if err != nil {
			cancel(err)
		}
		digested <- err
	}()
	err := work(ctx)
	cancel(nil)
	return errors.Join(err, <-digested)
}
