package sqlstore

import (
	"encoding/json"
	"fmt"

	"flexbrevo/connector/store"
)

// deliveryColumns are those that scanDelivery reads, of deliveries d and their
// customers c.
const deliveryColumns = `d.id, d.connector, d.account, d.customer_id, d.kind, d.key, d.fact_kind, d.fact_sid,
	d.type, d.lane, d.state, d.any_age, d.attempts, d.next_attempt_at, d.created_at, d.settled_at,
	d.unknown_since, d.reason, d.status, d.payload, d.call, d.sent, c.held`

// scanDelivery reads a row of deliveryColumns.
func scanDelivery(r row) (store.Delivery, error) {
	var d store.Delivery
	var anyAge int
	var payload, sent, held []byte
	err := r.Scan(&d.ID, &d.Connector, &d.Account, &d.CustomerID, &d.Kind, &d.Key, &d.Fact.Kind, &d.Fact.SID,
		&d.Type, &d.Lane, &d.State, &anyAge, &d.Attempts, clock{&d.NextAttemptAt}, clock{&d.CreatedAt},
		clock{&d.SettledAt}, clock{&d.UnknownSince}, &d.Reason, &d.Status, &payload, &d.Call, &sent, &held)
	if err != nil {
		return d, err
	}
	if len(sent) > 0 && json.Unmarshal(sent, &d.Sent) != nil {
		return d, fmt.Errorf("decode what delivery %d sent: not the JSON it was stored as", d.ID)
	}
	d.AnyAge = anyAge == 1
	if err := decodePayload(&d, payload); err != nil {
		return d, err
	}
	d.Held, err = decodeHeld(held)
	return d, err
}

// deliveries collects the rows of a query for deliveryColumns.
func (t *tx) deliveries(query string, args ...any) ([]store.Delivery, error) {
	var found []store.Delivery
	err := t.query(query, func(r row) error {
		d, err := scanDelivery(r)
		found = append(found, d)
		return err
	}, args...)
	return found, err
}
