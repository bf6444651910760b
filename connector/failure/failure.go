// Package failure says why a remote call failed and whether another try can
// help. The package that knows a remote API decides the Reason once; everyone
// above acts on the reason and not on status codes.
package failure

import (
	"errors"
	"fmt"
	"time"
)

// Reason is why a call failed.
type Reason string

// The reasons.
const (
	// None: it did not fail.
	None Reason = ""
	// Transient: another try will probably do.
	Transient Reason = "transient"
	// RateLimited: refused for its rate and not processed.
	RateLimited Reason = "rate limited"
	// Unauthorized: the credential is refused; the whole side must stop.
	Unauthorized Reason = "unauthorized"
	// Forbidden: the plan, a permission or a balance is missing; the side must stop.
	Forbidden Reason = "forbidden"
	// Invalid: the request can never succeed as it is.
	Invalid Reason = "invalid"
	// Gone: what it was about does not exist any more.
	Gone Reason = "gone"
	// Interrupted: we cut it short ourselves before it could count.
	Interrupted Reason = "interrupted"
	// Unknown: a write that may have happened.
	Unknown Reason = "unknown"
)

// Error is a failed remote call. Its text holds no private value and no body of
// the remote's answer.
type Error struct {
	// Op is what was being done, for example "GET /v1/Workspaces/{sid}/Events".
	Op     string
	Reason Reason
	// Status is the HTTP status, 0 when no answer came.
	Status int
	// Code is the remote's own error code, for example "20429"; may be empty.
	Code string
	// RetryAfter is how long the remote asked us to wait; 0 when it did not.
	RetryAfter time.Duration
	// Remedy is a sentence for the operator; may be empty.
	Remedy string
	// Err is the cause; may be nil.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Op + ": " + string(e.Reason)
	if e.Status != 0 {
		s += fmt.Sprintf(" (status %d", e.Status)
		if e.Code != "" {
			s += ", code " + e.Code
		}
		s += ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		s += ". " + e.Remedy
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the reason of the first Error in err's chain: None for a nil
// err, Transient for an error that carries no reason.
func ReasonOf(err error) Reason {
	if err == nil {
		return None
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return Transient
}

// Retryable says whether the same call may succeed later without anybody's help.
func (r Reason) Retryable() bool {
	switch r {
	case Transient, RateLimited, Interrupted, Unknown:
		return true
	}
	return false
}

// Stops says whether the whole side must pause until an operator acts.
func (r Reason) Stops() bool { return r == Unauthorized || r == Forbidden }

// As returns the first Error in err's chain, nil if there is none.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
