package connector

import (
	"context"
	"math"
	"sync"
	"time"

	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// The console's chart is of the last hour, a point for every ten seconds.
const (
	flowEvery  = 10 * time.Second
	flowPoints = 360
)

// FlowPoint is what flowed in the seconds before a moment, as rates.
type FlowPoint struct {
	At time.Time `json:"at"`
	// Seconds is how long was measured.
	Seconds float64 `json:"seconds"`
	// Captured records, delivered contacts and events, a minute.
	Captured float64 `json:"captured"`
	Contacts float64 `json:"contacts"`
	Events   float64 `json:"events"`
	// Lag is how far the reading of TaskRouter's events was behind, in seconds, of the
	// connector that was behind most; nil where it is not known.
	Lag *float64 `json:"lag"`
	// calls a second, by account and bucket
	calls map[[2]string]float64
}

// history is the last hour of what flowed; it outlives a reload.
type history struct {
	mu     sync.Mutex
	points []FlowPoint
}

func (h *history) add(p FlowPoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.points) == flowPoints {
		h.points = append(h.points[:0], h.points[1:]...)
	}
	h.points = append(h.points, p)
}

func (h *history) all() []FlowPoint {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]FlowPoint{}, h.points...)
}

// totals are the counters that the chart shows the change of.
type totals struct {
	captured, contacts, events int
	calls                      map[[2]string]int
}

func (s *Service) totals() totals {
	t := totals{calls: map[[2]string]int{}}
	for _, f := range s.flows {
		t.captured += int(f.captured.Load())
	}
	for name, a := range s.accounts {
		counts := a.deliver.Counts()
		t.contacts += counts[store.ContactDelivery][store.Delivered]
		t.events += counts[store.EventDelivery][store.Delivered]
		for _, b := range a.destination.Budgets() {
			t.calls[[2]string{name, b.Bucket}] = b.Used
		}
	}
	return t
}

// sample adds points until ctx ends.
func (s *Service) sample(ctx context.Context) {
	before, at := s.totals(), time.Now()
	for schedule.Pause(ctx, flowEvery) {
		now, is := time.Now(), s.totals()
		seconds := now.Sub(at).Seconds()
		perMinute := func(was, is int) float64 { return float64(int(float64(max(0, is-was))*600/seconds)) / 10 }
		p := FlowPoint{
			At: now.UTC().Round(time.Second), Seconds: math.Round(1000*seconds) / 1000,
			Captured: perMinute(before.captured, is.captured),
			Contacts: perMinute(before.contacts, is.contacts),
			Events:   perMinute(before.events, is.events),
			Lag:      s.lag(ctx),
			calls:    map[[2]string]float64{},
		}
		for k, n := range is.calls {
			p.calls[k] = float64(max(0, n-before.calls[k])) / seconds
		}
		s.history.add(p)
		before, at = is, now
	}
}

// lag is how far the events' complete reading is behind, in seconds.
func (s *Service) lag(ctx context.Context) *float64 {
	var most *float64
	for _, f := range s.flows {
		checkpoints, err := f.store.LoadCheckpoints(ctx, f.cfg.Name)
		if through := checkpoints[twilio.EventsStream].Through; err == nil && !through.IsZero() {
			if behind := math.Round(10*max(0, s.o.Clock().Sub(through).Seconds())) / 10; most == nil || behind > *most {
				most = &behind
			}
		}
	}
	return most
}
