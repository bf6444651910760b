package twilio

import (
	"errors"
	"math"
	"testing"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// troubled are faults that a reading must survive. Stray 401s are not among them:
// of two in a row, which chance would bring, the second counts.
var troubled = twiliosim.Faults{TooManyRequests: 0.05, BadGateway: 0.05, Reset: 0.05}

func (c *centre) whole() Range {
	return Range{From: seconds(c.world.Options().Start), To: seconds(c.clock.now().Add(-time.Hour))}
}

// TestRangeGoesOn reads a range that breaks off again and again, a page later each time.
func TestRangeGoesOn(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{EventsStream, ConversationsStream} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			c := newCentre(t, world.Options{Seed: 5, Contacts: 900}, twiliosim.Options{Faults: troubled}, Options{})
			k, r := newKept(), c.whole()
			for n := 0; ; n++ {
				k.pages, k.failAt = 0, 3+n
				err := c.source.FetchRange(t.Context(), stream, r, k.cursor[stream], k.keep)
				if err == nil {
					break
				}
				if !errors.Is(err, errKeep) && !failure.ReasonOf(err).Retryable() || n > 200 {
					t.Fatalf("attempt %d: %v", n, err)
				}
			}
			p, want := ProgressOf(k.cursor[stream]), c.inRange(stream, r)
			if p.Done != 1 || p.Found != want {
				t.Errorf("progress %+v, want %d found", p, want)
			}
			for _, got := range k.records {
				if got.Lane != record.Backfill || got.Stream != stream {
					t.Fatalf("a record of lane %d in stream %s", got.Lane, got.Stream)
				}
			}
			calls := c.calls("/")
			if err := c.source.FetchRange(t.Context(), stream, r, k.cursor[stream], k.keep); err != nil || c.calls("/") != calls {
				t.Errorf("a range that was read took %d calls more, %v", c.calls("/")-calls, err)
			}
			if stream == EventsStream {
				if err := c.missing(k, r.From, r.To); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// inRange counts what the world has of a stream in a range.
func (c *centre) inRange(stream string, r Range) (n int) {
	if stream == EventsStream {
		lo, hi := c.world.Span(r.From, r.To)
		return hi - lo
	}
	for i := range c.world.Conversations {
		if at := c.world.Conversations[i].CreatedAt.Truncate(time.Second); !at.Before(r.From) && at.Before(r.To) {
			n++
		}
	}
	return n
}

func TestRangeWaitsForTwiliosClock(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 6, Contacts: 20}, twiliosim.Options{}, Options{})
	r := Range{From: c.whole().From, To: seconds(c.clock.now().Add(time.Minute))}
	k := newKept()
	if err := c.source.FetchRange(t.Context(), EventsStream, r, "", k.keep); !errors.Is(err, errNotThere) {
		t.Fatalf("a range that ends in the future: %v", err)
	}
	c.clock.pass(5 * time.Minute)
	if err := c.source.FetchRange(t.Context(), EventsStream, r, k.cursor[EventsStream], k.keep); err != nil {
		t.Fatal(err)
	}
}

// TestRangeAfterADay goes on with a range whose beginning is too old by now.
func TestRangeAfterADay(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 7, Contacts: 400}, twiliosim.Options{}, Options{})
	r, k := c.whole(), newKept()
	k.failAt = 2
	if err := c.source.FetchRange(t.Context(), EventsStream, r, "", k.keep); !errors.Is(err, errKeep) {
		t.Fatal(err)
	}
	before := ProgressOf(k.cursor[EventsStream])
	k.failAt = 0
	later := Range{From: r.From.Add(6 * time.Hour), To: r.To}
	if err := c.source.FetchRange(t.Context(), EventsStream, later, k.cursor[EventsStream], k.keep); err != nil {
		t.Fatal(err)
	}
	if p := ProgressOf(k.cursor[EventsStream]); p.Done != 1 || p.Found < before.Found {
		t.Errorf("progress %+v after %+v", p, before)
	}
	if err := c.missing(k, later.From, later.To); err != nil {
		t.Error(err)
	}
}

func TestReadable(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := Range{From: now.AddDate(0, 0, -40), To: now.AddDate(0, 0, -1)}
	got, any := Readable(EventsStream, r, now)
	if !any || !got.From.Equal(now.AddDate(0, 0, -30).Add(time.Minute)) || !got.To.Equal(r.To) {
		t.Errorf("events readable %+v, %t", got, any)
	}
	if got, any := Readable(ConversationsStream, r, now); !any || got != r {
		t.Errorf("conversations readable %+v, %t", got, any)
	}
	if _, any := Readable(EventsStream, Range{From: r.From, To: now.AddDate(0, 0, -35)}, now); any {
		t.Error("a range that is older than 30 days is said to be readable")
	}
}

// TestProbe estimates a world within a third of the truth, with few calls.
func TestProbe(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	c := newCentre(t, world.Options{Seed: 8, Start: start, End: start.AddDate(0, 0, 10), Contacts: 6000, Customers: 2000},
		twiliosim.Options{}, Options{})
	r := c.whole()
	sum, samples := 0.0, 0
	calls, err := c.source.ProbeEvents(t.Context(), r, func(s Sample) {
		samples++
		sum += s.Weight() * float64(len(s.Records))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := float64(c.inRange(EventsStream, r))
	if math.Abs(sum-want) > want/3 {
		t.Errorf("estimate %.0f, there are %.0f", sum, want)
	}
	if calls > 2*probes || samples > probes+1 {
		t.Errorf("%d calls for %d samples", calls, samples)
	}
}

// TestTasksAreSnapshotted reads the tasks themselves, with attributes in the list or
// without.
func TestTasksAreSnapshotted(t *testing.T) {
	t.Parallel()
	for _, listed := range []bool{true, false} {
		c := newCentre(t, world.Options{Seed: 9, Contacts: 400},
			twiliosim.Options{ListAttributes: listed, Faults: troubled}, Options{})
		c.clock.set(c.world.Options().Start.Add(11 * time.Hour))
		want := map[string]bool{}
		for i := range c.world.Tasks {
			task, now := &c.world.Tasks[i], c.clock.now()
			if status := task.Status(now); status != "" && (task.EndedAt.After(now) || now.Sub(task.EndedAt) < time.Minute) {
				want[task.SID] = true
			}
		}
		k := newKept()
		for range 2 {
			if err := c.source.FetchTasks(t.Context(), k.keep); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range k.records {
			d, err := c.source.Decode(r)
			if err != nil || len(d.Facts) != 1 {
				t.Fatalf("decode: %v", err)
			}
			delete(want, d.Facts[0].SID)
		}
		if len(want) > 0 || len(k.records) == 0 {
			t.Errorf("attributes listed %t: %d tasks are missing of %d", listed, len(want), len(k.records))
		}
		if k.again != len(k.records) {
			t.Errorf("the second look made %d new records", len(k.records)-k.again)
		}
	}
}
