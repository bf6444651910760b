package record

import "time"

// Change is what the destination should now hold, or should now be told: exactly
// one of Contact and Event is set.
type Change struct {
	// Key identifies the change for logs: the customer, or the event's own key.
	Key     string
	Contact *Contact
	Event   *Event
	// Held is what the destination was last known to hold for this customer.
	Held Held
	// Recreate has a contact that was deleted in the destination made again.
	Recreate bool
	// Stale says that what Held calls empty may have been filled since.
	Stale bool
	// NotOurs are contacts that belong to another customer of ours: an identifier
	// that one of them holds is in conflict, and the contact is never adopted.
	NotOurs []int64
}

// Overwrite says what to do when the destination already holds a value.
type Overwrite int

// The ways to treat a value that the destination already holds.
const (
	// Default replaces attributes, but never an identifier.
	Default Overwrite = iota
	// Always replaces identifiers too: the rule said `overwrite: true`.
	Always
	// Never fills only what is empty: the rule said `overwrite: false`.
	Never
)

// Attribute is one value a contact should hold, and where it came from.
type Attribute struct {
	// Name is the destination's name, upper case, for example LAST_SUPPORT_DATE.
	Name string `json:"name"`
	// Value is a string, bool, int, float64 or []any of these; dates are strings.
	Value any `json:"value"`
	// Type is the type the rule asked for or implies: text, date, float, boolean,
	// category or multiple-choice.
	Type string `json:"type,omitempty"`
	// Overwrite says whether a value already there is replaced.
	Overwrite Overwrite `json:"overwrite,omitempty"`
	// Clear sends an empty value where Value is nil: the rule said so.
	Clear bool `json:"clear,omitempty"`
	// Rule is the place in the configuration, Source the field it was read from.
	Rule   string `json:"rule,omitempty"`
	Source string `json:"source,omitempty"`
}

// Contact is a customer as the destination should hold it now.
type Contact struct {
	// Email and Phone are the resolved identifiers; Phone is E.164.
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
	// Attributes in the order of the rules. The identifiers SMS, WHATSAPP,
	// LANDLINE_NUMBER and EXT_ID are among them only where a rule maps them.
	Attributes []Attribute `json:"attributes,omitempty"`
	// Lists are those the customer belongs to, by id ("32") or by name.
	Lists []string `json:"lists,omitempty"`
	// Leave are lists that a rule takes the customer off.
	Leave []string `json:"leave,omitempty"`
	// Create is false where the operator wants existing contacts only.
	Create bool `json:"create,omitempty"`
	// Merge are the merges that the operator agreed to, by the identifier that another
	// contact holds. No other is ever made.
	Merge map[string]Merge `json:"merge,omitempty"`
}

// Merge is one agreed merge of a customer's contact with another one: only this
// one, and only while it would delete the contact that the operator was shown.
type Merge struct {
	// With is the contact that holds the identifier, Deletes the one of the two that
	// will be gone.
	With    int64 `json:"with"`
	Deletes int64 `json:"deletes"`
}

// Has says whether an attribute of this name is among them.
func (c *Contact) Has(name string) bool {
	for _, a := range c.Attributes {
		if a.Name == name {
			return true
		}
	}
	return false
}

// Put adds an attribute, in the place of one of the same name.
func (c *Contact) Put(a Attribute) {
	for i := range c.Attributes {
		if c.Attributes[i].Name == a.Name {
			c.Attributes[i] = a
			return
		}
	}
	c.Attributes = append(c.Attributes, a)
}

// Event is one thing that happened, told once.
type Event struct {
	// Name is the destination's event name.
	Name string `json:"name"`
	// ID is the source_event_id: the same for the same fact, for ever.
	ID string `json:"id"`
	// At is when it happened at the source.
	At time.Time `json:"at"`
	// Properties are JSON values; source_event_id is added by the destination.
	Properties map[string]any `json:"properties,omitempty"`
	// Rule is the place in the configuration that made it.
	Rule string `json:"rule,omitempty"`
	// Withheld says why it is rightly not sent; empty for an event that is.
	Withheld string `json:"withheld,omitempty"`
}

// Held is what the destination is known to hold for a customer. It is made of
// its own answers and of what it accepted, and stored with the customer.
type Held struct {
	// ID is the destination's id of the contact; 0 while none is known.
	ID int64 `json:"id,omitempty"`
	// Deleted is set when the destination said the contact is gone.
	Deleted bool `json:"deleted,omitempty"`
	// Identifiers it holds, by attribute name: email, SMS, WHATSAPP,
	// LANDLINE_NUMBER, EXT_ID.
	Identifiers map[string]string `json:"identifiers,omitempty"`
	// Attributes as last accepted, or as read.
	Attributes map[string]any `json:"attributes,omitempty"`
	// Lists on which membership was once begun; never begun a second time.
	Lists []string `json:"lists,omitempty"`
	// Left are those of them that a rule of ours ended; it may begin again.
	Left []string `json:"left,omitempty"`
	// Refused maps a name to the value that the destination refused for good or
	// that could not be sent, so that it is not sent again until it changes.
	Refused map[string]any `json:"refused,omitempty"`
	// Taken names those of them that another contact holds, with its id; 0 where it
	// could not be read.
	Taken map[string]int64 `json:"taken,omitempty"`
	// ReadAt is when it was read as a whole, while nothing was written since; it then
	// also says which names are empty.
	ReadAt time.Time `json:"read_at,omitzero"`
}
