package twilio

import (
	"context"
	"time"

	"flexbrevo/connector/record"
)

// Sample is one window of a range's events, standing for a longer stretch around it.
type Sample struct {
	Window Range
	// Stands is the stretch that it stands for.
	Stands  Range
	Records []record.Record
}

// Weight is by how much a sample's numbers are multiplied for its stretch.
func (s Sample) Weight() float64 {
	return s.Stands.To.Sub(s.Stands.From).Seconds() / s.Window.To.Sub(s.Window.From).Seconds()
}

// probes is how many samples are taken of a range at most.
const probes = 48

// ProbeEvents reads samples of a range's events: of each of up to 48 stretches a
// thirtieth, at another place in each, so that no hour of the day is left out.
// Where that is more than a page, a shorter piece of it is read. Each is handed over
// once it is read, in order of time; it returns how many calls that took.
func (s *Source) ProbeEvents(ctx context.Context, r Range, take func(Sample)) (calls int, err error) {
	d, err := s.Discover(ctx)
	if err != nil {
		return 0, err
	}
	stretch := max(seconds(r.From.Add(r.To.Sub(r.From)/probes)).Sub(seconds(r.From)), 10*time.Minute)
	for at, n := seconds(r.From), 0; at.Before(r.To); at, n = at.Add(stretch), n+1 {
		sample := Sample{Stands: Range{at, earliest(at.Add(stretch), r.To)}}
		length := max((sample.Stands.To.Sub(sample.Stands.From) / 30).Truncate(time.Second), time.Second)
		// The golden section spreads the places evenly whatever their number.
		place := time.Duration(float64(sample.Stands.To.Sub(sample.Stands.From)-length) * fraction(float64(n)*0.6180339887))
		from := seconds(sample.Stands.From.Add(place))
		sample.Window = Range{from, from.Add(length)}
		made, err := s.sample(ctx, taskrouterURL+segment(d.WorkspaceSID)+"/Events", &sample)
		calls += made
		if err != nil {
			return calls, err
		}
		take(sample)
	}
	return calls, nil
}

func fraction(f float64) float64 { return f - float64(int(f)) }

// sample reads a window, or as much of it as one page holds.
func (s *Source) sample(ctx context.Context, url string, sample *Sample) (calls int, err error) {
	scan := &eventScan{source: s, url: url}
	for {
		calls++
		w, err := scan.read(ctx, sample.Window.From, sample.Window.To.Add(-time.Second))
		length := sample.Window.To.Sub(sample.Window.From)
		if err != nil || !w.full || length <= time.Second {
			sample.Records = w.records
			return calls, err
		}
		sample.Window.To = sample.Window.From.Add(max((length / 4).Truncate(time.Second), time.Second))
	}
}
