package objects

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"flexbrevo/connector/brevo"
)

// bodyOf is the body of an upsert.
func bodyOf(rows []row) []byte {
	var b bytes.Buffer
	b.WriteString(`{"records":[`)
	for i, r := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(r.body)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// noSuchType reads a refusal of an object type. A 404 without Brevo's own words is a
// proxy's.
func noSuchType(r brevo.Reply) bool {
	switch r.Status {
	case http.StatusNotFound:
		return r.Message != ""
	case http.StatusBadRequest:
		return strings.Contains(strings.ToLower(strings.ReplaceAll(r.Message, "_", " ")), "object type")
	}
	return false
}

// processOf reads the id of the process, 0 where there is none.
func processOf(body []byte) int64 {
	var accepted struct {
		ProcessID int64 `json:"processId"`
	}
	_ = json.Unmarshal(body, &accepted) // without an id there is nothing to follow
	return accepted.ProcessID
}

// statusOf reads the status of a process, "" where there is none.
func statusOf(body []byte) string {
	var p struct {
		Status string `json:"status"`
	}
	_ = json.Unmarshal(body, &p) // what cannot be read is asked again
	return p.Status
}
