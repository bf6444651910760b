package sqlstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// TestFullDisk limits the file's size and fills it: what was acknowledged stays,
// nothing is half written, and once there is room it goes on.
func TestFullDisk(t *testing.T) {
	s, err := Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"), Options{Pipeline: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	limit := func(pages int) {
		t.Helper()
		ss, err := s.writers.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.writers.put(ss)
		if err := do(t.Context(), ss, fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(200)
	stored := 0
	capture := func() error {
		p := record.Page{Stream: "events", Cursor: record.Cursor(fmt.Sprint(stored + 1)), Records: []record.Record{
			{Key: fmt.Sprint("EV", stored), Body: noise(50_000)},
		}}
		_, err := s.Capture(t.Context(), []store.Batch{{Connector: "c", At: time.Now(), Pages: []record.Page{p}}})
		return err
	}
	for err = capture(); err == nil; err = capture() {
		stored++
	}
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "full") {
		t.Fatalf("on a full disk: %v, want ErrUnavailable and why", err)
	}
	waiting, err := s.LoadUndigested(t.Context(), "c", 1000)
	if err != nil || len(waiting) != stored || stored == 0 {
		t.Errorf("%d records, %v, want the %d acknowledged", len(waiting), err, stored)
	}
	checkpoints, err := s.LoadCheckpoints(t.Context(), "c")
	if err != nil || string(checkpoints["events"].Cursor) != fmt.Sprint(stored) {
		t.Errorf("checkpoint %v, %v, want %d", checkpoints, err, stored)
	}
	limit(1 << 20)
	if err := capture(); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestCausesOfPostgres(t *testing.T) {
	for code, unavailable := range map[string]bool{
		"53100": true, // disk full
		"25006": true, // read only
		"57P01": true, // shutting down
		"08006": true, "40001": true, "55P03": true, "25P03": true,
		"23505": false, "22021": false, "42601": false,
	} {
		err := wrap(t.Context(), "do", fmt.Errorf("x: %w", &pgconn.PgError{Code: code, Message: "value +33612345678", Detail: "Key (+33612345678)"}))
		if errors.Is(err, store.ErrUnavailable) != unavailable {
			t.Errorf("%s: %v", code, err)
		}
		if !strings.Contains(err.Error(), code) || strings.Contains(err.Error(), "336") {
			t.Errorf("%s: the error says %q", code, err)
		}
	}
}

func TestNamesFitEveryColumn(t *testing.T) {
	long := strings.Repeat("é", 5000)
	seen := map[string]string{}
	for _, s := range []string{"", "plain", "é", "a\x00b", "a\xffb", long, long + "x", long + "\x00", strings.Repeat("k", nameLimit)} {
		n := name(s)
		if len(n) > nameLimit || strings.ContainsRune(n, 0) || strings.ToValidUTF8(n, "") != n {
			t.Errorf("name of %.20q… is %q", s, n)
		}
		if n != name(n) {
			t.Errorf("a name's name is another: %q, %q", n, name(n))
		}
		if other, twice := seen[n]; twice && s != "a\xffb" { // which shares its stand-in with NUL
			t.Errorf("%.20q… and %.20q… share the name %q", s, other, n)
		}
		seen[n] = s
	}
}
