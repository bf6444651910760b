package sqlstore

import (
	"context"
	"time"

	"flexbrevo/connector/store"
)

// LoadOutboxAges implements store.Ager.
func (s *Store) LoadOutboxAges(ctx context.Context, connector string, bounds [4]time.Time) (map[store.DeliveryKind][5]int, error) {
	ages := map[store.DeliveryKind][5]int{}
	err := s.read(ctx, "load ages of the outbox", func(t *tx) error {
		return t.query(`
			SELECT kind,
				COALESCE(SUM(CASE WHEN created_at > $2 THEN 1 ELSE 0 END), 0),
				COALESCE(SUM(CASE WHEN created_at <= $2 AND created_at > $3 THEN 1 ELSE 0 END), 0),
				COALESCE(SUM(CASE WHEN created_at <= $3 AND created_at > $4 THEN 1 ELSE 0 END), 0),
				COALESCE(SUM(CASE WHEN created_at <= $4 AND created_at > $5 THEN 1 ELSE 0 END), 0),
				COALESCE(SUM(CASE WHEN created_at <= $5 THEN 1 ELSE 0 END), 0)
			FROM deliveries WHERE connector = $1 AND state IN ('pending', 'sending', 'unknown') GROUP BY kind`, func(r row) error {
			var kind store.DeliveryKind
			var n [5]int
			err := r.Scan(&kind, &n[0], &n[1], &n[2], &n[3], &n[4])
			ages[kind] = n
			return err
		}, name(connector), bounds[0].UnixMilli(), bounds[1].UnixMilli(), bounds[2].UnixMilli(), bounds[3].UnixMilli())
	})
	if err != nil {
		return nil, err
	}
	return ages, nil
}
