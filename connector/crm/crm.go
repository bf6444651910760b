// Package crm writes notes and tasks on contacts' timelines in Brevo's CRM, for the few
// cases that rules pick by hand: a low score, an important caller who was not answered.
//
// Each case is written once for ever. Its row is stored before the call and taken by
// one process; a call whose outcome is not known is looked up among what the contact's
// timeline has (GET /crm/notes and GET /crm/tasks), and where that cannot be read the
// case counts as written: a note that is lost is a smaller harm than one that is there
// twice. The calls are of Brevo's hourly bucket, 100 on most accounts (facts/brevo.md
// 6), and have only a part of it.
package crm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/part"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

// partName is the part, its role and its checkpoint.
const partName = "crm"

const (
	// lookEvery is how often it looks for customers who have changed and for what is due.
	lookEvery = 2 * time.Second
	// retryMost is the longest wait after an error of the store.
	retryMost = time.Minute
	// atOnce is how many customers or cases are loaded at once.
	atOnce = 100
	// mostWaiting is how many cases may wait; what comes then is left out and counted.
	mostWaiting = 500
)

// Part writes the cases of one connector.
type Part struct {
	site  part.Site
	rules []*rule
	wire  wire
}

var (
	_ part.Part     = (*Part)(nil)
	_ part.Follower = (*Part)(nil)
)

// New is a part.Maker.
func New(site part.Site) (part.Part, error) {
	if len(site.Config.CRM) == 0 {
		return nil, nil
	}
	site.Logger = site.Logger.With("part", partName)
	return &Part{site: site, rules: rulesOf(site.Config), wire: wire{brevo: site.Brevo, clock: site.Clock}}, nil
}

// Name implements part.Part.
func (p *Part) Name() string { return partName }

// Follows implements part.Follower.
func (p *Part) Follows() {}

// Run implements part.Part.
func (p *Part) Run(ctx context.Context) error {
	p.site.Hold(ctx, partName, func(ctx context.Context, _ store.Lease) error {
		if err := p.site.Store.RecoverCases(ctx, p.site.Config.Name); err != nil {
			return err
		}
		for retry := lookEvery; ; {
			wait, err := p.once(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err == nil {
				retry = lookEvery
			} else {
				p.site.Logger.Warn("notes and tasks cannot be written yet", "err", err)
				wait, retry = retry, min(2*retry, retryMost)
			}
			if !schedule.Pause(ctx, max(wait, lookEvery)) {
				return nil
			}
		}
	})
	return nil
}

// Pass implements part.Part. What is due later, or finds no call left in the hour, is
// left to the next pass.
func (p *Part) Pass(ctx context.Context) error {
	err := p.site.Once(ctx, partName, func(ctx context.Context, _ store.Lease) error {
		if err := p.site.Store.RecoverCases(ctx, p.site.Config.Name); err != nil {
			return err
		}
		_, err := p.once(ctx)
		return err
	})
	if errors.Is(err, store.ErrLeaseHeld) {
		return nil // whoever holds it writes
	}
	return err
}

// once takes in who has changed and writes what is due. It returns after which time
// there may be more to do.
func (p *Part) once(ctx context.Context) (time.Duration, error) {
	k, err := p.load(ctx)
	if err != nil {
		return 0, err
	}
	if err := p.takeIn(ctx, k); err != nil {
		return 0, err
	}
	if err := p.leaveOld(ctx); err != nil {
		return 0, err
	}
	w := &writing{part: p, kept: k}
	return w.due(ctx)
}

// kept is what is kept in the checkpoint.
type kept struct {
	// Seq is the place in the feed of changed customers.
	Seq int64 `json:"seq"`
	// Refused is set while nothing is written.
	Refused *refusal `json:"refused,omitempty"`
	Calls   int64    `json:"calls"`
	// NoType is a type of task that the account was found not to have.
	NoType string `json:"no_type,omitempty"`
	// Assumed counts those that count as written though nobody knows, Failed the
	// evaluations that gave an error.
	Assumed int64 `json:"assumed"`
	Failed  int64 `json:"failed"`
}

// refusal is why nothing is written, and until when that is believed.
type refusal struct {
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

func (p *Part) load(ctx context.Context) (*kept, error) {
	k := &kept{}
	_, err := part.LoadCursor(ctx, p.site.Store, p.site.Config.Name, partName, k)
	return k, err
}

func (p *Part) save(ctx context.Context, k *kept) error {
	return part.SaveCursor(ctx, p.site.Store, p.site.Config.Name, partName, p.site.Clock(), k)
}

// State implements part.Part.
func (p *Part) State(ctx context.Context) (part.State, error) {
	s := part.State{Name: partName, Counts: map[string]int64{}}
	k, err := p.load(ctx)
	if err != nil {
		return s, err
	}
	counts, err := p.site.Store.CountCases(ctx, p.site.Config.Name)
	if err != nil {
		return s, err
	}
	s.Counts["calls"], s.Counts["failed_rules"], s.Counts["assumed_written"] = k.Calls, k.Failed, k.Assumed
	for state, n := range counts.States {
		s.Counts[string(state)] = int64(n)
	}
	for reason, n := range counts.LeftOut {
		s.Notices = append(s.Notices, fmt.Sprintf("%d notes or tasks were left out: %s", n, reason))
	}
	if r := k.Refused; r != nil {
		s.Notices = append(s.Notices, fmt.Sprintf("nothing is written to the CRM since %s: %s; tried again after %s",
			r.At.UTC().Format(time.RFC3339), r.Why, r.Until.UTC().Format(time.RFC3339)))
	}
	if k.NoType != "" && s.Counts[string(store.CaseWaiting)] > 0 {
		s.Notices = append(s.Notices, (&noTypeError{k.NoType}).Error())
	}
	if k.Assumed > 0 {
		s.Notices = append(s.Notices, fmt.Sprintf("%d notes or tasks count as written though their answer was lost and could not be looked up", k.Assumed))
	}
	return s, nil
}
