package sqlstore

import (
	"context"
	"errors"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// LoadSummary implements store.Reader.
func (s *Store) LoadSummary(ctx context.Context, connector string, now time.Time) (*store.Summary, error) {
	sum := &store.Summary{
		Records:    map[store.RecordState]int{},
		Deliveries: map[store.DeliveryKind]map[store.DeliveryState]int{},
		Facts:      map[fact.Kind]int{},
	}
	err := s.read(ctx, "load summary", func(t *tx) (err error) {
		connector := name(connector)
		for _, count := range []func(*store.Summary, string) error{
			t.loadCounts, t.countRecords, t.countUnsettled,
		} {
			if err := count(sum, connector); err != nil {
				return err
			}
		}
		if err := t.findOldest(sum, connector, now); err != nil {
			return err
		}
		sum.Checkpoints, err = t.checkpoints(connector)
		return err
	})
	if err != nil {
		return nil, err
	}
	return sum, nil
}

// countRecords counts the records that are not done with. Those that wait are among the
// digested where these are counted.
func (t *tx) countRecords(sum *store.Summary, connector string) error {
	err := t.query(`SELECT state, COUNT(*) FROM records WHERE connector = $1 AND state = 'failed' GROUP BY state`, func(r row) error {
		var state store.RecordState
		var n int
		err := r.Scan(&state, &n)
		sum.Records[state] = n
		return err
	}, connector)
	if err != nil {
		return err
	}
	waiting := 0
	err = t.one(`SELECT COUNT(*) FROM waiting WHERE connector = $1`, []any{&waiting}, connector)
	if waiting > 0 {
		sum.Records[store.Waiting] = waiting
		sum.Records[store.Digested] -= waiting
	}
	if sum.Records[store.Digested] == 0 {
		delete(sum.Records, store.Digested)
	}
	return err
}

// countUnsettled counts the deliveries that are not settled, or dead, by their index.
func (t *tx) countUnsettled(sum *store.Summary, connector string) error {
	return t.query(`
		SELECT kind, state, COUNT(*) FROM deliveries
		WHERE connector = $1 AND state IN ('pending', 'sending', 'unknown', 'dead') GROUP BY state, kind`, func(r row) error {
		var kind store.DeliveryKind
		var state store.DeliveryState
		var n int
		err := r.Scan(&kind, &state, &n)
		addDeliveries(sum, kind, state, n)
		return err
	}, connector)
}

// findOldest finds how long the oldest waits of each kind of work have lasted.
func (t *tx) findOldest(sum *store.Summary, connector string, now time.Time) error {
	for _, lane := range []record.Lane{record.Live, record.Retry, record.Backfill} {
		var first time.Time // of one lane at a time it is the end of an index
		err := t.one(`SELECT captured_at FROM waiting WHERE connector = $1 AND lane = $2 ORDER BY id LIMIT 1`, []any{clock{&first}}, connector, int(lane))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if !first.IsZero() && (sum.OldestWaiting.IsZero() || first.Before(sum.OldestWaiting)) {
			sum.OldestWaiting = first
		}
	}
	err := t.one(`
		SELECT MIN(next_attempt_at) FROM deliveries
		WHERE connector = $1 AND state = 'pending' AND next_attempt_at <= $2`,
		[]any{clock{&sum.OldestPending}}, connector, now.UnixMilli())
	if err != nil {
		return err
	}
	for _, kind := range []store.DeliveryKind{store.ContactDelivery, store.EventDelivery} {
		var last time.Time // of one kind at a time it is the end of an index
		err := t.one(`SELECT MAX(settled_at) FROM deliveries WHERE connector = $1 AND state = 'delivered' AND kind = $2`,
			[]any{clock{&last}}, connector, string(kind))
		if err != nil {
			return err
		}
		if last.After(sum.LastDelivered) {
			sum.LastDelivered = last
		}
	}
	return nil
}

// LoadDeliveries implements store.Reader. Those that are settled come in the order
// in which they were, the latest first, others in that of their making.
func (s *Store) LoadDeliveries(ctx context.Context, connector string, state store.DeliveryState, limit int) ([]store.Delivery, error) {
	var found []store.Delivery
	err := s.read(ctx, "load deliveries", func(t *tx) (err error) {
		if state == "" {
			found, err = t.deliveries(`
				SELECT `+deliveryColumns+` FROM (
					SELECT id FROM deliveries WHERE connector = $1 ORDER BY id DESC LIMIT $2) AS newest
				JOIN deliveries d ON d.id = newest.id JOIN customers c ON c.id = d.customer_id
				ORDER BY d.id DESC`, name(connector), limit)
			return err
		}
		// One kind at a time, because the index has the times of each in order.
		found, err = t.deliveries(`
			SELECT `+deliveryColumns+` FROM (
				SELECT id FROM (SELECT id FROM deliveries WHERE connector = $1 AND state = $2 AND kind = 'contact'
					ORDER BY settled_at DESC, id DESC LIMIT $3) AS contacts
				UNION ALL
				SELECT id FROM (SELECT id FROM deliveries WHERE connector = $1 AND state = $2 AND kind = 'event'
					ORDER BY settled_at DESC, id DESC LIMIT $3) AS events) AS newest
			JOIN deliveries d ON d.id = newest.id JOIN customers c ON c.id = d.customer_id
			ORDER BY d.settled_at DESC, d.id DESC LIMIT $3`, name(connector), string(state), limit)
		return err
	})
	return found, err
}
