//go:build !no_publish

package main_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// publishing is a lab whose connector publishes as a block says.
func publishing(t *testing.T, s setup, block string) *lab {
	t.Helper()
	l := newLab(t, s)
	text := readFile(t, filepath.Join(l.dir, "connector.yaml"))
	l.write("connector.yaml", strings.Replace(text, "    region: FR\n", "    region: FR\n    sync_publish: "+block+"\n", 1))
	return l
}

// byPhone is a block that publishes to a map.
const byPhone = "{map: customers, fields: {Tier: customer_tier, Mail: email}, status: flexbrevo.status, runs: flexbrevo.runs}"

// shown is an item as an agent sees it.
type shown struct {
	Name    string
	Metrics map[string]any
	Fields  []struct{ Label, Value any }
	Events  []struct {
		Type, At, ID string
	}
}

// mustDisplay compares the items of a map with the calculation.
func (l *lab) mustDisplay(s oracle.Settings, items map[string]twiliosim.SyncValue) {
	l.t.Helper()
	for _, line := range l.undisplayed(s, items) {
		l.t.Error(line)
	}
}

// undisplayed are the differences between the items and the calculation.
func (l *lab) undisplayed(s oracle.Settings, items map[string]twiliosim.SyncValue) (lines []string) {
	wrong := func(format string, values ...any) { lines = append(lines, fmt.Sprintf(format, values...)) }
	expected := oracle.Calculate(l.world, s)
	told := map[string][]oracle.Event{}
	for _, m := range expected.Moments {
		for _, kind := range []string{"task.completed:", "task.abandoned:", "survey.completed:"} {
			if m.Phone != "" && strings.HasPrefix(m.ID, kind) {
				told[m.Phone] = append(told[m.Phone], m.Event)
			}
		}
	}
	missing := maps.Clone(items)
	for _, c := range expected.Customers {
		key := "+" + c.Phone
		if c.Phone == "" || slices.Contains(s.SharedPhones, key) {
			continue
		}
		value, ok := missing[key]
		delete(missing, key)
		var item shown
		if err := json.Unmarshal(value.Data, &item); err != nil {
			wrong("%s is not shown (%t): %v", key, ok, err)
			continue
		}
		for name, attribute := range map[string]string{
			"total_conversations": "SUPPORT_TICKET_COUNT", "total_tasks": "TASK_COUNT", "avg_wait_time": "AVG_WAIT_TIME",
			"last_conversation_date": "LAST_SUPPORT_DATE", "last_csat_score": "CSAT_SCORE", "preferred_channel": "PREFERRED_CHANNEL",
		} {
			if got, want := item.Metrics[name], c.Attributes[attribute]; !alike(got, want) && !slices.Contains(c.Open, attribute) {
				wrong("%s: %s is %v, want %v", key, name, got, want)
			}
		}
		if want, _ := c.Attributes["FIRSTNAME"].(string); item.Name != want && !slices.Contains(c.Open, "FIRSTNAME") {
			wrong("%s: the name is %q, want %q", key, item.Name, want)
		}
		fields := map[any]any{}
		for _, f := range item.Fields {
			fields[f.Label] = f.Value
		}
		if tier := c.Attributes["VIP_TIER"]; !reflect.DeepEqual(fields["Tier"], tier) {
			wrong("%s: the tier is %v, want %v", key, fields["Tier"], tier)
		}
		events := 0
		for _, e := range item.Events {
			if e.Type == "interaction.transferred" {
				continue
			}
			events++
			if !slices.ContainsFunc(told[c.Phone], func(m oracle.Event) bool { return m.ID == e.ID }) {
				wrong("%s: shows %s, which did not happen", key, e.ID)
			}
		}
		if len(item.Events) < 10 && events != len(told[c.Phone]) {
			wrong("%s: %d events are shown, want %d", key, events, len(told[c.Phone]))
		}
	}
	for key := range missing {
		wrong("%s is shown, and is nobody's", key)
	}
	return lines
}

