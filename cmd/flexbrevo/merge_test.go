package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"flexbrevo/connector/simulator/brevosim"
)

// conflict is a line of `merge --json`.
type conflict struct {
	Identifier, Value, Obstacle string
	Configured                  bool
	With                        int64
	Keeps, Deletes              struct{ ID int64 }
}

func (l *lab) conflicts() (found []conflict) {
	l.t.Helper()
	out := l.must(0, "merge", "--dry-run", "--json").stdout
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		l.t.Fatalf("%v\n%s", err, out)
	}
	return found
}

// TestMergeOnlyWhatWasShown has a conflict settled: never by itself, never where it is not configured, and
// then only the merge that was shown.
func TestMergeOnlyWhatWasShown(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(3, 40, false)})
	both := l.world.Customers[0]
	other, err := l.brevo.AddContact(brevosim.Contact{SMS: both.Phone, Email: "somebody@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	l.brevo.SetQuirks(brevosim.Quirks{Allow: brevosim.Allow{ForceMerge: true}})
	merges := func() int { return l.brevo.Summary().Merges }

	l.must(0, "sync")
	found := l.conflicts()
	if len(found) != 1 || found[0].With != other || found[0].Deletes.ID != other || found[0].Configured || found[0].Obstacle != "" {
		t.Fatalf("conflicts %+v, want one with contact %d", found, other)
	}
	shown := l.must(0, "merge", "--dry-run").stdout
	if strings.Contains(shown, both.Phone) || strings.Contains(shown, "somebody@") || !strings.Contains(shown, "on_conflict is drop") {
		t.Errorf("shown:\n%s", shown)
	}
	mustSay(t, l.must(3, "merge", "--yes").stderr, "on_conflict")

	l.env["ON_CONFLICT"] = "merge"
	l.must(0, "sync")
	mustSay(t, l.must(2, "merge").stderr, "--yes")
	mustSay(t, l.must(2, "merge", "four").stderr, "no number of a contact")
	if merges() != 0 {
		t.Fatal("a merge was made that nobody agreed to")
	}

	l.must(0, "merge", "--yes", "99999")
	l.env["ON_CONFLICT"] = "drop" // agreed to, and not configured any more
	l.must(0, "sync")
	l.env["ON_CONFLICT"] = "merge"
	l.must(0, "merge", "--yes")
	l.env["ON_CONFLICT"] = "drop"
	l.must(0, "sync")
	if merges() != 0 {
		t.Fatal("a merge was made that is not configured any more")
	}

	l.env["ON_CONFLICT"] = "merge"
	l.must(0, "merge", "--yes")
	l.must(0, "sync")
	if merges() != 1 {
		t.Fatalf("%d merges, want 1", merges())
	}
	if c, there := l.brevo.Contact(found[0].Keeps.ID); !there || "+"+strings.TrimPrefix(c.SMS, "+") != both.Phone {
		t.Errorf("kept %+v", c)
	}
	if _, there := l.brevo.Contact(other); there {
		t.Error("the other contact is still there")
	}
	if left := l.conflicts(); len(left) != 0 {
		t.Errorf("left %+v", left)
	}
	l.mustSendNothing()
	if v := l.brevo.Violations(); len(v) != 0 {
		t.Errorf("violations: %v", v)
	}
}
