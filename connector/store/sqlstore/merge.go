package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// LoadNoted implements store.Merger.
func (s *Store) LoadNoted(ctx context.Context, connector, reason string, after int64, limit int) ([]store.Customer, error) {
	n := &store.Neighbours{}
	err := s.read(ctx, "load noted customers", func(t *tx) error {
		n.Customers = nil
		var ids ints
		err := t.query(`
			SELECT DISTINCT o.customer_id FROM omissions o JOIN customers c ON c.id = o.customer_id
			WHERE o.connector = $1 AND o.reason = $2 AND o.origin = '`+fromDeliver+`' AND o.customer_id > $3 AND c.merged_into IS NULL
			ORDER BY o.customer_id LIMIT $4`, func(r row) error {
			var id int64
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, name(connector), name(reason), after, limit)
		if err != nil {
			return err
		}
		return t.together(t.customersOf(n, rows{ids}))
	})
	return n.Customers, err
}

// AskMerges implements store.Merger.
func (s *Store) AskMerges(ctx context.Context, connector, account string, asks []store.MergeAsk, now time.Time) error {
	return s.write(ctx, "ask for merges", func(t *tx) error {
		var ids ints
		for _, a := range asks {
			ids = append(ids, a.CustomerID)
		}
		if err := t.lockCustomers(ids); err != nil {
			return err
		}
		d := &store.Digest{Connector: connector, Account: account, At: now}
		for _, a := range asks {
			contact, err := t.lastContact(a)
			if err != nil {
				return err
			}
			contact.Merge = a.Merge
			d.Contacts = append(d.Contacts, store.ContactChange{CustomerID: a.CustomerID, Lane: record.Live, Contact: contact})
		}
		o, err := newOutbox(d)
		if err != nil {
			return err
		}
		return t.saveOutbox(o)
	})
}

// lastContact is what the customer's contact was last wanted to be.
func (t *tx) lastContact(a store.MergeAsk) (record.Contact, error) {
	var payload []byte
	err := t.one(`
		SELECT payload FROM deliveries WHERE customer_id = $1 AND kind = 'contact' AND state <> 'withdrawn'
		ORDER BY id DESC LIMIT 1`, []any{&payload}, a.CustomerID)
	if errors.Is(err, store.ErrNotFound) {
		return a.Contact, nil
	}
	if err != nil {
		return record.Contact{}, err
	}
	var c record.Contact
	if err := json.Unmarshal(payload, &c); err != nil {
		return record.Contact{}, fmt.Errorf("read contact of customer %d: %w", a.CustomerID, err)
	}
	return c, nil
}
