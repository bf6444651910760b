package sqlstore

import (
	"context"

	"flexbrevo/connector/store"
)

// LoadHistory implements store.Reader.
func (s *Store) LoadHistory(ctx context.Context, connector string, customerID int64, limit int) (store.History, error) {
	var h store.History
	err := s.read(ctx, "load history", func(t *tx) (err error) {
		h.Deliveries, err = t.deliveries(`
			SELECT `+deliveryColumns+` FROM (
				SELECT id FROM deliveries WHERE connector = $1 AND customer_id = $2 ORDER BY id DESC LIMIT $3) AS newest
			JOIN deliveries d ON d.id = newest.id JOIN customers c ON c.id = d.customer_id
			ORDER BY d.id DESC`, name(connector), customerID, limit)
		if err != nil {
			return err
		}
		if err := t.standsBeside(&h, connector, customerID); err != nil {
			return err
		}
		return t.query(`
			SELECT what, value, reason, rule, last_at FROM omissions WHERE connector = $1 AND customer_id = $2
			ORDER BY last_at DESC, what, reason`, func(r row) error {
			var o store.NotedOmission
			err := r.Scan(&o.What, &o.Value, &o.Reason, &o.Rule, clock{&o.At})
			h.Omissions = append(h.Omissions, o)
			return err
		}, name(connector), customerID)
	})
	if err != nil {
		return store.History{}, err
	}
	return h, nil
}

// standsBeside reads who was merged into a customer, and whether a backfill owes them
// something.
func (t *tx) standsBeside(h *store.History, connector string, customer int64) error {
	err := t.query(`SELECT id FROM customers WHERE merged_into = $1 ORDER BY id`, func(r row) error {
		var id int64
		err := r.Scan(&id)
		h.Absorbed = append(h.Absorbed, id)
		return err
	}, customer)
	if err != nil {
		return err
	}
	return t.query(`SELECT customer_id FROM owed WHERE connector = $1 AND customer_id = $2`, func(row) error {
		h.Owed = true
		return nil
	}, name(connector), customer)
}
