package brevosim

import (
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Quotas of an account (facts/brevo.md 3).
const (
	listQuota   = 300
	folderQuota = 300
)

// byIDs returns the visible contacts among ids.
func (a *account) byIDs(ids iter.Seq[int64]) []*contact {
	var out []*contact
	for id := range ids {
		if c := a.contacts[id]; c != nil && a.visible(c) != nil {
			out = append(out, c)
		}
	}
	return out
}

// membersOf returns the visible members of a list.
func (a *account) membersOf(id int64) []*contact {
	l := a.lists[id]
	if l == nil {
		return nil
	}
	return a.byIDs(func(yield func(int64) bool) {
		for id := range l.members {
			if !yield(id) {
				return
			}
		}
	})
}

// listView is a list as the API shows it. The totals are being phased out and read 0 (facts/brevo.md 3).
type listView struct {
	ID                int64  `json:"id"`
	Name              string `json:"name"`
	FolderID          *int64 `json:"folderId,omitempty"`
	TotalBlacklisted  int    `json:"totalBlacklisted"`
	TotalSubscribers  int    `json:"totalSubscribers"`
	UniqueSubscribers int    `json:"uniqueSubscribers"`
	CreatedAt         string `json:"createdAt,omitempty"`
}

func (l *contactList) view() listView {
	return listView{ID: l.id, Name: l.name, FolderID: &l.folder, UniqueSubscribers: len(l.members)}
}

// sortedLists returns the lists of a folder, or all where folder is 0, by ascending id.
func (a *account) sortedLists(folder int64) []listView {
	out := []listView{}
	for _, l := range a.lists {
		if folder == 0 || l.folder == folder {
			out = append(out, l.view())
		}
	}
	slices.SortFunc(out, func(a, b listView) int { return int(a.ID - b.ID) })
	return out
}

// cut returns a page of views that stand in ascending order.
func cut(views []listView, p page) []listView {
	if !p.ascending {
		slices.Reverse(views)
	}
	from, to := p.span(len(views))
	return views[from:to]
}

func listsAnswer(views []listView, p page) answer {
	count := len(views)
	return reply(http.StatusOK, struct {
		Lists []listView `json:"lists"`
		Count int        `json:"count"`
	}{cut(views, p), count})
}

// getLists is GET /contacts/lists.
func (s *Server) getLists(c *call) answer {
	p, refusal, ok := readPage(c.query, 10, 50)
	if !ok {
		return refusal
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	return listsAnswer(a.sortedLists(0), p)
}

// namedBody is the body of the calls that make or change lists and folders.
type namedBody struct {
	Name     string `json:"name"`
	FolderID int64  `json:"folderId"`
}

// createList is POST /contacts/lists.
func (s *Server) createList(c *call) answer {
	var body namedBody
	if json.Unmarshal(c.body, &body) != nil {
		return malformed()
	}
	if body.Name == "" || body.FolderID == 0 {
		return refuse(http.StatusBadRequest, codeMissing, "name and folderId are required")
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	if _, known := a.folders[body.FolderID]; !known {
		return refuse(http.StatusBadRequest, codeInvalid, "Folder ID does not exist")
	}
	if len(a.lists) >= listQuota {
		return refuse(http.StatusBadRequest, codeOutOfRange, "Maximum number of lists reached")
	}
	return reply(http.StatusCreated, idBody{a.addList(0, body.FolderID, body.Name, now)})
}

// addList makes a list, with a number of its own where id is 0.
func (a *account) addList(id, folder int64, name string, now time.Time) int64 {
	if id == 0 {
		id = a.lastList + 1
	}
	a.lastList = max(a.lastList, id)
	a.lists[id] = &contactList{id: id, folder: folder, name: name, created: now, members: map[int64]struct{}{}}
	return id
}

// listOf finds the list that a path names.
func (a *account) listOf(c *call) (*contactList, answer, bool) {
	id, err := strconv.ParseInt(c.path("listId"), 10, 64)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, codeInvalid, "List ID is invalid"), false
	}
	l := a.lists[id]
	if l == nil {
		return nil, refuse(http.StatusNotFound, codeNotFound, "List ID does not exist"), false
	}
	return l, answer{}, true
}

// getList is GET /contacts/lists/{listId}.
func (s *Server) getList(c *call) answer {
	a, _ := s.enter()
	defer s.mu.Unlock()
	l, refusal, ok := a.listOf(c)
	if !ok {
		return refusal
	}
	view := l.view()
	view.CreatedAt = l.created.Format(contactTime)
	return reply(http.StatusOK, view)
}

// updateList is PUT /contacts/lists/{listId}; name or folderId, not both at once.
func (s *Server) updateList(c *call) answer {
	var body namedBody
	if json.Unmarshal(c.body, &body) != nil {
		return malformed()
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	l, refusal, ok := a.listOf(c)
	if !ok {
		return refusal
	}
	if _, known := a.folders[body.FolderID]; body.FolderID != 0 && !known {
		return refuse(http.StatusBadRequest, codeInvalid, "Folder ID does not exist")
	}
	if body.Name != "" {
		l.name = body.Name
	}
	if body.FolderID != 0 {
		l.folder = body.FolderID
	}
	return empty(http.StatusNoContent)
}

// deleteList is DELETE /contacts/lists/{listId}.
func (s *Server) deleteList(c *call) answer {
	a, _ := s.enter()
	defer s.mu.Unlock()
	l, refusal, ok := a.listOf(c)
	if !ok {
		return refusal
	}
	a.removeList(l)
	return empty(http.StatusNoContent)
}

func (a *account) removeList(l *contactList) {
	for id := range l.members {
		c := a.contacts[id]
		c.lists = without(c.lists, l.id)
	}
	delete(a.lists, l.id)
}

// getListContacts is GET /contacts/lists/{listId}/contacts.
func (s *Server) getListContacts(c *call) answer {
	p, refusal, ok := readPage(c.query, 50, 500)
	if !ok {
		return refusal
	}
	since, err := sinceTime(c.query.Get("modifiedSince"))
	if err != nil {
		return refuse(http.StatusBadRequest, codeInvalid, "Invalid modifiedSince")
	}
	id, refusal, ok := s.knownList(c)
	if !ok {
		return refusal
	}
	return contactsAnswer(s.contactPage(contactQuery{page: p, modifiedSince: since, lists: []int64{id}}))
}

func (s *Server) knownList(c *call) (int64, answer, bool) {
	a, _ := s.enter()
	defer s.mu.Unlock()
	l, refusal, ok := a.listOf(c)
	if !ok {
		return 0, refusal, false
	}
	return l.id, answer{}, true
}
