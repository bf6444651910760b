package twilio

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/rawjson"
	"flexbrevo/connector/record"
)

// Windows of the Events list (facts/twilio.md 1.2).
const (
	pageSize     = 1000
	pageSizeText = "1000"

	firstWindow   = 30 * time.Minute
	longestWindow = 6 * time.Hour
	// goodRows is how many rows the next window is made for: nearly a page, because every
	// call is one of a budget, and not so many that a busier quarter of an hour overfills it.
	goodRows = 750
)

// eventScan reads a span of the Events list in windows small enough to hold less
// than a page. Neighbouring windows share their border second, so that it does not
// matter whether the bounds are inclusive or how fractions of a second compare;
// what was in the window before is left out of the next.
type eventScan struct {
	source *Source
	url    string
	filter url.Values
	// windows bounds how many are read; 0 for all.
	windows int
	// ahead reads the next window while one is kept.
	ahead bool
	// window is how long the next one is; it follows the density of the rows.
	window time.Duration

	previous map[string]bool // the keys of the window before
}

// eventWindow is what one window holds.
type eventWindow struct {
	records []record.Record
	keys    map[string]bool // of the records
	// full: there may be more than was read.
	full bool
	// date is Twilio's clock when the first page was made.
	date time.Time
}

// scanned is a window that was read.
type scanned struct {
	records []record.Record
	// through is the moment through which the span is then read completely. It is never
	// later than settle before the Date of the window's own answer, whatever was asked.
	through time.Time
	// next is how long the window after it would be.
	next time.Duration
}

// run reads [from, to] and hands over each window in the order of time.
func (e *eventScan) run(ctx context.Context, from, to time.Time, keep func(scanned) error) (err error) {
	if e.window <= 0 {
		e.window = firstWindow
	}
	kept := make(chan error, 1) // whether the window before is
	kept <- nil
	defer func() { err = cmp.Or(<-kept, err) }()
	for start, n := from, 0; start.Before(to) && (e.windows == 0 || n < e.windows); {
		end := earliest(start.Add(e.window), to)
		w, err := e.read(ctx, start, end)
		if err != nil {
			return err
		}
		if w.full {
			e.window = max(end.Sub(start)/2, time.Second).Truncate(time.Second)
			continue
		}
		e.adapt(len(w.records), end.Sub(start))
		through := earliest(end, seconds(w.date.Add(-settle)))
		one := scanned{records: e.fresh(w), through: latest(through, from), next: e.window}
		err = <-kept
		switch {
		case err == nil && e.ahead:
			go func() { kept <- keep(one) }()
		case err == nil:
			err = keep(one)
			fallthrough
		default:
			kept <- nil
		}
		if err != nil {
			return err
		}
		if through.Before(end) {
			return nil // Twilio's clock is not there yet: the rest is for the next fetch
		}
		start, n = end, n+1
	}
	return nil
}

// adapt sizes the next window by how many rows this one had.
func (e *eventScan) adapt(rows int, length time.Duration) {
	fitting := length * goodRows / time.Duration(max(rows, 1))
	e.window = min(max(fitting, time.Second), 4*e.window, longestWindow).Truncate(time.Second)
}

// fresh leaves out what the window before had too, and remembers this window.
func (e *eventScan) fresh(w eventWindow) []record.Record {
	before := e.previous
	e.previous = w.keys
	return slices.DeleteFunc(w.records, func(r record.Record) bool { return before[r.Key] })
}

// read reads one window. When a following page is gone it begins anew.
func (e *eventScan) read(ctx context.Context, start, end time.Time) (eventWindow, error) {
	first := withQuery(e.url, eventsQuery(e.filter, start, end))
	var w eventWindow
	for left := restarts; ; left-- {
		w = eventWindow{}
		err := e.source.client.walk(ctx, first, "events", w.take(e.source, end.Sub(start) > time.Second))
		if errors.Is(err, errPageLost) && left > 0 {
			continue
		}
		if errors.Is(err, errPageLost) {
			err = e.source.client.misread(first, errors.New("its pages keep vanishing"))
		}
		slices.SortFunc(w.records, byTime)
		return w, err
	}
}

// take collects pages. A full page ends the reading where the window can still be
// split, because nobody promises that the Events list can be paged; in a window of
// one second the pages are all there is.
func (w *eventWindow) take(s *Source, splittable bool) func(page) (bool, error) {
	w.keys = map[string]bool{}
	return func(p page) (bool, error) {
		if w.date.IsZero() {
			w.date = p.date
		}
		if splittable && isFull(p) {
			w.full = true
			return false, nil
		}
		known := len(w.keys)
		w.records = slices.Grow(w.records, len(p.rows))
		for _, raw := range p.rows {
			r := s.eventRecord(raw)
			if !w.keys[r.Key] {
				w.keys[r.Key] = true
				w.records = append(w.records, r)
			}
		}
		if isFull(p) && (p.next == "" || len(w.keys) == known) {
			s.log.Warn("more events in one second than can be read", "rows", len(w.keys))
		}
		return len(w.keys) > known, nil // a page of nothing new means that tokens do not work
	}
}

// isFull says whether the list may go on behind a page. The page size that the
// answer names may be smaller than what was asked for.
func isFull(p page) bool {
	return len(p.rows) >= pageSize || (p.size > 0 && len(p.rows) >= p.size)
}

// eventHead is what a record needs to know of an event.
type eventHead struct{ sid, kind, resource, date, dateMS string }

// readEventHead reads it from a row. The texts that records keep are their own: records
// outlive pages.
func readEventHead(raw []byte) eventHead {
	var h eventHead
	row := rawjson.ReadBytes(raw)
	text := func() string { return textOf(row.Raw()) }
	row.Object(func(name string) {
		switch name {
		case "sid":
			h.sid = strings.Clone(text())
		case "event_type":
			h.kind = strings.Clone(text())
		case "resource_sid":
			h.resource = text()
		case "event_date":
			h.date = text()
		case "event_date_ms":
			h.dateMS = text()
		}
	})
	if row.End() != nil {
		return eventHead{kind: "unreadable"}
	}
	return h
}

// eventRecord makes a record of one row, keyed by the event's SID.
func (s *Source) eventRecord(raw []byte) record.Record {
	h := readEventHead(raw)
	r := record.Record{
		Key: h.sid, Stream: EventsStream, Type: h.kind, Via: record.Poll, Body: raw,
		At: firstTime(time.Unix(0, 0).UTC(), h.dateMS, h.date),
	}
	if r.Key == "" { // facts/twilio.md 12: what has no SID
		r.Key = r.Type + ":" + h.resource + ":" + strconv.FormatInt(r.At.UnixMilli(), 10)
		if h.resource == "" {
			r.Key = r.Type + ":" + contentHash(raw)
		}
	}
	return s.redactor.Redact(r)
}

// byTime orders records as they happened; the SID decides within a millisecond.
func byTime(a, b record.Record) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key))
}
