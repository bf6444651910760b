package brevo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

const (
	opEvents = "GET /events"
	// eventPage is the most events that one answer has (facts/brevo.md 4.4).
	eventPage = 10_000
	// windowGap is the time without wanted events that begins another sweep: a
	// call costs a hundredth of the hour, but a year's events cost more.
	windowGap = 6 * time.Hour
	// windowMargin widens a window on both sides, because whether its ends belong to
	// it, and how times are rounded, is not documented.
	windowMargin = time.Second
)

// Lookup says which of the given events Brevo has, by their ids. It reads all
// events of the same names in windows around their times, newest first, and stops
// early when every one was found. Events that are written while it reads move others to
// later pages, never past the reader, so that the answer is complete for what was
// visible at the moment of the call.
//
// The calls come from the hourly bucket and are spread over the hour: when none is
// to be had yet, Lookup returns failure.RateLimited with the time to wait, beside
// what was found so far.
func (d *Destination) Lookup(ctx context.Context, events []record.Event) (map[string]bool, error) {
	found := map[string]bool{}
	if wait := d.budget.other.ration(); wait > 0 {
		return found, lost(ctx, opEvents, read, rateLimited(wait))
	}
	for _, w := range windowsOf(events) {
		if err := d.sweep(ctx, w, found); err != nil {
			return found, err
		}
	}
	return found, nil
}

// window is a range of event times and what is looked for in it.
type window struct {
	from, to time.Time
	names    map[string]bool
	missing  map[string]bool // by id
}

// windowsOf puts events that happened near each other in one window.
func windowsOf(events []record.Event) []*window {
	sorted := slices.SortedFunc(slices.Values(events), func(a, b record.Event) int { return a.At.Compare(b.At) })
	var out []*window
	for _, e := range sorted {
		if len(out) == 0 || e.At.Sub(out[len(out)-1].to) > windowGap {
			out = append(out, &window{from: e.At, names: map[string]bool{}, missing: map[string]bool{}})
		}
		w := out[len(out)-1]
		w.to, w.names[e.Name], w.missing[cleanText(e.ID)] = e.At, true, true
	}
	return out
}

// query asks for one page of the window.
func (w *window) query(offset int) string {
	q := url.Values{
		"startDate": {w.from.Add(-windowMargin).UTC().Format(eventDate)},
		"endDate":   {w.to.Add(windowMargin).UTC().Format(eventDate)},
		"limit":     {strconv.Itoa(eventPage)},
		"offset":    {strconv.Itoa(offset)},
	}
	for name := range w.names {
		q.Add("event_name", name)
	}
	slices.SortFunc(q["event_name"], cmp.Compare[string])
	return "/events?" + q.Encode()
}

// sweep reads a window page by page.
func (d *Destination) sweep(ctx context.Context, w *window, found map[string]bool) error {
	for offset := 0; len(w.missing) > 0; offset += eventPage {
		rows, err := d.fetchEvents(ctx, w.query(offset), func(id string) {
			if w.missing[id] {
				delete(w.missing, id)
				found[id] = true
			}
		})
		if err != nil {
			return err
		}
		if rows < eventPage {
			return nil
		}
	}
	return nil
}

// fetchEvents reads one page row by row, because ten thousand events at once are
// many megabytes, and tells the source_event_id of each.
func (d *Destination) fetchEvents(ctx context.Context, path string, tell func(id string)) (rows int, err error) {
	type stored struct {
		Properties struct {
			ID any `json:"source_event_id"`
		} `json:"event_properties"`
	}
	err = d.stream(ctx, opEvents, path, "events", func(dec *json.Decoder) error {
		var e stored
		if err := dec.Decode(&e); err != nil {
			// Properties of other people's events may have any shape.
			var shape *json.UnmarshalTypeError
			if !errors.As(err, &shape) {
				return err
			}
		}
		rows++
		if id, ok := e.Properties.ID.(string); ok {
			tell(id)
		}
		return nil
	})
	return rows, err
}

// stream makes a reading call and hands over the elements of one array of the
// answer, one by one.
func (d *Destination) stream(ctx context.Context, op, path, array string, item func(*json.Decoder) error) error {
	req, err := d.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return &failure.Error{Op: op, Reason: failure.Invalid, Err: err}
	}
	resp, err := d.transport.RoundTrip(req)
	if err != nil {
		return lost(ctx, op, read, err)
	}
	if resp.StatusCode != http.StatusOK {
		_, err := finish(ctx, op, read, resp)
		if err == nil {
			err = unreadable(op, read, resp.StatusCode)
		}
		return err
	}
	defer resp.Body.Close()
	err = eachElement(json.NewDecoder(resp.Body), array, item)
	var broken *sendError
	switch {
	case err == nil:
		// Reading to the end gives the connection back.
		_, _ = io.Copy(io.Discard, resp.Body)
		return nil
	case errors.As(err, &broken):
		return lost(ctx, op, read, broken)
	}
	return unreadable(op, read, resp.StatusCode)
}

// eachElement walks the members of a JSON object and hands over the elements of
// the one array asked for; a null or missing array has none.
func eachElement(dec *json.Decoder, array string, item func(*json.Decoder) error) error {
	if err := expect(dec, '{'); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		if name != array {
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		if err := elements(dec, item); err != nil {
			return err
		}
	}
	return expect(dec, '}')
}

// elements hands over the elements of an array, or of null.
func elements(dec *json.Decoder, item func(*json.Decoder) error) error {
	first, err := dec.Token()
	if err != nil || first == nil {
		return err
	}
	if first != json.Delim('[') {
		return errors.New("expected an array")
	}
	for dec.More() {
		if err := item(dec); err != nil {
			return err
		}
	}
	return expect(dec, ']')
}

// expect reads one delimiter.
func expect(dec *json.Decoder, want json.Delim) error {
	got, err := dec.Token()
	if err == nil && got != want {
		err = fmt.Errorf("expected %v", want)
	}
	return err
}
