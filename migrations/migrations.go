// Package migrations holds the schema of flexbrevo's store as numbered SQL, one
// folder for each dialect, and brings a database up to it. A landed file is never
// edited: what changes is a new file.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Dialect names a folder of migrations and the database that understands it.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// ErrNewer is returned for a database that a newer program has migrated.
var ErrNewer = errors.New("schema is newer than this program knows")

// VersionTable is where goose keeps the numbers of what it applied.
const VersionTable = "goose_db_version"

// Pending says whether a database lacks migrations that this program knows. It
// writes nothing, and returns ErrNewer for a schema that is ahead of the program.
func Pending(ctx context.Context, d Dialect, db *sql.DB) (bool, error) {
	latest, err := latest(d)
	if err != nil {
		return false, err
	}
	have, err := version(ctx, d, db)
	if err != nil {
		return false, err
	}
	if have > latest {
		return false, fmt.Errorf("schema version %d, known up to %d: %w", have, latest, ErrNewer)
	}
	return have < latest, nil
}

// Apply brings a database up to the newest schema, or returns ErrNewer and leaves
// it alone. On PostgreSQL processes that start together wait for one another; on
// SQLite the caller holds the file's lock.
func Apply(ctx context.Context, d Dialect, db *sql.DB) error {
	pending, err := Pending(ctx, d, db)
	if err != nil || !pending {
		return err
	}
	provider, err := newProvider(d, db)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("apply migrations: %w", err)
	}
	return nil
}

// version returns the newest applied migration, 0 for an empty database.
func version(ctx context.Context, d Dialect, db *sql.DB) (int64, error) {
	exists := `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1`
	if d == Postgres {
		exists = `SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1`
	}
	var tables, v int64
	if err := db.QueryRowContext(ctx, exists, VersionTable).Scan(&tables); err != nil {
		return 0, fmt.Errorf("look for schema version: %w", err)
	}
	if tables == 0 {
		return 0, nil
	}
	newest := `SELECT COALESCE(MAX(version_id), 0) FROM ` + VersionTable
	if err := db.QueryRowContext(ctx, newest).Scan(&v); err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return v, nil
}

// latest returns the number of the newest embedded migration.
func latest(d Dialect) (int64, error) {
	names, err := fs.Glob(files, string(d)+"/*.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("no migrations for dialect %q", string(d))
	}
	return goose.NumericComponent(names[len(names)-1])
}

// newProvider makes goose's runner without its global registry and its logger.
func newProvider(d Dialect, db *sql.DB) (*goose.Provider, error) {
	folder, err := fs.Sub(files, string(d))
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithTableName(VersionTable), goose.WithLogger(goose.NopLogger()),
	}
	dialect := goose.DialectSQLite3
	if d == Postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
		if err != nil {
			return nil, fmt.Errorf("make migration lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, db, folder, options...)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return provider, nil
}
