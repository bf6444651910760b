package pipeline

import (
	"errors"
	"maps"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// permit takes out of a change the merges that must not be made now: all where the
// configuration does not have them any more, and those that would delete the
// contact of another customer of ours.
func (s *session) permit(d store.Delivery, change *record.Change) error {
	if d.Contact == nil || len(d.Contact.Merge) == 0 {
		return nil
	}
	contact := *d.Contact
	contact.Merge = maps.Clone(contact.Merge)
	change.Contact = &contact
	for name, merge := range d.Contact.Merge {
		if !s.o.Merges[d.Connector] {
			delete(contact.Merge, name)
			continue
		}
		others, err := s.othersHold(d, merge)
		if err != nil {
			return err
		}
		if others {
			delete(contact.Merge, name)
			s.o.Logger.Warn("merge is not made: a contact of it belongs to another customer too",
				"account", s.o.Account, "connector", d.Connector, "delivery_id", d.ID, "identifier", name)
		}
	}
	return nil
}

// othersHold says whether another customer, of any connector of the account, holds
// one of the contacts of a merge.
func (s *session) othersHold(d store.Delivery, merge record.Merge) (bool, error) {
	for connector := range s.o.Merges {
		for _, contact := range []int64{merge.With, d.Held.ID} {
			owner, err := s.o.Store.LoadContactOwner(s.hard, connector, contact)
			if errors.Is(err, store.ErrNotFound) || err == nil && connector == d.Connector && owner == d.CustomerID {
				continue
			}
			return err == nil, err
		}
	}
	return false, nil
}
