package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// Settle implements store.Deliverer.
func (s *Store) Settle(ctx context.Context, lease store.Lease, now time.Time, settlements []store.Settlement) error {
	return s.write(ctx, "settle deliveries", func(t *tx) error {
		if err := t.keepPlans(); err != nil {
			return err
		}
		if err := t.fence(lease); err != nil {
			return err
		}
		standing, err := t.underWay(settlements)
		if err != nil || len(standing) == 0 {
			return err
		}
		b := &settling{now: now}
		if err := b.collect(settlements, standing); err != nil {
			return err
		}
		return t.settle(b)
	})
}

// underWay is a delivery that is being sent or whose outcome is unknown, by the store's
// own columns.
type underWay struct {
	store.Delivery
	merged bool // its customer was merged into another
}

// settling is a batch of settlements of deliveries that are under way.
type settling struct {
	now time.Time
	// done are the settlements; in each Delivery the columns are the store's own,
	// not those handed back by the caller.
	done      []store.Settlement
	customers ints
	// merged are those of the customers who were merged into others.
	merged map[int64]bool
	// retried are the customers whose contact goes back or dies; grieved those of whom
	// something may wait that dies with a contact.
	retried, grieved ints
}

// collect keeps what settles a delivery that is under way, the last for each.
func (b *settling) collect(settlements []store.Settlement, standing map[int64]underWay) error {
	last := map[int64]int{}
	b.merged = map[int64]bool{}
	for i, s := range settlements {
		last[s.Delivery.ID] = i
	}
	for i, s := range settlements {
		d, ok := standing[s.Delivery.ID]
		if !ok || last[d.ID] != i {
			continue
		}
		switch s.State {
		case store.Pending, store.Unknown, store.Delivered, store.Skipped, store.Dead:
		default:
			return fmt.Errorf("settle as %q: not an outcome", string(s.State))
		}
		s.Delivery = d.Delivery
		b.add(s, d.merged)
	}
	return nil
}

func (b *settling) add(s store.Settlement, merged bool) {
	customer, contact := s.Delivery.CustomerID, s.Delivery.Kind == store.ContactDelivery
	b.done, b.customers = append(b.done, s), append(b.customers, customer)
	b.merged[customer] = merged
	if contact && (s.State == store.Pending || s.State == store.Dead) {
		b.retried = append(b.retried, customer)
	}
	if contact && s.State == store.Dead || !contact && s.State == store.Pending {
		b.grieved = append(b.grieved, customer)
	}
}

// underWay returns those of the deliveries that are being sent or whose outcome is
// unknown; the others were settled before, by this very call if it is repeated. Their
// customers are locked: those who had them when they were claimed, and where a merge
// has handed some on since, its heirs.
func (t *tx) underWay(settlements []store.Settlement) (map[int64]underWay, error) {
	ids, owners := make(ints, len(settlements)), make(ints, len(settlements))
	for i, s := range settlements {
		ids[i], owners[i] = s.Delivery.ID, s.Delivery.CustomerID
	}
	for {
		owners = distinct(owners)
		if err := t.lockCustomers(owners); err != nil {
			return nil, err
		}
		standing, err := t.loadUnderWay(ids)
		if err != nil {
			return nil, err
		}
		locked := len(owners)
		for _, d := range standing {
			if _, found := slices.BinarySearch(owners[:locked], d.CustomerID); !found {
				owners = append(owners, d.CustomerID)
			}
		}
		if len(owners) == locked {
			return standing, nil
		}
	}
}

func (t *tx) loadUnderWay(ids ints) (map[int64]underWay, error) {
	standing := make(map[int64]underWay, len(ids))
	err := t.query(`
		SELECT d.id, d.connector, d.customer_id, d.kind, d.key, d.fact_kind, d.fact_sid, d.type, d.state, d.unknown_since,
			CASE WHEN c.merged_into IS NULL THEN 0 ELSE 1 END
		FROM {rows id:bigint} AS r CROSS JOIN deliveries d CROSS JOIN customers c
		WHERE d.id = r.id AND d.state IN ('sending', 'unknown') AND c.id = d.customer_id`, func(r row) error {
		var d underWay
		var merged int
		err := r.Scan(&d.ID, &d.Connector, &d.CustomerID, &d.Kind, &d.Key, &d.Fact.Kind, &d.Fact.SID, &d.Type, &d.State,
			clock{&d.UnknownSince}, &merged)
		d.merged = merged == 1
		standing[d.ID] = d
		return err
	}, rows{ids})
	return standing, err
}