// alike compares values of which numbers may be rounded to hundredths.
func alike(a, b any) bool {
	x, number := a.(float64)
	y, also := b.(float64)
	if number && also {
		return math.Abs(x-y) < 0.006
	}
	return reflect.DeepEqual(a, b)
}

// mapCalls counts the calls about the map and its items.
func (l *lab) mapCalls() (count int) {
	for call, n := range l.twilio.Calls() {
		if strings.HasPrefix(call.Path, "/sync/v1/Services/{service}/Maps") {
			count += n
		}
	}
	return count
}

// TestPublish shows a day's customers to the agents, writes nothing where nothing changed, and what was lost again.
func TestPublish(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{}
			if kind == "postgres" {
				env["STORE"] = postgres.Database(t)
			}
			limits := twiliosim.Options{Faults: twiliosim.Faults{SyncWritesPerSecond: 20}}
			l := publishing(t, setup{world: aDay(21, 60, true), shared: true, env: env, twilio: limits}, byPhone)
			s := settings(today())
			s.SharedPhones = []string{world.SharedPhone}
			l.must(0, "sync")
			items := l.twilio.SyncItems("customers")
			l.mustDisplay(s, items)
			if len(items) < 10 {
				t.Fatalf("only %d customers are shown", len(items))
			}
			// One call for each customer, and two for a map that was missing.
			if n, want := l.mapCalls(), len(items)+2; n != want {
				t.Errorf("%d calls for %d customers, want %d: %v", n, len(items), want, l.twilio.Calls())
			}
			for key, item := range items {
				if left := item.ExpiresAt.Sub(item.UpdatedAt); left != 30*24*time.Hour {
					t.Errorf("%s lives for %v", key, left)
				}
			}
			before := l.mapCalls()
			l.must(0, "sync")
			l.must(0, "replay", "--yes")
			l.must(0, "sync")
			if again := l.twilio.SyncItems("customers"); !reflect.DeepEqual(again, items) {
				t.Error("items were written again although nothing changed")
			}
			if n := l.mapCalls() - before; n != 0 {
				t.Errorf("%d calls although nothing changed: %v", n, l.twilio.Calls())
			}
			if n := l.refused(http.StatusTooManyRequests); n > 0 {
				t.Errorf("Sync refused %d calls for their rate", n)
			}
			var status struct {
				Customers int
				Published map[string]int
			}
			if err := json.Unmarshal(l.twilio.SyncDocuments()["flexbrevo.status"].Data, &status); err != nil || status.Customers < len(items) || status.Published["written"] != len(items) {
				t.Errorf("the status document says %+v, %v", status, err)
			}
		})
	}
}

// TestPublishThroughFaults kills the daemon again and again while Sync refuses, forgets and answers errors to what it
// did, and lets somebody else write: in the end the agents see what is.
func TestPublishThroughFaults(t *testing.T) {
	t.Parallel()
	l := publishing(t, setup{world: aDay(22, 60, true), shared: true}, strings.Replace(byPhone, "map: customers", "documents: customer.", 1))
	faults := twiliosim.Faults{Only: "sync", SyncRefused: 0.05, SyncLate: 0.2, Reset: 0.1, BadGateway: 0.1}
	l.twilio.SetFaults(faults)
	random := rand.New(rand.NewPCG(22, 22))
	for range 6 {
		d := l.run()
		time.Sleep(time.Duration(random.Int64N(int64(1500 * time.Millisecond)))) // any instant will do
		d.kill()
	}
	l.twilio.SetFaults(twiliosim.Faults{})
	d := l.run()
	s := liveSettings(today())
	documents := func() map[string]twiliosim.SyncValue {
		out := map[string]twiliosim.SyncValue{}
		for name, v := range l.twilio.SyncDocuments() {
			if key, ok := strings.CutPrefix(name, "customer."); ok {
				out[key] = v
			}
		}
		return out
	}
	eventually(t, 90*time.Second, "all are shown", func() bool { return len(l.undisplayed(s, documents())) == 0 })
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr.String())
	}
	l.mustDisplay(s, documents())
	for key := range documents() {
		if strings.Contains(d.stderr.String(), key) {
			t.Fatalf("the log shows %s", key)
		}
	}
}

