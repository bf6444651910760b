package brevo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/getbrevo/brevo-go/lib"

	"flexbrevo/connector/failure"
)

// newSDK returns brevo-go on our transport. It serves where facts/brevo.md 9
// found it to be right: the account, and creating attributes, folders and lists.
// It is never used to write contacts, because it sends both blocklist flags as
// false with every one of them, nor to read attributes, because it drops
// valueStr and multiCategoryOptions.
func newSDK(base string, t http.RoundTripper) *lib.APIClient {
	cfg := lib.NewConfiguration()
	cfg.BasePath = base
	cfg.HTTPClient = &http.Client{Transport: strictJSON{t}, CheckRedirect: noRedirect}
	return lib.NewAPIClient(cfg)
}

// strictJSON refuses a 2xx whose body is not JSON. Without it brevo-go returns an
// empty result and no error for a captive proxy's page (facts/brevo.md 9), and an
// empty list of lists would have us create them all once more.
type strictJSON struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s strictJSON) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if err != nil || resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp, err
	}
	defer resp.Body.Close()
	body, err := readAll(resp)
	if err != nil {
		return nil, err
	}
	if len(body) > 0 && !json.Valid(body) {
		return nil, &sendError{written: true, cause: errNotJSON}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// errNotJSON is a 2xx that is not Brevo's.
var errNotJSON = errors.New("the answer is not Brevo's")

// sdkError classifies what brevo-go returned. Its own error text is a status line
// and its model drops metadata, so the body is read again from the error.
func (d *Destination) sdkError(ctx context.Context, op string, k kind, resp *http.Response, err error) *failure.Error {
	if resp == nil {
		return lost(ctx, op, k, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return unreadable(op, k, resp.StatusCode)
	}
	var api *apiError
	var answered lib.GenericSwaggerError // by value: brevo-go returns no pointer
	if errors.As(err, &answered) {
		api = parseError(answered.Body())
	}
	return refusal(op, k, resp, api)
}
