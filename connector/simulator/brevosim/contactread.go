package brevosim

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// getContact is GET /contacts/{identifier}.
func (s *Server) getContact(c *call) answer {
	data, refusal, ok := s.contactOf(c)
	if !ok {
		return refusal
	}
	body := data.appendJSON(make([]byte, 0, 512))
	body = append(body, `,"statistics":{}}`...)
	return answer{status: http.StatusOK, contentType: contentJSON, body: body}
}

func (s *Server) contactOf(c *call) (contactData, answer, bool) {
	a, _ := s.enter()
	defer s.mu.Unlock()
	found, refusal, ok := a.lookUp(c)
	if !ok {
		return contactData{}, refusal, false
	}
	if !c.quirks.LagSingleReads {
		return found.contactData, answer{}, true
	}
	if shown := a.visible(found); shown != nil {
		return *shown, answer{}, true
	}
	return contactData{}, contactMissing(), false
}

// deleteContact is DELETE /contacts/{identifier}. The account owner's own contact cannot be deleted.
func (s *Server) deleteContact(c *call) answer {
	a, _ := s.enter()
	defer s.mu.Unlock()
	found, refusal, ok := a.lookUp(c)
	if !ok {
		return refusal
	}
	if found.ids[kindEmail] == ownerEmail {
		return refuse(http.StatusMethodNotAllowed, codeMethodNotAllowed, "You cannot delete your own contact")
	}
	a.remove(found)
	return empty(http.StatusNoContent)
}

// contactQuery is the selection of GET /contacts (facts/brevo.md 1.9).
type contactQuery struct {
	page
	modifiedSince, createdSince time.Time
	ids                         []int64
	lists                       []int64
	attribute, value            string
}

// idsQuota is how many ids one GET /contacts may name.
const idsQuota = 20

// listContacts is GET /contacts.
func (s *Server) listContacts(c *call) answer {
	q, refusal, ok := readContactQuery(c.query)
	if !ok {
		return refusal
	}
	contacts, count := s.contactPage(q)
	return contactsAnswer(contacts, count)
}

func contactsAnswer(contacts []contactData, count int) answer {
	body := append(make([]byte, 0, 32+400*len(contacts)), `{"contacts":[`...)
	for i := range contacts {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(contacts[i].appendJSON(body), '}')
	}
	body = append(body, `],"count":`...)
	body = append(strconv.AppendInt(body, int64(count), 10), '}')
	return answer{status: http.StatusOK, contentType: contentJSON, body: body}
}

var filterForm = regexp.MustCompile(`^equals\(([A-Z0-9_-]+),\s*"([^"]*)"\)$`)

func readContactQuery(values url.Values) (q contactQuery, refusal answer, ok bool) {
	invalid := func(what string) (contactQuery, answer, bool) {
		return contactQuery{}, refuse(http.StatusBadRequest, codeInvalid, "Invalid "+what), false
	}
	var err error
	if q.page, refusal, ok = readPage(values, 50, 1000); !ok {
		return q, refusal, false
	}
	if q.modifiedSince, err = sinceTime(values.Get("modifiedSince")); err != nil {
		return invalid("modifiedSince")
	}
	if q.createdSince, err = sinceTime(values.Get("createdSince")); err != nil {
		return invalid("createdSince")
	}
	if q.ids, err = intList(values["ids"]); err != nil || len(q.ids) > idsQuota {
		return invalid("ids")
	}
	if q.lists, err = intList(values["listIds"]); err != nil {
		return invalid("listIds")
	}
	if values.Has("segmentId") {
		return invalid("segmentId")
	}
	if filter := values.Get("filter"); filter != "" {
		parts := filterForm.FindStringSubmatch(filter)
		if parts == nil {
			return invalid("filter")
		}
		q.attribute, q.value = parts[1], parts[2]
	}
	return q, answer{}, true
}

func sinceTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, text)
}

