package connector

import (
	"context"
	"strconv"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/twilio"
)

// source lets the pipeline use Twilio without either knowing the other.
type source struct{ *twilio.Source }

var _ pipeline.Source = source{}

// FetchHint implements pipeline.Source.
func (s source) FetchHint(ctx context.Context, h pipeline.Hint, keep func(record.Page) error) error {
	return s.Source.FetchHint(ctx, twilio.Hint(h), keep)
}

// Decode implements pipeline.Source.
func (s source) Decode(r record.Record) (pipeline.Decoded, error) {
	d, err := s.Source.Decode(r)
	out := pipeline.Decoded{Facts: d.Facts, Ignored: d.Ignored, Omissions: d.Omissions}
	for _, h := range d.Hints {
		out.Hints = append(out.Hints, pipeline.Hint(h))
	}
	for _, e := range d.Raw {
		out.Raw = append(out.Raw, pipeline.RawEvent(e))
	}
	for _, spell := range d.Spells {
		out.Spells = append(out.Spells, pipeline.Spell(spell))
	}
	return out, err
}

// destination lets the pipeline use Brevo without either knowing the other.
type destination struct{ *brevo.Destination }

var _ pipeline.Destination = destination{}

// Lookup implements pipeline.Destination.
func (d destination) Lookup(ctx context.Context, events []record.Event) (pipeline.Found, error) {
	ids, err := d.Destination.Lookup(ctx, events)
	return pipeline.Found{IDs: ids}, err
}

func itoa(i int64) string { return strconv.FormatInt(i, 10) }
