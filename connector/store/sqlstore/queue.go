package sqlstore

import "slices"

// requeue derives anew when something of these customers may be sent. It is
// called at the end of each transaction that changes deliveries, which holds the
// customers' locks.
//
// What stands first decides: anything being sent, or a contact whose outcome is
// unknown, keeps the customer out of the queue; then the waiting contact; then
// the earliest event, unless its own outcome is unknown.
func (t *tx) requeue(customers ints) error {
	customers = distinct(customers)
	if err := t.leaveQueue(customers); err != nil {
		return err
	}
	_, err := t.exec(`
		INSERT INTO queue (account, customer_id, lane, due_at)
		SELECT account, customer_id, lane, next_attempt_at FROM (
			SELECT d.account, d.customer_id, d.state, d.next_attempt_at,
				MIN(CASE WHEN d.state = 'pending' THEN d.lane END)
					OVER (PARTITION BY d.customer_id, d.account) AS lane,
				ROW_NUMBER() OVER (PARTITION BY d.customer_id, d.account ORDER BY
					CASE WHEN d.state = 'sending' THEN 0 WHEN d.kind = 'contact' AND d.state = 'unknown' THEN 1
						WHEN d.kind = 'contact' THEN 2 ELSE 3 END,
					d.event_at, d.id) AS place
			FROM {rows id:bigint} AS r CROSS JOIN deliveries d {by deliveries_unsettled}
			WHERE d.customer_id = r.id AND d.state IN ('pending', 'sending', 'unknown', 'dead') AND d.state <> 'dead') AS standing
		WHERE place = 1 AND state = 'pending'`, rows{customers})
	return err
}

// leaveQueue takes customers out of the queue.
func (t *tx) leaveQueue(customers ints) error {
	_, err := t.exec(`DELETE FROM queue WHERE customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{customers})
	return err
}

// lockCustomers makes other transactions wait that would touch these customers'
// deliveries. All take the locks in the same order. SQLite has one writer.
func (t *tx) lockCustomers(customers ints) error {
	if t.dialect.lock == "" {
		return nil
	}
	return t.query(`
		SELECT id FROM customers WHERE id IN (SELECT id FROM {rows id:bigint} AS r) ORDER BY id {lock}`,
		func(row) error { return nil }, rows{distinct(customers)})
}

// distinct sorts ids and drops repeats and zeros.
func distinct(ids ints) ints {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	return slices.DeleteFunc(slices.Compact(sorted), func(id int64) bool { return id == 0 })
}
