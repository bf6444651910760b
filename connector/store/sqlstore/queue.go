package sqlstore

import (
	"cmp"
	"slices"
)

// requeue derives anew when something of these customers may be sent. It is
// called at the end of each transaction that changes deliveries, which holds the
// customers' locks. Of those who stay where they are nothing is written: in a
// digest these are most.
func (t *tx) requeue(customers ints) error {
	lines, err := t.lines(distinct(customers))
	if err != nil {
		return err
	}
	var gone, moved lineRows
	for key, l := range lines {
		switch due := l.waits && !l.blocked; {
		case !due && l.queued:
			gone.add(key, l)
		case due && (!l.queued || l.next != l.was):
			moved.add(key, l)
		}
	}
	err = t.later(`
		DELETE FROM queue WHERE (customer_id, account) IN (
			SELECT customer_id, account FROM {rows customer_id:bigint account:text} AS r)`, rows{gone.customers, gone.accounts})
	if err != nil {
		return err
	}
	return t.later(`
		INSERT INTO queue (account, customer_id, lane, due_at)
		SELECT account, customer_id, lane, due_at FROM {rows customer_id:bigint account:text lane:bigint due_at:bigint} AS r WHERE true
		ON CONFLICT (customer_id, account) DO UPDATE SET lane = excluded.lane, due_at = excluded.due_at`,
		rows{moved.customers, moved.accounts, moved.lanes, moved.dues})
}

// lineKey names a customer in the queue of an account.
type lineKey struct {
	customer int64
	account  string
}

// place is where a customer stands in a queue.
type place struct{ lane, due int64 }

// line is what decides whether a customer is in a queue, and where.
type line struct {
	was    place
	queued bool
	// next is due when first may go, in the most urgent lane of all that waits.
	next           place
	first          standing
	waits, blocked bool
}

// lineRows are lines as columns.
type lineRows struct {
	customers, lanes, dues ints
	accounts               texts
}

func (r *lineRows) add(key lineKey, l line) {
	r.customers, r.accounts = append(r.customers, key.customer), append(r.accounts, key.account)
	r.lanes, r.dues = append(r.lanes, l.next.lane), append(r.dues, l.next.due)
}

// standing is a delivery's place among those of its customer that are not settled.
// What stands first decides: anything being sent, or a contact whose outcome is
// unknown, keeps the customer out of the queue (rank 0); then the waiting contact
// (1); then the earliest event, unless its own outcome is unknown (2).
type standing struct{ rank, eventAt, id int64 }

// rankQueued stands for no delivery, but for the place in the queue.
const rankQueued = 3

func (s standing) before(o standing) bool {
	return cmp.Or(cmp.Compare(s.rank, o.rank), cmp.Compare(s.eventAt, o.eventAt), cmp.Compare(s.id, o.id)) < 0
}

// add takes note of a delivery that is not settled.
func (l *line) add(s standing, pending bool, at place) {
	if pending && (!l.waits || at.lane < l.next.lane) {
		l.next.lane = at.lane
	}
	if l.first == (standing{}) || s.before(l.first) {
		l.first, l.next.due, l.blocked = s, at.due, !pending
	}
	l.waits = l.waits || pending
}

// lines reads what decides about the queues of customers.
func (t *tx) lines(customers ints) (map[lineKey]line, error) {
	lines := make(map[lineKey]line, len(customers))
	err := t.query(`
		SELECT d.customer_id, d.account,
			CASE WHEN d.state = 'sending' OR d.kind = 'contact' AND d.state = 'unknown' THEN 0 WHEN d.kind = 'contact' THEN 1 ELSE 2 END,
			CASE WHEN d.state = 'pending' THEN 1 ELSE 0 END, d.lane, d.next_attempt_at, d.event_at, d.id
		FROM {rows id:bigint} AS r CROSS JOIN deliveries d {by deliveries_unsettled}
		WHERE d.customer_id = r.id AND d.state IN ('pending', 'sending', 'unknown', 'dead') AND d.state <> 'dead'
		UNION ALL
		SELECT q.customer_id, q.account, 3, 0, q.lane, q.due_at, 0, 0
		FROM {rows id:bigint} AS r CROSS JOIN queue q WHERE q.customer_id = r.id`, func(r row) error {
		var key lineKey
		var s standing
		var pending int64
		var at place
		err := r.Scan(&key.customer, &key.account, &s.rank, &pending, &at.lane, &at.due, &s.eventAt, &s.id)
		l := lines[key]
		if s.rank == rankQueued {
			l.was, l.queued = at, true
		} else {
			l.add(s, pending == 1, at)
		}
		lines[key] = l
		return err
	}, rows{customers}, rows{customers})
	return lines, err
}

// leaveQueue takes customers out of the queues of all accounts.
func (t *tx) leaveQueue(customers ints) error {
	return t.later(`DELETE FROM queue WHERE customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{customers})
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
