package sqlstore

import (
	"context"
	"time"

	"flexbrevo/connector/store"
)

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, p store.Retention, limit int) (int, error) {
	total := 0
	err := s.write(ctx, "prune", func(t *tx) error {
		records, err := t.prune("records", p.Records, limit, `
			DELETE FROM records WHERE id IN (
				SELECT id FROM records
				WHERE connector = $1 AND state IN ('digested', 'ignored') AND captured_at < $2
					AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.connector = $1 AND w.lane = records.lane AND w.id = records.id)
				LIMIT $3)`)
		if err != nil {
			return err
		}
		deliveries, err := t.prune("deliveries", p.Deliveries, limit, `
			DELETE FROM deliveries WHERE id IN (
				SELECT id FROM deliveries
				WHERE connector = $1 AND state IN ('delivered', 'skipped', 'withdrawn')
					AND kind IN ('contact', 'event') AND settled_at < $2 LIMIT $3)`)
		if err != nil {
			return err
		}
		snapshots, err := t.prune("snapshots", p.Records, limit, `
			DELETE FROM snapshots WHERE connector = $1 AND (kind, until, since, sid) IN (
				SELECT kind, until, since, sid FROM snapshots WHERE connector = $1 AND until < $2 LIMIT $3)`)
		total = records + deliveries + snapshots
		if err != nil {
			return err
		}
		return t.foldCounts(manyCounts)
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}

// prune deletes at most limit rows of a table, connector by connector.
func (t *tx) prune(table string, before time.Time, limit int, text string) (int, error) {
	if before.IsZero() {
		return 0, nil
	}
	connectors, err := t.connectors(table)
	if err != nil {
		return 0, err
	}
	gone := 0
	for _, connector := range connectors {
		if gone >= limit {
			break
		}
		n, err := t.exec(text, connector, before.UnixMilli(), limit-gone)
		if err != nil {
			return 0, err
		}
		gone += n
	}
	return gone, nil
}

// connectors returns the connectors that have rows in a table, jumping from one
// to the next in an index instead of reading it all.
func (t *tx) connectors(table string) ([]string, error) {
	var found []string
	err := t.query(`
		WITH RECURSIVE seen (connector) AS (
			SELECT MIN(connector) FROM `+table+`
			UNION ALL
			SELECT (SELECT MIN(connector) FROM `+table+` WHERE connector > seen.connector)
			FROM seen WHERE seen.connector IS NOT NULL)
		SELECT connector FROM seen WHERE connector IS NOT NULL`, func(r row) error {
		var connector string
		err := r.Scan(&connector)
		found = append(found, connector)
		return err
	})
	return found, err
}
