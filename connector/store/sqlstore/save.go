package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
)

// SaveDigest implements store.Digester.
func (s *Store) SaveDigest(ctx context.Context, lease store.Lease, d *store.Digest) error {
	err := s.writeSoon(ctx, "save digest", func(t *tx) error { // its records wait again, where it is lost
		if err := t.keepPlans(); err != nil {
			return err
		}
		if err := t.fence(lease); err != nil {
			return err
		}
		return t.saveDigest(d)
	})
	if err == nil {
		s.measure(ctx, d)
	}
	return err
}

// saveDigest writes the parts of a digest in an order that their constraints ask
// for: customers first.
func (t *tx) saveDigest(d *store.Digest) error {
	connector := name(d.Connector)
	outbox, err := newOutbox(d)
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error { return t.lockCustomers(outbox.customers()) },
		func() error { return t.saveCustomers(connector, d.Customers) },
		func() error { return t.saveFacts(connector, d.Facts) },
		func() error { return t.saveTokens(connector, d.Forgotten, d.Tokens) },
		func() error { return t.saveOutbox(outbox) },
		func() error { return t.saveOwed(connector, d) },
		func() error { return t.saveFigures(connector, d) },
		func() error { return t.replaceOmissions(connector, d) },
		func() error { return t.saveResults(connector, d.At, d.Records) },
		func() error { return t.saveBuried(connector, d) },
		func() error { return t.saveFeed(connector, d) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// saveResults takes records off the list of those that wait, and notes of which more
// is to be said than that they were digested.
func (t *tx) saveResults(connector string, at time.Time, results []store.RecordResult) error {
	var again, done, ids ints
	var states, reasons texts
	for _, r := range results {
		if r.State == store.Waiting {
			again = append(again, r.ID)
			continue
		}
		done = append(done, r.ID)
		if r.State != store.Digested || r.Reason != "" {
			ids, states, reasons = append(ids, r.ID), append(states, string(r.State)), append(reasons, name(r.Reason))
		}
	}
	if err := t.endWait(connector, done); err != nil {
		return err
	}
	if _, err := t.waitAgain(again); err != nil {
		return err
	}
	return t.later(`
		UPDATE records SET state = r.state, reason = r.reason, digested_at = $1
		FROM {rows id:bigint state:text reason:text} AS r
		WHERE records.id = r.id`, at.UnixMilli(), rows{ids, states, reasons})
}

// endWait takes records off the list of those that wait. All lanes are named, so that
// its key finds them, and between which ids they are: those of a batch lie together,
// and PostgreSQL would else read all that waits.
func (t *tx) endWait(connector string, ids ints) error {
	if len(ids) == 0 {
		return nil
	}
	return t.later(`
		DELETE FROM waiting WHERE connector = $1 AND lane IN (0, 1, 2) AND id BETWEEN $2 AND $3
			AND id IN (SELECT id FROM {rows id:bigint} AS r)`, connector, slices.Min(ids), slices.Max(ids), rows{ids})
}

// waitAgain puts records back on the list of those that wait, and returns how many
// were not there.
func (t *tx) waitAgain(ids ints) (int, error) {
	n, err := t.exec(`
		INSERT INTO waiting (connector, lane, id, captured_at)
		SELECT o.connector, o.lane, o.id, o.captured_at FROM {rows id:bigint} AS r CROSS JOIN records o WHERE o.id = r.id
		ON CONFLICT (connector, lane, id) DO NOTHING`, rows{ids})
	if err != nil {
		return 0, err
	}
	err = t.later(`
		UPDATE records SET state = 'digested', reason = '', digested_at = captured_at
		FROM {rows id:bigint} AS r WHERE records.id = r.id AND records.state <> 'digested'`, rows{ids})
	return n, err
}

// saveFacts writes facts whole; of a fact that is named twice the last is kept.
func (t *tx) saveFacts(connector string, facts []store.StoredFact) error {
	last := map[fact.Key]int{}
	for i, f := range facts {
		last[f.Fact.Key()] = i
	}
	var kinds, sids texts
	var bodies documents
	var customers refs
	var open, readAt ints
	for i, f := range facts {
		if last[f.Fact.Key()] != i {
			continue
		}
		kinds, sids = append(kinds, name(string(f.Fact.Kind))), append(sids, name(f.Fact.SID))
		bodies, customers = append(bodies, f.Fact), append(customers, f.CustomerID)
		open, readAt = append(open, flag(f.Open)), append(readAt, max(0, f.ReadAt.UnixMilli()))
	}
	return t.later(`
		INSERT INTO facts (connector, kind, sid, customer_id, open, read_at, body)
		SELECT $1, kind, sid, customer_id, open, read_at, body
		FROM {rows kind:text sid:text customer_id:bigint open:bigint read_at:bigint body:text} AS r
		WHERE true
		ON CONFLICT (connector, kind, sid) DO UPDATE SET customer_id = excluded.customer_id,
			open = excluded.open, read_at = excluded.read_at, body = excluded.body`,
		connector, rows{kinds, sids, customers, open, readAt, bodies})
}

// saveCustomers writes customers whole, except what the destination holds.
func (t *tx) saveCustomers(connector string, customers []store.Customer) error {
	last := map[int64]int{}
	for i, c := range customers {
		last[c.ID] = i
	}
	var ids, conversations ints
	var merged refs
	var created moments
	var desired texts
	for i, c := range customers {
		if last[c.ID] != i {
			continue
		}
		ids, created, conversations = append(ids, c.ID), append(created, c.CreatedAt), append(conversations, int64(c.Conversations))
		merged, desired = append(merged, c.MergedInto), append(desired, c.Desired)
	}
	n, err := t.exec(`
		INSERT INTO customers (id, connector, created_at, conversations, merged_into, desired)
		SELECT id, $1, created_at, conversations, merged_into, desired
		FROM {rows id:bigint created_at:bigint conversations:bigint merged_into:bigint desired:text} AS r
		WHERE true
		ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at,
			conversations = excluded.conversations, merged_into = excluded.merged_into, desired = excluded.desired
		WHERE customers.connector = excluded.connector`,
		connector, rows{ids, created, conversations, merged, desired})
	if err == nil && n != len(ids) {
		return errors.New("a customer's id belongs to another connector")
	}
	return err
}

// saveTokens takes tokens away from the customers named with them, then puts.
func (t *tx) saveTokens(connector string, forgotten, tokens []store.StoredToken) error {
	err := t.later(`
		DELETE FROM identifiers WHERE connector = $1 AND (kind, value, customer_id) IN (
			SELECT kind, value, customer_id FROM {rows kind:text value:text customer_id:bigint shared:bigint} AS r)`,
		connector, storedTokenRows(forgotten))
	if err != nil {
		return err
	}
	return t.later(`
		INSERT INTO identifiers (connector, kind, value, customer_id, shared)
		SELECT $1, kind, value, customer_id, shared
		FROM {rows kind:text value:text customer_id:bigint shared:bigint} AS r
		WHERE true
		ON CONFLICT (connector, kind, value) DO UPDATE SET customer_id = excluded.customer_id, shared = excluded.shared`,
		connector, storedTokenRows(tokens))
}

// storedTokenRows keeps the last of tokens that are named twice.
func storedTokenRows(tokens []store.StoredToken) rows {
	last := map[store.Token]int{}
	for i, token := range tokens {
		last[store.Token{Kind: token.Kind, Value: name(token.Value)}] = i
	}
	var kinds, values texts
	var customers refs
	var shared ints
	for i, token := range tokens {
		value := name(token.Value)
		if last[store.Token{Kind: token.Kind, Value: value}] != i {
			continue
		}
		kinds, values = append(kinds, string(token.Kind)), append(values, value)
		customers, shared = append(customers, token.CustomerID), append(shared, flag(token.Shared))
	}
	return rows{kinds, values, customers, shared}
}
