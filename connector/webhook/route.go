package webhook

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"flexbrevo/connector/record"
)

// sender is what is particular to one kind of sender.
type sender struct {
	name Sender
	path string
	// form is whether it posts forms; else it posts JSON.
	form bool
	// browser is whether browsers post it, and so ask for permission first.
	browser bool
	// bearer checks its other proof; nil where a signature is the only one.
	bearer func(ctx context.Context, c Connector, r *request, credential string) *problem
	// records reads what was posted; its errors are *problem.
	records func(c Connector, r *request) ([]record.Record, error)
}

func senders() []sender {
	return []sender{
		{name: Flex, path: "/webhooks/flex/task-complete", browser: true, bearer: proveFlexToken, records: flexRecords},
		{name: TaskRouter, path: "/webhooks/twilio/taskrouter", form: true, records: taskRouterRecords},
		{name: EventStreams, path: "/webhooks/twilio/events", records: eventRecords},
		{name: Conversations, path: "/webhooks/twilio/conversations", form: true, records: conversationRecords},
		{name: Survey, path: "/webhooks/survey", bearer: proveSurveySecret, records: surveyRecords},
	}
}

// route is one path: a connector and a sender.
type route struct {
	connector Connector
	sender    sender
	verifier  Verifier
}

// request is a post while it is worked on.
type request struct {
	method string
	// uri is the path and query exactly as received.
	uri    string
	header http.Header
	body   []byte
	// form is the decoded body of a form; nil for JSON.
	form url.Values
	// at is when it arrived, by our clock.
	at time.Time
	// large is whether the body holds a place among the large ones.
	large bool
	// token is the Flex user that posted; nil when the proof was a signature.
	token *Token
}

// requestURI is the path and query as they were written in the request line. A
// request line in absolute form, as forward proxies send, is reduced to them.
func requestURI(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// hasProof says whether a request carries anything that could prove its origin.
// What carries nothing is refused before its body is read.
func (rt *route) hasProof(h http.Header) bool {
	if _, ok := rt.connector.Verifiers[rt.sender.name]; ok {
		return true
	}
	return h.Get(signatureHeader) != "" || rt.sender.bearer != nil && bearer(h) != ""
}

// prove checks where a request came from. A request may carry both proofs, one
// of which then has to hold.
func (rt *route) prove(ctx context.Context, r *request) *problem {
	credential := ""
	if rt.sender.bearer != nil {
		credential = bearer(r.header)
	}
	if credential != "" && r.header.Get(signatureHeader) == "" {
		return rt.sender.bearer(ctx, rt.connector, r, credential)
	}
	err := rt.verifier.Verify(Signed{Method: r.method, URI: r.uri, Header: r.header, Body: r.body, Form: r.form})
	switch {
	case err == nil:
		return nil
	case credential != "":
		return rt.sender.bearer(ctx, rt.connector, r, credential)
	}
	return forbidden(err.Error())
}

// bearer returns the credential of an "Authorization: Bearer" header, or "".
func bearer(h http.Header) string {
	scheme, credential, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(credential)
}
