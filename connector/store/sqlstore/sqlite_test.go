package sqlstore_test

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
)

func file(t testing.TB) (path, url string) {
	path = filepath.Join(t.TempDir(), "s.db")
	return path, "sqlite://" + path
}

func TestSecondPipelineOnOneFileIsRefused(t *testing.T) {
	_, url := file(t)
	first := open(t, url, sqlstore.Options{Pipeline: true})
	if _, err := sqlstore.Open(t.Context(), url, sqlstore.Options{Pipeline: true}); !errors.Is(err, store.ErrPipelineRunning) {
		t.Fatalf("second pipeline: %v, want ErrPipelineRunning", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, url, sqlstore.Options{Pipeline: true})
}

func TestLeasesOfADeadPipelineAreVoid(t *testing.T) {
	_, url := file(t)
	dead := open(t, url, sqlstore.Options{Pipeline: true})
	acquire(t, dead, "digest")
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	beside := open(t, url, sqlstore.Options{})
	if _, err := beside.Acquire(t.Context(), "digest", "two", time.Minute); !errors.Is(err, store.ErrLeaseHeld) {
		t.Errorf("without the file's lock: %v, want ErrLeaseHeld", err)
	}
	next := open(t, url, sqlstore.Options{Pipeline: true})
	if lease := acquire(t, next, "digest"); lease.Term != 2 {
		t.Errorf("term %d, want 2", lease.Term)
	}
}

func TestOthersWorkBesideAPipeline(t *testing.T) {
	_, url := file(t)
	daemon := open(t, url, sqlstore.Options{Pipeline: true})
	reader := open(t, url, sqlstore.Options{ReadOnly: true})
	command := open(t, url, sqlstore.Options{})
	if _, err := daemon.Capture(t.Context(), batch("EV1")); err != nil {
		t.Fatal(err)
	}
	if sum, err := reader.LoadSummary(t.Context(), "flex", time.Now()); err != nil || sum.Records[store.Waiting] != 1 {
		t.Errorf("summary beside the daemon %+v, %v", sum, err)
	}
	if _, err := command.AddRun(t.Context(), store.Run{Kind: "sync"}); err != nil {
		t.Fatal(err)
	}
	if run, err := daemon.NextRun(t.Context(), time.Now()); err != nil || run.Kind != "sync" {
		t.Errorf("the daemon took %+v, %v", run, err)
	}
	if _, err := reader.AddRun(t.Context(), store.Run{Kind: "sync"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a reader writes: %v", err)
	}
	if err := reader.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyReadsWhatNobodyHasOpen(t *testing.T) {
	_, url := file(t)
	writer := open(t, url, sqlstore.Options{Pipeline: true})
	if _, err := writer.Capture(t.Context(), batch("EV1")); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	reader := open(t, url, sqlstore.Options{ReadOnly: true})
	if waiting, err := reader.LoadUndigested(t.Context(), "flex", 9); err != nil || len(waiting) != 1 {
		t.Errorf("%d records, %v", len(waiting), err)
	}
}

func TestReadOnlyCreatesNothing(t *testing.T) {
	path, url := file(t)
	_, err := sqlstore.Open(t.Context(), url, sqlstore.Options{ReadOnly: true})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("open what is not there: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	path, url := file(t)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, url, sqlstore.Options{Pipeline: true})
	if _, err := s.Capture(t.Context(), batch("EV1")); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: %v, %v, want mode 0600", suffix, info, err)
		}
	}
}

// newer makes a database that a later flexbrevo has migrated.
func newer(t *testing.T, driver, dsn string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path, url := file(t)
	if err := open(t, url, sqlstore.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	newer(t, "sqlite", path)
	for _, opts := range []sqlstore.Options{{}, {Pipeline: true}, {ReadOnly: true}} {
		if _, err := sqlstore.Open(t.Context(), url, opts); !errors.Is(err, store.ErrNewerSchema) {
			t.Errorf("%+v: %v, want ErrNewerSchema", opts, err)
		}
	}
	t.Run("postgres", func(t *testing.T) {
		url := postgres.Database(t)
		if err := open(t, url, sqlstore.Options{}).Close(); err != nil {
			t.Fatal(err)
		}
		newer(t, "pgx", url)
		for _, opts := range []sqlstore.Options{{}, {ReadOnly: true}} {
			if _, err := sqlstore.Open(t.Context(), url, opts); !errors.Is(err, store.ErrNewerSchema) {
				t.Errorf("%+v: %v, want ErrNewerSchema", opts, err)
			}
		}
	})
}

func TestStoresThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, url := range map[string]string{
		"no such directory":   "sqlite://" + filepath.Join(dir, "none", "s.db"),
		"directory is a file": "sqlite://" + filepath.Join(text, "s.db"),
		"file is a directory": "sqlite://" + dir,
		"no database":         "sqlite://" + text,
		"nobody listens":      "postgres://user:s3cret@127.0.0.1:1/db?sslmode=disable",
	} {
		_, err := sqlstore.Open(t.Context(), url, sqlstore.Options{Pipeline: true})
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error quotes the password", name)
		}
	}
	for _, url := range []string{"", "sqlite://", "mysql://x", "postgres://u:s3cret@h:port/"} {
		if _, err := sqlstore.Open(t.Context(), url, sqlstore.Options{}); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func batch(keys ...string) []store.Batch {
	p := record.Page{Stream: "events", Cursor: record.Cursor(keys[len(keys)-1])}
	for _, key := range keys {
		p.Records = append(p.Records, record.Record{Key: key, Stream: "events", Via: record.Poll, Body: []byte("{}")})
	}
	return []store.Batch{{Connector: "flex", At: time.Now(), Pages: []record.Page{p}}}
}

// victimVariable makes the test binary a process that captures until it is killed.
const victimVariable = "FLEXBREVO_TEST_VICTIM"

// TestVictim is no test: it captures into the store that the environment names and
// prints each key once it is acknowledged.
func TestVictim(t *testing.T) {
	url := os.Getenv(victimVariable)
	if url == "" {
		t.Skip("run by TestKillLosesNothingAcknowledged")
	}
	s := open(t, url, sqlstore.Options{Pipeline: true})
	for i := 0; ; i++ {
		key := fmt.Sprintf("EV%06d", i)
		if _, err := s.Capture(t.Context(), batch(key)); err != nil {
			t.Fatal(err)
		}
		fmt.Println("ack", key)
	}
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	for _, acks := range []int{1, 37, 150} {
		_, url := file(t)
		last := kill(t, url, acks)
		s := open(t, url, sqlstore.Options{Pipeline: true})
		waiting, err := s.LoadUndigested(t.Context(), "flex", 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		checkpoints, err := s.LoadCheckpoints(t.Context(), "flex")
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range waiting {
			if want := fmt.Sprintf("EV%06d", i); r.Key != want {
				t.Fatalf("record %d is %s, want %s", i, r.Key, want)
			}
		}
		stored := waiting[len(waiting)-1].Key
		if stored < last || string(checkpoints["events"].Cursor) != stored {
			t.Errorf("acknowledged %s, stored %s, checkpoint %s", last, stored, checkpoints["events"].Cursor)
		}
	}
}

// kill runs a victim, kills it after so many acknowledged captures, and returns the
// last key that it acknowledged.
func kill(t *testing.T, url string, acks int) string {
	t.Helper()
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$", "-test.v")
	victim.Env = append(os.Environ(), victimVariable+"="+url)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	last, seen := "", 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		key, ack := strings.CutPrefix(lines.Text(), "ack ")
		if !ack {
			continue
		}
		last, seen = key, seen+1
		if seen == acks {
			if err := victim.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := victim.Wait(); err == nil || seen < acks {
		t.Fatalf("the victim ended by itself after %d of %d: %v", seen, acks, err)
	}
	return last
}

func TestUnwritableDirectory(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := sqlstore.Open(t.Context(), "sqlite://"+filepath.Join(dir, "s.db"), sqlstore.Options{})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("open: %v, want ErrUnavailable", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "s.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was left: %v", err)
	}
}
