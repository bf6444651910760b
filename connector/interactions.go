package connector

import (
	"context"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// dueInteractions lists the interactions that tasks wait for, each with all of those tasks.
func (f *flow) dueInteractions(ctx context.Context, limit int) ([]twilio.DueInteraction, error) {
	if f.store == nil {
		return nil, nil // the sides are only tried, see Test
	}
	open, err := f.store.LoadOpenFacts(ctx, f.cfg.Name, fact.Task, f.clock(), limit)
	if err != nil {
		return nil, err
	}
	var out []twilio.DueInteraction
	at := map[string]int{}
	for _, one := range open {
		sid, due := profile.DueInteraction(one.Fact)
		if !due {
			continue
		}
		i, known := at[sid]
		if !known {
			i = len(out)
			at[sid] = i
			out = append(out, twilio.DueInteraction{SID: sid})
		}
		out[i].Tasks = append(out[i].Tasks, one.Fact.SID)
	}
	return out, nil
}

// interactions reads the interactions that the digest found to be due, and digests them.
func (p *pass) interactions(ctx context.Context, f *flow, lease store.Lease) error {
	if !f.cfg.Sync.Conversations {
		return nil
	}
	p.tell("pull " + twilio.InteractionsStream)
	before := f.captured.Load()
	err := f.fetch(ctx, twilio.InteractionsStream)
	p.count(func(r *Report) { r.Captured += int(f.captured.Load() - before) })
	if err != nil {
		return err
	}
	return p.digest(ctx, f, lease)
}
