package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"flexbrevo/connector/simulator/brevosim"
)

// figures are what `figures --json` shows, by what they are about.
func (l *lab) figures(what, key, period string) map[string]map[string]any {
	l.t.Helper()
	out := map[string]map[string]any{}
	var byConnector map[string][]map[string]any
	text := l.must(0, "figures", what, "--json", "--since", "3d").stdout
	if err := json.Unmarshal([]byte(text), &byConnector); err != nil {
		l.t.Fatalf("%v\n%s", err, text)
	}
	for _, row := range byConnector["twilio_flex"] {
		out[fmt.Sprint(row[key], row[period], row["channel"])] = row
	}
	return out
}

// TestOperationsContact tells agents' days and queues' hours as events on one contact: every one that has ended,
// as the figures have it, and none twice.
func TestOperationsContact(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(5, 120, false)})
	l.write("connector.yaml", strings.Replace(readFile(t, l.dir+"/connector.yaml"), "    region: FR\n",
		"    region: FR\n    operations_contact: Operations@example.com\n    sync: {agent_activity: true, queue_analytics: true}\n", 1))
	l.must(0, "sync")
	d := l.run() // tells what sync told already
	d.stop()

	contact := int64(0)
	for _, c := range l.brevo.Contacts() {
		if c.Email == "operations@example.com" {
			contact = c.ID
		}
	}
	told := map[string]map[string]brevosim.Event{"FLEX_AGENT_DAY": {}, "FLEX_QUEUE_HOUR": {}}
	for _, e := range l.brevo.Events() {
		if told[e.Name] == nil {
			continue
		}
		key := fmt.Sprint(e.Property("worker_sid"), e.Property("day"), nil)
		if e.Name == "FLEX_QUEUE_HOUR" {
			key = fmt.Sprint(e.Property("queue_sid"), e.Property("hour"), e.Property("channel"))
		}
		if _, twice := told[e.Name][key]; twice || e.ContactID != contact || contact == 0 {
			t.Errorf("%s of %s: told twice %t, on contact %d, want %d", e.Name, key, twice, e.ContactID, contact)
		}
		told[e.Name][key] = e
	}
	for name, rows := range map[string]map[string]map[string]any{
		"FLEX_AGENT_DAY": l.figures("agents", "worker", "day"), "FLEX_QUEUE_HOUR": l.figures("queues", "queue", "hour"),
	} {
		if len(told[name]) == 0 {
			t.Errorf("no %s was told", name)
		}
		for key, e := range told[name] {
			row := rows[key]
			if row == nil || fmt.Sprint(row["offered"], row["accepted"]) != fmt.Sprint(e.Property("offered"), e.Property("accepted")) {
				t.Errorf("%s of %s: %v, the figures are %v", name, key, e, row)
			}
		}
		for key, row := range rows {
			if day, _ := row["day"].(string); day >= today().Format("2006-01-02") {
				continue // not over
			}
			if _, ok := told[name][key]; !ok {
				t.Errorf("%s of %s is not told: %v", name, key, row)
			}
		}
	}
	l.mustSendNothing()
	for _, v := range l.brevo.Violations() {
		t.Errorf("violation: %s", v)
	}
}
