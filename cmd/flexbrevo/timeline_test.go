package main_test

import "testing"

// TestTimeline reads the ends of a day's contacts as a marketer does: each tells where and how it was, answered
// ones what was answered, and where to look it up.
func TestTimeline(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(6, 150, false), env: map[string]string{"LINK": "https://crm.example.com/flex/{task_sid}"}})
	l.must(0, "sync")
	told := map[string]int{}
	ended := 0
	for _, e := range l.brevo.Events() {
		if e.Name != "CONVERSATION_ENDED" {
			continue
		}
		ended++
		for _, name := range []string{"channel", "direction", "queue", "agent", "wait_time", "handle_time", "duration", "outcome", "score", "scale", "tasks"} {
			if e.Property(name) != nil {
				told[name]++
			}
		}
		sid, _ := e.Property("task_sid").(string)
		link, _ := e.Property("link").(string)
		if sid != "" && link != "https://crm.example.com/flex/"+sid {
			t.Errorf("link %q of task %s", link, sid)
		}
	}
	for _, name := range []string{"channel", "direction", "queue", "agent", "wait_time", "handle_time", "duration", "outcome", "score"} {
		if told[name] == 0 {
			t.Errorf("no end of %d tells its %s: %v", ended, name, told)
		}
	}
	if told["channel"] != ended {
		t.Errorf("%d of %d tell their channel", told["channel"], ended)
	}
}
