package sqlstore

import (
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// contactDead is the reason of events that died with their customer's contact,
// by which they are found again when it is revived.
const contactDead = "contact dead"

// outbox is what a digest changes among the deliveries, encoded.
type outbox struct {
	connector, account string
	at                 time.Time
	// merged are customers who went into others, heirs those others.
	merged, heirs ints
	withdrawn     ints
	contacts      []contactChange
	events        []eventChange
	// owners are the customers of deliveries that exist already and are named.
	owners ints
}

type contactChange struct {
	store.ContactChange
	payload string
}

type eventChange struct {
	store.EventChange
	payload string
}

// newOutbox encodes the changes of a digest, the last for each customer and each
// event. A contact change that is repeated keeps the most urgent lane.
func newOutbox(d *store.Digest) (*outbox, error) {
	o := &outbox{connector: name(d.Connector), account: name(d.Account), at: d.At, withdrawn: d.Withdrawn}
	for _, c := range d.Customers {
		if c.MergedInto != 0 {
			o.merged, o.heirs = append(o.merged, c.ID), append(o.heirs, c.MergedInto)
		}
	}
	contactAt := map[int64]int{}
	for _, c := range d.Contacts {
		payload, err := encode("contact", c.Contact)
		if err != nil {
			return nil, err
		}
		if i, again := contactAt[c.CustomerID]; again {
			c.Lane = min(c.Lane, o.contacts[i].Lane)
			o.contacts[i] = contactChange{c, payload}
			continue
		}
		contactAt[c.CustomerID] = len(o.contacts)
		o.contacts = append(o.contacts, contactChange{c, payload})
	}
	eventAt := map[string]int{}
	for _, e := range d.Events {
		payload, err := encode("event", e.Event)
		if err != nil {
			return nil, err
		}
		e.Key = name(e.Key)
		if i, again := eventAt[e.Key]; again {
			o.events[i] = eventChange{e, payload}
			continue
		}
		eventAt[e.Key] = len(o.events)
		o.events = append(o.events, eventChange{e, payload})
	}
	return o, nil
}

func (o *outbox) empty() bool {
	return len(o.merged)+len(o.withdrawn)+len(o.contacts)+len(o.events) == 0
}

// customers returns the customers whose deliveries change, as far as the changes
// themselves name them.
func (o *outbox) customers() ints {
	ids := append(append(ints(nil), o.merged...), o.heirs...)
	for _, c := range o.contacts {
		ids = append(ids, c.CustomerID)
	}
	for _, e := range o.events {
		ids = append(ids, e.CustomerID)
	}
	return append(ids, o.owners...)
}

// saveOutbox changes the deliveries of a digest.
func (t *tx) saveOutbox(o *outbox) error {
	if o.empty() {
		return nil
	}
	if err := t.lockOwners(o); err != nil {
		return err
	}
	if err := t.withdraw(o); err != nil {
		return err
	}
	if err := t.saveContacts(o); err != nil {
		return err
	}
	if err := t.saveEvents(o); err != nil {
		return err
	}
	if err := t.inherit(o); err != nil {
		return err
	}
	if err := t.dieWithContact(o.customers(), o.at); err != nil {
		return err
	}
	return t.requeue(o.customers())
}

// inherit hands the events of merged customers that are not settled to their heirs:
// whoever digests those later must see that the events are under way.
func (t *tx) inherit(o *outbox) error {
	return t.later(`
		UPDATE deliveries {by deliveries_unsettled} SET customer_id = r.heir
		FROM {rows id:bigint heir:bigint} AS r
		WHERE deliveries.customer_id = r.id AND deliveries.state IN ('pending', 'sending', 'unknown', 'dead') AND deliveries.kind = 'event'`,
		rows{o.merged, o.heirs})
}

// lockOwners finds and locks the customers who have the deliveries that the
// changes name: a merge takes an event from one customer to another.
func (t *tx) lockOwners(o *outbox) error {
	collect := func(r row) error {
		var id int64
		err := r.Scan(&id)
		o.owners = append(o.owners, id)
		return err
	}
	keys, ids := make(texts, len(o.events)), append(ints(nil), o.withdrawn...)
	for i, e := range o.events {
		keys[i], ids = e.Key, append(ids, e.Replaces)
	}
	byKey := t.question(`
		SELECT d.customer_id FROM {rows key:text} AS r CROSS JOIN deliveries d
		WHERE d.connector = $1 AND d.key = r.key AND d.kind = 'event'`, collect, o.connector, rows{keys})
	byID := t.question(`
		SELECT d.customer_id FROM {rows id:bigint} AS r CROSS JOIN deliveries d WHERE d.id = r.id`, collect, rows{distinct(ids)})
	if err := t.together(byKey, byID); err != nil {
		return err
	}
	return t.lockCustomers(o.customers())
}

// withdraw ends pending deliveries that are owed no more, among them the contacts
// of customers that were merged into others.
func (t *tx) withdraw(o *outbox) error {
	err := t.later(`
		UPDATE deliveries SET state = 'withdrawn', settled_at = $1, reason = 'superseded'
		WHERE id IN (SELECT id FROM {rows id:bigint} AS r) AND state = 'pending'`,
		o.at.UnixMilli(), rows{o.withdrawn})
	if err != nil {
		return err
	}
	return t.later(`
		UPDATE deliveries SET state = 'withdrawn', settled_at = $1, reason = 'customer merged'
		WHERE kind = 'contact' AND state IN ('pending', 'dead') AND state = 'pending'
			AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`,
		o.at.UnixMilli(), rows{o.merged})
}

// standingContact is the one contact delivery of a customer that a change goes
// into: pending or dead.
type standingContact struct {
	id   int64
	lane record.Lane
	dead bool
}

// saveContacts replaces contacts that wait, revives dead ones with the events that
// died with them, and adds the others.
func (t *tx) saveContacts(o *outbox) error {
	standing, err := t.standingContacts(o.contacts)
	if err != nil {
		return err
	}
	var waiting contactRows
	var fresh contactRows
	var revived ints
	for _, c := range o.contacts {
		old, exists := standing[c.CustomerID]
		switch {
		case !exists:
			fresh.add(0, c)
			continue
		case old.dead:
			revived = append(revived, c.CustomerID)
		default:
			c.Lane = min(c.Lane, old.lane)
		}
		waiting.add(old.id, c)
	}
	if err := t.revive(revived, o.at); err != nil {
		return err
	}
	err = t.later(`
		UPDATE deliveries SET account = $1, lane = r.lane, payload = r.payload
		FROM {rows id:bigint customer_id:bigint lane:bigint payload:text} AS r WHERE deliveries.id = r.id`,
		o.account, waiting.rows())
	if err != nil {
		return err
	}
	return t.later(`
		INSERT INTO deliveries (connector, account, customer_id, kind, key, fact_kind, fact_sid, type, lane,
			any_age, event_at, next_attempt_at, created_at, payload)
		SELECT $1, $2, customer_id, 'contact', '', '', '', '', lane, 0, 0, CAST($3 AS BIGINT), CAST($3 AS BIGINT), payload
		FROM {rows id:bigint customer_id:bigint lane:bigint payload:text} AS r`,
		o.connector, o.account, o.at.UnixMilli(), fresh.rows())
}

// contactRows are contact changes as columns.
type contactRows struct {
	ids, customers, lanes ints
	payloads              texts
}

func (c *contactRows) add(id int64, change contactChange) {
	c.ids, c.customers = append(c.ids, id), append(c.customers, change.CustomerID)
	c.lanes, c.payloads = append(c.lanes, int64(change.Lane)), append(c.payloads, change.payload)
}

func (c *contactRows) rows() rows { return rows{c.ids, c.customers, c.lanes, c.payloads} }

func (t *tx) standingContacts(changes []contactChange) (map[int64]standingContact, error) {
	customers := make(ints, len(changes))
	for i, c := range changes {
		customers[i] = c.CustomerID
	}
	standing := map[int64]standingContact{}
	err := t.query(`
		SELECT d.customer_id, d.id, d.lane, d.state FROM {rows id:bigint} AS r CROSS JOIN deliveries d
		WHERE d.customer_id = r.id AND d.kind = 'contact' AND d.state IN ('pending', 'dead')`,
		func(r row) error {
			var customer int64
			var c standingContact
			var state store.DeliveryState
			err := r.Scan(&customer, &c.id, &c.lane, &state)
			c.dead = state == store.Dead
			standing[customer] = c
			return err
		}, rows{customers})
	return standing, err
}

// revive makes the dead contacts of customers wait again, with the events that
// died with them.
func (t *tx) revive(customers ints, at time.Time) error {
	return t.later(`
		UPDATE deliveries {by deliveries_unsettled} SET state = 'pending', settled_at = NULL, attempts = 0, reason = '', status = 0,
			next_attempt_at = $1
		WHERE customer_id IN (SELECT id FROM {rows id:bigint} AS r) AND state IN ('pending', 'sending', 'unknown', 'dead')
			AND state = 'dead' AND (kind = 'contact' OR reason = '`+contactDead+`')`,
		at.UnixMilli(), rows{customers})
}

// dieWithContact gives up the waiting events of customers whose contact is given
// up: they could not be sent before it, and are revived with it.
func (t *tx) dieWithContact(customers ints, at time.Time) error {
	return t.later(`
		UPDATE deliveries {by deliveries_unsettled} SET state = 'dead', settled_at = $1, reason = '`+contactDead+`'
		WHERE customer_id IN (
				SELECT c.customer_id FROM {rows id:bigint} AS r CROSS JOIN deliveries c
				WHERE c.customer_id = r.id AND c.kind = 'contact' AND c.state IN ('pending', 'dead') AND c.state = 'dead')
			AND kind = 'event' AND state IN ('pending', 'sending', 'unknown', 'dead') AND state = 'pending'`,
		at.UnixMilli(), rows{distinct(customers)})
}
