package brevo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"flexbrevo/connector/failure"
)

// kind says what a lost answer means.
type kind int

const (
	// read changes nothing, so that it may be repeated whatever happened.
	read kind = iota
	// write may have happened when its answer is lost.
	write
)

// tooEarly is how long to wait after a 425, which says that the contact or the
// account is still being processed (facts/brevo.md 8).
const tooEarly = 3 * time.Second

// maxAnswer bounds an answer that is read whole. A contact with 200 attributes and
// a page of 300 lists stay far below it.
const maxAnswer = 8 << 20

// apiError is Brevo's error body (facts/brevo.md 8). Code is an open string.
type apiError struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Metadata struct {
		Duplicates []string `json:"duplicate_identifiers"`
	} `json:"metadata"`
}

// answer is one call's result.
type answer struct {
	status int
	body   []byte
	// api is Brevo's error, when the answer is one in its shape.
	api *apiError
}

// request builds a call below the base URL; body is nil or JSON.
func (d *Destination) request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, r)
	if err != nil {
		// The parser's own text holds the path, and the path an identifier.
		return nil, errors.New("the address of the call is not valid")
	}
	req.Header["Accept"] = []string{"application/json"}
	if body != nil {
		req.Header["Content-Type"] = []string{"application/json"}
	}
	return req, nil
}

// call makes one call and reads the answer whole. The error is nil exactly when
// the status is a 2xx and the body is empty or JSON; else it is a *failure.Error,
// and the answer still holds what came.
func (d *Destination) call(ctx context.Context, op string, k kind, method, path string, body []byte) (answer, error) {
	req, err := d.request(ctx, method, path, body)
	if err != nil {
		return answer{}, &failure.Error{Op: op, Reason: failure.Invalid, Err: err}
	}
	resp, err := d.transport.RoundTrip(req)
	if err != nil {
		return answer{}, lost(ctx, op, k, err)
	}
	return finish(ctx, op, k, resp)
}

// finish reads an answer and classifies it.
func finish(ctx context.Context, op string, k kind, resp *http.Response) (answer, error) {
	defer resp.Body.Close()
	got := answer{status: resp.StatusCode}
	var err error
	if got.body, err = readAll(resp); err != nil {
		return got, lost(ctx, op, k, err)
	}
	if got.status >= 200 && got.status < 300 {
		if len(got.body) > 0 && !json.Valid(got.body) {
			return got, unreadable(op, k, got.status)
		}
		return got, nil
	}
	got.api = parseError(got.body)
	return got, refusal(op, k, resp, got.api)
}

