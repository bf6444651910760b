package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"flexbrevo/connector/store"
	"flexbrevo/migrations"
)

const (
	// sqliteReaders is how many questions SQLite answers at once.
	sqliteReaders = 4
	// pageSize is that of a new file. A record takes about 1 KB with its body: pages of 4 KB
	// leave more over at their ends, and files are a twelfth larger.
	pageSize = 8192
	// writerCache and readerCache are how many KB of pages the connection that writes
	// and each of those that read keep. Each fills in time, whatever the size of the
	// database; what is not there comes from the system's own cache. Those that read begin
	// anew with each transaction that follows a change.
	writerCache, readerCache = 3000, 300
	// checkpointCache is the same for the connection that moves pages, which keeps none.
	checkpointCache = 100
	// lockPatience is how long a pipeline waits for the file's lock, which another
	// process may hold for a moment while it brings the schema up to date.
	lockPatience = 500 * time.Millisecond
	// schemaPatience is how long others wait for a starting pipeline to do that.
	schemaPatience = 5 * time.Second
)

// openSQLite opens the file at path, and creates it unless that is forbidden.
func openSQLite(ctx context.Context, path string, opts Options) (*Store, error) {
	const op = "open sqlite store"
	s := &Store{dialect: sqliteDialect(), options: opts, path: path, writers: noPool{}, readers: noPool{}}
	lock := &fileLock{path: path + ".lock"}
	s.release = lock.release
	if err := s.openFile(ctx, path, lock); err != nil {
		return nil, errors.Join(wrap(ctx, op, err), s.Close())
	}
	return s, nil
}

// openFile does the steps of openSQLite; what it opened before an error is left to
// Close.
func (s *Store) openFile(ctx context.Context, path string, lock *fileLock) error {
	if s.options.ReadOnly {
		if _, err := os.Stat(path); err != nil {
			return missing(err)
		}
	} else if err := create(ctx, path); err != nil {
		return err
	}
	if s.options.Pipeline && !s.options.ReadOnly {
		if err := lock.takeWithin(ctx, lockPatience); err != nil {
			return err
		}
	}
	if !s.options.ReadOnly {
		writers, err := newFilePool(ctx, openFileDB(path, "rwc", "immediate", writerCache), 1)
		if err != nil {
			return err
		}
		s.writers = writers
		if err := s.flushBeside(ctx); err != nil {
			return err
		}
		if err := migrateFile(ctx, path, lock); err != nil {
			return err
		}
	}
	mode := "rw"
	if s.options.ReadOnly {
		mode = "ro"
	}
	readers, err := newFilePool(ctx, openFileDB(path, mode, "deferred", readerCache), sqliteReaders)
	if err != nil {
		return err
	}
	s.readers = readers
	if !s.options.ReadOnly {
		s.log = newCheckpointer(path, s.flusher, s.options.Logger)
	}
	if s.options.Pipeline && !s.options.ReadOnly {
		return s.voidLeases(ctx)
	}
	return s.checkSchema(ctx, path)
}

// flushBeside has a flusher keep what is committed, where SQLite writes a log. It keeps
// none on some network disks, and then every COMMIT waits for the disk.
func (s *Store) flushBeside(ctx context.Context) error {
	ss, err := s.writers.take(ctx)
	if err != nil {
		return err
	}
	defer s.writers.put(ss)
	mode, path := "", "" // the file may be a link, and its log is not beside that
	_, err = ss.run(ctx,
		statement{text: `PRAGMA journal_mode`, scan: func(r row) error { return r.Scan(&mode) }},
		statement{text: `SELECT file FROM pragma_database_list WHERE name = 'main'`, scan: func(r row) error { return r.Scan(&path) }})
	if err != nil || mode != "wal" {
		return err
	}
	if err := do(ctx, ss, `PRAGMA synchronous = NORMAL`); err != nil {
		return err
	}
	s.flusher = newFlusher(path)
	return nil
}

