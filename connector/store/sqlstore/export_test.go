package sqlstore

import (
	"context"
	"fmt"
	"maps"
)

// CheckCounts counts what the counts are of and says where they differ.
func (s *Store) CheckCounts(ctx context.Context) error {
	counted, kept := map[string]int{}, map[string]int{}
	into := func(m map[string]int) func(row) error {
		return func(r row) error {
			var connector, what, kind, state string
			var n int
			err := r.Scan(&connector, &what, &kind, &state, &n)
			m[fmt.Sprintf("%s %s %s %s", connector, what, kind, state)] = n
			return err
		}
	}
	err := s.read(ctx, "check counts", func(t *tx) error {
		err := t.query(`
			SELECT connector, what, kind, state, n FROM (
				SELECT connector, 'facts' AS what, kind, '' AS state, COUNT(*) AS n FROM facts GROUP BY connector, kind
				UNION ALL
				SELECT connector, 'deliveries', kind, state, COUNT(*) FROM deliveries
				WHERE state IN ('delivered', 'skipped', 'withdrawn') GROUP BY connector, kind, state
				UNION ALL
				SELECT connector, 'records', '', state, COUNT(*) FROM records
				WHERE state IN ('digested', 'ignored') GROUP BY connector, state
				UNION ALL
				SELECT connector, 'omissions', reason, what, COUNT(*) FROM omissions GROUP BY connector, reason, what
				UNION ALL
				SELECT connector, 'customers', 'all', '', COUNT(*) FROM customers WHERE merged_into IS NULL GROUP BY connector
				UNION ALL
				SELECT connector, 'customers', 'linked', '', SUM(linked) FROM customers WHERE merged_into IS NULL GROUP BY connector
				UNION ALL
				SELECT connector, 'customers', 'conversations', '', CAST(SUM(conversations) AS BIGINT) FROM customers
				WHERE merged_into IS NULL GROUP BY connector) AS live
			WHERE n <> 0`, into(counted))
		if err != nil {
			return err
		}
		return t.query(`
			SELECT connector, what, kind, state, CAST(SUM(n) AS BIGINT) FROM counts
			GROUP BY connector, what, kind, state HAVING SUM(n) <> 0`, into(kept))
	})
	if err == nil && !maps.Equal(counted, kept) {
		err = fmt.Errorf("counts are %v, the tables have %v", kept, counted)
	}
	return err
}

// FoldCounts folds the counts whatever their number, and says how many rows are left.
func (s *Store) FoldCounts(ctx context.Context) (rows int, err error) {
	err = s.write(ctx, "fold counts", func(t *tx) error {
		if err := t.foldCounts(1); err != nil {
			return err
		}
		return t.one(`SELECT COUNT(*) FROM counts`, []any{&rows})
	})
	return rows, err
}
