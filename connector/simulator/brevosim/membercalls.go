package brevosim

import (
	"encoding/json"
	"net/http"
	"time"
)

// memberQuota is how many contacts one call may add to or remove from a list (facts/brevo.md 3).
const memberQuota = 150

// membersBody names contacts in one of three ways, or all of them.
type membersBody struct {
	Emails []string `json:"emails"`
	IDs    []int64  `json:"ids"`
	ExtIDs []string `json:"extIds"`
	All    bool     `json:"all"`
}

// membersResult is the 201 of adding to and removing from a list. Emails and ext ids come back as strings, ids as
// integers. A failure is also a contact that was where it should be already (facts/brevo.md 3).
type membersResult struct {
	Success   []any `json:"success,omitempty"`
	Failure   []any `json:"failure,omitempty"`
	Total     int   `json:"total,omitempty"`
	ProcessID int64 `json:"processId,omitempty"`
}

func membersAnswer(result membersResult) answer {
	return reply(http.StatusCreated, struct {
		Contacts membersResult `json:"contacts"`
	}{result})
}

// readMembers checks that contacts are named in exactly one way, and no more of them than a call may hold.
func readMembers(c *call) (membersBody, answer, bool) {
	var body membersBody
	if json.Unmarshal(c.body, &body) != nil {
		return body, malformed(), false
	}
	ways := 0
	for _, n := range []int{len(body.Emails), len(body.IDs), len(body.ExtIDs)} {
		if n > memberQuota {
			return body, refuse(http.StatusBadRequest, codeOutOfRange, "A maximum of 150 contacts is allowed"), false
		}
		if n > 0 {
			ways++
		}
	}
	if body.All {
		ways++
	}
	if ways != 1 {
		return body, refuse(http.StatusBadRequest, codeMissing, "Exactly one of emails, ids and extIds is required"), false
	}
	return body, answer{}, true
}

// named is one entry of a members body and the contact it names, if there is one.
type named struct {
	name    any
	contact *contact
}

func (a *account) named(body membersBody) []named {
	var out []named
	for _, id := range body.IDs {
		out = append(out, named{id, a.contacts[id]})
	}
	for _, email := range body.Emails {
		normal, _ := normaliseEmail(email) // a malformed address names nobody
		out = append(out, named{email, a.holder[kindEmail][normal]})
	}
	for _, extID := range body.ExtIDs {
		out = append(out, named{extID, a.holder[kindExtID][extID]})
	}
	return out
}

// addMembers is POST /contacts/lists/{listId}/contacts/add.
func (s *Server) addMembers(c *call) answer {
	return s.changeMembers(c, func(a *account, contact *contact, list int64) bool {
		if _, member := a.lists[list].members[contact.id]; member {
			return false
		}
		a.auditListing(contact, list, c.quirks)
		a.enlist(contact, list)
		return true
	})
}

// removeMembers is POST /contacts/lists/{listId}/contacts/remove.
func (s *Server) removeMembers(c *call) answer {
	return s.changeMembers(c, func(a *account, contact *contact, list int64) bool {
		if _, member := a.lists[list].members[contact.id]; !member {
			return false
		}
		a.delist(contact, list)
		return true
	})
}

// changeMembers applies change to each contact of the body; change reports whether there was anything to do.
func (s *Server) changeMembers(c *call, change func(*account, *contact, int64) bool) answer {
	body, refusal, ok := readMembers(c)
	if !ok {
		return refusal
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	l, refusal, ok := a.listOf(c)
	if !ok {
		return refusal
	}
	if body.All {
		return a.clearList(c, l, now)
	}
	var result membersResult
	for _, n := range a.named(body) {
		if n.contact != nil && change(a, n.contact, l.id) {
			a.changed(n.contact, now)
			result.Success = append(result.Success, n.name)
		} else {
			result.Failure = append(result.Failure, n.name)
		}
	}
	if len(result.Success) == 0 {
		return refuse(http.StatusBadRequest, codeInvalid, "Contact already in list and/or does not exist")
	}
	return membersAnswer(result)
}

// clearList takes everybody off a list, which Brevo does by a process, whose name is not documented, and only when asked
// to remove.
func (a *account) clearList(c *call, l *contactList, now time.Time) answer {
	if c.endpoint.path != removePath {
		return refuse(http.StatusBadRequest, codeMissing, "Exactly one of emails, ids and extIds is required")
	}
	total := len(l.members)
	p := a.start(c.quirks, "LIST_CLEAR", now, func(p *process) {
		if a.lists[l.id] != l {
			return
		}
		for id := range l.members {
			contact := a.contacts[id]
			a.delist(contact, l.id)
			a.changed(contact, p.done)
		}
	})
	return membersAnswer(membersResult{ProcessID: p.id, Total: total})
}
