package brevosim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// noteLength is the longest text of a note (facts/brevo.md 5).
const noteLength = 3000

// Note is a note on the CRM timeline of contacts.
type Note struct {
	ID         string    `json:"id"`
	Text       string    `json:"text"`
	ContactIDs []int64   `json:"contactIds"`
	CreatedAt  time.Time `json:"createdAt"`
}

// Task is a task of the CRM.
type Task struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	TypeID     string    `json:"taskTypeId"`
	Date       time.Time `json:"date"`
	ContactIDs []int64   `json:"contactsIds"`
	AssignTo   string    `json:"assignToId,omitempty"`
	CreatedAt  time.Time `json:"createdAt"`
}

// taskType is a type of task. The ids are made up.
type taskType struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

func taskTypes() []taskType {
	return []taskType{{crmID(1), "Email"}, {crmID(2), "Call"}, {crmID(3), "Todo"}, {crmID(4), "Meeting"}}
}

// crmID makes an id in the form that the CRM has.
func crmID(n int) string { return fmt.Sprintf("%024x", n) }

// isCRM refuses where the plan has no CRM, and what is not JSON.
func (s *Server) isCRM(c *call) (answer, bool) {
	kind := c.request.Header.Get("Content-Type")
	switch {
	case !c.quirks.CRM:
		return s.notInPlan(c), false
	case c.request.Method == http.MethodPost && kind != "" && !strings.HasPrefix(kind, contentJSON):
		return refuse(http.StatusUnsupportedMediaType, codeInvalid, "Format is not supported"), false
	}
	return answer{}, true
}

// unknownContacts refuses a note or task for a contact that does not exist.
func (a *account) unknownContacts(ids []int64) (answer, bool) {
	if slices.ContainsFunc(ids, func(id int64) bool { return a.contacts[id] == nil }) {
		return contactMissing(), true
	}
	return answer{}, false
}

// createNote is POST /crm/notes.
func (s *Server) createNote(c *call) answer {
	if refusal, ok := s.isCRM(c); !ok {
		return refusal
	}
	var n Note
	if json.Unmarshal(c.body, &n) != nil {
		return malformed()
	}
	if length := utf8.RuneCountInString(n.Text); length == 0 || length > noteLength {
		return refuse(http.StatusBadRequest, codeInvalid, "text must be of 1 to 3000 characters")
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	if refusal, unknown := a.unknownContacts(n.ContactIDs); unknown {
		return refusal
	}
	n.ID, n.CreatedAt = crmID(100+len(a.notes)), now
	if c.quirks.HTMLNotes {
		n.Text = "<p>" + n.Text + "</p>"
	}
	a.notes = append(a.notes, n)
	return reply(http.StatusOK, map[string]string{"id": n.ID})
}

// listNotes is GET /crm/notes.
func (s *Server) listNotes(c *call) answer {
	if refusal, ok := s.isCRM(c); !ok {
		return refusal
	}
	if entity := c.query.Get("entity"); entity != "" && entity != "contacts" {
		return reply(http.StatusOK, []Note{})
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	return reply(http.StatusOK, ofContacts(a.notes, c, "entityIds", func(n Note) []int64 { return n.ContactIDs }))
}

// ofContacts is a page of rows of the contacts that a query names, newest first.
func ofContacts[T any](rows []T, c *call, name string, ids func(T) []int64) []T {
	wanted, _ := intList(c.query[name])
	out := []T{}
	for _, row := range slices.Backward(rows) {
		if len(wanted) == 0 || slices.ContainsFunc(ids(row), func(id int64) bool { return slices.Contains(wanted, id) }) {
			out = append(out, row)
		}
	}
	limit, err := strconv.Atoi(c.query.Get("limit"))
	if err != nil || limit < 1 {
		limit = 50
	}
	offset, _ := strconv.Atoi(c.query.Get("offset"))
	from, to := page{limit: limit, offset: max(0, offset)}.span(len(out))
	return out[from:to]
}

// createTask is POST /crm/tasks.
func (s *Server) createTask(c *call) answer {
	if refusal, ok := s.isCRM(c); !ok {
		return refusal
	}
	var t Task
	if json.Unmarshal(c.body, &t) != nil {
		return malformed()
	}
	known := slices.ContainsFunc(taskTypes(), func(k taskType) bool { return k.ID == t.TypeID })
	if t.Name == "" || !known || t.Date.IsZero() {
		return refuse(http.StatusBadRequest, codeMissing, "name, taskTypeId and date are required")
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	if refusal, unknown := a.unknownContacts(t.ContactIDs); unknown {
		return refusal
	}
	t.ID, t.CreatedAt = crmID(100_000+len(a.tasks)), now
	a.tasks = append(a.tasks, t)
	return reply(http.StatusCreated, map[string]string{"id": t.ID})
}

// listTasks is GET /crm/tasks. Which fields a task has beside these is not documented.
func (s *Server) listTasks(c *call) answer {
	if refusal, ok := s.isCRM(c); !ok {
		return refusal
	}
	type shown struct {
		ID         string  `json:"id"`
		Name       string  `json:"name"`
		TypeID     string  `json:"taskTypeId"`
		ContactIDs []int64 `json:"contactsIds"`
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	items := []shown{}
	for _, t := range ofContacts(a.tasks, c, "filter[contacts]", func(t Task) []int64 { return t.ContactIDs }) {
		items = append(items, shown{t.ID, t.Name, t.TypeID, t.ContactIDs})
	}
	return reply(http.StatusOK, map[string]any{"items": items})
}

// listTaskTypes is GET /crm/tasktypes.
func (s *Server) listTaskTypes(c *call) answer {
	if refusal, ok := s.isCRM(c); !ok {
		return refusal
	}
	return reply(http.StatusOK, taskTypes())
}

// Notes returns all notes in the order of their making.
func (s *Server) Notes() []Note {
	a, _ := s.enter()
	defer s.mu.Unlock()
	return slices.Clone(a.notes)
}

// Tasks returns all tasks of the CRM in the order of their making.
func (s *Server) Tasks() []Task {
	a, _ := s.enter()
	defer s.mu.Unlock()
	return slices.Clone(a.tasks)
}
