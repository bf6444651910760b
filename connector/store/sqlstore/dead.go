package sqlstore

import (
	"context"
	"strings"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// deadArgs are the scalars of deadWhere, after the connector and the kind.
func deadArgs(f store.DeadFilter) []any {
	until := int64(1) << 62
	if !f.Until.IsZero() {
		until = f.Until.UnixMilli()
	}
	since := int64(0)
	if !f.Since.IsZero() {
		since = f.Since.UnixMilli()
	}
	pattern := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(f.Reason))
	return []any{since, until, "%" + pattern + "%"}
}

// wants says whether a filter may choose something of a kind, and the ids it is
// confined to; nil means all.
func wants(f store.DeadFilter, kind store.DeadKind) (bool, ints) {
	if f.Kind != "" && f.Kind != kind {
		return false, nil
	}
	if len(f.Deliveries)+len(f.Records) == 0 {
		return true, nil
	}
	ids := f.Deliveries
	if kind == store.DeadRecord {
		ids = f.Records
	}
	return len(ids) > 0, ints(ids)
}

// LoadDead implements store.Undertaker.
func (s *Store) LoadDead(ctx context.Context, f store.DeadFilter, limit int) ([]store.DeadLetter, error) {
	var found []store.DeadLetter
	err := s.read(ctx, "load dead letters", func(t *tx) error {
		found = nil
		deliveries, err := t.deadDeliveries(f, limit)
		if err != nil {
			return err
		}
		for _, d := range deliveries {
			found = append(found, store.DeadLetter{Kind: store.DeadKind(d.Kind), ID: d.ID, Reason: d.Reason, DiedAt: d.SettledAt, Delivery: &d})
		}
		return t.deadRecords(f, limit-len(found), func(l store.DeadLetter) { found = append(found, l) })
	})
	return found, err
}

