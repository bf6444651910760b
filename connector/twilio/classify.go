package twilio

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/failure"
)

// The sentences that tell an operator what to do.
const (
	remedyUnauthorized = "Check account_sid and auth_token, or api_key_sid and api_key_secret; " +
		"an API key works only together with the SID of its own account."
	remedyPermission = "Give the API key the permission it lacks, or use a Standard API key."
	remedyFlex       = "Flex is not enabled for this account, or the API key may not read it: " +
		"check account_sid, and use a Standard API key (a Restricted one does not cover Flex)."
	remedyForbidden = "Check that the API key covers this API: a Restricted key does not cover Flex, " +
		"Conversations and Sync."
	remedyWorkspace = "Check workspace_sid: this account has no such TaskRouter workspace."
	remedyTLS       = "Check tls.ca_file and HTTPS_PROXY."
)

// classify says what became of a try: nil for a complete JSON answer, else an
// error with its reason (facts/twilio.md 10). It leaves a good answer's body
// unread.
func classify(req *http.Request, resp *http.Response, err error, now time.Time) *failure.Error {
	fail := &failure.Error{Op: op(req)}
	switch {
	case err != nil && req.Context().Err() != nil:
		return interrupted(req, context.Cause(req.Context()))
	case err != nil:
		fail.Reason, fail.Err, fail.Remedy = failure.Transient, err, remedyOf(err)
		if errors.Is(err, errLeaves) {
			fail.Reason = failure.Invalid
		}
		return fail
	}
	body, err := bodyOf(resp)
	if err != nil {
		fail.Reason, fail.Err = failure.Transient, err
		return fail
	}
	if resp.StatusCode == http.StatusOK && looksLikeJSON(body) {
		resp.Body = hold(body)
		return nil
	}
	fail.Status = resp.StatusCode
	fail.Code = codeOf(body)
	fail.Reason = reasonOf(resp.StatusCode)
	fail.RetryAfter = retryAfter(resp.Header, now)
	fail.Remedy = remedy(fail, req.URL)
	switch {
	case resp.StatusCode < 300:
		fail.Err = errNotJSON
	case resp.StatusCode < 400:
		fail.Err = errRedirect
	}
	return fail
}

// reasonOf maps the status of an answer that is no success. A redirect or an
// answer without JSON comes from something between us and Twilio, and passes.
func reasonOf(status int) failure.Reason {
	switch {
	case status == http.StatusTooManyRequests:
		return failure.RateLimited
	case status == http.StatusUnauthorized:
		return failure.Unauthorized
	case status == http.StatusForbidden:
		return failure.Forbidden
	case status == http.StatusNotFound, status == http.StatusGone:
		return failure.Gone
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return failure.Transient
	case status >= 400 && status < 500:
		return failure.Invalid
	}
	return failure.Transient
}

func remedy(fail *failure.Error, u *url.URL) string {
	switch {
	case fail.Reason == failure.Gone && wholeList(u):
		return remedyWorkspace
	case fail.Reason == failure.Unauthorized:
		return remedyUnauthorized
	case fail.Reason != failure.Forbidden:
		return ""
	case fail.Code == "70051":
		return remedyPermission
	case apiOf(u) == flexAPI:
		return remedyFlex
	}
	return remedyForbidden
}

// wholeList says whether a call was for a list of the workspace, which is only
// missing when the workspace is.
func wholeList(u *url.URL) bool {
	path := pathTemplate(u.Path)
	return apiOf(u) == taskrouterAPI && strings.Count(path, "{sid}") == 1 && u.Query().Get("PageToken") == ""
}

func remedyOf(err error) string {
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return remedyTLS
	}
	return ""
}

// looksLikeJSON is cheap on purpose: it tells an answer of Twilio's from one of a
// proxy, and a whole one from a part. The full check is the decoder's.
func looksLikeJSON(body []byte) bool {
	body = bytes.TrimSpace(body)
	return len(body) >= 2 && body[0] == '{' && body[len(body)-1] == '}'
}

// codeOf reads Twilio's error code, and nothing else: messages may repeat values.
func codeOf(body []byte) string {
	var e struct {
		Code scalar `json:"code"`
	}
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	code, err := strconv.Atoi(string(e.Code))
	if err != nil || code < 1 || code > 999_999 {
		return ""
	}
	return strconv.Itoa(code)
}

// retryAfter reads the header as seconds or as a date; 0 when it is absent.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(v); err == nil {
		return time.Duration(min(max(seconds, 0), 24*3600)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		// Against the answer's own clock where it has one: ours may be wrong.
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		return max(at.Sub(now), 0)
	}
	return 0
}

func interrupted(req *http.Request, cause error) *failure.Error {
	return &failure.Error{Op: op(req), Reason: failure.Interrupted, Err: cause}
}

// op names a call for errors: its method, API and path without SIDs.
func op(req *http.Request) string {
	return req.Method + " " + apiOf(req.URL) + " " + pathTemplate(req.URL.Path)
}
