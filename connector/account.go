package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// account is one Brevo account, which several connectors may share: its
// destination, and the delivery to it.
type account struct {
	name        string
	cfg         config.Brevo
	destination *brevo.Destination
	deliver     *pipeline.Deliver
	store       store.Store
	logger      *slog.Logger
	flows       []*flow
	linking     *pipeline.Directory

	mu       sync.Mutex
	prepared bool
	err      error // of the last preparation
}

// choices are what the connectors of an account have chosen of its delivery.
type choices struct {
	maxAge            map[string]time.Duration
	merges, recreates map[string]bool
	scopes            []string // of Brevo that only some configurations need
}

func newChoices() *choices {
	return &choices{maxAge: map[string]time.Duration{}, merges: map[string]bool{}, recreates: map[string]bool{}}
}

func (o *choices) add(c *config.Connector) {
	o.maxAge[c.Name] = c.Events.MaxAge
	o.scopes = append(o.scopes, c.FurtherScopes()...)
	o.merges[c.Name] = c.Identity.OnConflict == config.OnConflictMerge
	o.recreates[c.Name] = c.Identity.OnDeleted == config.OnDeletedRecreate
}

// mainAccount is the name of the account below the file's own brevo block.
const mainAccount = "brevo"

func (s *Service) newAccount(name string, c config.Brevo, by *choices) (*account, error) {
	a := &account{name: name, cfg: c, store: s.o.Store, logger: s.o.Logger.With("account", name)}
	o := brevo.Options{
		APIKey: c.APIKey.Reveal(), BaseURL: c.BaseURL, Tier: c.Tier, Share: c.Share,
		HTTP: trusting{s.carrier("brevo")}, Clock: s.o.Clock, Logger: a.logger, LogCalls: s.logCalls,
	}
	if c.OAuth.ClientID != "" {
		o.OAuth = &brevo.OAuthOptions{ClientID: c.OAuth.ClientID, ClientSecret: c.OAuth.ClientSecret.Reveal(), Further: by.scopes}
	}
	var err error
	if a.destination, err = brevo.New(o); err != nil {
		return nil, fmt.Errorf("account %s: %w", name, err)
	}
	a.deliver = pipeline.NewDeliver(pipeline.DeliverOptions{
		Account: name, Store: s.o.Store, Destination: destination{a.destination}, Directory: a.directory(s.o.Store), MaxAge: by.maxAge,
		Merges: by.merges, Recreates: by.recreates,
		LookupAfter: c.LookupAfter, Clock: s.o.Clock, Logger: s.o.Logger,
	})
	return a, nil
}

// plan is what the account must have for the rules of its connectors.
func (a *account) plan() brevo.Plan {
	p := brevo.Plan{DryRun: !a.cfg.Provision}
	for _, f := range a.flows {
		for _, field := range f.cfg.Rules.Fields {
			p.Attributes = append(p.Attributes, brevo.AttributeSpec{Name: field.To, Type: field.InferredType(), Rule: field.At.String()})
		}
		for _, l := range []config.List{f.cfg.Lists.SupportContacts, f.cfg.Lists.CSATRespondents} {
			if l.IsSet() {
				p.Lists = append(p.Lists, list(l))
			}
		}
		for _, rule := range f.cfg.Rules.Lists {
			p.Lists = append(p.Lists, rule.List)
		}
	}
	return p
}

// prepare makes sure, once, that attributes and lists are as the rules need them
// before anything is written.
func (a *account) prepare(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.prepared {
		return nil
	}
	report, err := a.destination.Provision(ctx, a.plan())
	if a.err = err; err != nil {
		return fmt.Errorf("prepare Brevo account %s: %w", a.name, err)
	}
	a.prepared = true
	for _, w := range report.Warnings {
		a.logger.Warn("brevo account differs from the rules", "what", w.What, "reason", w.Reason, "rule", w.Rule)
	}
	return nil
}

// preparation returns the error of the last attempt to prepare.
func (a *account) preparation() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// delivering delivers under the lease until ctx ends. The account is prepared
// first; while that is refused, everything owed waits.
func (a *account) delivering(ctx, hard context.Context, lease store.Lease) error {
	for wait := 5 * time.Second; ; wait = min(2*wait, 5*time.Minute) {
		before := a.preparation()
		err := a.prepare(ctx)
		if err == nil {
			break
		}
		if before == nil {
			a.logger.Error("brevo cannot be written to; everything owed is kept", "reason", failure.ReasonOf(err), "err", err)
		}
		if !schedule.Pause(ctx, wait) {
			return nil
		}
	}
	if err := a.wake(ctx, lease); err != nil {
		return err
	}
	return a.alive(ctx, func() error { return a.run(ctx, hard, lease) })
}

// wake is awake for a daemon: it goes on asking for as long as Brevo does not answer.
func (a *account) wake(ctx context.Context, lease store.Lease) error {
	for wait := 5 * time.Second; ; wait = min(2*wait, time.Minute) {
		silence, err := a.awake(ctx, lease)
		if err == nil {
			if silence > longQuiet {
				for _, f := range a.flows {
					f.asksItself(ctx, silence)
				}
			}
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, store.ErrLeaseLost) {
			return err
		}
		a.logger.Warn("nothing is sent before it is known what Brevo has", "reason", failure.ReasonOf(err), "err", err)
		if !schedule.Pause(ctx, wait) {
			return nil
		}
	}
}
