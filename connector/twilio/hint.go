package twilio

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// TaskType is the type of the record that a snapshot of a task makes.
const TaskType = "task"

// FetchHint reads at once what a hint names: a task with all its events, a
// reservation's task, a conversation. Records have the keys that polling gives
// them, and no cursor moves. It may be repeated; what Twilio does not have (any
// more) is left out without an error.
func (s *Source) FetchHint(ctx context.Context, hint Hint, keep func(record.Page) error) error {
	d, err := s.Discover(ctx)
	if err != nil {
		return err
	}
	h := &hinted{source: s, workspace: taskrouterURL + segment(d.WorkspaceSID), keep: keep}
	task, err := h.taskOf(ctx, hint)
	if err != nil {
		return err
	}
	if task != "" {
		if err := h.fetchTask(ctx, task); err != nil {
			return err
		}
	}
	if !isSID(hint.Conversation, "CH") {
		return nil
	}
	c, found, err := s.findConversation(ctx, d.services(), hint.Conversation)
	if err != nil || !found {
		return err
	}
	return s.keepConversation(ctx, c, keep)
}

// hinted is one reading of what a hint names.
type hinted struct {
	source    *Source
	workspace string
	keep      func(record.Page) error
}

// fetchTask hands over the task as it is now, if it still can be read, and every
// event of its life.
func (h *hinted) fetchTask(ctx context.Context, sid string) error {
	began, err := h.snapshot(ctx, sid)
	if err != nil {
		return err
	}
	return h.events(ctx, url.Values{"TaskSid": {sid}}, began, func(records []record.Record) error {
		return h.keep(record.Page{Stream: EventsStream, Records: records})
	})
}

// snapshot hands over the task and returns when it was created; zero when the task
// is gone, which it is a few minutes after its end (facts/twilio.md 1.7).
func (h *hinted) snapshot(ctx context.Context, sid string) (created time.Time, err error) {
	a, err := h.source.client.get(ctx, h.workspace+"/Tasks/"+segment(sid))
	if failure.ReasonOf(err) == failure.Gone {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	var head listHead
	readHead(a.body, &head)
	created, _ = parseTime(string(head.DateCreated))
	r := h.source.snapshotOf(string(head.SID), a.body, firstTime(a.date, string(head.DateUpdated)))
	return created, h.keep(record.Page{Stream: TasksStream, Records: []record.Record{r}})
}

// withoutAge is a task's content without what changes by itself every second.
func withoutAge(body []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return body
	}
	delete(fields, "age")
	b, err := marshal(fields)
	if err != nil {
		return body
	}
	return b
}

// taskOf returns the task that a hint is about, empty when it is about none. The
// plugin API calls a reservation's SID a task's (facts/twilio.md 8), so the prefix
// decides what is what; a reservation's task is found in its events.
func (h *hinted) taskOf(ctx context.Context, hint Hint) (string, error) {
	reservation := ""
	for _, sid := range [...]string{hint.Task, hint.Reservation} {
		switch {
		case isSID(sid, "WT"):
			return sid, nil
		case isSID(sid, "WR"):
			reservation = sid
		}
	}
	if reservation == "" {
		return "", nil
	}
	task := ""
	err := h.events(ctx, url.Values{"ReservationSid": {reservation}}, time.Time{}, func(records []record.Record) error {
		for _, r := range records {
			if e, err := restEvent(r, nil); err == nil && isSID(e.get("task_sid"), "WT") {
				task = e.get("task_sid")
			}
		}
		return nil
	})
	return task, err
}

// events reads what the filter selects since began, or of all the time that Twilio
// keeps. The filtered lists are short, so one window holds them.
func (h *hinted) events(ctx context.Context, filter url.Values, began time.Time, take func([]record.Record) error) error {
	now := seconds(h.source.client.clock.now())
	from := latest(seconds(began.Add(-time.Minute)), now.Add(time.Minute-maxLookback))
	scan := &eventScan{source: h.source, url: h.workspace + "/Events", filter: filter, window: now.Sub(from) + time.Second}
	return scan.run(ctx, from, now.Add(time.Second), func(w scanned) error {
		if len(w.records) == 0 {
			return nil
		}
		return take(w.records)
	})
}
