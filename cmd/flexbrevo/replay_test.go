package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

// changedRules are other rules for the labs' configuration: one attribute less often, one
// from another source, one new, a list, an event that no fact stands for and one that is.
var changedRules = strings.NewReplacer(
	"      customer_tier: VIP_TIER\n", "      customer_tier: {to: VIP_TIER, default: none}\n      total_conversations + 100: CONTACTS_EVER\n",
	"      preferred_channel: PREFERRED_CHANNEL\n", "      upper(preferred_channel): PREFERRED_CHANNEL\n",
	`csat_respondents: "CSAT respondents"}`, `csat_respondents: "CSAT respondents", rules: [{list: Regulars, when: total_conversations > 1}]}`,
	"      task.created: SUPPORT_REQUESTED\n", "      task.created: SUPPORT_REQUESTED\n      task.assigned: SUPPORT_STARTED\n      reservation.rejected: SUPPORT_REJECTED\n",
)

// foreseen is what `replay --json` prints first.
type foreseen struct {
	Differences []struct {
		Contact int64 `json:"contact_id"`
		Values  []struct {
			Name     string
			Old, New any
		}
		Joins  []string
		Events []struct{ Name, ID, Becomes string }
	}
	Plan struct{ Records, Customers, Changed int }
}

func (l *lab) foresee(args ...string) (out foreseen) {
	l.t.Helper()
	r := l.must(0, append([]string{"replay", "--json", "--values"}, args...)...)
	if err := json.NewDecoder(strings.NewReader(r.stdout)).Decode(&out); err != nil {
		l.t.Fatalf("%v\n%s", err, r.stdout)
	}
	return out
}

// lines are what changes, one line each.
func (f *foreseen) lines() (out []string) {
	for _, d := range f.Differences {
		for _, v := range d.Values {
			out = append(out, fmt.Sprint(d.Contact, v.Name, v.Old, "→", v.New))
		}
		for _, name := range d.Joins {
			out = append(out, fmt.Sprint(d.Contact, "joins", name))
		}
		for _, e := range d.Events {
			out = append(out, fmt.Sprint("event", e.Name, e.ID))
			if e.Becomes != "sent" {
				out = append(out, "not sent: "+e.Becomes)
			}
		}
	}
	slices.Sort(out)
	return out
}

// snapshot is all that the simulated Brevo holds.
type snapshot struct {
	values map[int64]map[string]any
	lists  map[int64][]string
	events map[string]int
}

func (l *lab) snapshot() snapshot {
	s := snapshot{map[int64]map[string]any{}, map[int64][]string{}, map[string]int{}}
	names := map[int64]string{}
	for _, list := range l.brevo.Lists() {
		names[list.ID] = list.Name
	}
	for _, c := range l.brevo.Contacts() {
		s.values[c.ID] = maps.Clone(c.Attributes)
		for _, id := range c.ListIDs {
			s.lists[c.ID] = append(s.lists[c.ID], names[id])
		}
	}
	for _, e := range l.brevo.Events() {
		id, _ := e.Property("source_event_id").(string)
		s.events[e.Name+id]++
	}
	return s
}

// changed are the differences between two snapshots in the words of foreseen.lines.
func changed(before, after snapshot) (out []string) {
	for id, values := range after.values {
		for name, v := range values {
			if old := before.values[id][name]; old != v {
				out = append(out, fmt.Sprint(id, name, old, "→", v))
			}
		}
		for _, list := range after.lists[id] {
			if !slices.Contains(before.lists[id], list) {
				out = append(out, fmt.Sprint(id, "joins", list))
			}
		}
	}
	for id, n := range after.events {
		if n != 1 {
			out = append(out, fmt.Sprintf("%s is there %d times", id, n))
		}
		if before.events[id] == 0 {
			out = append(out, "event"+id)
		}
	}
	slices.Sort(out)
	return out
}

// TestReplay changes rules: a dry run says exactly what then changes, and nothing is
// sent twice.
func TestReplay(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(21, 120, true), shared: true})
	l.must(0, "sync")
	if f := l.foresee("--dry-run"); len(f.Differences) > 0 || f.Plan.Records == 0 || f.Plan.Customers == 0 {
		t.Fatalf("with the same rules: %+v", f)
	}
	before := l.snapshot()
	l.write("connector.yaml", changedRules.Replace(readFile(t, l.dir+"/connector.yaml")))
	l.brevo.ResetCalls()
	want := l.foresee("--dry-run")
	if n := l.writes(); n != 0 {
		t.Errorf("the dry run wrote %d times: %v", n, l.brevo.Calls())
	}
	for _, text := range []string{"VIP_TIER", "PREFERRED_CHANNEL", "CONTACTS_EVER", "Regulars", "SUPPORT_STARTED", "SUPPORT_REJECTED"} {
		if !strings.Contains(strings.Join(want.lines(), "\n"), text) {
			t.Errorf("the dry run says nothing of %s", text)
		}
	}
	done := l.foresee("--yes")
	if !slices.Equal(done.lines(), want.lines()) {
		t.Error("the run showed other differences than the dry run")
	}
	mustBeAlike(t, want.lines(), changed(before, l.snapshot()))
	for _, v := range l.brevo.Violations() {
		t.Error(v)
	}
	l.brevo.ResetCalls()
	if f := l.foresee(); len(f.Differences) > 0 {
		t.Errorf("after the replay: %+v", f)
	}
	l.must(0, "sync")
	if n := l.writes(); n != 0 {
		t.Errorf("a second replay and a sync wrote %d times: %v", n, l.brevo.Calls())
	}
}

