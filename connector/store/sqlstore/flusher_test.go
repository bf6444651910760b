package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

func captureOne(t *testing.T, s *Store, key string) error {
	t.Helper()
	p := record.Page{Stream: "events", Cursor: record.Cursor(key), Records: []record.Record{{Key: key, Body: []byte("{}")}}}
	_, err := s.Capture(t.Context(), []store.Batch{{Connector: "c", At: time.Now(), Pages: []record.Page{p}}})
	return err
}

// TestWhatIsAcknowledgedSurvivesPower takes a copy of the files whenever the disk was asked to keep
// them: what a power failure would leave. What was acknowledged is in the last one.
func TestWhatIsAcknowledgedSurvivesPower(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	s, err := Open(t.Context(), "sqlite://"+path, Options{Pipeline: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := ""
	s.flusher.sync = func(log *os.File) error {
		kept = copied(t, path)
		return log.Sync()
	}
	survives := func(what string, look func(*Store) (bool, error)) {
		t.Helper()
		after, err := Open(t.Context(), "sqlite://"+kept, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer after.Close()
		if found, err := look(after); err != nil || !found {
			t.Errorf("%s does not survive: %v", what, err)
		}
	}
	for n := range 5 {
		if err := captureOne(t, s, fmt.Sprint("EV", n)); err != nil {
			t.Fatal(err)
		}
		survives("a record", func(after *Store) (bool, error) {
			waiting, err := after.LoadUndigested(t.Context(), "c", 9)
			return len(waiting) == n+1, err
		})
	}
	lease, err := s.Acquire(t.Context(), "all", "me", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := s.LoadUndigested(t.Context(), "c", 9)
	if err != nil {
		t.Fatal(err)
	}
	before := kept
	if err := s.SaveDigest(t.Context(), lease, exercisedDigest(waiting, time.Now(), 0)); err != nil {
		t.Fatal(err)
	}
	if kept != before {
		t.Error("a digest waits for the disk, which can be made again")
	}
	claimed, err := s.Claim(t.Context(), lease, "a", time.Now().Add(time.Hour), 9, 9)
	if err != nil || len(claimed) == 0 {
		t.Fatal(claimed, err)
	}
	survives("a claim, with the digest that it follows from,", func(after *Store) (bool, error) {
		sending, err := after.LoadDeliveries(t.Context(), "c", store.Sending, 9)
		return len(sending) == len(claimed), err
	})
}

// copied copies what there is of a store to another folder, and returns its place there.
func copied(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "s.db")
	for _, beside := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + beside)
		if err == nil {
			err = os.WriteFile(to+beside, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestDiskThatLosesWhatItWasGiven refuses all that comes after: nobody knows what is there.
func TestDiskThatLosesWhatItWasGiven(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	s, err := Open(t.Context(), "sqlite://"+path, Options{Pipeline: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := captureOne(t, s, "EV1"); err != nil {
		t.Fatal(err)
	}
	s.flusher.sync = func(*os.File) error { return errors.New("input/output error") }
	for _, key := range []string{"EV2", "EV3"} {
		err := captureOne(t, s, key)
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "start again") {
			t.Errorf("%s: %v, want ErrUnavailable and what to do", key, err)
		}
		s.flusher.sync = (*os.File).Sync // the next time the disk says that all is well
	}
	for what, do := range map[string]func(context.Context) error{"ping": s.Ping, "flush": s.Flush, "compact": s.Compact} {
		if err := do(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", what, err)
		}
	}
	if waiting, err := s.LoadUndigested(t.Context(), "c", 9); err != nil || len(waiting) == 0 {
		t.Errorf("reading: %v, %v", waiting, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// SQLite must find the log as it is.
	if s, err = Open(t.Context(), "sqlite://"+copied(t, path), Options{Pipeline: true}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, key := range []string{"EV2", "EV3"} {
		if err := captureOne(t, s, key); err != nil {
			t.Error(err)
		}
	}
	if waiting, err := s.LoadUndigested(t.Context(), "c", 9); err != nil || len(waiting) != 3 {
		t.Errorf("after a new start: %v, %v", waiting, err)
	}
}

// TestALogThatCannotBeOpened is no disk that lost something: it is tried again.
func TestALogThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := s.flusher.path
	s.flusher.path = path + "-missing"
	if err := captureOne(t, s, "EV1"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	s.flusher.path = path
	if err := captureOne(t, s, "EV1"); err != nil {
		t.Error(err)
	}
}

// TestAStoreBehindALink: its log is beside the file, not beside the link.
func TestAStoreBehindALink(t *testing.T) {
	t.Parallel()
	file, link := filepath.Join(t.TempDir(), "real.db"), filepath.Join(t.TempDir(), "s.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Skip("no links here: ", err)
	}
	s, err := Open(t.Context(), "sqlite://"+link, Options{Pipeline: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := captureOne(t, s, "EV1"); err != nil {
		t.Error(err)
	}
}

// TestCloseWaitsForTheDisk: what was committed while the store is closed is durable before.
func TestCloseWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"), Options{Pipeline: true})
	if err != nil {
		t.Fatal(err)
	}
	asked, works := make(chan struct{}), make(chan struct{})
	s.flusher.sync = func(log *os.File) error {
		close(asked)
		<-works
		return log.Sync()
	}
	captured, closed := make(chan error, 1), make(chan error, 1)
	go func() { captured <- captureOne(t, s, "EV1") }()
	<-asked
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		t.Error("closed before", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(works)
	if err := errors.Join(<-captured, <-closed); err != nil {
		t.Error(err)
	}
}

// TestThoseWhoCommitTogetherShareAFlush has many commit while the disk works: each waits for a
// flush that began after its commit, and no two begin for the same.
func TestThoseWhoCommitTogetherShareAFlush(t *testing.T) {
	t.Parallel()
	f := newFlusher(filepath.Join(t.TempDir(), "s.db"))
	if err := os.WriteFile(f.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	defer f.close()
	var committed, durable, flushes atomic.Int64
	f.sync = func(*os.File) error {
		flushes.Add(1)
		began := committed.Load()
		time.Sleep(20 * time.Millisecond)
		durable.Store(began)
		return nil
	}
	const many = 100
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			mine := committed.Add(1)
			if err := f.flush(); err != nil || durable.Load() < mine {
				t.Errorf("commit %d: durable up to %d, %v", mine, durable.Load(), err)
			}
		})
	}
	all.Wait()
	if n := flushes.Load(); n > many/4 {
		t.Errorf("%d flushes for %d commits", n, many)
	}
}

// TestCommitIsDurableByItselfWithoutALog: there is nothing to flush beside.
func TestCommitIsDurableByItselfWithoutALog(t *testing.T) {
	t.Parallel()
	for journal, want := range map[string]string{"DELETE": "delete 2 false", "WAL": "wal 1 true"} {
		path := filepath.Join(t.TempDir(), "s.db")
		db := openURL(path, url.Values{"_pragma": {"synchronous(FULL)", "journal_mode(" + journal + ")"}})
		writers, err := newFilePool(t.Context(), db, 1)
		if err != nil {
			t.Fatal(err)
		}
		s := &Store{dialect: sqliteDialect(), writers: writers}
		if err := s.flushBeside(t.Context()); err != nil {
			t.Fatal(err)
		}
		setting := func(name string) (value string) {
			err := s.maintain(t.Context(), "look", func(ctx context.Context, ss session) error {
				_, err := ss.run(ctx, statement{text: "PRAGMA " + name, scan: func(r row) error { return r.Scan(&value) }})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
		if got := fmt.Sprint(setting("journal_mode"), " ", setting("synchronous"), " ", s.flusher != nil); got != want {
			t.Errorf("journal %s: %s, want %s", journal, got, want)
		}
		if err := writers.close(false); err != nil {
			t.Error(err)
		}
	}
}