// readAll reads a body of known or unknown length with one allocation where the
// length is told.
func readAll(resp *http.Response) ([]byte, error) {
	if resp.ContentLength == 0 || resp.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 && n < maxAnswer {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && n > maxAnswer {
		err = &sendError{written: true, cause: errors.New("the answer is too long")}
	}
	return buf.Bytes(), err
}

// parseError reads Brevo's error, or returns nil where the body is another
// thing, such as the page of a proxy.
func parseError(body []byte) *apiError {
	var e apiError
	if json.Unmarshal(body, &e) != nil || e.Code == "" && e.Message == "" {
		// metadata is documented as an open object: an odd one must not hide the rest.
		var plain struct{ Code, Message string }
		if json.Unmarshal(body, &plain) != nil || plain.Code == "" && plain.Message == "" {
			return nil
		}
		return &apiError{Code: plain.Code, Message: plain.Message}
	}
	return &e
}

// lost classifies a call without a whole answer. What was never written did not
// happen; what may have been written is unknown, unless it only reads.
func lost(ctx context.Context, op string, k kind, err error) *failure.Error {
	var inner *failure.Error
	if errors.As(err, &inner) {
		return inner
	}
	var sent *sendError
	written := !errors.As(err, &sent) || sent.written
	out := &failure.Error{Op: op, Reason: failure.Transient, Err: withoutURL(err)}
	switch {
	case written && k == write:
		out.Reason = failure.Unknown
	case ctx.Err() != nil:
		out.Reason = failure.Interrupted
	}
	return out
}

// withoutURL drops the layer of net/http's client whose text holds the URL.
func withoutURL(err error) error {
	var sent *sendError
	if errors.As(err, &sent) {
		return sent
	}
	return errors.New("the call broke off")
}

// unreadable is a 2xx that is not Brevo's: a captive proxy's page, broken JSON.
// The write behind it may have happened.
func unreadable(op string, k kind, status int) *failure.Error {
	e := &failure.Error{
		Op: op, Reason: failure.Transient, Status: status, Err: errors.New("the answer is not Brevo's"),
		Remedy: "If it stays so, look for a proxy in between and check brevo.base_url",
	}
	if k == write {
		e.Reason = failure.Unknown
	}
	return e
}

// refusal classifies an answer that is no success (facts/brevo.md 8).
func refusal(op string, k kind, resp *http.Response, api *apiError) *failure.Error {
	status := resp.StatusCode
	e := &failure.Error{Op: op, Reason: reasonOf(status, k, api), Status: status}
	if api != nil {
		e.Code = openCode(api.Code)
	}
	switch {
	case status == http.StatusUnauthorized:
		e.Remedy = remedyFor401(api, resp.Request != nil && resp.Request.Header.Get("Authorization") != "")
	case status == http.StatusPaymentRequired:
		e.Remedy = "The plan or the credits of the Brevo account do not allow this call"
	case status == http.StatusForbidden:
		e.Remedy = "The credential lacks a permission or scope, or the plan of the Brevo account lacks this feature"
	case status == http.StatusTooManyRequests:
		e.RetryAfter = max(readLimits(status, resp.Header).reset, 0)
	case status == http.StatusTooEarly:
		e.RetryAfter = tooEarly
	case status < 400 || status == http.StatusNotFound && !api.gone():
		e.Remedy = "Check brevo.base_url"
	}
	return e
}

// gone says whether a 404 is Brevo's word that something does not exist. Any
// other 404 is a wrong base URL or a proxy, and must not be taken for a deleted
// contact.
func (e *apiError) gone() bool {
	return e != nil && (e.Code == "document_not_found" || strings.Contains(strings.ToLower(e.Message), "not exist"))
}

// reasonOf is the table of facts/brevo.md 8. A 400 in other words than Brevo's is
// a proxy's or a broken answer, and condemns no change.
func reasonOf(status int, k kind, api *apiError) failure.Reason {
	switch status {
	case http.StatusUnauthorized:
		return failure.Unauthorized
	case http.StatusPaymentRequired, http.StatusForbidden:
		return failure.Forbidden
	case http.StatusNotFound:
		if api.gone() {
			return failure.Gone
		}
		return failure.Transient
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly:
		return failure.Transient
	case http.StatusTooManyRequests:
		return failure.RateLimited
	}
	ownWords := api != nil || status != http.StatusBadRequest && status != http.StatusUnprocessableEntity
	switch {
	case status >= 500 && k == write:
		return failure.Unknown
	case status >= 500, status < 400, !ownWords:
		return failure.Transient
	}
	return failure.Invalid
}

// openCode lets a code of Brevo's pass into an error when it can be no private
// value: codes are open strings with a tail of free text (facts/brevo.md 8).
func openCode(code string) string {
	harmless := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune(" _-()", r)
	}
	if len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return !harmless(r) }) {
		return "other"
	}
	return code
}

// wordOfAddress finds what may be an IP address in a message.
var wordOfAddress = regexp.MustCompile(`[0-9A-Fa-f:.]*[0-9A-Fa-f]`)

// remedyFor401 tells the two meanings of a 401 apart (facts/brevo.md 7): a source
// address that is not on the account's list, or a bad credential.
func remedyFor401(api *apiError, byToken bool) string {
	if api != nil && strings.Contains(strings.ToLower(api.Message), "ip address") {
		const where = "on https://app.brevo.com/security/authorised_ips"
		for _, word := range wordOfAddress.FindAllString(api.Message, -1) {
			if ip, err := netip.ParseAddr(word); err == nil {
				return fmt.Sprintf("Brevo does not know our IP address: authorise %s %s", ip, where)
			}
		}
		return "Brevo does not know our IP address: authorise it " + where
	}
	if byToken {
		return "Brevo does not take the token it gave us: check brevo.oauth and that its app was not revoked"
	}
	return "Check brevo.api_key: an API key of this account (not an SMTP password, which begins with xsmtpsib-)"
}
