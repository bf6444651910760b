package brevosim

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// importBytes is the hard limit of jsonBody and fileBody (facts/brevo.md 1.5).
const importBytes = 10 << 20

// importBody is the body of POST /contacts/import.
type importBody struct {
	JSON     []importRow `json:"jsonBody"`
	File     string      `json:"fileBody"`
	URL      string      `json:"fileUrl"`
	ListIDs  []int64     `json:"listIds"`
	NewList  *newList    `json:"newList"`
	Email    *bool       `json:"emailBlacklist"`
	SMS      *bool       `json:"smsBlacklist"`
	Existing *bool       `json:"updateExistingContacts"`
	Empty    bool        `json:"emptyContactsAttributes"`
	Quiet    bool        `json:"disableNotification"`
}

type newList struct {
	Name   string `json:"listName"`
	Folder int64  `json:"folderId"`
}

// importRow is one row, from JSON or from a file.
type importRow struct {
	Email      string                     `json:"email"`
	Attributes map[string]json.RawMessage `json:"attributes"`
}

// importContacts is POST /contacts/import. The rows are applied when the process ends.
func (s *Server) importContacts(c *call) answer {
	body, refusal, ok := readImport(c)
	if !ok {
		return refusal
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	a.auditImport(c, body, now)
	if refusal, bad := a.unknownList(body.ListIDs); bad {
		return refusal
	}
	if body.NewList != nil {
		if _, known := a.folders[body.NewList.Folder]; !known || body.NewList.Name == "" {
			return refuse(http.StatusBadRequest, codeInvalid, "newList needs listName and an existing folderId")
		}
		body.ListIDs = append(body.ListIDs, a.addList(0, body.NewList.Folder, body.NewList.Name, now))
	}
	p := a.start(c.quirks, "IMPORTUSER", now, func(p *process) {
		job := importJob{account: a, process: p, body: body, quirks: c.quirks, now: p.done}
		job.run()
	})
	// A file elsewhere would have to be fetched, and this server calls nobody.
	p.failed = body.URL != "" || c.quirks.ImportFails
	return reply(http.StatusAccepted, struct {
		ProcessID int64 `json:"processId"`
	}{p.id})
}

func (a *account) auditImport(c *call, body importBody, now time.Time) {
	if !c.quirks.Allow.Import {
		a.violate("contacts imported, which merges them")
	}
	if (body.Email != nil || body.SMS != nil) && !c.quirks.Allow.BlocklistFlags {
		a.violate("blocklist flag in POST /contacts/import")
	}
	if !body.Quiet {
		a.violate("import that mails somebody when it is done")
	}
	if body.Empty {
		a.violate("import that empties attributes")
	}
	if a.applied < len(a.processes) && a.processes[a.applied].done.After(now) {
		a.violate("import started while another process was running")
	}
}

// readImport checks that there is one source and a list to put the contacts on.
func readImport(c *call) (body importBody, refusal answer, ok bool) {
	if len(c.body) > importBytes {
		return body, refuse(http.StatusBadRequest, codeOutOfRange, "Body exceeds 10MB"), false
	}
	var present map[string]json.RawMessage
	if json.Unmarshal(c.body, &present) != nil || json.Unmarshal(c.body, &body) != nil {
		return body, malformed(), false
	}
	sources := 0
	for _, name := range []string{"jsonBody", "fileBody", "fileUrl"} {
		if _, given := present[name]; given {
			sources++
		}
	}
	switch {
	case sources != 1:
		return body, refuse(http.StatusBadRequest, codeMissing, "Exactly one of fileUrl, fileBody and jsonBody is required"), false
	case len(body.ListIDs) == 0 && body.NewList == nil:
		return body, refuse(http.StatusBadRequest, codeMissing, "listIds or newList is required"), false
	}
	if body.File != "" {
		rows, err := readFile(body.File)
		if err != nil {
			return body, refuse(http.StatusBadRequest, codeInvalid, "Invalid fileBody"), false
		}
		body.JSON = rows
	}
	return body, answer{}, true
}

// readFile reads a CSV with a header line and semicolons.
func readFile(text string) ([]importRow, error) {
	reader := csv.NewReader(strings.NewReader(text))
	reader.Comma = ';'
	header, err := reader.Read()
	if err != nil {
		return nil, err
	}
	var rows []importRow
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, fileRow(header, record))
	}
}

func fileRow(header, record []string) importRow {
	row := importRow{Attributes: map[string]json.RawMessage{}}
	for i, name := range header {
		if name == "EMAIL" {
			row.Email = record[i]
		} else {
			row.Attributes[name] = appendString(nil, record[i])
		}
	}
	return row
}

// importJob carries out one import.
type importJob struct {
	account *account
	process *process
	body    importBody
	quirks  *Quirks
	now     time.Time
}

func (j *importJob) run() {
	if j.process.failed {
		return
	}
	// Lists may have been deleted since the import was accepted.
	j.body.ListIDs = slices.DeleteFunc(j.body.ListIDs, func(id int64) bool { return j.account.lists[id] == nil })
	for i, row := range j.body.JSON {
		if n := j.quirks.ImportLoses; n == 0 || (i+1)%n != 0 {
			j.apply(row)
		}
	}
}

// apply brings one row in. Where it links several contacts, they are merged into the one found by the strongest
// identifier, and the others are deleted with their history (facts/brevo.md 1.5, 1.7).
func (j *importJob) apply(row importRow) {
	w, ok := j.read(row)
	if !ok {
		j.process.report("invalid_emails", row)
		return
	}
	a := j.account
	holders, _ := a.holders(w.set, nil)
	if len(holders) == 0 {
		a.create(w, j.now)
		return
	}
	if j.body.Existing != nil && !*j.body.Existing {
		return
	}
	survivor := holders[0]
	_, taken := a.holders(w.set, survivor)
	for _, k := range taken {
		j.process.report("duplicate_"+k.pathType(), row)
	}
	a.merge(survivor, holders)
	a.write(w, survivor, j.now)
}

// read makes a contact write of a row; false means that nothing identifies a contact.
func (j *importJob) read(row importRow) (*contactWrite, bool) {
	w := &contactWrite{call: &call{endpoint: &endpoint{}, quirks: j.quirks}}
	w.ListIDs, w.EmailBlocked, w.SMSBlocked = j.body.ListIDs, j.body.Email, j.body.SMS
	found := false
	for k := range kinds {
		value := row.Email
		if k != kindEmail {
			raw := row.Attributes[k.attribute()]
			if json.Unmarshal(raw, &value) != nil || !isString(raw) {
				value = ""
			}
		}
		if value != "" && w.add(k, value, j.quirks) == nil {
			found = true
		} else {
			w.set[k] = ""
		}
	}
	w.changes = j.rules().changes(row.Attributes)
	return w, found
}

// rules clears by empty values only where the import says so.
func (j *importJob) rules() attributeRules {
	clearing := ClearByNone
	if j.body.Empty {
		clearing = ClearByEither
	}
	return attributeRules{known: j.account.attributeNames, clear: clearing}
}
