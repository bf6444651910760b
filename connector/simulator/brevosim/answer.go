package brevosim

import (
	"encoding/json"
	"net/http"
)

// answer is a response before it is written, so that a fault can still change it.
type answer struct {
	status      int
	contentType string
	body        []byte
	header      http.Header
}

const contentJSON = "application/json"

// Error codes of contact and account calls (facts/brevo.md 8).
const (
	codeInvalid          = "invalid_parameter"
	codeMissing          = "missing_parameter"
	codeNotFound         = "document_not_found"
	codeInProcess        = "account_in_process"
	codeDuplicate        = "duplicate_parameter"
	codeMethodNotAllowed = "method_not_allowed"
	codeOutOfRange       = "out_of_range"
	codeDenied           = "permission_denied"
	codeUnauthorized     = "unauthorized"
	codeNoCredits        = "not_enough_credits"
)

// refusalBody is Brevo's error shape; metadata comes with contact writes only.
type refusalBody struct {
	Code     string           `json:"code"`
	Message  string           `json:"message"`
	Metadata *refusalMetadata `json:"metadata,omitempty"`
}

type refusalMetadata struct {
	Duplicates []string `json:"duplicate_identifiers"`
}

// reply makes a JSON answer of a value. The values are this package's own, so that one which cannot be marshalled is a
// programmer's mistake.
func reply(status int, value any) answer {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return answer{status: status, contentType: contentJSON, body: body}
}

// refuse makes an error answer.
func refuse(status int, code, message string) answer {
	return reply(status, refusalBody{Code: code, Message: message})
}

// empty makes an answer without a body.
func empty(status int) answer { return answer{status: status} }

// contactMissing is the 404 of every call that names a contact (facts/brevo.md 1.9).
func contactMissing() answer {
	return refuse(http.StatusNotFound, codeNotFound, "Contact does not exist")
}

// malformed is the answer to a body that is not the JSON object it should be.
func malformed() answer {
	return refuse(http.StatusBadRequest, codeInvalid, "Input must be a valid JSON object")
}

// write sends the answer.
func (a answer) write(w http.ResponseWriter) {
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	if a.contentType != "" {
		header.Set("Content-Type", a.contentType)
	}
	w.WriteHeader(a.status)
	// The caller may have gone; there is nobody to tell then.
	_, _ = w.Write(a.body)
}
