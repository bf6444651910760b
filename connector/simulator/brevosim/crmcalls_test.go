package brevosim_test

import (
	"strings"
	"testing"

	"flexbrevo/connector/simulator/brevosim"
)

// TestCRM makes notes and tasks for contacts that exist, and lists them by contact, newest first.
func TestCRM(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{Quirks: brevosim.Quirks{CRM: true}})
	s.send("POST", "/contacts", object{"email": "a@example.com"}, 201)
	s.send("POST", "/contacts", object{"email": "b@example.com"}, 201)
	s.send("POST", "/crm/notes", object{"text": "", "contactIds": []int{1}}, 400)
	s.send("POST", "/crm/notes", object{"text": strings.Repeat("é", 3001), "contactIds": []int{1}}, 400)
	s.send("POST", "/crm/notes", object{"text": "x", "contactIds": []int{9}}, 404)
	s.send("POST", "/crm/notes", object{"text": strings.Repeat("é", 3000), "contactIds": []int{1}}, 200)
	s.send("POST", "/crm/notes", object{"text": "of b", "contactIds": []int{2}}, 200)
	s.send("POST", "/crm/notes", object{"text": "newest", "contactIds": []int{1}}, 200)
	if got := s.send("GET", "/crm/notes?entity=contacts&entityIds=1&limit=1", nil, 200).body; !strings.Contains(got, `"newest"`) || strings.Contains(got, "é") {
		t.Errorf("%s", got)
	}
	types := s.send("GET", "/crm/tasktypes", nil, 200).body
	if !strings.Contains(types, `"title":"Call"`) {
		t.Errorf("%s", types)
	}
	task := object{"name": "Call", "taskTypeId": "000000000000000000000002", "date": "2026-11-22T09:00:00Z", "contactsIds": []int{2}, "assignToId": "u@example.com"}
	s.send("POST", "/crm/tasks", object{"name": "Call"}, 400)
	s.send("POST", "/crm/tasks", task, 201)
	if got := s.send("GET", "/crm/tasks?filter[contacts]=2", nil, 200).body; !strings.Contains(got, `"contactsIds":[2]`) {
		t.Errorf("%s", got)
	}
	if len(s.Notes()) != 3 || len(s.Tasks()) != 1 || s.Tasks()[0].AssignTo != "u@example.com" {
		t.Errorf("%+v %+v", s.Notes(), s.Tasks())
	}
}
