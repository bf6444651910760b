package connector

import (
	"context"
	"fmt"

	"flexbrevo/connector/part"
)

// loaders are the connector's parts that can bring many contacts in a way of their own.
func (f *flow) loaders() (out []part.Loader) {
	for _, p := range f.parts {
		if l, ok := p.(part.Loader); ok {
			out = append(out, l)
		}
	}
	return out
}

// load lets parts bring the range's contacts where that was agreed to. A canary is to
// be looked at one by one, so that it goes by single writes.
func (w *backfill) load(ctx context.Context) error {
	agreed := w.request.Import && w.request.Canary == 0
	if agreed {
		if err := patiently(ctx, func() error { return w.f.account.prepare(ctx) }); err != nil {
			return err
		}
	}
	for _, l := range w.f.loaders() {
		if err := l.Load(ctx, agreed, w.progress.step); err != nil {
			return fmt.Errorf("%s: %w", l.Name(), err)
		}
	}
	return nil
}