// openFileDB names a file and our settings to the driver; it opens nothing yet.
// The full sync keeps what was acknowledged through a power failure (facts/stack.md 1); for
// the connection that writes a flusher does, see flushBeside.
func openFileDB(path, mode, txlock string, cacheKB int) *sql.DB {
	query := url.Values{
		"mode": {mode}, "_txlock": {txlock},
		"_pragma": {"busy_timeout(5000)", "foreign_keys(1)", "synchronous(FULL)", "temp_store(MEMORY)",
			fmt.Sprintf("cache_size(-%d)", cacheKB), "mmap_size(0)", fmt.Sprintf("wal_autocheckpoint(%d)", inlinePages)},
	}
	if mode != "ro" {
		query["_pragma"] = append(query["_pragma"], "journal_mode(WAL)", "journal_size_limit(67108864)")
	}
	return openURL(path, query)
}

func openURL(path string, query url.Values) *sql.DB {
	poolPages()
	if err := registerHandover(); err != nil {
		panic("sqlstore: " + err.Error()) // nobody else has a module of this name
	}
	name := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		panic("sqlstore: driver is not registered: " + err.Error()) // it is imported above
	}
	return db
}

// create makes sure that there is a file, with pages of pageSize where it is new. Those
// who open a new file at the same moment must all find it whole, so it is made beside its
// place; where that cannot be done, it has the pages that SQLite gives it.
func create(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		_ = createWithPages(ctx, path)
	}
	return createPrivate(path)
}

func createWithPages(ctx context.Context, path string) (err error) {
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // for nobody else to read
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(draft.Name())) }()
	if err := draft.Close(); err != nil {
		return err
	}
	db := openURL(draft.Name(), url.Values{"_pragma": {fmt.Sprintf("page_size(%d)", pageSize)}})
	_, err = db.ExecContext(ctx, `VACUUM`)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return os.Link(draft.Name(), path) // not in the place of another's
}

// createPrivate makes sure that the file exists and that nobody else may read it;
// SQLite gives the files beside it the same mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return f.Chmod(0o600)
	}
	return nil
}

// missing says which file is not there; its path comes from the operator.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no store there yet: %w", store.ErrNotFound)
	}
	return err
}

// migrateFile applies migrations under the file's lock. Where a pipeline has the
// lock it is about to do so itself, and we wait for it.
func migrateFile(ctx context.Context, path string, lock *fileLock) error {
	db := openFileDB(path, "rw", "immediate", readerCache)
	defer db.Close()
	if lock.held() {
		return migrations.Apply(ctx, migrations.SQLite, db)
	}
	ctx, cancel := context.WithTimeout(ctx, schemaPatience)
	defer cancel()
	for {
		pending, err := migrations.Pending(ctx, migrations.SQLite, db)
		if err != nil || !pending {
			return err
		}
		switch err := lock.take(); {
		case err == nil:
			return errors.Join(migrations.Apply(ctx, migrations.SQLite, db), lock.release())
		case !errors.Is(err, store.ErrPipelineRunning):
			return err
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("wait for the running flexbrevo to bring the schema up to date: %w", err)
		}
	}
}

// checkSchema refuses a file whose schema is not the one this program's
// statements are written for.
func (s *Store) checkSchema(ctx context.Context, path string) error {
	db := openFileDB(path, "ro", "deferred", readerCache)
	defer db.Close()
	pending, err := migrations.Pending(ctx, migrations.SQLite, db)
	if err == nil && pending {
		return errors.New("the store is of an older flexbrevo: any command that writes brings it up to date")
	}
	return err
}

// voidLeases ends all leases: the file's lock is ours, so their holders are dead.
func (s *Store) voidLeases(ctx context.Context) error {
	return s.write(ctx, "void leases", func(t *tx) error {
		_, err := t.exec(`UPDATE leases SET expires_at = 0`)
		return err
	})
}

// pause waits a moment before a lock is tried again.
func pause(ctx context.Context) error {
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
