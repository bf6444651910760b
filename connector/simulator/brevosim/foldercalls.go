package brevosim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// getFolders is GET /contacts/folders.
func (s *Server) getFolders(c *call) answer {
	p, refusal, ok := readPage(c.query, 10, 50)
	if !ok {
		return refusal
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	views := make([]listView, 0, len(a.folders))
	for id := range a.folders {
		views = append(views, a.folderView(id))
	}
	slices.SortFunc(views, func(a, b listView) int { return int(a.ID - b.ID) })
	count := len(views)
	return reply(http.StatusOK, struct {
		Folders []listView `json:"folders"`
		Count   int        `json:"count"`
	}{cut(views, p), count})
}

func (a *account) folderView(id int64) listView {
	members := 0
	for _, l := range a.lists {
		if l.folder == id {
			members += len(l.members)
		}
	}
	return listView{ID: id, Name: a.folders[id], UniqueSubscribers: members}
}

// createFolder is POST /contacts/folders.
func (s *Server) createFolder(c *call) answer {
	var body namedBody
	if json.Unmarshal(c.body, &body) != nil {
		return malformed()
	}
	if body.Name == "" {
		return refuse(http.StatusBadRequest, codeMissing, "name is required")
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	if len(a.folders) >= folderQuota {
		return refuse(http.StatusBadRequest, codeOutOfRange, "Maximum number of folders reached")
	}
	return reply(http.StatusCreated, idBody{a.addFolder(body.Name)})
}

func (a *account) addFolder(name string) int64 {
	a.lastList++
	a.folders[a.lastList] = name
	return a.lastList
}

// folderOf finds the folder that a path names.
func (a *account) folderOf(c *call) (int64, answer, bool) {
	id, err := strconv.ParseInt(c.path("folderId"), 10, 64)
	if err != nil {
		return 0, refuse(http.StatusBadRequest, codeInvalid, "Folder ID is invalid"), false
	}
	if _, known := a.folders[id]; !known {
		return 0, refuse(http.StatusNotFound, codeNotFound, "Folder ID does not exist"), false
	}
	return id, answer{}, true
}

// getFolder is GET /contacts/folders/{folderId}.
func (s *Server) getFolder(c *call) answer {
	a, _ := s.enter()
	defer s.mu.Unlock()
	id, refusal, ok := a.folderOf(c)
	if !ok {
		return refusal
	}
	return reply(http.StatusOK, a.folderView(id))
}

// updateFolder is PUT /contacts/folders/{folderId}.
func (s *Server) updateFolder(c *call) answer {
	var body namedBody
	if json.Unmarshal(c.body, &body) != nil || body.Name == "" {
		return malformed()
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	id, refusal, ok := a.folderOf(c)
	if !ok {
		return refusal
	}
	a.folders[id] = body.Name
	return empty(http.StatusNoContent)
}

// deleteFolder is DELETE /contacts/folders/{folderId}; its lists go with it.
func (s *Server) deleteFolder(c *call) answer {
	a, _ := s.enter()
	defer s.mu.Unlock()
	id, refusal, ok := a.folderOf(c)
	if !ok {
		return refusal
	}
	for _, l := range a.lists {
		if l.folder == id {
			a.removeList(l)
		}
	}
	delete(a.folders, id)
	return empty(http.StatusNoContent)
}

// getFolderLists is GET /contacts/folders/{folderId}/lists.
func (s *Server) getFolderLists(c *call) answer {
	p, refusal, ok := readPage(c.query, 10, 50)
	if !ok {
		return refusal
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	id, refusal, ok := a.folderOf(c)
	if !ok {
		return refusal
	}
	return listsAnswer(a.sortedLists(id), p)
}
