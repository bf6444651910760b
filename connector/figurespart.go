package connector

import (
	"context"

	"flexbrevo/connector/figures"
	"flexbrevo/connector/part"
)

// elsewhere is which figures a part tells now, and how far each was told by one.
type elsewhere struct {
	agents, queues bool
	through        figures.Mark
}

// figuresElsewhere asks the parts.
func (f *flow) figuresElsewhere(ctx context.Context) (elsewhere, error) {
	var e elsewhere
	for _, p := range f.parts {
		teller, ok := p.(part.FigureTeller)
		if !ok {
			continue
		}
		agents, queues, through, err := teller.TellsFigures(ctx)
		if err != nil {
			return e, err
		}
		e.agents, e.queues, e.through = e.agents || agents, e.queues || queues, e.through.Later(through)
	}
	return e, nil
}

// bounds are from where to where the operations contact is told, when it was told up to
// one mark and figures are complete up to another: what a part tells is left to it, and
// only how far that was is kept.
func (e elsewhere) bounds(told, complete figures.Mark) (from, until figures.Mark) {
	from = told.Later(e.through)
	until = complete.Later(from) // never back
	if e.agents {
		until.Agents = from.Agents
	}
	if e.queues {
		until.Queues = from.Queues
	}
	return from, until
}
