//go:build !no_objects

package main_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

// objectsLab is a lab whose figures go to custom objects, with the operations contact to fall back to.
func objectsLab(t *testing.T, quirks brevosim.Quirks) *victim {
	t.Helper()
	quirks.ImportTime = -1
	v := &victim{wires: map[string]*tripwire{}, lab: newLab(t, setup{world: aDay(5, 120, false), brevo: brevosim.Options{Quirks: quirks}})}
	v.wires["brevo"] = &tripwire{Handler: v.brevo, counts: func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/objects/") }}
	v.env["BREVO_URL"] = serve(t, v.wires["brevo"])
	v.write("connector.yaml", strings.Replace(readFile(t, v.dir+"/connector.yaml"), "    region: FR\n",
		"    region: FR\n    operations_contact: operations@example.com\n    sync: {agent_activity: true, queue_analytics: true}\n"+
			"    custom_objects: {agent_days: flex_agent_day, queue_hours: flex_queue_hour}\n", 1))
	return v
}

// toldToContact counts the figures that the operations contact was told.
func (l *lab) toldToContact() (n int) {
	for _, e := range l.brevo.Events() {
		if e.Name == "FLEX_AGENT_DAY" || e.Name == "FLEX_QUEUE_HOUR" {
			n++
		}
	}
	return n
}

// TestCustomObjects kills a sync on both sides of an upsert: in the end the records are those that the figures command
// shows, none is there twice, and the operations contact is told nothing.
func TestCustomObjects(t *testing.T) {
	t.Parallel()
	types := map[string][]string{"flex_agent_day": nil, "flex_queue_hour": nil}
	v := objectsLab(t, brevosim.Quirks{CustomObjects: types})
	for _, place := range []string{"brevo/asked", "brevo/applied"} {
		if !v.killedAt(place, 1, rand.New(rand.NewPCG(1, 1))) {
			t.Fatalf("a sync never passes %s", place)
		}
	}
	v.must(0, "sync")
	compare := func(object string, rows map[string]map[string]any, id func(row map[string]any) string) {
		got := v.brevo.Objects(object)
		if len(got) == 0 {
			t.Errorf("no %s", object)
		}
		ended := 0
		for key, row := range rows {
			if day, _ := row["day"].(string); day >= today().Format(time.DateOnly) {
				continue
			}
			ended++
			a := got[id(row)].Attributes
			if fmt.Sprint(a["offered"], a["accepted"]) != fmt.Sprint(row["offered"], row["accepted"]) {
				t.Errorf("%s of %s is %v, the figures are %v", object, key, a, row)
			}
		}
		if len(got) != ended {
			t.Errorf("%d records of %s, the figures have %d", len(got), object, ended)
		}
	}
	compare("flex_agent_day", v.figures("agents", "worker", "day"), func(row map[string]any) string {
		return fmt.Sprintf("%v-%v", row["worker"], row["day"])
	})
	compare("flex_queue_hour", v.figures("queues", "queue", "hour"), func(row map[string]any) string {
		return fmt.Sprintf("%v-%v-%v", row["queue"], row["channel"], strings.TrimSuffix(fmt.Sprint(row["hour"]), ":00:00Z"))
	})
	v.mustSendNothing()
	v.mustKeepPartsApart()
	if n := v.toldToContact(); n != 0 {
		t.Errorf("the operations contact was told %d figures as well", n)
	}
}

// TestCustomObjectsNotInThePlan tells the operations contact instead, and shows the notice.
func TestCustomObjectsNotInThePlan(t *testing.T) {
	t.Parallel()
	v := objectsLab(t, brevosim.Quirks{})
	v.must(0, "sync") // finds out
	v.must(0, "sync")
	if n := v.toldToContact(); n == 0 {
		t.Error("nobody is told the figures")
	}
	d := v.run()
	defer d.stop()
	refused := 0
	for call, n := range v.brevo.Calls() {
		if strings.HasPrefix(call.Path, "/objects") {
			refused += n
		}
	}
	if refused != 2 {
		t.Errorf("asked %d times, want once for each type", refused)
	}
	r, err := http.Get("http://" + d.admin + "/api/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var status struct {
		Connectors []struct {
			Parts []struct{ Notices []string }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&status); err != nil {
		t.Fatal(err)
	}
	if parts := status.Connectors[0].Parts; len(parts) != 1 || !strings.Contains(strings.Join(parts[0].Notices, "\n"), "has no custom objects") {
		t.Errorf("status shows %+v", parts)
	}
}
