package sqlstore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// TestLogIsMoved writes more than the log may hold: it is moved into the file beside the
// writing, begins anew, and all is there.
func TestLogIsMoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	var said bytes.Buffer
	s, err := Open(t.Context(), "sqlite://"+path, Options{Pipeline: true, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	const pages, records = 60, 200 // some 120 MB
	body := noise(10_000)
	largest := int64(0)
	for n := range pages {
		p := record.Page{Stream: "events", Cursor: record.Cursor(fmt.Sprint(n))}
		for i := range records {
			p.Records = append(p.Records, record.Record{Key: fmt.Sprint(n, "-", i), Body: body})
		}
		if _, err := s.Capture(t.Context(), []store.Batch{{Connector: "c", At: time.Now(), Pages: []record.Page{p}}}); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path + "-wal"); err == nil {
			largest = max(largest, info.Size())
		}
	}
	if bound := int64(2 * inlinePages * pageSize); largest > bound {
		t.Errorf("the log grew to %d bytes, want at most %d", largest, bound)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(logRest) {
		left, err := s.log.look(t.Context(), `PRAGMA wal_checkpoint(NOOP)`)
		if err != nil {
			t.Fatal(err)
		}
		if left < besidePages {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d pages of the log are not moved though nobody writes", left)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if said.Len() > 0 {
		t.Errorf("%s", &said)
	}
	s, err = Open(t.Context(), "sqlite://"+path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	waiting, err := s.LoadUndigested(t.Context(), "c", pages*records+1)
	if err != nil || len(waiting) != pages*records || !bytes.Equal(waiting[len(waiting)-1].Body, body) {
		t.Errorf("%d records, %v, want %d", len(waiting), err, pages*records)
	}
}

// TestSQLiteIsNewEnough guards what the library must have: logs that may be moved beside a
// writer without harm (3.51.3), wal_checkpoint(NOOP) and jsonb_each (3.51).
func TestSQLiteIsNewEnough(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.read(t.Context(), "ask", func(tx *tx) error {
		var version string
		var size int
		if err := tx.one(`SELECT sqlite_version(), page_size FROM pragma_page_size`, []any{&version, &size}); err != nil {
			return err
		}
		var major, minor, patch int
		if _, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); err != nil {
			return err
		}
		if major*1_000_000+minor*1_000+patch < 3_051_003 {
			t.Errorf("SQLite %s", version)
		}
		if size != pageSize {
			t.Errorf("a new file has pages of %d bytes", size)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestNewFileIsOpenedByManyAtOnce: whoever comes first makes it, and nobody finds half of it.
func TestNewFileIsOpenedByManyAtOnce(t *testing.T) {
	t.Parallel()
	for range 10 {
		dir := t.TempDir()
		var all errgroup.Group
		for range 4 {
			all.Go(func() error {
				s, err := Open(t.Context(), "sqlite://"+filepath.Join(dir, "s.db"), Options{})
				if err != nil {
					return err
				}
				return errors.Join(s.Ping(t.Context()), s.Close())
			})
		}
		if err := all.Wait(); err != nil {
			t.Error(err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "*.new-*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// TestAClosedStoreIsOneFile: whoever stops flexbrevo and copies the file has all of it.
func TestAClosedStoreIsOneFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	s, err := Open(t.Context(), "sqlite://"+path, Options{Pipeline: true})
	if err != nil {
		t.Fatal(err)
	}
	arrive(t, s, 0, 1000)
	if _, err := s.LoadUndigested(t.Context(), "c", 9); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, beside := range []string{"-wal", "-shm"} {
		if info, err := os.Stat(path + beside); err == nil {
			t.Errorf("%s of %d bytes is left", beside, info.Size())
		}
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "copy.db"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), "sqlite://"+filepath.Join(dir, "copy.db"), Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if found, err := s.LoadUndigested(t.Context(), "c", 2000); err != nil || len(found) != 1000 {
		t.Errorf("%d records in the copy, %v", len(found), err)
	}
}
