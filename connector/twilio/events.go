package twilio

import (
	"context"
	"errors"
	"net/url"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// How the events stream is read (facts/twilio.md 12).
const (
	// overlap is read again with every fetch, for rows that were listed late.
	overlap = 5 * time.Minute
	// settle is how far the reading stays behind Twilio's clock.
	settle = 10 * time.Second

	// A re-read goes back from the end of the one before it, so that every row is read
	// again once it can be late no more: by two hours within the hour, by a day within
	// the day.
	hourlyEvery, hourlyLate = time.Hour, 2 * time.Hour
	dailyEvery, dailyLate   = 24 * time.Hour, 24 * time.Hour

	// rereadWindows bounds the part of a re-read that one fetch does, because what
	// is new goes first.
	rereadWindows = 100
	// catchUps is how often a fetch goes on when Twilio's clock has moved on by more
	// than closeEnough while it read.
	catchUps    = 3
	closeEnough = time.Minute
)

var errNoClock = errors.New("clock of Twilio is not known")

// fetchEvents reads TaskRouter's events from the cursor to ten seconds before
// Twilio's own now, and then what of a re-read is due.
func (s *Source) fetchEvents(ctx context.Context, from record.Cursor, keep func(record.Page) error) error {
	d, err := s.Discover(ctx)
	if err != nil {
		return err
	}
	now := s.client.clock.now()
	if now.IsZero() {
		return &failure.Error{Op: "fetch events", Reason: failure.Transient, Err: errNoClock}
	}
	p := &eventsPass{source: s, url: taskrouterURL + segment(d.WorkspaceSID) + "/Events", keep: keep}
	if err := decodeCursor(from, &p.cur); err != nil {
		return err
	}
	p.begin(now)
	if err := p.catchUp(ctx); err != nil {
		return err
	}
	return p.reread(ctx)
}

// eventsPass is one fetch of the events stream.
type eventsPass struct {
	source *Source
	url    string
	keep   func(record.Page) error
	cur    eventsCursor
}

// begin places a new cursor, and records what lies beyond Twilio's memory as a gap.
func (p *eventsPass) begin(now time.Time) {
	if p.cur.At.IsZero() {
		p.cur.At = seconds(now.Add(-p.source.o.InitialLookback))
		p.cur.Hourly, p.cur.Daily = seconds(now), seconds(now)
	}
	if oldest := seconds(now.Add(-maxLookback)); p.cur.At.Before(oldest) {
		p.cur.Gaps = append(p.cur.Gaps, Gap{From: p.cur.At, To: oldest})
		p.cur.Gaps = p.cur.Gaps[max(0, len(p.cur.Gaps)-maxGaps):]
		p.cur.At = oldest
		p.source.log.Error("events lost to a gap", "from", p.cur.Gaps[len(p.cur.Gaps)-1].From, "to", oldest)
	}
}

// upper is how far to ask for now.
func (p *eventsPass) upper() time.Time {
	return seconds(p.source.client.clock.now().Add(-settle))
}

// catchUp reads what is new. A long reading is followed by a short one for what
// happened meanwhile.
func (p *eventsPass) catchUp(ctx context.Context) error {
	for range catchUps {
		scan := p.scan(0)
		err := scan.run(ctx, p.cur.At.Add(-overlap), p.upper(), func(w scanned) error {
			p.cur.At = latest(p.cur.At, w.through)
			p.cur.Window = int(w.next / time.Second)
			return p.hand(w.records)
		})
		if err != nil {
			return err
		}
		if p.upper().Sub(p.cur.At) < closeEnough {
			break
		}
	}
	return nil
}

// reread does a part of the re-read that is due, if one is.
func (p *eventsPass) reread(ctx context.Context) error {
	if p.cur.Reread == nil {
		p.cur.Reread = p.due()
	}
	r := p.cur.Reread
	if r == nil {
		return nil
	}
	scan := p.scan(rereadWindows)
	return scan.run(ctx, r.From, r.To, func(w scanned) error {
		r.From = latest(r.From, w.through)
		if !r.From.Before(r.To) {
			p.finish(r)
		}
		return p.hand(w.records)
	})
}

// due returns the re-read to begin now, nil for none. The daily one covers what
// the hourly one would.
func (p *eventsPass) due() *reread {
	to := p.cur.At
	switch {
	case to.Sub(p.cur.Daily) >= dailyEvery:
		return &reread{From: p.cur.Daily.Add(-dailyLate), To: to, Daily: true}
	case to.Sub(p.cur.Hourly) >= hourlyEvery:
		return &reread{From: p.cur.Hourly.Add(-hourlyLate), To: to}
	}
	return nil
}

func (p *eventsPass) finish(r *reread) {
	p.cur.Reread = nil
	p.cur.Hourly = latest(p.cur.Hourly, r.To)
	if r.Daily {
		p.cur.Daily = latest(p.cur.Daily, r.To)
	}
}

func (p *eventsPass) scan(windows int) *eventScan {
	return &eventScan{source: p.source, url: p.url, windows: windows, window: time.Duration(p.cur.Window) * time.Second, ahead: true}
}

// hand gives a window's records to keep, with the cursor that is right after them.
func (p *eventsPass) hand(records []record.Record) error {
	return p.keep(record.Page{
		Stream: EventsStream, Records: records, Cursor: p.cur.encode(), Through: p.cur.At,
	})
}

// window query of the Events list. StartDate and EndDate are always both sent, and
// Minutes never (facts/twilio.md 1.3).
func eventsQuery(filter url.Values, start, end time.Time) url.Values {
	q := url.Values{
		"StartDate": {start.UTC().Format(time.RFC3339)},
		"EndDate":   {end.UTC().Format(time.RFC3339)},
		"PageSize":  {pageSizeText},
	}
	for k, v := range filter {
		q[k] = v
	}
	return q
}

// seconds cuts a moment to whole seconds UTC, as the cursor and the query need it.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
