package connector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/part"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// joinParts makes the parts that the connector's configuration asks for.
func (s *Service) joinParts(f *flow) error {
	site := part.Site{
		Config: f.cfg, Account: f.account.name, Store: s.o.Store,
		Twilio: f.source, Brevo: f.account.destination, Transport: s.transport,
		Logger: f.logger, Clock: s.o.Clock, Keep: f.keepPosted,
		Wants: wants(f.cfg.Sync), KeepText: keepsText(f.cfg), Customer: f.customer,
		Hold: func(ctx context.Context, role string, work func(context.Context, store.Lease) error) {
			s.roles.Hold(ctx, role+":"+f.cfg.Name, work)
		},
		OnceOfAccount: func(ctx context.Context, role string, work func(context.Context, store.Lease) error) error {
			return s.roles.OnceMore(ctx, role+":"+f.account.name, work)
		},
		Once: func(ctx context.Context, role string, work func(context.Context, store.Lease) error) error {
			return s.roles.OnceMore(ctx, role+":"+f.cfg.Name, work)
		},
	}
	for _, make := range s.o.Parts {
		p, err := make(site)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		f.parts = append(f.parts, p)
		if _, ok := p.(part.Follower); ok {
			f.digest.Feed()
		}
	}
	return nil
}

// runPart runs a part until ctx ends; one that fails does not touch the others.
func (f *flow) runPart(ctx context.Context, p part.Part) {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		began := f.clock()
		if err := p.Run(ctx); err != nil && ctx.Err() == nil {
			f.logger.Error("part failed and is begun again", "part", p.Name(), "err", err)
		}
		if f.clock().Sub(began) > time.Minute {
			wait = time.Second
		}
		schedule.Pause(ctx, wait)
	}
}

// parts lets the parts of a connector do what is due.
func (p *pass) parts(ctx context.Context, f *flow) error {
	var errs []error
	for _, one := range f.parts {
		p.tell(one.Name())
		if err := one.Pass(ctx); err != nil {
			errs = append(errs, fmt.Errorf("connector %s: %s: %w", f.cfg.Name, one.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// testParts tries the parts that can be tried.
func (f *flow) testParts(ctx context.Context) []Capability {
	var out []Capability
	for _, p := range f.parts {
		if prober, ok := p.(part.Prober); ok {
			out = append(out, probe(ctx, p.Name(), prober.Probe))
		}
	}
	return out
}

// liveParts adds how the connector's parts stand.
func (f *flow) liveParts(ctx context.Context, c *ConnectorStatus) error {
	for _, p := range f.parts {
		state, err := p.State(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name(), err)
		}
		c.Parts = append(c.Parts, state)
	}
	return nil
}

// customer computes a customer anew from the store.
func (f *flow) customer(ctx context.Context, id int64) (*pipeline.Customer, error) {
	n, err := f.store.LoadCustomer(ctx, f.cfg.Name, id)
	if err != nil {
		return nil, err
	}
	shared, err := f.store.LoadShared(ctx, f.cfg.Name, f.digest.Phones(n))
	if err != nil {
		return nil, err
	}
	return f.digest.Customer(n, id, shared), nil
}

// forgetInParts has the parts of a connector take away what they keep of customers
// elsewhere, before they are erased here.
func (f *flow) forgetInParts(ctx context.Context, customers []int64) error {
	for _, p := range f.parts {
		keeper, ok := p.(part.Forgetter)
		if !ok || len(customers) == 0 {
			continue
		}
		if err := keeper.Forget(ctx, customers); err != nil {
			return fmt.Errorf("nothing was erased, because %s could not take away what it keeps of them; run it again: %w", p.Name(), err)
		}
	}
	return nil
}
