//go:build !no_crm

package main_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

// crmLab is a lab with a note and a task for each contact that was abandoned, and a note for each low score.
func crmLab(t *testing.T, o brevosim.Options) *victim {
	t.Helper()
	v := &victim{wires: map[string]*tripwire{}, lab: newLab(t, setup{world: aDay(11, 120, false), brevo: o, env: map[string]string{"LOOKUP_AFTER": "100ms"}})}
	v.wires["brevo"] = &tripwire{Handler: v.brevo, counts: func(r *http.Request) bool {
		return r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/crm/")
	}}
	v.env["BREVO_URL"] = serve(t, v.wires["brevo"])
	v.write("connector.yaml", strings.Replace(readFile(t, v.dir+"/connector.yaml"), "    region: FR\n", `    region: FR
    crm:
      abandoned:
        on: task.abandoned
        note: "Left {task.queue_name} after {task.wait_time} s, {task.sid}"
        task: {name: "Call back {task.sid}", type: call, due: 24h, assign_to: team@example.com}
      unhappy:
        on: survey.completed
        when: survey.score <= 3
        note: "Gave {survey.score}"
`, 1))
	return v
}

// mustHaveWritten compares notes and tasks with the events of the same rules, contact by contact: each once.
func (l *lab) mustHaveWritten() (notes int) {
	l.t.Helper()
	wantNotes, wantTasks := map[int64]int{}, map[int64]int{}
	for _, e := range l.brevo.Events() {
		score, scored := e.Property("score").(float64)
		switch {
		case e.Name == "SUPPORT_ABANDONED":
			wantNotes[e.ContactID]++
			wantTasks[e.ContactID]++
		case e.Name == "CSAT_SUBMITTED" && scored && score <= 3:
			wantNotes[e.ContactID]++
		}
	}
	gotNotes, gotTasks, texts := map[int64]int{}, map[int64]int{}, map[string]int{}
	for _, n := range l.brevo.Notes() {
		gotNotes[n.ContactIDs[0]]++
		if texts[n.Text]++; strings.HasPrefix(n.Text, "Left") && texts[n.Text] > 1 {
			l.t.Errorf("twice: %q", n.Text)
		}
	}
	for _, n := range l.brevo.Tasks() {
		gotTasks[n.ContactIDs[0]]++
		if n.AssignTo != "team@example.com" || !strings.HasPrefix(n.Name, "Call back WT") || n.Date.Before(time.Now().Add(-48*time.Hour)) {
			l.t.Errorf("task %+v", n)
		}
	}
	if !maps.Equal(gotNotes, wantNotes) || !maps.Equal(gotTasks, wantTasks) || len(wantTasks) == 0 || len(gotNotes) == 0 {
		l.t.Errorf("notes %v, want %v; tasks %v, want %v", gotNotes, wantNotes, gotTasks, wantTasks)
	}
	return len(l.brevo.Notes())
}

// TestCRM writes each case once, whatever comes between, and nothing on a further pass.
func TestCRM(t *testing.T) {
	t.Parallel()
	t.Run("killed around calls", func(t *testing.T) {
		t.Parallel()
		v := crmLab(t, brevosim.Options{Quirks: brevosim.Quirks{CRM: true, HTMLNotes: true}})
		for i, place := range []string{"brevo/asked", "brevo/applied", "brevo/applied"} {
			if !v.killedAt(place, 1+i, rand.New(rand.NewPCG(1, 1))) {
				t.Fatalf("a sync never passes %s", place)
			}
		}
		v.must(0, "sync")
		v.must(0, "sync") // looks up what was too young before
		v.mustHaveWritten()
		v.mustKeepPartsApart()
		before := v.brevo.Calls()
		v.must(0, "sync")
		for call, n := range v.brevo.Calls() {
			if strings.HasPrefix(call.Path, "/crm") && n != before[call] {
				t.Errorf("%v: %d further calls", call, n-before[call])
			}
		}
	})
	t.Run("faults", func(t *testing.T) {
		t.Parallel()
		v := crmLab(t, brevosim.Options{Quirks: brevosim.Quirks{CRM: true}})
		v.brevo.SetFaults(brevosim.Faults{
			BadGatewayApplied: 0.1, DroppedApplied: 0.1, Dropped: 0.1, ServerError: 0.1, BrokenJSON: 0.1, EmptySuccess: 0.1,
			HTMLSuccess: 0.05, Only: []string{"POST /crm", "GET /crm"}, AtMost: 25,
		})
		for range 6 {
			v.flexbrevo("sync") // what fails is left to the next pass
		}
		v.brevo.SetFaults(brevosim.Faults{})
		v.must(0, "sync")
		v.must(0, "sync")
		v.mustHaveWritten()
	})
	t.Run("not in the plan", func(t *testing.T) {
		t.Parallel()
		v := crmLab(t, brevosim.Options{})
		v.must(0, "sync")
		v.must(0, "sync")
		refused := 0
		for call, n := range v.brevo.Calls() {
			if strings.HasPrefix(call.Path, "/crm") {
				refused += n
			}
		}
		if refused != 1 {
			t.Errorf("asked %d times on one day, want once", refused)
		}
		d := v.run()
		state := d.part("crm")
		d.stop()
		if !strings.Contains(strings.Join(state.Notices, "\n"), "has no CRM") || state.Counts["waiting"] == 0 {
			t.Errorf("%+v", state)
		}
	})
	t.Run("forgotten", func(t *testing.T) {
		t.Parallel()
		v := crmLab(t, brevosim.Options{Quirks: brevosim.Quirks{CRM: true}})
		v.env["FLEXBREVO_FORGET_KEY"] = strings.Repeat("4d", 32)
		v.must(0, "sync")
		notes := v.brevo.Notes()
		i := slices.IndexFunc(notes, func(n brevosim.Note) bool { c, _ := v.brevo.Contact(n.ContactIDs[0]); return c.Email != "" })
		c, _ := v.brevo.Contact(notes[i].ContactIDs[0])
		v.must(0, "forget", c.Email, "--yes")
		v.must(0, "sync")
		if n := len(v.brevo.Notes()); n != len(notes) {
			t.Errorf("%d notes, were %d", n, len(notes))
		}
	})
}

// part is what the daemon's status shows of a part.
func (d *daemon) part(name string) (state struct {
	Name    string
	Counts  map[string]int
	Notices []string
}) {
	d.t.Helper()
	var status struct {
		Connectors []struct {
			Parts []struct {
				Name    string
				Counts  map[string]int
				Notices []string
			}
		}
	}
	response, err := http.Get("http://" + d.admin + "/api/v1/status")
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		d.t.Fatal(err)
	}
	for _, p := range status.Connectors[0].Parts {
		if p.Name == name {
			return p
		}
	}
	d.t.Fatalf("status shows no part %s", name)
	return state
}
