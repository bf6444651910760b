package brevo

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

const defaultTimeout = 30 * time.Second

// longRead is how many time-outs a page of 1,000 contacts or 10,000 events gets.
const longRead = 4

// errTimeout is the cause of a context that our own time-out ended, so that it
// can be told from a deadline of the caller.
var errTimeout = errors.New("no answer from Brevo within the time-out")

// transport is the one way to Brevo, in this order: the rate budget first, so
// that the time-out does not count the wait; then the credential, then the
// time-out, then the wire. It follows no redirect, because it is a RoundTripper:
// a redirected write would be sent twice or as a GET.
type transport struct {
	wire     http.RoundTripper
	auth     authenticator
	budget   *budget
	clock    func() time.Time
	logger   *slog.Logger
	logLevel slog.Level
	timeout  time.Duration
	// prefix is the path of the base URL, for example "/v3".
	prefix string
	// batches knows what a batch costs.
	batches *batches
	// answers takes what answers show of the account.
	answers *answers
}

// newWire returns the default carrier. Connections are kept for as many calls as
// the largest tier needs in flight, so that a call seldom pays for a handshake.
func newWire() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// sendError is a call without an answer. Its text has no URL, because a path may
// hold an address.
type sendError struct {
	// written says whether the request may have reached Brevo.
	written bool
	cause   error
}

// Error implements error.
func (e *sendError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *sendError) Unwrap() error { return e.cause }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	route := routeOf(req.Method, strings.TrimPrefix(req.URL.EscapedPath(), t.prefix))
	if err := t.take(req.Context(), &route); err != nil {
		closeBody(req)
		return nil, &sendError{cause: err}
	}
	header := req.Header.Clone()
	if err := t.auth.authorize(req.Context(), header); err != nil {
		closeBody(req)
		return nil, &sendError{cause: err}
	}
	timeout := t.timeout
	if route.long {
		timeout *= longRead
	}
	ctx, cancel := context.WithTimeoutCause(req.Context(), timeout, errTimeout)
	var sent progress
	out := req.WithContext(httptrace.WithClientTrace(ctx, sent.trace()))
	out.Header = header

	began := t.clock()
	resp, err := t.wire.RoundTrip(out)
	if err != nil {
		err = &sendError{written: sent.maybeWritten(), cause: causeOf(ctx, err)}
		cancel()
		t.log(req, route, 0, t.clock().Sub(began))
		return nil, err
	}
	told := readLimits(resp.StatusCode, resp.Header)
	if route.batch {
		route.bucket = t.batches.learn(told)
	}
	t.answers.noteAnswer(route, req.Method, resp.StatusCode, told)
	t.budget.learn(route.bucket, resp.StatusCode, resp.Header)
	if resp.StatusCode == http.StatusUnauthorized {
		t.auth.refused(header)
	}
	t.log(req, route, resp.StatusCode, t.clock().Sub(began))
	resp.Body = &timedBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel}
	return resp, nil
}

// take waits for the call's place in its bucket. A batch whose price is not known
// takes one in both that it may be counted in.
func (t *transport) take(ctx context.Context, r *route) error {
	if r.batch {
		bucket, known := t.batches.price()
		if r.bucket = bucket; !known {
			if err := t.budget.take(ctx, route{bucket: bucketEvents}); err != nil {
				return err
			}
		}
	}
	return t.budget.take(ctx, *r)
}

// progress follows how far a request got.
type progress struct {
	traced, wrote atomic.Bool
}

// trace returns the hooks that follow it.
func (p *progress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { p.traced.Store(true) },
		WroteHeaders: func() { p.wrote.Store(true) },
	}
}

// maybeWritten says whether Brevo may have the whole request. WroteHeaders fires
// before the first byte of a body leaves the buffers of net/http, and an ended
// call returns after its connection is closed: when it has not fired by then,
// nothing is on the way any more. A carrier that fires no hook at all is not
// trusted.
func (p *progress) maybeWritten() bool { return p.wrote.Load() || !p.traced.Load() }

// causeOf says why a call ended: our time-out, the caller's context, or what
// went wrong on the wire.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// closeBody does what a RoundTripper owes also when it sends nothing.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// timedBody keeps the time-out running while the answer's body is read.
type timedBody struct {
	io.ReadCloser
	ctx    context.Context // the request's own; it ends with the body
	cancel context.CancelFunc
}

// Read implements io.Reader. A broken body is told with the reason it broke.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &sendError{written: true, cause: causeOf(b.ctx, err)}
	}
	return n, err
}

// Close implements io.Closer.
func (b *timedBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

// log writes the call log: what was called, never with what.
func (t *transport) log(req *http.Request, r route, status int, took time.Duration) {
	if !t.logger.Enabled(req.Context(), t.logLevel) {
		return
	}
	t.logger.LogAttrs(req.Context(), t.logLevel, "brevo call",
		slog.String("method", req.Method),
		slog.String("path", r.template),
		slog.Int("status", status),
		slog.Duration("duration", took),
		slog.String("bucket", string(r.bucket)),
		slog.Int("budget_left", t.budget.left(r.bucket)),
	)
}

// route is what a call is for the budget and for the log.
type route struct {
	// template is the path without anybody's data in it.
	template string
	bucket   bucketName
	// long is set where the answer is a long page, or the request a long body.
	long bool
	// batch is set for a batch of events, whose bucket is found out.
	batch bool
	// keepReserve is set where the call may not use the last of an hourly bucket.
	keepReserve bool
}

// routeOf names a call by its method and escaped path below the base URL
// (facts/brevo.md 6, "which bucket our calls use").
func routeOf(method, path string) route {
	switch path {
	case "/events":
		if method == http.MethodPost {
			return route{template: path, bucket: bucketEvents}
		}
		return route{template: path, bucket: bucketOther, long: true, keepReserve: true}
	case "/events/batch":
		return route{template: path, bucket: bucketOther, keepReserve: true, batch: true}
	case "/contacts":
		return route{template: path, bucket: bucketContacts, long: method == http.MethodGet}
	case "/contacts/import":
		return route{template: path, bucket: bucketContacts, long: true}
	case "/processes":
		return route{template: path, bucket: bucketOther, keepReserve: true}
	}
	if strings.HasPrefix(path, "/processes/") {
		return route{template: "/processes/{processId}", bucket: bucketOther, keepReserve: true}
	}
	rest, ok := strings.CutPrefix(path, "/contacts/")
	if !ok {
		return route{template: path, bucket: bucketOther}
	}
	family, tail, deeper := strings.Cut(rest, "/")
	switch {
	case family == "attributes" && deeper:
		category, _, _ := strings.Cut(tail, "/")
		return route{template: "/contacts/attributes/" + category + "/{name}", bucket: bucketContacts}
	case family == "attributes", family == "lists" && !deeper, family == "folders" && !deeper:
		return route{template: path, bucket: bucketContacts}
	}
	return route{template: "/contacts/{identifier}", bucket: bucketContacts}
}