// intList reads a repeatable parameter whose values may also be separated by commas.
func intList(values []string) ([]int64, error) {
	var out []int64
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
			if err != nil {
				return nil, err
			}
			out = append(out, n)
		}
	}
	return out, nil
}

// contactPage selects a page and counts all that match.
func (s *Server) contactPage(q contactQuery) ([]contactData, int) {
	a, _ := s.enter()
	defer s.mu.Unlock()
	candidates := a.candidates(q)
	if q.filters() {
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(c *contact) bool { return !q.matches(a.visible(c)) })
	}
	from, to := q.span(len(candidates))
	out := make([]contactData, 0, to-from)
	for i := from; i < to; i++ {
		n := i
		if !q.ascending {
			n = len(candidates) - 1 - i
		}
		out = append(out, *a.visible(candidates[n]))
	}
	return out, len(candidates)
}

// candidates returns visible contacts by ascending id, as few as an index can tell.
func (a *account) candidates(q contactQuery) []*contact {
	var out []*contact
	switch {
	case len(q.ids) > 0:
		out = a.byIDs(slices.Values(q.ids))
	case len(q.lists) > 0:
		for _, id := range q.lists {
			out = append(out, a.membersOf(id)...)
		}
	case !q.modifiedSince.IsZero():
		out = a.modifiedSince(q.modifiedSince)
	case !q.createdSince.IsZero():
		first, _ := slices.BinarySearchFunc(a.byCreation, q.createdSince, func(c *contact, since time.Time) int {
			return c.created.Compare(since)
		})
		return a.byCreation[first:]
	default:
		return a.byCreation
	}
	slices.SortFunc(out, func(a, b *contact) int { return int(a.id - b.id) })
	return slices.Compact(out)
}

// modifiedSince walks back over the latest modifications. They stand in the order in which they became visible, which
// differs from that of their times by no more than the longest lag.
func (a *account) modifiedSince(since time.Time) []*contact {
	var out []*contact
	for e := a.byChange.Back(); e != nil; e = e.Prev() {
		c := e.Value.(*contact)
		shown := a.visible(c)
		if shown.modified.Before(since.Add(-a.longest)) {
			break
		}
		out = append(out, c)
	}
	return out
}

// filters reports whether candidates need a second look.
func (q *contactQuery) filters() bool {
	return !q.modifiedSince.IsZero() || !q.createdSince.IsZero() || q.attribute != ""
}

func (q *contactQuery) matches(c *contactData) bool {
	if c.modified.Before(q.modifiedSince) || c.created.Before(q.createdSince) {
		return false
	}
	if q.attribute == "" {
		return true
	}
	if k, identifier := kindOfAttribute(q.attribute); identifier {
		return c.ids[k] == q.value
	}
	stored := c.value(q.attribute)
	return stored == q.value || stored == string(appendString(nil, q.value))
}

// page is the part of a listing that is wanted.
type page struct {
	limit, offset int
	ascending     bool
}

// span returns the bounds of the page in a listing of n.
func (p page) span(n int) (from, to int) {
	from = min(p.offset, n)
	return from, from + min(p.limit, n-from)
}

// readPage reads limit, offset and sort; the newest comes first unless asked otherwise.
func readPage(values url.Values, standard, most int) (p page, refusal answer, ok bool) {
	p.limit = standard
	if text := values.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > most {
			return p, refuse(http.StatusBadRequest, codeOutOfRange, "Limit exceeds max value or is invalid"), false
		}
		p.limit = n
	}
	if text := values.Get("offset"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return p, refuse(http.StatusBadRequest, codeOutOfRange, "Offset is invalid"), false
		}
		p.offset = n
	}
	switch values.Get("sort") {
	case "asc":
		p.ascending = true
	case "", "desc":
	default:
		return p, refuse(http.StatusBadRequest, codeInvalid, "Invalid sort"), false
	}
	return p, answer{}, true
}
