package sqlstore

import (
	"context"
	"slices"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// CountUnlinked implements store.Linker.
func (s *Store) CountUnlinked(ctx context.Context, account string, since time.Time, sample int) (int, error) {
	return s.countWaiting(ctx, "count unlinked customers", account, sample, `c.contact_id IS NULL AND d.created_at >= $4`, since.UnixMilli())
}

// CountUnwritten implements store.Linker.
func (s *Store) CountUnwritten(ctx context.Context, account string, sample int) (int, error) {
	return s.countWaiting(ctx, "count unwritten customers", account, sample, `c.contact_id IS NOT NULL AND `+neverWritten)
}

// neverWritten holds for a customer c of whom no contact was sent.
const neverWritten = `NOT EXISTS (SELECT 1 FROM deliveries w WHERE w.customer_id = c.id AND w.kind = 'contact' AND w.state IN ('sending', 'delivered'))`

// countWaiting counts customers whose contact waits among the first of each lane of
// an account's queue. It counts customer by customer: in a first load PostgreSQL takes
// the tables for empty, and would join them by reading the queue for each delivery.
func (s *Store) countWaiting(ctx context.Context, op, account string, sample int, condition string, args ...any) (int, error) {
	n := 0
	err := s.read(ctx, op, func(t *tx) error {
		n = 0
		for lane := record.Live; lane <= record.Backfill; lane++ {
			some := 0
			err := t.one(`
				SELECT COALESCE(CAST(SUM((
					SELECT COUNT(*) FROM customers c CROSS JOIN deliveries d
					WHERE c.id = waiting.customer_id AND d.customer_id = waiting.customer_id
						AND d.kind = 'contact' AND d.state IN ('pending', 'dead') AND d.state = 'pending' AND `+condition+`)) AS BIGINT), 0)
				FROM (SELECT customer_id FROM queue WHERE account = $1 AND lane = $2 ORDER BY due_at, customer_id LIMIT $3) AS waiting`,
				[]any{&some}, append([]any{name(account), int(lane), sample}, args...)...)
			if err != nil {
				return err
			}
			n += some
		}
		return nil
	})
	return n, err
}

// unlinked is a customer whose contact waits and who may be found in a directory.
type unlinked struct {
	customer  int64
	connector string
	hasEmail  bool
}

// Link implements store.Linker.
func (s *Store) Link(ctx context.Context, lease store.Lease, account string, connectors []string, entries []store.DirectoryEntry, final bool) (int, []store.DirectoryEntry, error) {
	linked, later := 0, []store.DirectoryEntry(nil)
	err := s.write(ctx, "link customers", func(t *tx) error {
		later = nil
		if err := t.fence(lease); err != nil {
			return err
		}
		found, err := t.unlinked(name(account), connectors, entries)
		if err != nil || len(found) == 0 {
			return err
		}
		b := &settling{}
		taken := map[int64]bool{}
		link := func(u unlinked, e store.DirectoryEntry) {
			if taken[u.customer] {
				return
			}
			taken[u.customer] = true
			b.customers = append(b.customers, u.customer)
			b.done = append(b.done, store.Settlement{Delivery: store.Delivery{CustomerID: u.customer, Connector: u.connector}, Held: &e.Held})
		}
		for _, e := range entries {
			for _, u := range found[store.Token{Kind: store.Email, Value: e.Email}] {
				link(u, e)
			}
		}
		for _, e := range entries {
			if e.Email != "" || e.Phone == "" {
				continue // a contact with another email is somebody else's
			}
			for _, u := range found[store.Token{Kind: store.Phone, Value: e.Phone}] {
				if u.hasEmail && !final {
					later = append(later, e)
					continue
				}
				link(u, e)
			}
		}
		linked = len(b.done)
		return t.saveHeld(b)
	})
	return linked, later, err
}

// unlinked finds the customers that entries may belong to and locks them. Where
// others write meanwhile, it looks again once it has the locks.
func (t *tx) unlinked(account string, connectors []string, entries []store.DirectoryEntry) (map[store.Token][]unlinked, error) {
	found, customers, err := t.findUnlinked(account, connectors, entries)
	if err != nil || t.dialect.lock == "" || len(customers) == 0 {
		return found, err
	}
	if err := t.lockCustomers(customers); err != nil {
		return nil, err
	}
	found, _, err = t.findUnlinked(account, connectors, entries)
	return found, err
}

func (t *tx) findUnlinked(account string, connectors []string, entries []store.DirectoryEntry) (map[store.Token][]unlinked, ints, error) {
	var names, kinds, values texts
	for _, c := range connectors {
		names = append(names, name(c))
	}
	for _, e := range entries {
		if e.Email != "" {
			kinds, values = append(kinds, string(store.Email)), append(values, name(e.Email))
		}
		if e.Phone != "" {
			kinds, values = append(kinds, string(store.Phone)), append(values, name(e.Phone))
		}
	}
	found := map[store.Token][]unlinked{}
	var customers ints
	err := t.query(`
		SELECT i.kind, i.value, c.id, c.connector,
			CASE WHEN EXISTS (SELECT 1 FROM identifiers e WHERE e.customer_id = c.id AND e.kind = 'email') THEN 1 ELSE 0 END
		FROM {rows connector:text} AS k CROSS JOIN {rows kind:text value:text} AS r
		CROSS JOIN identifiers i CROSS JOIN customers c CROSS JOIN deliveries d
		WHERE i.connector = k.connector AND i.kind = r.kind AND i.value = r.value AND i.shared = 0
			AND c.id = i.customer_id AND c.contact_id IS NULL AND c.merged_into IS NULL
			AND d.customer_id = c.id AND d.kind = 'contact' AND d.state IN ('pending', 'dead') AND d.state = 'pending' AND d.account = $1`,
		func(r row) error {
			var token store.Token
			var u unlinked
			var hasEmail int
			err := r.Scan(&token.Kind, &token.Value, &u.customer, &u.connector, &hasEmail)
			u.hasEmail = hasEmail == 1
			found[token] = append(found[token], u)
			customers = append(customers, u.customer)
			return err
		}, account, rows{names}, rows{kinds, values})
	return found, customers, err
}

// Refresh implements store.Linker.
func (s *Store) Refresh(ctx context.Context, lease store.Lease, account string, connectors []string, entries []store.DirectoryEntry) (int, error) {
	refreshed := 0
	err := s.write(ctx, "refresh customers", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		found, customers, err := t.unwritten(account, connectors, entries)
		if err != nil || len(found) == 0 {
			return err
		}
		if t.dialect.lock != "" { // others write meanwhile: look again with the locks
			if err := t.lockCustomers(customers); err != nil {
				return err
			}
			if found, customers, err = t.unwritten(account, connectors, entries); err != nil {
				return err
			}
		}
		b := &settling{customers: customers}
		for _, e := range entries {
			for _, u := range found[e.Held.ID] {
				held := e.Held
				held.Lists, held.Left = with(u.held.Lists, held.Lists), u.held.Left
				held.Refused, held.Taken = u.held.Refused, u.held.Taken
				b.done = append(b.done, store.Settlement{Delivery: store.Delivery{CustomerID: u.customer, Connector: u.connector}, Held: &held})
			}
		}
		refreshed = len(b.done)
		return t.saveHeld(b)
	})
	return refreshed, err
}

