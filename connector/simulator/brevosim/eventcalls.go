package brevosim

import (
	"bytes"
	"container/heap"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Limits of an event (facts/brevo.md 4.1).
const (
	nameLength      = 255
	propertiesBytes = 50 << 10
)

// eventBody is one event as it is sent (facts/brevo.md 4.1).
type eventBody struct {
	Name              string          `json:"event_name"`
	Date              string          `json:"event_date"`
	Identifiers       *eventOwner     `json:"identifiers"`
	Properties        json.RawMessage `json:"event_properties"`
	ContactProperties json.RawMessage `json:"contact_properties"`
	Object            struct {
		Type string `json:"type"`
	} `json:"object"`
}

// eventOwner names the contact of an event; contact_id wins over the others.
type eventOwner struct {
	ContactID int64  `json:"contact_id"`
	ExtID     string `json:"ext_id"`
	Email     string `json:"email_id"`
	Phone     string `json:"phone_id"`
	WhatsApp  string `json:"whatsapp_id"`
	Landline  string `json:"landline_number_id"`
}

// incoming is a checked event, ready to be stored.
type incoming struct {
	eventBody
	owner   identifiers
	date    time.Time // zero means now
	changes []attributeChange
}

// createEvent is POST /events.
func (s *Server) createEvent(c *call) answer {
	e, fault := readEvent(c.body, s.rules(c.quirks))
	if fault != "" {
		return refuse(http.StatusBadRequest, codeInvalid, fault)
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	if fault := s.record(a, c, e, now); fault != "" {
		return refuse(http.StatusBadRequest, codeInvalid, fault)
	}
	return empty(http.StatusNoContent)
}

// readEvent checks an event; fault says, in place of an error, what Brevo would.
func readEvent(raw []byte, rules attributeRules) (e incoming, fault string) {
	if json.Unmarshal(raw, &e.eventBody) != nil {
		return e, "Invalid event"
	}
	if !validKey(e.Name) {
		return e, "event_name is invalid"
	}
	if fault = e.readOwner(); fault != "" {
		return e, fault
	}
	if fault = e.readDate(); fault != "" {
		return e, fault
	}
	if e.Properties, fault = readProperties(e.Properties); fault != "" {
		return e, fault
	}
	e.ContactProperties, e.changes, fault = readContactProperties(e.ContactProperties, rules)
	return e, fault
}

// validKey accepts letters, digits, - and _, as event names and property names must be made of.
func validKey(name string) bool {
	if name == "" || len(name) > nameLength {
		return false
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// readOwner collects the identifiers. One that is malformed names nobody.
func (e *incoming) readOwner() (fault string) {
	o := e.Identifiers
	if o == nil {
		return "identifiers is required"
	}
	present := o.ContactID != 0
	for k, value := range [kinds]string{o.ExtID, o.Email, o.Phone, o.WhatsApp, o.Landline} {
		if value == "" {
			continue
		}
		present = true
		e.owner[k], _ = kind(k).normalise(value)
	}
	if !present {
		return "At least one identifier is required"
	}
	return ""
}

// readDate accepts RFC 3339 within the years that can be stored.
func (e *incoming) readDate() (fault string) {
	if e.Date == "" {
		return ""
	}
	date, err := time.Parse(time.RFC3339, e.Date)
	if err != nil || date.Year() < 1970 || date.Year() > 2200 {
		return "event_date is invalid"
	}
	e.date = date
	return ""
}

// readProperties checks size and names of event properties and returns them without white space.
func readProperties(raw json.RawMessage) (object json.RawMessage, fault string) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, ""
	}
	if raw[0] != '{' {
		return nil, "event_properties must be an object"
	}
	if len(raw) > propertiesBytes {
		return nil, "event_properties exceeds 50KB"
	}
	object = compact(raw)
	if !validKeys(object) {
		return nil, "event_properties has an invalid key"
	}
	return object, ""
}

// compact removes white space from valid JSON.
func compact(raw json.RawMessage) json.RawMessage {
	var out bytes.Buffer
	out.Grow(len(raw))
	_ = json.Compact(&out, raw) // raw came out of a successful decode
	return out.Bytes()
}

// validKeys checks the names of an object and of the objects inside.
func validKeys(object []byte) bool {
	for key, value := range members(object) {
		if !validKey(string(key[1 : len(key)-1])) {
			return false
		}
		if value[0] == '{' && !validKeys(value) {
			return false
		}
	}
	return true
}

// readContactProperties takes strings, integers and booleans; other values are not in the schema and refused
// (facts/brevo.md 4.1). Identifiers among them are not known to have an effect, and have none here.
func readContactProperties(raw json.RawMessage, rules attributeRules) (json.RawMessage, []attributeChange, string) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil, ""
	}
	var values map[string]json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		return nil, nil, "contact_properties must be an object"
	}
	for _, value := range values {
		_, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil && !isString(value) && string(value) != "true" && string(value) != "false" {
			return nil, nil, "contact_properties has an invalid value"
		}
	}
	return compact(raw), rules.changes(values), ""
}

// record stores an event, or loses it where its contact is not known, as the account's quirk has it.
func (s *Server) record(a *account, c *call, e incoming, now time.Time) (fault string) {
	owner := a.ownerOf(e)
	if owner == nil {
		if c.quirks.UnknownContact == UnknownRefused {
			return "Contact does not exist"
		}
		s.ignored++
		return ""
	}
	a.store(owner, e, now)
	return ""
}

func (a *account) ownerOf(e incoming) *contact {
	if id := e.Identifiers.ContactID; id != 0 {
		return a.contacts[id]
	}
	return a.find(e.owner)
}

// store adds an event to a contact, now and visibly, or visibly after the account's lag.
func (a *account) store(owner *contact, e incoming, now time.Time) {
	if e.date.IsZero() {
		e.date = now
	}
	n := a.events.add(storedEvent{
		contact: owner.id, date: e.date.UnixNano(), received: now.UnixNano(),
		name: a.events.word(e.Name), object: a.events.word(e.Object.Type),
		properties:        a.events.properties.put(e.Properties),
		contactProperties: a.events.properties.put(e.ContactProperties),
	})
	owner.events = append(owner.events, n)
	if a.longest > 0 {
		heap.Push(&a.waiting, waiting{at: now.Add(a.lag()), event: n})
	} else {
		a.events.index(n)
	}
	if len(e.changes) > 0 {
		owner.set(e.changes)
		a.changed(owner, now)
	}
}
