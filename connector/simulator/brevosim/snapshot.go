package brevosim

import (
	"encoding/json"
	"time"
)

// Contact is a copy of a stored contact. Phone numbers are digits without plus, as Brevo shows them.
type Contact struct {
	ID       int64  `json:"id"`
	Email    string `json:"email,omitempty"`
	ExtID    string `json:"ext_id,omitempty"`
	SMS      string `json:"sms,omitempty"`
	WhatsApp string `json:"whatsapp,omitempty"`
	Landline string `json:"landline,omitempty"`
	// Attributes are the values of normal attributes and categories: float64, string, bool or []any of string.
	// Identifiers are not repeated here.
	Attributes          map[string]any `json:"attributes"`
	ListIDs             []int64        `json:"list_ids"`
	EmailBlacklisted    bool           `json:"email_blacklisted"`
	SMSBlacklisted      bool           `json:"sms_blacklisted"`
	WhatsAppBlacklisted bool           `json:"whatsapp_blacklisted"`
	CreatedAt           time.Time      `json:"created_at"`
	ModifiedAt          time.Time      `json:"modified_at"`
}

// Event is a copy of a stored event.
type Event struct {
	ContactID         int64           `json:"contact_id"`
	Name              string          `json:"event_name"`
	Date              time.Time       `json:"event_date"`
	ReceivedAt        time.Time       `json:"received_at"`
	Properties        json.RawMessage `json:"event_properties,omitempty"`
	ContactProperties json.RawMessage `json:"contact_properties,omitempty"`
	ObjectType        string          `json:"object_type,omitempty"`
	// Gone is set once the contact was deleted or merged away, and its history with it.
	Gone bool `json:"gone,omitempty"`
}

// Property returns one event property decoded, or nil if the event has none of that name.
func (e Event) Property(name string) any {
	var properties map[string]any
	if json.Unmarshal(e.Properties, &properties) != nil {
		return nil
	}
	return properties[name]
}

// Attribute is the definition of a contact attribute (facts/brevo.md 2).
type Attribute struct {
	Name     string `json:"name"`
	Category string `json:"category"`
	Type     string `json:"type,omitempty"`
	// Enumeration holds the values of a category attribute.
	Enumeration []EnumValue `json:"enumeration,omitempty"`
	// Options holds the choices of a multiple-choice attribute.
	Options []string `json:"multiCategoryOptions,omitempty"`
	// Value is the formula of a calculated or global attribute.
	Value string `json:"calculatedValue,omitempty"`
}

// EnumValue is one value of a category attribute. ValueStr is the value that counts; Value reads 0 where it is not
// numeric (facts/brevo.md 2).
type EnumValue struct {
	Value    int64  `json:"value"`
	ValueStr string `json:"valueStr"`
	Label    string `json:"label"`
}

// List is a contact list.
type List struct {
	ID       int64  `json:"id"`
	FolderID int64  `json:"folder_id"`
	Name     string `json:"name"`
	Members  int    `json:"members"`
}

// Call is what calls are counted by. Path is a template such as /contacts/{identifier}; Status is 0 for a connection
// that was dropped without an answer.
type Call struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
}

// Summary is the account in numbers.
type Summary struct {
	Contacts      int `json:"contacts"`
	Events        int `json:"events"`
	EventsIgnored int `json:"events_ignored"` // accepted, but for no known contact
	Attributes    int `json:"attributes"`
	Lists         int `json:"lists"`
	Calls         int `json:"calls"`
	RateLimited   int `json:"rate_limited"` // calls answered with 429
	FaultsFired   int `json:"faults_fired"`
	Merges        int `json:"merges"` // contacts deleted by a merge
	Violations    int `json:"violations"`
}
