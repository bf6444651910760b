package sqlstore

import (
	"context"
	"time"

	"flexbrevo/connector/store"
	"flexbrevo/migrations"
)

// LoadOldSnapshot implements store.Horizon. A database's user sees the transactions of
// other users only as a member of pg_read_all_stats.
func (s *Store) LoadOldSnapshot(ctx context.Context) (store.OldSnapshot, error) {
	if s.dialect.name != migrations.Postgres {
		return store.OldSnapshot{}, store.ErrNotFound
	}
	var old store.OldSnapshot
	var age int64
	err := s.read(ctx, "load oldest snapshot", func(t *tx) error {
		return t.one(`
			SELECT CAST(EXTRACT(EPOCH FROM since) * 1000 AS BIGINT), CAST(EXTRACT(EPOCH FROM clock_timestamp() - since) * 1000 AS BIGINT), holder
			FROM (
				SELECT xact_start AS since, COALESCE(NULLIF(application_name, ''), 'an unnamed program') || ' (process ' || pid || ')' AS holder
				FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
					AND xact_start IS NOT NULL AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
				UNION ALL
				SELECT prepared, 'a prepared transaction (' || gid || ')' FROM pg_prepared_xacts WHERE database = current_database()) AS held
			ORDER BY since LIMIT 1`, []any{clock{&old.Since}, &age, &old.Holder})
	})
	if err != nil {
		return store.OldSnapshot{}, err
	}
	old.Age = time.Duration(age) * time.Millisecond
	return old, nil
}
