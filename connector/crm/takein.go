package crm

import (
	"context"
	"errors"

	"flexbrevo/connector/store"
)

// The reasons why a case is left out.
const (
	whyTooOld  = "too old"
	whyBacklog = "too many were waiting"
	whyRefused = "Brevo refused it"
	whyGone    = "the contact is gone from Brevo"
)

// takeIn looks at the customers who have changed since, and stores their cases.
func (p *Part) takeIn(ctx context.Context, k *kept) error {
	for {
		changed, err := p.site.Store.LoadChanged(ctx, p.site.Config.Name, k.Seq, atOnce)
		if err != nil || len(changed) == 0 {
			return err
		}
		for _, c := range changed {
			if err := p.takeInCustomer(ctx, k, c.CustomerID); err != nil {
				return err
			}
			k.Seq = c.Seq
		}
		if err := p.save(ctx, k); err != nil {
			return err
		}
	}
}

// takeInCustomer stores one customer's cases; those that are known stay as they are.
func (p *Part) takeInCustomer(ctx context.Context, k *kept, id int64) error {
	life, err := p.site.Customer(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // forgotten meanwhile
	}
	if err != nil {
		return err
	}
	if life.MergedInto != 0 {
		return nil // the survivor has changed as well
	}
	oldest := p.site.Clock().Add(-p.site.Config.Events.MaxAge)
	var cases []store.Case
	for _, r := range p.rules {
		if !p.site.Wants(r.On) {
			continue
		}
		found, names, failed := r.casesOf(life, oldest)
		k.Failed += int64(failed)
		if found, err = p.withoutRenamed(ctx, found, names); err != nil {
			return err
		}
		cases = append(cases, found...)
	}
	return p.add(ctx, cases)
}

// withoutRenamed leaves out what is known under another of its keys.
func (p *Part) withoutRenamed(ctx context.Context, cases []store.Case, names [][]string) ([]store.Case, error) {
	var all []string
	for _, keys := range names {
		all = append(all, keys...)
	}
	if len(all) == 0 {
		return cases, nil
	}
	known, err := p.site.Store.LoadKnownCases(ctx, p.site.Config.Name, all)
	var out []store.Case
	for i, c := range cases {
		renamed := false
		for _, key := range names[i] {
			renamed = renamed || known[key]
		}
		if !renamed {
			out = append(out, c)
		}
	}
	return out, err
}

// add stores cases; while too many wait the new ones are left out for ever, and counted.
func (p *Part) add(ctx context.Context, cases []store.Case) error {
	if len(cases) == 0 {
		return nil
	}
	counts, err := p.site.Store.CountCases(ctx, p.site.Config.Name)
	if err != nil {
		return err
	}
	keys := make([]string, len(cases))
	for i, c := range cases {
		keys[i] = c.Key
	}
	known, err := p.site.Store.LoadKnownCases(ctx, p.site.Config.Name, keys)
	if err != nil {
		return err
	}
	room, left := mostWaiting-counts.States[store.CaseWaiting]-counts.States[store.CaseUnknown], 0
	for i, c := range cases {
		if known[c.Key] {
			continue
		}
		if room--; room < 0 {
			cases[i].State, cases[i].Reason, cases[i].Body = store.CaseLeftOut, whyBacklog, nil
			left++
		}
	}
	if left > 0 {
		p.site.Logger.Warn("notes or tasks are left out, because too many wait", "cases", left)
	}
	_, err = p.site.Store.AddCases(ctx, p.site.Config.Name, cases)
	return err
}

// leaveOld leaves out what nobody should read any more: it waited for a contact, or
// for the hour's calls, until it was too old.
func (p *Part) leaveOld(ctx context.Context) error {
	for {
		old, err := p.site.Store.LoadOldCases(ctx, p.site.Config.Name, p.site.Clock().Add(-p.site.Config.Events.MaxAge), atOnce)
		if err != nil || len(old) == 0 {
			return err
		}
		for _, c := range old {
			c.State, c.Reason = store.CaseLeftOut, whyTooOld
			if err := p.site.Store.SaveCase(ctx, p.site.Config.Name, c); err != nil {
				return err
			}
		}
	}
}