// with returns a and what b has beside it.
func with(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// unwritten is a linked customer to whom nothing was written yet.
type unwritten struct {
	customer  int64
	connector string
	held      record.Held
}

// unwritten finds the customers of contacts that were linked and wait for their
// first write, by contact.
func (t *tx) unwritten(account string, connectors []string, entries []store.DirectoryEntry) (map[int64][]unwritten, ints, error) {
	var names texts
	var contacts, customers ints
	for _, c := range connectors {
		names = append(names, name(c))
	}
	for _, e := range entries {
		contacts = append(contacts, e.Held.ID)
	}
	found := map[int64][]unwritten{}
	err := t.query(`
		SELECT c.contact_id, c.id, c.connector, c.held
		FROM {rows connector:text} AS k CROSS JOIN {rows contact_id:bigint} AS r CROSS JOIN customers c CROSS JOIN deliveries d
		WHERE c.connector = k.connector AND c.contact_id = r.contact_id AND c.contact_id IS NOT NULL AND c.merged_into IS NULL
			AND d.customer_id = c.id AND d.kind = 'contact' AND d.state IN ('pending', 'dead') AND d.state = 'pending' AND d.account = $1
			AND `+neverWritten, func(r row) error {
		var contact int64
		var u unwritten
		var held []byte
		err := r.Scan(&contact, &u.customer, &u.connector, &held)
		if err == nil {
			u.held, err = decodeHeld(held)
		}
		found[contact], customers = append(found[contact], u), append(customers, u.customer)
		return err
	}, name(account), rows{names}, rows{contacts})
	return found, customers, err
}
