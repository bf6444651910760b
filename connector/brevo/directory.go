package brevo

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/record"
)

const (
	opContacts = "GET /contacts"
	// contactPage is the most contacts that one answer has (facts/brevo.md 1.9).
	contactPage = 1000
)

// HeldContact is one contact of the account as it was when it was read.
type HeldContact struct {
	// Held has the contact's id, identifiers, lists and the attributes asked for. What
	// is empty is in it as empty, so that filling it in needs no second reading.
	Held record.Held
	// ModifiedAt is Brevo's, zero where it gave none.
	ModifiedAt time.Time
}

// Phone is the contact's SMS number in E.164, "" for none: Brevo tells digits.
func (c HeldContact) Phone() string {
	if d := digits(c.Held.Identifiers[sms]); d != "" {
		return "+" + d
	}
	return ""
}

// FetchDirectory reads the account's contacts in pages of up to 1,000, oldest
// first, and hands each page to keep; an error of keep ends the reading and is
// returned as it is. With modifiedSince only contacts changed from then on are read. Of
// their attributes only the named ones are kept. A contact that is deleted while the
// pages are read may hide another one from them; it is then found by the duplicate
// refusal of its first write.
func (d *Destination) FetchDirectory(ctx context.Context, modifiedSince time.Time, attributes []string, keep func([]HeldContact) error) error {
	names := make([]string, len(attributes))
	for i, name := range attributes {
		names[i] = strings.ToUpper(name)
	}
	for offset := 0; ; offset += contactPage {
		page := make([]HeldContact, 0, contactPage)
		rows := 0
		err := d.stream(ctx, opContacts, directoryPath(modifiedSince, offset), "contacts", func(dec *json.Decoder) error {
			var c contactAnswer
			if err := dec.Decode(&c); err != nil {
				return err
			}
			rows++
			if c.ID > 0 {
				page = append(page, c.heldContact(names, d.clock()))
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(page) > 0 {
			if err := keep(page); err != nil {
				return err
			}
		}
		if rows < contactPage {
			return nil
		}
	}
}

// directoryPath asks for one page.
func directoryPath(modifiedSince time.Time, offset int) string {
	q := url.Values{"limit": {strconv.Itoa(contactPage)}, "offset": {strconv.Itoa(offset)}, "sort": {"asc"}}
	if !modifiedSince.IsZero() {
		q.Set("modifiedSince", modifiedSince.UTC().Format(eventDate))
	}
	return "/contacts?" + q.Encode()
}

// heldContact brings a row into our terms.
func (c *contactAnswer) heldContact(names []string, now time.Time) HeldContact {
	held := copyHeld(record.Held{})
	c.into(&held, names)
	held.Refused, held.Taken, held.ReadAt = nil, nil, now.UTC()
	return HeldContact{Held: held, ModifiedAt: c.modified()}
}