func (t *tx) settle(b *settling) error {
	superseded, err := t.superseded(b.retried)
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error { return t.saveOutcomes(b, superseded) },
		func() error { return t.dieWithContact(b.grieved, b.now) },
		func() error { return t.saveMarks(b) },
		func() error { return t.saveHeld(b) },
		func() error { return t.saveSettledOmissions(b) },
		func() error { return t.requeue(b.customers) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// saveOutcomes moves deliveries to their new states. A call is counted once: not
// again when its unknown outcome is found out.
func (t *tx) saveOutcomes(b *settling, superseded map[int64]bool) error {
	var ids, counted, statuses ints
	var states, reasons, calls, sent texts
	var next, settledAt, unknownSince moments
	for _, s := range b.done {
		o := settled(s, b.now, superseded[s.Delivery.CustomerID])
		ids, states, reasons = append(ids, s.Delivery.ID), append(states, string(o.State)), append(reasons, name(o.Reason))
		counted = append(counted, flag(s.Delivery.State == store.Sending && !s.Uncounted))
		statuses, next = append(statuses, int64(s.Status)), append(next, o.NextAttemptAt)
		settledAt, unknownSince = append(settledAt, o.SettledAt), append(unknownSince, o.UnknownSince)
		names := ""
		if len(s.Sent) > 0 {
			var err error
			if names, err = encode("names of what was sent", s.Sent); err != nil {
				return err
			}
		}
		calls, sent = append(calls, name(s.Call)), append(sent, names)
	}
	return t.later(`
		UPDATE deliveries SET state = r.state, attempts = deliveries.attempts + r.counted, status = r.status,
			reason = r.reason, next_attempt_at = COALESCE(r.next_attempt_at, deliveries.next_attempt_at),
			settled_at = r.settled_at, unknown_since = r.unknown_since,
			call = CASE WHEN r.call <> '' THEN r.call ELSE deliveries.call END,
			sent = CASE WHEN r.sent <> '' THEN r.sent ELSE deliveries.sent END
		FROM {rows id:bigint state:text counted:bigint status:bigint reason:text next_attempt_at:bigint settled_at:bigint unknown_since:bigint call:text sent:text} AS r
		WHERE deliveries.id = r.id AND deliveries.state IN ('sending', 'unknown')`,
		rows{ids, states, counted, statuses, reasons, next, settledAt, unknownSince, calls, sent})
}

// settled is the one place that moves a delivery on from Sending or Unknown.
func settled(s store.Settlement, now time.Time, superseded bool) store.Delivery {
	d := store.Delivery{State: s.State, Reason: s.Reason}
	// A contact says what should be held now: where a newer one waits, or its
	// customer was merged away, another try or a funeral of this one helps nobody.
	if superseded && s.Delivery.Kind == store.ContactDelivery && (s.State == store.Pending || s.State == store.Dead) {
		d.State, d.Reason = store.Withdrawn, "superseded"
	}
	switch d.State {
	case store.Pending:
		d.NextAttemptAt = s.NextAttemptAt
		if d.NextAttemptAt.IsZero() {
			d.NextAttemptAt = now
		}
	case store.Unknown:
		d.UnknownSince = now
		if s.Delivery.State == store.Unknown {
			d.UnknownSince = s.Delivery.UnknownSince
		}
		d.NextAttemptAt = s.NextAttemptAt
	default:
		d.SettledAt = now
	}
	if d.Reason == "" && (d.State == store.Skipped || d.State == store.Dead) {
		d.Reason = "no reason given"
	}
	return d
}

// saveMarks notes on the facts of events that these were told or rightly skipped,
// for ever. The moment of a skipped one is negative.
func (t *tx) saveMarks(b *settling) error {
	var connectors, keys, kinds, sids, types texts
	var at ints
	for _, s := range b.done {
		d := s.Delivery
		if d.Kind != store.EventDelivery {
			continue
		}
		switch s.State {
		case store.Delivered:
			at = append(at, b.now.UnixMilli())
		case store.Skipped:
			at = append(at, -b.now.UnixMilli())
		default:
			continue
		}
		connectors, keys = append(connectors, d.Connector), append(keys, d.Key)
		kinds, sids, types = append(kinds, string(d.Fact.Kind)), append(sids, d.Fact.SID), append(types, d.Type)
	}
	return t.later(`
		INSERT INTO marks (connector, key, kind, sid, type, at)
		SELECT connector, key, kind, sid, type, at
		FROM {rows connector:text key:text kind:text sid:text type:text at:bigint} AS r
		WHERE true
		ON CONFLICT (connector, key) DO NOTHING`, rows{connectors, keys, kinds, sids, types, at})
}

// saveHeld writes what the destination holds, the last word for each customer. A
// contact that another customer holds already stays with that one.
func (t *tx) saveHeld(b *settling) error {
	held := map[int64]*record.Held{}
	connectors := map[int64]string{}
	for _, s := range b.done {
		if s.Held != nil {
			held[s.Delivery.CustomerID], connectors[s.Delivery.CustomerID] = s.Held, s.Delivery.Connector
		}
	}
	taken, err := t.takenContacts(held, connectors, b.merged)
	if err != nil {
		return err
	}
	var ids, linked ints
	var contacts refs
	var values texts
	for _, id := range distinct(b.customers) {
		h := held[id]
		if h == nil || taken[id] {
			continue
		}
		value, err := encode("held", h)
		if err != nil {
			return err
		}
		ids, contacts, values = append(ids, id), append(contacts, h.ID), append(values, value)
		linked = append(linked, flag(h.ID != 0 && !h.Deleted))
	}
	return t.later(`
		UPDATE customers SET contact_id = r.contact_id, linked = r.linked, held = r.held
		FROM {rows id:bigint contact_id:bigint linked:bigint held:text} AS r WHERE customers.id = r.id`,
		rows{ids, contacts, linked, values})
}

// takenContacts returns the customers whose new contact belongs to another one, in
// the database or earlier in this batch. It keeps one customer's mistake from
// failing the settlement of all others.
func (t *tx) takenContacts(held map[int64]*record.Held, connectors map[int64]string, merged map[int64]bool) (map[int64]bool, error) {
	type contact struct {
		connector string
		id        int64
	}
	owner := map[contact]int64{}
	var claimants ints
	var names texts
	var contacts ints
	for customer, h := range held {
		if h.ID != 0 {
			claimants, names, contacts = append(claimants, customer), append(names, connectors[customer]), append(contacts, h.ID)
		}
	}
	err := t.query(`
		SELECT c.connector, c.contact_id, c.id FROM {rows connector:text contact_id:bigint} AS r CROSS JOIN customers c
		WHERE c.connector = r.connector AND c.contact_id = r.contact_id
			AND c.contact_id IS NOT NULL AND c.merged_into IS NULL`, func(r row) error {
		var of contact
		var id int64
		err := r.Scan(&of.connector, &of.id, &id)
		owner[of] = id
		return err
	}, rows{names, contacts})
	if err != nil {
		return nil, err
	}
	taken := map[int64]bool{}
	for _, customer := range distinct(claimants) {
		of := contact{connectors[customer], held[customer].ID}
		holder, known := owner[of]
		switch {
		case merged[customer]: // keeps on its row what it holds, beside its survivor
		case !known:
			owner[of] = customer
		case holder != customer:
			taken[customer] = true
		}
	}
	return taken, nil
}

// mergedAmong returns those of the customers that were merged into another.
func (t *tx) mergedAmong(customers ints) (map[int64]bool, error) {
	merged := map[int64]bool{}
	err := t.query(`
		SELECT c.id FROM {rows id:bigint} AS r CROSS JOIN customers c
		WHERE c.id = r.id AND c.merged_into IS NOT NULL`, func(r row) error {
		var id int64
		err := r.Scan(&id)
		merged[id] = true
		return err
	}, rows{customers})
	return merged, err
}

// LoadContactOwner implements store.Deliverer.
func (s *Store) LoadContactOwner(ctx context.Context, connector string, contactID int64) (int64, error) {
	var owner int64
	err := s.read(ctx, "load contact owner", func(t *tx) error {
		err := t.one(`
			SELECT id FROM customers
			WHERE connector = $1 AND contact_id = $2 AND contact_id IS NOT NULL AND merged_into IS NULL
			UNION ALL
			SELECT id FROM (
				SELECT id FROM customers
				WHERE connector = $1 AND contact_id = $2 AND contact_id IS NOT NULL AND merged_into IS NOT NULL
				ORDER BY id LIMIT 1) AS merged
			LIMIT 1`, []any{&owner}, name(connector), contactID)
		if err != nil {
			return err
		}
		return t.one(`
			WITH RECURSIVE survivors (id, merged_into) AS (
				SELECT id, merged_into FROM customers WHERE id = $1
				UNION SELECT c.id, c.merged_into FROM survivors s JOIN customers c ON c.id = s.merged_into)
			SELECT id FROM survivors WHERE merged_into IS NULL`, []any{&owner}, owner)
	})
	return owner, err
}
