package brevo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// SeenEvent is an event as Brevo lists it.
type SeenEvent struct {
	// ID is its source_event_id.
	ID   string
	Name string
	At   time.Time
	// Print tells whether it says the same as another one.
	Print string
}

// PrintOf is the Print that an event has once it was sent.
func PrintOf(e *record.Event) string {
	body, _, err := newEventBody(e, 1)
	if err != nil {
		return "" // it can never have been sent
	}
	raw, err := json.Marshal(body.Properties)
	if err != nil {
		return ""
	}
	return printOf(body.Name, body.Date, raw)
}

// printOf does not depend on the order of names, nor on how numbers and moments are
// written.
func printOf(name, date string, properties []byte) string {
	var values any
	if json.Unmarshal(properties, &values) != nil {
		values = nil
	}
	canonical, err := json.Marshal(values)
	if err != nil {
		return ""
	}
	if t, err := time.Parse(time.RFC3339, date); err == nil {
		date = t.UTC().Truncate(time.Millisecond).Format(eventDate)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s", name, date, canonical))
	return hex.EncodeToString(sum[:8])
}

// FetchEvents lists the events of the given names and dates, newest first, and hands over
// those that have a source_event_id. Each call takes up to 10,000 from the hourly
// bucket: when none is to be had it returns failure.RateLimited with the wait, and the
// offset from which to go on.
func (d *Destination) FetchEvents(ctx context.Context, names []string, from, to time.Time, offset int, keep func(SeenEvent)) (int, error) {
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	w := &window{from: from, to: to, names: wanted}
	for len(names) > 0 {
		if wait := d.budget.other.ration(); wait > 0 {
			return offset, lost(ctx, opEvents, read, rateLimited(wait))
		}
		rows := 0
		err := d.stream(ctx, opEvents, w.query(offset), "events", func(dec *json.Decoder) error {
			var e struct {
				Name       string          `json:"event_name"`
				Date       string          `json:"event_date"`
				Properties json.RawMessage `json:"event_properties"`
			}
			if err := dec.Decode(&e); err != nil {
				var shape *json.UnmarshalTypeError
				if !errors.As(err, &shape) {
					return err
				}
			}
			rows++
			var p map[string]any
			if json.Unmarshal(e.Properties, &p) != nil {
				return nil // somebody else's
			}
			at, _ := time.Parse(time.RFC3339, e.Date) // the zero time is no time of ours
			if id, ok := p[sourceEventID].(string); ok && id != "" {
				keep(SeenEvent{ID: id, Name: e.Name, At: at.UTC(), Print: printOf(e.Name, e.Date, e.Properties)})
			}
			return nil
		})
		if err != nil {
			return offset, err
		}
		offset += rows
		if rows < eventPage {
			break
		}
	}
	return offset, nil
}

// CountContacts is how many contacts the account has, by one call.
func (d *Destination) CountContacts(ctx context.Context) (int, error) {
	got, err := d.call(ctx, opContacts, read, http.MethodGet, "/contacts?"+url.Values{"limit": {"1"}, "offset": {"0"}}.Encode(), nil)
	if err != nil {
		return 0, err
	}
	var page struct{ Count int }
	if json.Unmarshal(got.body, &page) != nil {
		return 0, unreadable(opContacts, read, got.status)
	}
	return page.Count, nil
}

// ContactPages is how many calls FetchDirectory makes for so many contacts, EventPages
// how many FetchEvents makes for so many events.
func ContactPages(contacts int) int { return contacts/contactPage + 1 }

// EventPages is how many calls FetchEvents makes for so many events.
func EventPages(events int) int { return events/eventPage + 1 }

// Exists says whether a contact is there, by one call: pages of a directory that is
// changed while it is read may leave one out.
func (d *Destination) Exists(ctx context.Context, id int64) (bool, error) {
	_, err := d.call(ctx, opRead, read, http.MethodGet, contactPath(strconv.FormatInt(id, 10), "contact_id"), nil)
	if failure.ReasonOf(err) == failure.Gone {
		return false, nil
	}
	return err == nil, err
}

// Refreshed is what is held of a contact once it was read: what was begun, ended or refused
// before is known from before.
func Refreshed(before, seen record.Held) record.Held {
	out := copyHeld(before)
	out.ID, out.Deleted = seen.ID, false
	maps.Copy(out.Identifiers, seen.Identifiers)
	maps.Copy(out.Attributes, seen.Attributes)
	for _, list := range seen.Lists {
		if !slices.Contains(out.Lists, list) {
			out.Lists = append(out.Lists, list)
		}
	}
	return out
}

// HeldWrong returns the names of those attributes of a contact that are believed to be
// held and are not. Choices are told by number or by label, so that nothing is said of
// them.
func HeldWrong(before, seen record.Held, c *record.Contact) []string {
	var out []string
	for _, a := range c.Attributes {
		believed, known := before.Attributes[a.Name]
		is, read := seen.Attributes[a.Name]
		if !known || !read || a.Type == "category" || a.Type == "multiple-choice" {
			continue
		}
		if is == nil {
			is = ""
		}
		if def := (definition{kind: kindOf(a.Type, is, believed)}); def.kind != "" && !sameValue(believed, is, def) {
			out = append(out, a.Name)
		}
	}
	return out
}

// kindOf is the type by which two values are compared; "" where they cannot be.
func kindOf(wanted string, values ...any) string {
	kind := ""
	for _, v := range values {
		is := "text"
		switch v.(type) {
		case string:
			if v == "" {
				continue
			}
		case bool:
			is = "boolean"
		default:
			if _, ok := number(v); !ok {
				return ""
			}
			is = "float"
		}
		if kind != "" && kind != is {
			return ""
		}
		kind = is
	}
	if kind == "text" && wanted == "date" {
		return "date"
	}
	return kind
}
