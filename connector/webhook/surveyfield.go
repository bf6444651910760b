package webhook

import (
	"encoding/json"
	"time"
)

// surveyFields are the members of a posted survey answer. A member that is null
// or an empty text counts as absent, because flow builders send those for what
// they do not know.
type surveyFields map[string]json.RawMessage

// readAnswer checks a posted survey answer; its errors name the field.
func readAnswer(body []byte) (answer, error) {
	var f surveyFields
	if json.Unmarshal(body, &f) != nil || f == nil {
		return answer{}, invalid("body: expected a JSON object")
	}
	a, err := f.about()
	if err != nil {
		return answer{}, err
	}
	if a.score, a.scale, err = f.score(); err != nil {
		return answer{}, err
	}
	if a.submittedAt, err = f.submittedAt(); err != nil {
		return answer{}, err
	}
	if _, ok := f.text("comment"); !ok {
		return answer{}, invalid("comment: expected a text")
	}
	return a, nil
}

// about reads what the answer is about.
func (f surveyFields) about() (answer, error) {
	task, ok := f.text("task_sid")
	if !ok || task != "" && !isSID(task, "WT") {
		return answer{}, invalid(`task_sid: expected "WT" and 32 hexadecimal digits`)
	}
	conversation, ok := f.text("conversation_sid")
	if !ok || conversation != "" && !isSID(conversation, "CH") {
		return answer{}, invalid(`conversation_sid: expected "CH" and 32 hexadecimal digits`)
	}
	if task == "" && conversation == "" {
		return answer{}, invalid("task_sid: expected it or conversation_sid to be set")
	}
	return answer{task: task, conversation: conversation}, nil
}

// score reads the score and its scale, which is 0 where none is given.
func (f surveyFields) score() (score, scale float64, err error) {
	if f.absent("score") || json.Unmarshal(f["score"], &score) != nil {
		return 0, 0, invalid("score: expected a number")
	}
	if f.absent("scale") {
		return score, 0, nil
	}
	if json.Unmarshal(f["scale"], &scale) != nil || scale <= 0 {
		return 0, 0, invalid("scale: expected a number above 0")
	}
	if score < 0 || score > scale {
		return 0, 0, invalid("score: expected a number from 0 to scale")
	}
	return score, scale, nil
}

// submittedAt reads the moment of the answer; zero where none is given.
func (f surveyFields) submittedAt() (time.Time, error) {
	s, ok := f.text("submitted_at")
	if ok && s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if !ok || err != nil {
		return time.Time{}, invalid("submitted_at: expected a moment such as 2026-01-02T03:04:05Z")
	}
	return t.UTC(), nil
}

func (f surveyFields) absent(name string) bool {
	switch string(f[name]) {
	case "", "null", `""`:
		return true
	}
	return false
}

// text returns a member that is absent or a text; false for anything else.
func (f surveyFields) text(name string) (string, bool) {
	if f.absent(name) {
		return "", true
	}
	var s string
	err := json.Unmarshal(f[name], &s)
	return s, err == nil
}
