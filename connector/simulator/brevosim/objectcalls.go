package brevosim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The limits of one upsert (facts/brevo.md 5).
const (
	objectRecords = 1000
	objectBytes   = 1 << 20
	objectKeys    = 500
)

// ObjectRecord is a record of a custom object.
type ObjectRecord struct {
	ID         int64          `json:"id"`
	ExtID      string         `json:"ext_id"`
	Attributes map[string]any `json:"attributes"`
	// Writes is how many upserts named it.
	Writes int `json:"writes"`
}

// objectBody is the body of an upsert.
type objectBody struct {
	Records []struct {
		Identifiers struct {
			ID    int64  `json:"id"`
			ExtID string `json:"ext_id"`
		} `json:"identifiers"`
		Attributes map[string]any `json:"attributes"`
	} `json:"records"`
}

// upsertObjects is POST /objects/{object_type}/batch/upsert: accepted at once, carried out when its process ends.
func (s *Server) upsertObjects(c *call) answer {
	if c.quirks.CustomObjects == nil {
		return s.notInPlan(c)
	}
	objectType := c.path("object_type")
	keys, known := c.quirks.CustomObjects[objectType]
	if !known && c.quirks.ObjectTypeMissing != 0 {
		return refuse(c.quirks.ObjectTypeMissing, codeNotFound, "Object not found")
	}
	if !known {
		return refuse(http.StatusBadRequest, codeInvalid, "invalid object type")
	}
	body, refusal, ok := readObjects(c)
	if !ok {
		return refusal
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	p := a.start(c.quirks, "OBJECTS_UPSERT", now, func(p *process) {
		if !p.failed {
			a.upsert(objectType, keys, body)
		}
	})
	a.objectProcesses++
	p.failed = a.objectProcesses <= c.quirks.ObjectProcessesFail
	return reply(http.StatusAccepted, struct {
		Message   string `json:"message"`
		ProcessID int64  `json:"processId"`
	}{"Batch object records are being processed", p.id})
}

// readObjects checks what is checked before a process begins.
func readObjects(c *call) (body objectBody, refusal answer, ok bool) {
	bad := func(message string) (objectBody, answer, bool) {
		return objectBody{}, refuse(http.StatusBadRequest, codeInvalid, message), false
	}
	if len(c.body) > objectBytes {
		return objectBody{}, refuse(http.StatusRequestEntityTooLarge, codeOutOfRange, "Body exceeds 1MB"), false
	}
	if json.Unmarshal(c.body, &body) != nil {
		return objectBody{}, malformed(), false
	}
	if n := len(body.Records); n == 0 || n > objectRecords {
		return bad("records cannot be empty or more than 1000")
	}
	for _, r := range body.Records {
		switch {
		case r.Identifiers.ID != 0 && r.Identifiers.ExtID != "":
			return bad("Both ext_id and id cannot be provided")
		case len(r.Attributes) == 0 || len(r.Attributes) > objectKeys:
			return bad("Minimum 1 attribute is required, maximum 500")
		case slices.ContainsFunc(c.quirks.RefusedRecords, func(prefix string) bool {
			return strings.HasPrefix(r.Identifiers.ExtID, prefix)
		}):
			return bad("invalid record")
		}
	}
	return body, answer{}, true
}

// upsert writes records by their ext_id; attributes that the type has not are ignored in silence.
func (a *account) upsert(objectType string, keys []string, body objectBody) {
	if a.objects[objectType] == nil {
		a.objects[objectType] = map[string]*ObjectRecord{}
	}
	for _, r := range body.Records {
		extID := r.Identifiers.ExtID
		known := a.objects[objectType][extID]
		if known == nil {
			a.lastObject++
			known = &ObjectRecord{ID: a.lastObject, ExtID: extID, Attributes: map[string]any{}}
			a.objects[objectType][extID] = known
		}
		known.Writes++
		for key, value := range r.Attributes {
			if len(keys) == 0 || slices.Contains(keys, key) {
				known.Attributes[key] = value
			}
		}
	}
}

// Objects returns copies of the records of a custom object by ext_id, once their processes have ended.
func (s *Server) Objects(objectType string) map[string]ObjectRecord {
	a, _ := s.enter()
	defer s.mu.Unlock()
	out := map[string]ObjectRecord{}
	for id, r := range a.objects[objectType] {
		row := *r
		row.Attributes = maps.Clone(r.Attributes)
		out[id] = row
	}
	return out
}

// objectPage is one record of GET /objects/{object_type}/records.
type objectPage struct {
	Identifiers map[string]any `json:"identifiers"`
	Attributes  map[string]any `json:"attributes"`
	UpdatedAt   time.Time      `json:"updatedAt"`
}

// listObjects is GET /objects/{object_type}/records.
func (s *Server) listObjects(c *call) answer {
	if c.quirks.CustomObjects == nil {
		return s.notInPlan(c)
	}
	limit, err := intList([]string{c.query.Get("limit"), c.query.Get("page_num")})
	if err != nil || len(limit) != 2 || limit[0] < 0 || limit[0] > objectRecords || limit[1] < 1 {
		return refuse(http.StatusBadRequest, codeInvalid, "invalid page number provided")
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	rows := slices.SortedFunc(maps.Values(a.objects[c.path("object_type")]), func(x, y *ObjectRecord) int { return int(y.ID - x.ID) })
	from, to := page{limit: int(limit[0]), offset: int(limit[0] * (limit[1] - 1))}.span(len(rows))
	records := []objectPage{}
	for _, r := range rows[from:to] {
		records = append(records, objectPage{map[string]any{"id": r.ID, "ext_id": r.ExtID}, r.Attributes, now})
	}
	return reply(http.StatusOK, struct {
		Count   int          `json:"count"`
		Records []objectPage `json:"records"`
	}{len(rows), records})
}
