package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// Range is a span of the past that is read once, its end not being part of it.
// Both ends are whole seconds.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// RangeProgress is how far the reading of a range has come.
type RangeProgress struct {
	// Found is how many rows of the range Twilio has listed so far.
	Found int
	// Done is the part of the range that was read, from 0 to 1.
	Done float64
}

// rangeReaders is how many parts of a range are read at once: one less than the
// calls that an account has under way, so that live reading never waits for a slot.
const rangeReaders = maxInFlight - 1

// Readable returns the part of a range that a stream still has, and whether any
// is left: Twilio keeps TaskRouter events for 30 days (facts/twilio.md 1.3), and
// conversations until they are deleted. now is Twilio's clock.
func Readable(stream string, r Range, now time.Time) (Range, bool) {
	if stream == EventsStream {
		// A minute is left, because reading takes its time.
		r.From = latest(r.From, seconds(now.Add(time.Minute-maxLookback)))
	}
	return r, r.From.Before(r.To)
}

// FetchRange reads a stream's part of a range, from a cursor that an earlier call
// for the same range handed over; the cursor of another range counts for nothing.
// A range is the same when it ends at the same moment and began no later: what was
// readable then may be too old now.
// Pages come in no order of time, each with a cursor that is right once keep has
// returned nil. keep is not called by two goroutines at once.
func (s *Source) FetchRange(ctx context.Context, stream string, r Range, from record.Cursor, keep func(record.Page) error) error {
	d, err := s.Discover(ctx)
	if err != nil {
		return err
	}
	p := &rangePass{source: s, stream: stream, keep: keep, cur: newRangeCursor(r)}
	var earlier rangeCursor
	if err := decodeCursor(from, &earlier); err == nil && earlier.continues(p.cur.Range) {
		p.cur = earlier
		for i := range p.cur.Parts {
			p.cur.Parts[i].From = latest(p.cur.Parts[i].From, seconds(r.From))
		}
	}
	switch stream {
	case EventsStream:
		return p.each(ctx, func(ctx context.Context, part int) error { return p.events(ctx, d, part) })
	case ConversationsStream:
		return p.each(ctx, func(ctx context.Context, part int) error { return p.conversations(ctx, d, part) })
	}
	return fmt.Errorf("fetch range of stream %q: it has no past", stream)
}

// ProgressOf reads how far a range's reading is from its cursor.
func ProgressOf(c record.Cursor) RangeProgress {
	var cur rangeCursor
	if decodeCursor(c, &cur) != nil {
		return RangeProgress{}
	}
	p := RangeProgress{Found: cur.Found}
	whole, left := cur.Range.To.Sub(cur.Range.From), time.Duration(0)
	for _, part := range cur.Parts {
		left += max(0, part.To.Sub(part.From))
	}
	if whole > 0 {
		p.Done = 1 - float64(left)/float64(whole)
	}
	return p
}

// rangeCursor is what is left of each part of a range.
type rangeCursor struct {
	Range Range   `json:"range"`
	Parts []Range `json:"parts"`
	Found int     `json:"found"`
}

// continues says whether the cursor is one of this range.
func (c rangeCursor) continues(r Range) bool {
	return len(c.Parts) > 0 && c.Range.To.Equal(r.To) && !c.Range.From.After(r.From)
}

func newRangeCursor(r Range) rangeCursor {
	c := rangeCursor{Range: Range{seconds(r.From), seconds(r.To)}}
	step := max((r.To.Sub(r.From)/rangeReaders + time.Second).Truncate(time.Second), time.Minute)
	for at := c.Range.From; at.Before(c.Range.To); at = at.Add(step) {
		c.Parts = append(c.Parts, Range{at, earliest(at.Add(step), c.Range.To)})
	}
	return c
}

// rangePass is one reading of a range.
type rangePass struct {
	source *Source
	stream string

	mu   sync.Mutex // guards what follows, and serialises keep
	keep func(record.Page) error
	cur  rangeCursor
}

