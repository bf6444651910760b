package sqlstore

import (
	"context"
	"slices"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// Claim implements store.Deliverer.
func (s *Store) Claim(ctx context.Context, lease store.Lease, account string, now time.Time, limit, perCustomer int) ([]store.Delivery, error) {
	var claimed []store.Delivery
	err := s.write(ctx, "claim deliveries", func(t *tx) error {
		claimed = nil
		if err := t.fence(lease); err != nil {
			return err
		}
		customers, err := t.dueCustomers(name(account), now, limit)
		if err != nil || len(customers) == 0 {
			return err
		}
		if err := t.keepPlans(); err != nil {
			return err
		}
		claimed, err = t.standing(name(account), customers, perCustomer)
		if err != nil {
			return err
		}
		claimed = mayGo(claimed, now, perCustomer)
		return t.send(name(account), claimed, customers)
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// dueCustomers takes the first customers of the queue, lane by lane, and locks
// them. One that a digest holds right now is left for the next claim.
func (t *tx) dueCustomers(account string, now time.Time, limit int) (ints, error) {
	var customers ints
	for lane := record.Live; lane <= record.Backfill && len(customers) < limit; lane++ {
		err := t.query(`
			SELECT q.customer_id FROM queue q JOIN customers c ON c.id = q.customer_id
			WHERE q.account = $1 AND q.lane = $2 AND q.due_at <= $3
			ORDER BY q.due_at, q.customer_id LIMIT $4 {skip}`, func(r row) error {
			var id int64
			err := r.Scan(&id)
			customers = append(customers, id)
			return err
		}, account, int(lane), now.UnixMilli(), limit-len(customers))
		if err != nil {
			return nil, err
		}
	}
	return customers, nil
}

// standing returns what waits or is unknown of each customer: the contact, then
// events by time, as many as may be claimed at most, customers in their order.
func (t *tx) standing(account string, customers ints, perCustomer int) ([]store.Delivery, error) {
	return t.deliveries(`
		SELECT `+deliveryColumns+` FROM (
			SELECT d.id, r.place AS customer_place,
				ROW_NUMBER() OVER (PARTITION BY d.customer_id ORDER BY d.kind, d.event_at, d.id) AS place
			FROM {rows id:bigint place:bigint} AS r CROSS JOIN deliveries d {by deliveries_unsettled}
			WHERE d.customer_id = r.id AND d.account = $1
				AND d.state IN ('pending', 'sending', 'unknown', 'dead') AND d.state <> 'dead') AS s
		CROSS JOIN deliveries d CROSS JOIN customers c
		WHERE d.id = s.id AND c.id = d.customer_id AND s.place <= $2
		ORDER BY s.customer_place, s.place`, account, perCustomer, rows{customers, places(len(customers))})
}

// mayGo keeps of each customer the run of deliveries that may go one after the
// other: up to the first that waits for a later time or whose outcome is unknown.
func mayGo(standing []store.Delivery, now time.Time, perCustomer int) []store.Delivery {
	var run []store.Delivery
	var customer int64
	var taken int
	var blocked bool
	for _, d := range standing {
		if d.CustomerID != customer {
			customer, taken, blocked = d.CustomerID, 0, false
		}
		blocked = blocked || d.State != store.Pending || d.NextAttemptAt.After(now) || taken == perCustomer
		if blocked {
			continue
		}
		d.State = store.Sending
		run = append(run, d)
		taken++
	}
	return run
}

// send marks deliveries as being sent. Customers of whom something is being sent
// leave the queue of the account; of whom nothing may go, that is found out anew.
func (t *tx) send(account string, claimed []store.Delivery, customers ints) error {
	ids, served := make(ints, len(claimed)), make(ints, len(claimed))
	for i, d := range claimed {
		ids[i], served[i] = d.ID, d.CustomerID
	}
	err := t.later(`
		UPDATE deliveries SET state = 'sending'
		WHERE id IN (SELECT id FROM {rows id:bigint} AS r) AND state = 'pending'`, rows{ids})
	if err != nil {
		return err
	}
	served = distinct(served)
	err = t.later(`
		DELETE FROM queue WHERE account = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, account, rows{served})
	if err != nil {
		return err
	}
	return t.requeue(slices.DeleteFunc(customers, func(id int64) bool {
		_, found := slices.BinarySearch(served, id)
		return found
	}))
}

// Recover implements store.Deliverer.
func (s *Store) Recover(ctx context.Context, lease store.Lease, account string, now time.Time) (int, error) {
	total := 0
	err := s.write(ctx, "recover deliveries", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		left, err := t.interrupted(name(account))
		if err != nil {
			return err
		}
		total = len(left.ids)
		if err := t.lockCustomers(left.customers); err != nil {
			return err
		}
		return t.giveBack(left, now)
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}

// interrupted is what a dead holder left behind.
type interrupted struct {
	ids, customers ints
}

func (t *tx) interrupted(account string) (interrupted, error) {
	var left interrupted
	err := t.query(`SELECT id, customer_id FROM deliveries WHERE account = $1 AND state = 'sending'`, func(r row) error {
		var id, customer int64
		err := r.Scan(&id, &customer)
		left.ids, left.customers = append(left.ids, id), append(left.customers, customer)
		return err
	}, account)
	return left, err
}

// giveBack moves what was being sent to where its next try starts. A contact for
// which a newer change waits is superseded, see settled.
func (t *tx) giveBack(left interrupted, now time.Time) error {
	superseded, err := t.superseded(left.customers)
	if err != nil {
		return err
	}
	flags := make(ints, len(left.ids))
	for i, customer := range left.customers {
		flags[i] = flag(superseded[customer])
	}
	err = t.later(`
		UPDATE deliveries SET
			state = CASE WHEN deliveries.kind = 'event' THEN 'unknown' WHEN r.superseded = 1 THEN 'withdrawn' ELSE 'pending' END,
			unknown_since = CASE WHEN deliveries.kind = 'event' THEN CAST($1 AS BIGINT) END,
			settled_at = CASE WHEN deliveries.kind = 'contact' AND r.superseded = 1 THEN CAST($1 AS BIGINT) END,
			reason = 'interrupted'
		FROM {rows id:bigint superseded:bigint} AS r WHERE deliveries.id = r.id AND deliveries.state = 'sending'`,
		now.UnixMilli(), rows{left.ids, flags})
	if err != nil {
		return err
	}
	return t.requeue(left.customers)
}

// superseded returns the customers of whom a newer contact change waits, or who
// were merged into another and are owed no contact any more.
func (t *tx) superseded(customers ints) (map[int64]bool, error) {
	found := map[int64]bool{}
	err := t.query(`
		SELECT r.id FROM {rows id:bigint} AS r CROSS JOIN customers c
		WHERE c.id = r.id AND (c.merged_into IS NOT NULL OR EXISTS (
			SELECT 1 FROM deliveries d WHERE d.customer_id = r.id AND d.kind = 'contact' AND d.state IN ('pending', 'dead')
				AND d.state = 'pending'))`, func(r row) error {
		var id int64
		err := r.Scan(&id)
		found[id] = true
		return err
	}, rows{distinct(customers)})
	return found, err
}

// LoadUnknown implements store.Deliverer.
func (s *Store) LoadUnknown(ctx context.Context, account string, limit int) ([]store.Delivery, error) {
	var unknown []store.Delivery
	err := s.read(ctx, "load unknown deliveries", func(t *tx) (err error) {
		unknown, err = t.deliveries(`
			SELECT `+deliveryColumns+` FROM deliveries d JOIN customers c ON c.id = d.customer_id
			WHERE d.account = $1 AND d.state = 'unknown'
			ORDER BY d.unknown_since, d.id LIMIT $2`, name(account), limit)
		return err
	})
	return unknown, err
}

// NextDue implements store.Deliverer.
func (s *Store) NextDue(ctx context.Context, account string) (time.Time, error) {
	var due time.Time
	err := s.read(ctx, "load next due delivery", func(t *tx) error {
		for lane := record.Live; lane <= record.Backfill; lane++ {
			var first time.Time
			err := t.one(`SELECT MIN(due_at) FROM queue WHERE account = $1 AND lane = $2`,
				[]any{clock{&first}}, name(account), int(lane))
			if err != nil {
				return err
			}
			if due.IsZero() || !first.IsZero() && first.Before(due) {
				due = first
			}
		}
		return nil
	})
	return due, err
}