// deadDeliveries chooses dead deliveries, one kind at a time, because the index has
// the times of each in order.
func (t *tx) deadDeliveries(f store.DeadFilter, limit int) ([]store.Delivery, error) {
	var found []store.Delivery
	for _, kind := range []store.DeadKind{store.DeadContact, store.DeadEvent} {
		wanted, ids := wants(f, kind)
		if !wanted || len(found) >= limit {
			continue
		}
		const where = `d.connector = $1 AND d.state = 'dead' AND d.kind = $2 AND d.settled_at >= $3 AND d.settled_at < $4
			AND LOWER(d.reason) LIKE $5 ESCAPE '\'`
		args := append([]any{name(f.Connector), string(kind)}, deadArgs(f)...)
		args = append(args, limit-len(found))
		query := `SELECT ` + deliveryColumns + ` FROM deliveries d JOIN customers c ON c.id = d.customer_id
			WHERE ` + where + ` ORDER BY d.settled_at DESC, d.id DESC LIMIT $6`
		if ids != nil {
			query = `SELECT ` + deliveryColumns + ` FROM {rows id:bigint} AS r CROSS JOIN deliveries d CROSS JOIN customers c
				WHERE d.id = r.id AND c.id = d.customer_id AND ` + where + ` ORDER BY d.settled_at DESC, d.id DESC LIMIT $6`
			args = append(args, rows{ids})
		}
		some, err := t.deliveries(query, args...)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

// deadRecords chooses failed records.
func (t *tx) deadRecords(f store.DeadFilter, limit int, tell func(store.DeadLetter)) error {
	wanted, ids := wants(f, store.DeadRecord)
	if !wanted || limit <= 0 {
		return nil
	}
	const columns = `rec.id, rec.key, rec.stream, rec.type, rec.via, rec.lane, rec.at, rec.reason, rec.digested_at, rec.body`
	const where = `rec.connector = $1 AND rec.state = 'failed' AND rec.digested_at >= $2 AND rec.digested_at < $3
		AND LOWER(rec.reason) LIKE $4 ESCAPE '\'`
	args := append(append([]any{name(f.Connector)}, deadArgs(f)...), limit)
	query := `SELECT ` + columns + ` FROM records rec WHERE ` + where + ` ORDER BY rec.id DESC LIMIT $5`
	if ids != nil {
		query = `SELECT ` + columns + ` FROM {rows id:bigint} AS r CROSS JOIN records rec WHERE rec.id = r.id AND ` + where + ` ORDER BY rec.id DESC LIMIT $5`
		args = append(args, rows{ids})
	}
	var bodies arena
	return t.query(query, func(r row) error {
		l := store.DeadLetter{Kind: store.DeadRecord, Record: &record.Record{}}
		err := r.Scan(&l.ID, &l.Record.Key, &l.Record.Stream, &l.Record.Type, &l.Record.Via, &l.Record.Lane, clock{&l.Record.At},
			&l.Reason, clock{&l.DiedAt}, bodyOf{l.Record, &bodies})
		l.Record.ID = l.ID
		tell(l)
		return err
	}, args...)
}

// buried are dead letters on their way to somewhere else.
type buried struct {
	// contacts are customers whose contact, with what died with it, is meant; told
	// and unknown are events by the reason they died for.
	contacts, customers ints
	events, unknown     ints
	records             ints
}

func (b *buried) size() int { return len(b.contacts) + len(b.events) + len(b.unknown) + len(b.records) }

// dig chooses at most limit dead letters and locks their customers.
func (t *tx) dig(f store.DeadFilter, limit int) (*buried, error) {
	deliveries, err := t.deadDeliveries(f, limit)
	if err != nil {
		return nil, err
	}
	b := &buried{}
	for _, d := range deliveries {
		b.customers = append(b.customers, d.CustomerID)
		switch {
		case d.Kind == store.ContactDelivery, d.Reason == contactDead:
			b.contacts = append(b.contacts, d.CustomerID)
		case d.Reason == string(failure.Unknown):
			b.unknown = append(b.unknown, d.ID)
		default:
			b.events = append(b.events, d.ID)
		}
	}
	b.contacts = distinct(b.contacts)
	err = t.deadRecords(f, limit-len(deliveries), func(l store.DeadLetter) { b.records = append(b.records, l.ID) })
	if err != nil {
		return nil, err
	}
	return b, t.lockCustomers(b.customers)
}

// RequeueDead implements store.Undertaker.
func (s *Store) RequeueDead(ctx context.Context, f store.DeadFilter, now time.Time, limit int) (int, error) {
	n := 0
	err := s.write(ctx, "requeue dead letters", func(t *tx) error {
		b, err := t.dig(f, limit)
		if err != nil {
			return err
		}
		n = b.size()
		for _, step := range []func() error{
			func() error { return t.revive(b.contacts, now) },
			func() error { return t.reviveEvents(b, now) },
			func() error { return t.withdrawIdle(b.customers, now) },
			func() error { return t.reviveRecords(b.records) },
			func() error { return t.dieWithContact(b.customers, now) },
			func() error { return t.requeue(b.customers) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// reviveEvents makes events wait again; those that may have counted are looked up
// first.
func (t *tx) reviveEvents(b *buried, now time.Time) error {
	_, err := t.exec(`
		UPDATE deliveries SET state = 'pending', settled_at = NULL, attempts = 0, reason = '', status = 0, next_attempt_at = $1
		WHERE id IN (SELECT id FROM {rows id:bigint} AS r) AND state = 'dead'`, now.UnixMilli(), rows{b.events})
	if err != nil {
		return err
	}
	_, err = t.exec(`
		UPDATE deliveries SET state = 'unknown', unknown_since = settled_at, settled_at = NULL, attempts = 0, reason = 'requeued', status = 0
		WHERE id IN (SELECT id FROM {rows id:bigint} AS r) AND state = 'dead'`, rows{b.unknown})
	return err
}

// withdrawIdle ends what is owed no more though it waits again: the contacts of
// customers that were merged away, and events that were told in the meantime.
func (t *tx) withdrawIdle(customers ints, now time.Time) error {
	merged, err := t.mergedAmong(distinct(customers))
	if err != nil {
		return err
	}
	var gone ints
	for id := range merged {
		gone = append(gone, id)
	}
	if err := t.withdraw(&outbox{at: now, merged: gone}); err != nil {
		return err
	}
	_, err = t.exec(`
		UPDATE deliveries {by deliveries_unsettled} SET state = 'withdrawn', settled_at = $1, reason = 'told already'
		WHERE customer_id IN (SELECT id FROM {rows id:bigint} AS r) AND state IN ('pending', 'sending', 'unknown', 'dead')
			AND state = 'pending' AND kind = 'event'
			AND EXISTS (SELECT 1 FROM marks m WHERE m.connector = deliveries.connector AND m.key = deliveries.key)`,
		now.UnixMilli(), rows{distinct(customers)})
	return err
}

func (t *tx) reviveRecords(records ints) error {
	_, err := t.waitAgain(records)
	return err
}

// DropDead implements store.Undertaker.
func (s *Store) DropDead(ctx context.Context, f store.DeadFilter, now time.Time, limit int) (int, error) {
	n := 0
	err := s.write(ctx, "drop dead letters", func(t *tx) error {
		b, err := t.dig(f, limit)
		if err != nil {
			return err
		}
		n = b.size()
		_, err = t.exec(`
			UPDATE deliveries SET state = 'skipped', settled_at = $1, reason = '`+store.DroppedReason+`'
			WHERE id IN (SELECT id FROM {rows id:bigint} AS r) AND state = 'dead'`, now.UnixMilli(), rows{append(b.events, b.unknown...)})
		if err != nil {
			return err
		}
		_, err = t.exec(`
			UPDATE deliveries {by deliveries_unsettled} SET state = 'skipped', settled_at = $1, reason = '`+store.DroppedReason+`'
			WHERE customer_id IN (SELECT id FROM {rows id:bigint} AS r) AND state IN ('pending', 'sending', 'unknown', 'dead')
				AND state = 'dead' AND (kind = 'contact' OR reason = '`+contactDead+`')`, now.UnixMilli(), rows{b.contacts})
		if err != nil {
			return err
		}
		_, err = t.exec(`
			UPDATE records SET state = 'ignored', reason = '`+store.DroppedReason+`', digested_at = $1
			WHERE id IN (SELECT id FROM {rows id:bigint} AS r) AND state = 'failed'`, now.UnixMilli(), rows{b.records})
		if err != nil {
			return err
		}
		return t.requeue(b.customers)
	})
	return n, err
}
