package webhook

import (
	"cmp"
	"encoding/json"
	"strings"

	"flexbrevo/connector/record"
)

// taskComplete is the event of a plugin post that names none.
const taskComplete = "task-complete"

// flexPost is what a plugin post may say, in all the shapes that are in use
// (facts/twilio.md 8, and the original connector page):
//
//	{"TaskSid", "TaskAttributes", "TaskChannelUniqueName", "Age", "TaskQueueFriendlyName"}
//	{"type", "payload": {"taskSid", ...}}
//	{"v": 1, "event": "task-complete", "taskSid", "reservationSid", "workerSid", ...}
//
// Names are matched without regard to case. Attributes are not read: the
// browser's word is a hint to read the task again, and no more.
type flexPost struct {
	TaskSID        text            `json:"taskSid"`
	ReservationSID text            `json:"reservationSid"`
	WorkerSID      text            `json:"workerSid"`
	Event          text            `json:"event"`
	Type           text            `json:"type"`
	Payload        json.RawMessage `json:"payload"`
}

// flexRecords makes the record of a Flex UI plugin's post.
func flexRecords(_ Connector, r *request) ([]record.Record, error) {
	post, err := readFlexPost(r.body)
	if err != nil {
		return nil, err
	}
	if r.token != nil && post.WorkerSID != "" && string(post.WorkerSID) != r.token.WorkerSID {
		return nil, forbidden("workerSid is not the token's worker")
	}
	task, reservation, err := post.sids()
	if err != nil {
		return nil, err
	}
	event, err := post.event()
	if err != nil {
		return nil, err
	}
	return []record.Record{{
		Key:    keyOf("plugin", task, reservation, event),
		Stream: "plugin",
		Type:   "plugin.task-complete",
		At:     r.at.UTC(),
		Via:    record.Plugin,
		Body:   r.body,
	}}, nil
}

func readFlexPost(body []byte) (flexPost, error) {
	var post flexPost
	if !isObject(body) || json.Unmarshal(body, &post) != nil {
		return post, invalid("body: expected a JSON object")
	}
	if isObject(post.Payload) {
		var inner flexPost
		_ = json.Unmarshal(post.Payload, &inner)
		post.TaskSID = cmp.Or(post.TaskSID, inner.TaskSID)
		post.ReservationSID = cmp.Or(post.ReservationSID, inner.ReservationSID)
		post.WorkerSID = cmp.Or(post.WorkerSID, inner.WorkerSID)
	}
	return post, nil
}

// sids returns the task and the reservation that a post names, one of which may
// be empty. In the plugin API a task's own `sid` is the reservation's, so a
// reservation in the task's place is taken for what it is.
func (p flexPost) sids() (task, reservation string, err error) {
	task, reservation = string(p.TaskSID), string(p.ReservationSID)
	if strings.HasPrefix(task, "WR") && (reservation == "" || reservation == task) {
		task, reservation = "", task
	}
	switch {
	case task == "" && reservation == "", task != "" && !isSID(task, "WT"):
		return "", "", invalid(`TaskSid: expected "WT", of a task, or "WR", of a reservation, and 32 hexadecimal digits`)
	case reservation != "" && !isSID(reservation, "WR"):
		return "", "", invalid(`reservationSid: expected "WR" and 32 hexadecimal digits`)
	}
	return task, reservation, nil
}

// event returns what the post says has happened. The type of the original page's
// example says the same in another word.
func (p flexPost) event() (string, error) {
	switch name := string(p.Event); {
	case name == "" && (p.Type == "" || p.Type == "task.completed"):
		return taskComplete, nil
	case name == "" && isName(string(p.Type)):
		return string(p.Type), nil
	case isName(name):
		return name, nil
	}
	return "", invalid(`event: expected a name such as "task-complete"`)
}