// TestPublishForgets takes a person off the agents' screens, by a command alone and beside a daemon, and not before
// Sync has done it.
func TestPublishForgets(t *testing.T) {
	t.Parallel()
	l := publishing(t, setup{world: aDay(23, 60, false), env: map[string]string{"FLEXBREVO_FORGET_KEY": forgetKey}}, byPhone)
	l.must(0, "sync")
	k := l.pick()
	if _, ok := l.twilio.SyncItems("customers")[k.Phone]; !ok {
		t.Fatal("the person is not shown")
	}
	count := len(l.twilio.SyncItems("customers"))
	l.forget(k.Email, "--in-brevo")
	if _, ok := l.twilio.SyncItems("customers")[k.Phone]; ok || len(l.twilio.SyncItems("customers")) != count-1 {
		t.Errorf("the person is shown: %t; %d are left of %d", ok, len(l.twilio.SyncItems("customers")), count)
	}
	l.mustBeGone(k)

	d := l.run()
	next := l.pickOther(k)
	l.forget(next.Email)
	if _, ok := l.twilio.SyncItems("customers")[next.Phone]; ok {
		t.Error("beside a daemon the person is shown still")
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	l.must(0, "replay", "--yes")
	l.must(0, "sync")
	for _, gone := range []known{k, next} {
		if _, ok := l.twilio.SyncItems("customers")[gone.Phone]; ok {
			t.Error("a person who was forgotten is shown again")
		}
	}
	k.mustNotHold(t, "the log", []byte(d.stderr.String()))
}

// pickOther picks a person beside one.
func (l *lab) pickOther(not known) known {
	l.t.Helper()
	for i := range l.world.Customers {
		c := &l.world.Customers[i]
		if _, shown := l.twilio.SyncItems("customers")[c.Phone]; shown && c.Email != "" && c.Phone != not.Phone {
			if r := l.flexbrevo("explain", c.Email); strings.Contains(r.stdout, "contact") {
				return known{Customer: c, traces: []string{c.Email}}
			}
		}
	}
	l.t.Fatal("nobody else is shown")
	return known{}
}

// TestPublishRuns tells a stream of each finished run, once, and survives a Sync service that is gone for a while.
func TestPublishRuns(t *testing.T) {
	t.Parallel()
	l := publishing(t, setup{world: aDay(24, 25, false)}, byPhone)
	d := l.run()
	l.must(0, "sync")
	var message struct {
		Run                    int
		Kind, State, Connector string
		Counts                 map[string]float64
	}
	eventually(t, 20*time.Second, "the run is told", func() bool { return len(l.twilio.SyncMessages("flexbrevo.runs")) == 1 })
	if err := json.Unmarshal(l.twilio.SyncMessages("flexbrevo.runs")[0], &message); err != nil || message.Kind != "sync" || message.State != "done" || message.Run != 1 || len(message.Counts) == 0 {
		t.Errorf("told %+v, %v", message, err)
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	l.twilio.RemoveSync(true)
	l.must(0, "replay", "--yes")
	if r := l.flexbrevo("sync"); !strings.Contains(r.stderr, "Sync") {
		t.Errorf("without the service it says %q", r.stderr)
	}
	l.twilio.RemoveSync(false)
	d = l.run()
	eventually(t, 60*time.Second, "the map and the stream are made again", func() bool {
		return len(l.twilio.SyncDocuments()) == 1 && len(l.twilio.SyncMessages("flexbrevo.runs")) <= 2
	})
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestDemoPublishes shows the day's customers to the agents of the demo.
func TestDemoPublishes(t *testing.T) {
	t.Parallel()
	l := &lab{t: t, dir: t.TempDir()}
	r := l.must(0, "demo", "--length", "2s", "--contacts", "30", "--dir", l.dir)
	_, after, found := strings.Cut(r.stdout, "On the agents' screens, in Twilio Sync: ")
	if !found || strings.HasPrefix(after, "0 ") {
		t.Errorf("the demo says %q", r.stdout)
	}
}
