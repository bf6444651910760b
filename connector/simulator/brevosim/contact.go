package brevosim

import (
	"container/list"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// contactData is what a contact holds. Its slices are replaced when they change, never written to, so that a copy stays
// as it was without a deep copy.
type contactData struct {
	id                int64
	ids               identifiers
	attributes        []attributeValue
	lists             []int64
	emailBlocked      bool
	smsBlocked        bool
	whatsAppBlocked   bool
	created, modified time.Time
}

// contact is a stored contact and its places in the indexes.
type contact struct {
	contactData
	events []uint32
	// shown is what the lagging reads see; nil means nothing yet. It is kept only on accounts with a read lag.
	shown *contactData
	// publishing is set while a write waits to become visible.
	publishing bool
	// recent is the place among the contacts by last modification.
	recent *list.Element
}

// value returns the JSON of an attribute, or "" if the contact has none.
func (c *contactData) value(name string) string {
	i, found := slices.BinarySearchFunc(c.attributes, name, compareAttribute)
	if !found {
		return ""
	}
	return c.attributes[i].json
}

func compareAttribute(v attributeValue, name string) int { return strings.Compare(v.name, name) }

// set applies changes to a fresh copy of the attributes.
func (c *contactData) set(changes []attributeChange) {
	if len(changes) == 0 {
		return
	}
	attributes := slices.Grow(slices.Clone(c.attributes), len(changes))
	for _, change := range changes {
		i, found := slices.BinarySearchFunc(attributes, change.name, compareAttribute)
		switch {
		case change.json == "" && found:
			attributes = slices.Delete(attributes, i, i+1)
		case change.json == "":
		case found:
			attributes[i].json = change.json
		default:
			attributes = slices.Insert(attributes, i, attributeValue(change))
		}
	}
	c.attributes = attributes
}

// with and without return a new sorted set of list ids.
func with(ids []int64, id int64) []int64 {
	i, found := slices.BinarySearch(ids, id)
	if found {
		return ids
	}
	return slices.Insert(slices.Clone(ids), i, id)
}

func without(ids []int64, id int64) []int64 {
	i, found := slices.BinarySearch(ids, id)
	if !found {
		return ids
	}
	return slices.Delete(slices.Clone(ids), i, i+1)
}

// contactTime is the layout of createdAt and modifiedAt.
const contactTime = "2006-01-02T15:04:05.000Z07:00"

// appendJSON writes the contact as GET shows it (facts/brevo.md 1.9), without its closing brace. Identifiers other than
// the email stand among the attributes.
func (c *contactData) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, c.id, 10)
	if email := c.ids[kindEmail]; email != "" {
		dst = append(dst, `,"email":`...)
		dst = appendString(dst, email)
	}
	dst = append(dst, `,"emailBlacklisted":`...)
	dst = strconv.AppendBool(dst, c.emailBlocked)
	dst = append(dst, `,"smsBlacklisted":`...)
	dst = strconv.AppendBool(dst, c.smsBlocked)
	dst = append(dst, `,"whatsappBlacklisted":`...)
	dst = strconv.AppendBool(dst, c.whatsAppBlocked)
	dst = append(dst, `,"createdAt":"`...)
	dst = c.created.AppendFormat(dst, contactTime)
	dst = append(dst, `","modifiedAt":"`...)
	dst = c.modified.AppendFormat(dst, contactTime)
	dst = append(dst, `","listIds":`...)
	dst = appendInts(dst, c.lists)
	dst = append(dst, `,"listUnsubscribed":[],"attributes":`...)
	return c.appendAttributes(dst)
}

func (c *contactData) appendAttributes(dst []byte) []byte {
	dst = append(dst, '{')
	first := len(dst)
	member := func(name string) {
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':')
	}
	for k := range kinds {
		if k != kindEmail && c.ids[k] != "" {
			member(k.attribute())
			dst = appendString(dst, c.ids[k])
		}
	}
	for _, v := range c.attributes {
		member(v.name)
		dst = append(dst, v.json...)
	}
	return append(dst, '}')
}

// appendString writes a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func appendInts(dst []byte, ids []int64) []byte {
	dst = append(dst, '[')
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, id, 10)
	}
	return append(dst, ']')
}

// snapshot makes the exported copy.
func (c *contactData) snapshot() Contact {
	attributes := make(map[string]any, len(c.attributes))
	for _, v := range c.attributes {
		var value any
		_ = json.Unmarshal([]byte(v.json), &value) // stored values are valid JSON
		attributes[v.name] = value
	}
	return Contact{
		ID: c.id, Email: c.ids[kindEmail], ExtID: c.ids[kindExtID], SMS: c.ids[kindSMS],
		WhatsApp: c.ids[kindWhatsApp], Landline: c.ids[kindLandline],
		Attributes: attributes, ListIDs: slices.Clone(c.lists),
		EmailBlacklisted: c.emailBlocked, SMSBlacklisted: c.smsBlocked, WhatsAppBlacklisted: c.whatsAppBlocked,
		CreatedAt: c.created, ModifiedAt: c.modified,
	}
}
