package main_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo needs no account, no configuration and no server.
func TestDemo(t *testing.T) {
	t.Parallel()
	l := &lab{t: t, dir: filepath.Join(t.TempDir(), "a directory")}
	if err := os.Mkdir(l.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r := l.must(0, "demo", "--length", "4s", "--contacts", "60", "--dir", l.dir)
	mustSay(t, r.stdout, "In Brevo now:", "SUPPORT_RESOLVED", "CONVERSATION_ENDED", "Support contacts", "LAST_SUPPORT_DATE",
		"Calls refused for their rate: 0.", "Things Brevo should never be sent: 0.", "flexbrevo sync")
	// Nobody of the day is named, in whatever form.
	files, err := filepath.Glob(filepath.Join(l.dir, "*.db"))
	if err != nil || len(files) != 1 {
		t.Fatalf("stores %v, %v", files, err)
	}
	db, err := sql.Open("sqlite", files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT value FROM identifiers WHERE kind <> 'ref'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	secrets := map[string]string{}
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		secrets["identifier "+value] = strings.TrimPrefix(value, "+")
	}
	if err := rows.Err(); err != nil || len(secrets) < 20 {
		t.Fatalf("%d identifiers, %v", len(secrets), err)
	}
	mustNotTell(t, "the demo", r.stdout+r.stderr, secrets)
}
