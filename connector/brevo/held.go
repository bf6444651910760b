package brevo

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"flexbrevo/connector/record"
)

// A Held that says of a name that it is empty (a key with no value) was read from
// Brevo just before; it spares one reading and is then forgotten, because
// somebody may fill it in the meantime.

// copyHeld returns a Held that shares nothing with h and has all its maps.
func copyHeld(h record.Held) record.Held {
	h.Identifiers = withMap(h.Identifiers)
	h.Attributes = withMap(h.Attributes)
	h.Refused = withMap(h.Refused)
	h.Taken = withMap(h.Taken)
	h.Lists, h.Left = slices.Clone(h.Lists), slices.Clone(h.Left)
	return h
}

// withMap returns a copy of m that can be written to.
func withMap[V any](m map[string]V) map[string]V {
	out := make(map[string]V, len(m)+4)
	maps.Copy(out, m)
	return out
}

// forgetEmpty removes what a Held says to be empty, and maps without keys.
func forgetEmpty(h *record.Held) {
	h.ReadAt = time.Time{}
	maps.DeleteFunc(h.Identifiers, func(_, v string) bool { return v == "" })
	maps.DeleteFunc(h.Attributes, func(_ string, v any) bool { return v == nil })
	if len(h.Identifiers) == 0 {
		h.Identifiers = nil
	}
	if len(h.Attributes) == 0 {
		h.Attributes = nil
	}
	if len(h.Refused) == 0 {
		h.Refused = nil
	}
	if len(h.Taken) == 0 {
		h.Taken = nil
	}
}

// contactAnswer is a contact as GET tells it (facts/brevo.md 1.9).
type contactAnswer struct {
	ID               int64          `json:"id"`
	Email            string         `json:"email"`
	Attributes       map[string]any `json:"attributes"`
	ListIDs          []int64        `json:"listIds"`
	ListUnsubscribed []int64        `json:"listUnsubscribed"`
	ModifiedAt       string         `json:"modifiedAt"`

	EmailBlacklisted    bool `json:"emailBlacklisted"`
	SMSBlacklisted      bool `json:"smsBlacklisted"`
	WhatsAppBlacklisted bool `json:"whatsappBlacklisted"`
}

// blocklisted says whether the contact is on any blocklist.
func (c *contactAnswer) blocklisted() bool {
	return c.EmailBlacklisted || c.SMSBlacklisted || c.WhatsAppBlacklisted
}

// identifier returns what the contact has, or "".
func (c *contactAnswer) identifier(name string) string {
	if name == email {
		if c.Email != "" {
			return c.Email
		}
		name = "EMAIL"
	}
	text, _ := scalar(c.Attributes[name])
	return text
}

// into writes what the contact has over what was held. Of its attributes only the
// named ones are kept. Lists that it unsubscribed from count as begun.
func (c *contactAnswer) into(h *record.Held, names []string) {
	h.ID = c.ID
	for _, name := range identifierNames() {
		h.Identifiers[name] = c.identifier(name)
	}
	for _, name := range names {
		if v := c.Attributes[name]; v != "" {
			h.Attributes[name] = v
		} else {
			h.Attributes[name] = nil
		}
	}
	for _, ids := range [][]int64{c.ListIDs, c.ListUnsubscribed} {
		for _, id := range ids {
			addList(h, id)
		}
	}
}

// addList notes a list as begun.
func addList(h *record.Held, id int64) {
	if s := strconv.FormatInt(id, 10); !slices.Contains(h.Lists, s) {
		h.Lists = append(h.Lists, s)
	}
}

// joinList notes that we began membership of a list.
func joinList(h *record.Held, id int64) {
	addList(h, id)
	s := strconv.FormatInt(id, 10)
	h.Left = slices.DeleteFunc(h.Left, func(left string) bool { return left == s })
}

// leaveList notes that we ended membership of a list, once.
func leaveList(h *record.Held, id int64) {
	if s := strconv.FormatInt(id, 10); !slices.Contains(h.Left, s) {
		h.Left = append(h.Left, s)
	}
}

// hasLeft says whether we ended membership of a list and did not begin it since.
func hasLeft(h *record.Held, id int64) bool {
	return slices.Contains(h.Left, strconv.FormatInt(id, 10))
}

// begun says whether membership of a list was begun before, and not ended by us.
func begun(h *record.Held, m membership) bool {
	if hasLeft(h, m.id) {
		return false
	}
	return slices.Contains(h.Lists, strconv.FormatInt(m.id, 10)) || slices.Contains(h.Lists, m.ref)
}
