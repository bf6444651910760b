package brevosim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrUnknown is returned by the seeding methods for a contact or list that does not exist.
var ErrUnknown = errors.New("no such contact or list")

// ErrTaken is returned where another contact holds an identifier.
var ErrTaken = errors.New("identifier belongs to another contact")

// The methods of this file do what the people of the marketing department do in Brevo's own pages: nothing they do is
// rate limited, lags, fails at random or counts as a violation.

// AddContact makes a contact and returns its id. ID and the times of the argument are not used. Identifiers are
// normalised; attributes must fit their definitions.
func (s *Server) AddContact(c Contact) (int64, error) {
	values, err := identifiersOf(c)
	if err != nil {
		return 0, fmt.Errorf("add contact: %w", err)
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	if holders, _ := a.holders(values, nil); len(holders) > 0 {
		return 0, fmt.Errorf("add contact: %w", ErrTaken)
	}
	changes, err := a.edits(c.Attributes)
	if err != nil {
		return 0, fmt.Errorf("add contact: %w", err)
	}
	if _, bad := a.unknownList(c.ListIDs); bad {
		return 0, fmt.Errorf("add contact: %w", ErrUnknown)
	}
	data := contactData{
		ids: values, emailBlocked: c.EmailBlacklisted, smsBlocked: c.SMSBlacklisted, whatsAppBlocked: c.WhatsAppBlacklisted,
	}
	data.set(changes)
	added := a.insert(data, now)
	for _, id := range c.ListIDs {
		a.enlist(added, id)
	}
	a.publish(added)
	return added.id, nil
}

// identifiersOf collects and normalises the identifiers of a contact.
func identifiersOf(c Contact) (identifiers, error) {
	var out identifiers
	for k, value := range [kinds]string{c.ExtID, c.Email, c.SMS, c.WhatsApp, c.Landline} {
		if value == "" {
			continue
		}
		normal, err := kind(k).normalise(value)
		if err != nil {
			return out, err
		}
		out[k] = normal
	}
	return out, nil
}

// edits checks attribute values, which people cannot enter wrongly.
func (a *account) edits(values map[string]any) ([]attributeChange, error) {
	raws := make(map[string]json.RawMessage, len(values))
	for name, value := range values {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		raws[name] = raw
	}
	changes := attributeRules{known: a.attributeNames, clear: ClearByEither}.changes(raws)
	for name := range values {
		if !slices.ContainsFunc(changes, func(c attributeChange) bool { return c.name == name }) {
			return nil, fmt.Errorf("attribute %s: unknown, or of another type", name)
		}
	}
	return changes, nil
}

// EditContact changes attributes of a contact; nil or "" clears one. The names EMAIL, EXT_ID, SMS, WHATSAPP and
// LANDLINE_NUMBER change identifiers.
func (s *Server) EditContact(id int64, attributes map[string]any) error {
	return s.edit("edit", id, func(a *account, c *contact) error {
		values, rest := c.ids, map[string]any{}
		for name, value := range attributes {
			k, identifier := kindOfAttribute(name)
			if !identifier {
				rest[name] = value
				continue
			}
			values[k] = ""
			if text, _ := value.(string); text != "" {
				normal, err := k.normalise(text)
				if err != nil {
					return err
				}
				values[k] = normal
			}
		}
		if _, taken := a.holders(values, c); len(taken) > 0 {
			return ErrTaken
		}
		changes, err := a.edits(rest)
		if err != nil {
			return err
		}
		a.identify(c, values)
		c.set(changes)
		return nil
	})
}

// edit runs change on a contact and makes it visible at once.
func (s *Server) edit(what string, id int64, change func(*account, *contact) error) error {
	a, now := s.enter()
	defer s.mu.Unlock()
	c := a.contacts[id]
	if c == nil {
		return fmt.Errorf("%s contact %d: %w", what, id, ErrUnknown)
	}
	if err := change(a, c); err != nil {
		return fmt.Errorf("%s contact %d: %w", what, id, err)
	}
	c.modified = now
	a.publish(c)
	return nil
}

// BlocklistContact puts a contact on the email and SMS blocklists.
func (s *Server) BlocklistContact(id int64) error {
	return s.edit("blocklist", id, func(_ *account, c *contact) error {
		c.emailBlocked, c.smsBlocked = true, true
		return nil
	})
}

// AddToList puts a contact on a list, and forgets that it was ever taken off.
func (s *Server) AddToList(id, list int64) error {
	return s.edit("enlist", id, func(a *account, c *contact) error {
		if a.lists[list] == nil {
			return ErrUnknown
		}
		a.enlist(c, list)
		delete(a.takenOff, listing{id, list})
		return nil
	})
}

// RemoveFromList takes a contact off a list. A caller of the API that puts it back is reported by Violations.
func (s *Server) RemoveFromList(id, list int64) error {
	return s.edit("delist", id, func(a *account, c *contact) error {
		if a.lists[list] == nil {
			return ErrUnknown
		}
		a.delist(c, list)
		a.takenOff[listing{id, list}] = struct{}{}
		return nil
	})
}

// DeleteContact deletes a contact with its history. A caller of the API that makes another one with any of its
// identifiers is reported by Violations.
func (s *Server) DeleteContact(id int64) error {
	a, _ := s.enter()
	defer s.mu.Unlock()
	c := a.contacts[id]
	if c == nil {
		return fmt.Errorf("delete contact %d: %w", id, ErrUnknown)
	}
	for k, value := range c.ids {
		if value != "" {
			a.deleted[deletedKey{kind(k), value}] = struct{}{}
		}
	}
	a.remove(c)
	return nil
}

// AddAttribute defines an attribute, replacing one of the same name. An empty category means normal, or category where
// there is an enumeration; the ValueStr of an enumeration may be left out.
func (s *Server) AddAttribute(attribute Attribute) {
	attribute.Name = strings.ToUpper(attribute.Name)
	attribute.Enumeration = slices.Clone(attribute.Enumeration)
	for i, e := range attribute.Enumeration {
		if e.ValueStr == "" {
			attribute.Enumeration[i] = enumeration([]enumBody{{Value: &e.Value, Label: e.Label}})[0]
		}
	}
	if attribute.Category == "" {
		attribute.Category = categoryNormal
		if len(attribute.Enumeration) > 0 {
			attribute.Category = categoryCategory
		}
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(a.attributes), func(other Attribute) bool { return other.Name == attribute.Name })
	a.setAttributes(append(others, attribute))
}

// AddList makes a list in the first folder and returns its id, which is chosen if id is 0.
func (s *Server) AddList(id int64, name string) int64 {
	a, now := s.enter()
	defer s.mu.Unlock()
	return a.addList(id, 1, name, now)
}

// AddFolder makes a folder and returns its id.
func (s *Server) AddFolder(name string) int64 {
	a, _ := s.enter()
	defer s.mu.Unlock()
	return a.addFolder(name)
}

// SpendLimit uses up n requests of a bucket, as other users of the same account do.
func (s *Server) SpendLimit(bucket Bucket, n int) {
	s.limits.Load().take(bucket, n, s.now(), false)
}
