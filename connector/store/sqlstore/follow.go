package sqlstore

import (
	"context"

	"flexbrevo/connector/store"
)

// saveFeed gives the customers of a digest the next places in their connector's
// feed. The counter is a row of its own, because the last place may be erased, and
// nobody who has read it would look at it twice.
func (t *tx) saveFeed(connector string, d *store.Digest) error {
	if !d.Feed {
		return nil
	}
	ids := make(ints, len(d.Customers))
	for i, c := range d.Customers {
		ids[i] = c.ID
	}
	touched := distinct(ids)
	if len(touched) == 0 {
		return nil
	}
	err := t.later(`
		INSERT INTO feeds (connector, seq) VALUES ($1, $2)
		ON CONFLICT (connector) DO UPDATE SET seq = feeds.seq + excluded.seq`, connector, len(touched))
	if err != nil {
		return err
	}
	var last int64
	if err := t.one(`SELECT seq FROM feeds WHERE connector = $1`, []any{&last}, connector); err != nil {
		return err
	}
	places := make(ints, len(touched))
	for i := range touched {
		places[i] = last - int64(len(touched)-1-i)
	}
	return t.later(`
		INSERT INTO changes (connector, customer_id, seq)
		SELECT $1, id, seq FROM {rows id:bigint seq:bigint} AS r WHERE true
		ON CONFLICT (customer_id) DO UPDATE SET seq = excluded.seq`, connector, rows{touched, places})
}

// LoadChanged implements store.Follower.
func (s *Store) LoadChanged(ctx context.Context, connector string, after int64, limit int) ([]store.Changed, error) {
	var found []store.Changed
	err := s.read(ctx, "load changed customers", func(t *tx) error {
		found = nil
		return t.query(`
			SELECT customer_id, seq FROM changes WHERE connector = $1 AND seq > $2 ORDER BY seq LIMIT $3`, func(r row) error {
			var c store.Changed
			err := r.Scan(&c.CustomerID, &c.Seq)
			found = append(found, c)
			return err
		}, name(connector), after, limit)
	})
	return found, err
}
