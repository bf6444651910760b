package webhook

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// problem is why a request is not taken, and how that is answered.
type problem struct {
	status int
	// reason is for the operator: constant text, so that it can be counted.
	reason string
	// detail is for the sender; it never repeats what was sent.
	detail string
	// retry asks the sender to come again later.
	retry bool
	// err is the cause, for the log; may be nil.
	err error
	// diagnosis says how a signature would have matched; nil where that was not tried.
	diagnosis *Diagnosis
}

// Error implements error.
func (p *problem) Error() string { return p.reason }

// invalid is a proven post that can never be taken; it says what was expected.
func invalid(expected string) *problem {
	return &problem{status: http.StatusBadRequest, reason: expected, detail: expected}
}

// forbidden tells a stranger nothing of why the proof was refused.
func forbidden(reason string) *problem {
	return &problem{status: http.StatusForbidden, reason: reason, detail: "the proof of origin was refused"}
}

func tooLarge(reason string) *problem {
	return &problem{status: http.StatusRequestEntityTooLarge, reason: reason, detail: reason}
}

// later is for what cannot be taken now.
func later(reason string, err error) *problem {
	return &problem{status: http.StatusServiceUnavailable, reason: reason, detail: "try again later", retry: true, err: err}
}

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter, retryAfter time.Duration) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.retry {
		h.Set("Retry-After", strconv.Itoa(int((retryAfter+time.Second-1)/time.Second)))
	}
	if p.status == http.StatusRequestEntityTooLarge || p.status == http.StatusRequestTimeout {
		// The rest of such a body is not worth reading.
		h.Set("Connection", "close")
	}
	w.WriteHeader(p.status)
	body, _ := json.Marshal(map[string]string{"error": p.detail})
	_, _ = w.Write(append(body, '\n'))
}
