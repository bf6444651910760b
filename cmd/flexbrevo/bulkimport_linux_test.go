//go:build !no_bulkimport

package main_test

import (
	"net/http"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

// TestBulkImportAsksOnATerminal says that an answer decides, and that it is not the one
// to the backfill itself.
func TestBulkImportAsksOnATerminal(t *testing.T) {
	t.Parallel()
	for answer, imports := range map[string]bool{"y\n": true, "\n": false} {
		quirks := brevosim.Quirks{ImportTime: time.Second}
		l := newImportLab(t, setup{world: someWeeks(36, 4, 100), brevo: brevosim.Options{Quirks: quirks}}, "  bulk_rows: all\n")
		o := l.onTerminal(l.past("--events", "none")...)
		o.wait("MERGES")
		o.answer("Go ahead?", "y\n")
		o.answer("Use the import?", answer)
		o.end(0)
		if got := l.brevoCalls(http.MethodPost, importPath) > 0; got != imports {
			t.Errorf("answer %q: imports %v", answer, got)
		}
		l.mustEqualContacts()
	}
}
