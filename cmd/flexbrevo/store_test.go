package main_test

import (
	"strings"
	"testing"
	"time"
)

// TestStoreCopy moves an installation from SQLite to PostgreSQL and back, beside its daemon, and goes on with each
// copy: nothing is sent again.
func TestStoreCopy(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(31, 60, false)})
	d := l.run()
	s := liveSettings(today().Add(-10 * time.Second))
	l.eventuallyEqual(s, time.Minute, d)

	database := postgres.Database(t)
	r := l.must(0, "store", "copy", "config", database)
	if !strings.Contains(r.stdout, "deliveries") || !strings.Contains(r.stdout, "counts and checksums are equal") {
		t.Errorf("the copy says %q", r.stdout)
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr.String())
	}
	l.env["STORE"] = database
	l.mustSendNothing()
	l.must(0, "store", "copy", database, "sqlite://back.db")
	l.env["STORE"] = "sqlite://back.db"
	l.mustSendNothing()
	l.mustEqual(s)

	if r := l.must(1, "store", "copy", "config", database); !strings.Contains(r.stderr, "not empty") {
		t.Errorf("a copy over another store says %q", r.stderr)
	}
	l.must(2, "store", "copy", "config")
	if r := l.must(2, "store", "copy", "mysql://user:secret@host/db", database); strings.Contains(r.stderr, "secret") {
		t.Errorf("the error quotes a password: %q", r.stderr)
	}
}