// each reads all parts at once.
func (p *rangePass) each(ctx context.Context, read func(ctx context.Context, part int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for part, left := range p.cur.Parts {
		if left.From.Before(left.To) {
			g.Go(func() error { return read(ctx, part) })
		}
	}
	return g.Wait()
}

func (p *rangePass) left(part int) Range {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cur.Parts[part]
}

// hand keeps a part's next records, of which found belong to the range, and then
// counts the part as read through a moment. What is not kept does not count.
func (p *rangePass) hand(part int, records []record.Record, found int, through time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.cur.Parts[part].From
	p.cur.Parts[part].From, p.cur.Found = latest(before, through), p.cur.Found+found
	for i := range records {
		records[i].Lane = record.Backfill
	}
	err := p.keep(record.Page{Stream: p.stream, Records: records, Cursor: encodeCursor(p.cur)})
	if err != nil {
		p.cur.Parts[part].From, p.cur.Found = before, p.cur.Found-found
	}
	return err
}

// events reads a part of TaskRouter's events. A row is counted in the window in
// which it happened, so that rows which two windows share count once, after a
// restart too.
func (p *rangePass) events(ctx context.Context, d Discovery, part int) error {
	left := p.left(part)
	scan := &eventScan{source: p.source, url: taskrouterURL + segment(d.WorkspaceSID) + "/Events"}
	at := left.From
	// What happened in the border second is listed with the window before it and left
	// out of the next, where it counts.
	var border []record.Record
	err := scan.run(ctx, left.From, left.To, func(w scanned) error {
		window := Range{at, w.through}
		found := within(w.records, window) + within(border, window)
		border = since(w.records, w.through)
		at = w.through
		return p.hand(part, w.records, found, w.through)
	})
	if err == nil && at.Before(left.To) {
		err = &failure.Error{Op: "fetch range of events", Reason: failure.Transient, Err: errNotThere}
	}
	return err
}

var errNotThere = errors.New("the range ends later than Twilio's clock")

// since returns the records from a moment on; they are in the order of time.
func since(records []record.Record, at time.Time) []record.Record {
	n := len(records)
	for n > 0 && !records[n-1].At.Before(at) {
		n--
	}
	return slices.Clone(records[n:])
}

func within(records []record.Record, r Range) (n int) {
	for i := range records {
		if at := records[i].At; !at.Before(r.From) && at.Before(r.To) {
			n++
		}
	}
	return n
}

// conversations reads a part day by day, because the filter works by days
// (facts/twilio.md 2.2). A day that is cut short is read again.
func (p *rangePass) conversations(ctx context.Context, d Discovery, part int) error {
	for left := p.left(part); left.From.Before(left.To); {
		end := earliest(left.From.Truncate(day).Add(day), left.To)
		found := 0
		for _, service := range d.services() {
			n, err := p.conversationsOf(ctx, service, part, Range{left.From, end})
			if err != nil {
				return err
			}
			found += n
		}
		if err := p.hand(part, nil, found, end); err != nil {
			return err
		}
		left.From = end
	}
	return nil
}

// conversationsOf reads what was created in a service within one day.
func (p *rangePass) conversationsOf(ctx context.Context, service string, part int, r Range) (int, error) {
	midnight := r.From.Truncate(day)
	first := withQuery(conversationsURL+segment(service)+"/Conversations", url.Values{
		"StartDate": {midnight.Format(time.RFC3339)}, "EndDate": {midnight.Add(day - time.Second).Format(time.RFC3339)},
		"PageSize": {conversationsPage},
	})
	found := map[string]bool{}
	err := p.source.client.walkAgain(ctx, first, "conversations", func(pg page) (bool, error) {
		var rows []json.RawMessage
		for _, raw := range pg.rows {
			var h conversationHead
			readHead(raw, &h)
			if created := h.created(); !created.Before(r.From) && created.Before(r.To) && !found[string(h.SID)] {
				found[string(h.SID)] = true
				rows = append(rows, raw)
			}
		}
		records, err := p.source.conversationRecords(ctx, service, rows, time.Time{})
		if err != nil || len(records) == 0 {
			return true, err
		}
		return true, p.hand(part, records, 0, time.Time{})
	})
	return len(found), err
}
