package main_test

import (
	"os"
	"path/filepath"
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
}
