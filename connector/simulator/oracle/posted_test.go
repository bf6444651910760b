package oracle_test

import (
	"strings"
	"testing"

	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/world"
)

// TestPosted gives answers to a task: the later counts, each is an event, and one that is not known yet is none.
func TestPosted(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Attributes = map[string]string{"SCORE": "last_csat_score"}
	s.Events = map[string]string{"survey.completed": "ANSWER"}
	s.Posted = map[string][]oracle.Posted{"WT0": {{Score: 4, At: at(20)}, {Score: 2, At: at(30)}, {Score: 5, At: at(2000)}}}
	want := oracle.Calculate(calls(call(0, 0, world.Shown{Phone: "+331"})), s)
	contact := oracle.Contact{Phone: "331", Attributes: map[string]any{"SCORE": 2.0}, Lists: []string{"all", "answered"}}
	events := []oracle.Event{{ID: "survey.completed:a", Name: "ANSWER", At: at(20), Phone: "331"}, {ID: "survey.completed:b", Name: "ANSWER", At: at(30), Phone: "331"}}
	if lines := oracle.Compare(want, []oracle.Contact{contact}, events); len(lines) > 0 {
		t.Errorf("unlike: %q", lines)
	}
	if lines := oracle.Compare(want, []oracle.Contact{contact}, events[:1]); len(lines) != 1 || !strings.Contains(lines[0], "missing") {
		t.Errorf("a missing answer: %q", lines)
	}
	if lines := oracle.Compare(want, []oracle.Contact{contact}, append(events, events[0])); len(lines) != 1 || !strings.Contains(lines[0], "too many") {
		t.Errorf("an answer told twice: %q", lines)
	}
}