func mustBeAlike(t *testing.T, want, got []string) {
	t.Helper()
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("foreseen and not seen: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("seen and not foreseen: %s", line)
		}
	}
}

// TestReplaySendsNoOldEvents is promise 9: what new rules give of long ago is told as
// too old and not sent.
func TestReplaySendsNoOldEvents(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(22, 40, false)})
	l.must(0, "sync")
	before := l.snapshot()
	text := readFile(t, l.dir+"/connector.yaml")
	text = strings.Replace(text, "      task.created: SUPPORT_REQUESTED\n", "      task.assigned: SUPPORT_STARTED\n      task.created: SUPPORT_REQUESTED\n", 1)
	l.write("connector.yaml", text)
	l.env["MAX_AGE"] = "1m"
	r := l.must(0, "replay")
	if !strings.Contains(r.stdout, "event SUPPORT_STARTED too old: ") || strings.Contains(r.stdout, "event SUPPORT_STARTED sent: ") {
		t.Errorf("it does not say that they are too old:\n%s", r.stdout)
	}
	if after := l.snapshot(); !maps.Equal(before.events, after.events) {
		t.Errorf("%d events became %d", len(before.events), len(after.events))
	}
	if strings.Contains(r.stdout, "@example.") && !strings.Contains(r.stdout, "*@") {
		t.Error("addresses are not masked")
	}
	l.must(0, "replay", "--since", "1h")
	l.must(2, "replay", "--since", "soon")
	l.must(2, "replay", "--connector", "nobody")
}

// TestReplayGoesOn kills the command at random instants.
func TestReplayGoesOn(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(23, 700, false)})
	l.must(0, "sync")
	before := l.snapshot()
	l.write("connector.yaml", changedRules.Replace(readFile(t, l.dir+"/connector.yaml")))
	want := l.foresee("--dry-run")
	random := rand.New(rand.NewPCG(23, 1))
	killed := 0
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond+time.Duration(random.IntN(1500))*time.Millisecond)
		if err := l.command(ctx, "replay", "--yes").Run(); err != nil && ctx.Err() != nil {
			killed++
		}
		cancel()
	}
	t.Logf("killed %d times", killed)
	l.must(0, "replay", "--yes")
	mustBeAlike(t, want.lines(), changed(before, l.snapshot()))
}

// TestReplayBesideTheDaemon has the daemon do it, once it has the rules that were
// shown.
func TestReplayBesideTheDaemon(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(24, 60, false)})
	l.must(0, "sync")
	d := l.run()
	before := l.snapshot()
	l.write("connector.yaml", changedRules.Replace(readFile(t, l.dir+"/connector.yaml")))
	want := l.foresee("--dry-run")
	r := l.must(1, "replay", "--yes")
	if !strings.Contains(r.stderr, "SIGHUP") {
		t.Errorf("it does not say what to do: %s", r.stderr)
	}
	if got := changed(before, l.snapshot()); len(got) > 0 {
		t.Errorf("a daemon with other rules changed %v", got)
	}
	d.kill()
	d = l.run()
	if r := l.must(0, "replay", "--yes"); !strings.Contains(r.stderr, "a daemon works on this store") {
		t.Errorf("it does not say who does it: %s", r.stderr)
	}
	mustBeAlike(t, want.lines(), changed(before, l.snapshot()))
	if code, _ := d.stop(); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
}

// TestReplayLeavesAlone adds a comment to the rules where only contacts that Brevo has are
// written: neither they nor the others are looked at again for it.
func TestReplayLeavesAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(25, 60, false), env: map[string]string{"CREATE": "existing_only"}})
	for i, c := range l.world.Customers {
		if i%3 == 0 && c.Email != "" {
			if _, err := l.brevo.AddContact(brevosim.Contact{Email: c.Email}); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.must(0, "sync")
	l.write("connector.yaml", "# a comment\n"+readFile(t, l.dir+"/connector.yaml"))
	l.brevo.ResetCalls()
	if f := l.foresee("--yes"); len(f.Differences) > 0 {
		t.Errorf("a comment changes %d customers", len(f.Differences))
	}
	for call, n := range l.brevo.Calls() {
		if call.Path != "/contacts/attributes" && call.Path != "/contacts/lists" {
			t.Errorf("%d calls %s %s", n, call.Method, call.Path)
		}
	}
}
