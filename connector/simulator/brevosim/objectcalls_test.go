package brevosim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

// TestObjectUpserts accepts first and writes later, by ext_id, and keeps nothing that the type has no key for.
func TestObjectUpserts(t *testing.T) {
	t.Parallel()
	record := func(id string, attributes object) object {
		return object{"identifiers": object{"ext_id": id}, "attributes": attributes}
	}
	many := make([]any, 1001)
	for i := range many {
		many[i] = record(fmt.Sprint(i), object{"calls": i})
	}
	s := newSim(t, brevosim.Options{Quirks: brevosim.Quirks{
		CustomObjects: map[string][]string{"agent_day": {"calls"}}, ObjectProcessesFail: 1, RefusedRecords: []string{"bad"},
	}})
	const path = "/objects/agent_day/batch/upsert"
	for name, c := range map[string]struct {
		path   string
		body   any
		status int
	}{
		"no such type":   {"/objects/other/batch/upsert", object{"records": []any{record("a", object{"calls": 1})}}, 400},
		"no record":      {path, object{"records": []any{}}, 400},
		"too many":       {path, object{"records": many}, 400},
		"no attribute":   {path, object{"records": []any{record("a", object{})}}, 400},
		"one is refused": {path, object{"records": []any{record("a", object{"calls": 1}), record("bad1", object{"calls": 1})}}, 400},
		"too large":      {path, object{"records": []any{record("a", object{"calls": strings.Repeat("x", 1<<20)})}}, 413},
	} {
		if got := s.send("POST", c.path, c.body, c.status); got.status != c.status {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	upsert := func(calls int) {
		s.send("POST", path, object{"records": []any{record("a", object{"calls": calls, "unknown": true})}}, 202)
		if n := len(s.Objects("agent_day")); calls == 1 && n != 0 {
			t.Errorf("%d records are there before the process ended", n)
		}
		s.clock.add(time.Minute)
	}
	upsert(1) // fails later
	if got := s.Objects("agent_day"); len(got) != 0 {
		t.Errorf("a failed process wrote %v", got)
	}
	if got := s.send("GET", "/processes/1", nil, 200).object(t); got["status"] != "failed" {
		t.Errorf("%v", got)
	}
	upsert(2)
	upsert(3)
	got := s.Objects("agent_day")
	if a := got["a"]; len(got) != 1 || a.Writes != 2 || a.Attributes["calls"] != 3.0 || len(a.Attributes) != 1 {
		t.Errorf("%+v", got)
	}
	if page := s.send("GET", "/objects/agent_day/records?limit=10&page_num=1", nil, 200).object(t); page["count"] != 1.0 {
		t.Errorf("%v", page)
	}
}
