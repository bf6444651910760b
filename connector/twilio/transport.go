package twilio

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"flexbrevo/connector/failure"
)

const (
	// tries is how often a read is made before its failure is the caller's.
	tries = 4
	// firstBackoff doubles with every try, up to maxBackoff; full jitter.
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 5 * time.Second
	// maxPatience is the longest Retry-After that is waited for inside a call.
	maxPatience = 30 * time.Second
	// maxBody is more than any page of a thousand rows can have.
	maxBody = 64 << 20
)

var (
	errNotJSON  = errors.New("the answer is not JSON")
	errTooLarge = errors.New("the answer is too large")
	errRedirect = errors.New("redirects are not followed")
	errLeaves   = errors.New("the page URL leads away from Twilio")
)

// defaultHTTP is the transport where none is handed in.
func defaultHTTP() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	t.MaxIdleConnsPerHost = maxInFlight
	return t
}

// newTransport stacks the layers through which every call goes. The order
// matters: each try spends budget and is logged, a try has a time-out of its own
// that covers its body, and only the innermost layer sees where the call really
// goes and with which password.
func newTransport(o Options, base *url.URL, b *budgets, clock *serverClock) *retry {
	user, password := o.credentials()
	rt := http.RoundTripper(&origin{next: o.HTTP, base: base, user: user, password: password})
	rt = &whole{next: rt, timeout: o.CallTimeout, clock: clock}
	if o.LogCalls {
		rt = &callLog{next: rt, log: o.Logger, clock: o.Clock, budgets: b}
	}
	rt = &budgeted{next: rt, budgets: b, clock: o.Clock}
	return &retry{next: rt, sleep: sleep, clock: o.Clock}
}

// retry makes a read again while that can help, and turns everything but a
// complete JSON answer into a *failure.Error.
type retry struct {
	next  http.RoundTripper
	sleep func(context.Context, time.Duration) error
	clock func() time.Time
}

// RoundTrip implements http.RoundTripper; the request must be a GET.
func (r *retry) RoundTrip(req *http.Request) (*http.Response, error) {
	refused := false
	for try := 1; ; try++ {
		resp, err := r.next.RoundTrip(req)
		fail := classify(req, resp, err, r.clock())
		if fail == nil {
			return resp, nil
		}
		if fail.Status != http.StatusUnauthorized {
			refused = false
		} else if !refused {
			// The edge answers a stray 401 now and then; only the second in a row counts.
			refused = true
			fail.Reason, fail.Remedy = failure.Transient, ""
		}
		if try == tries || !worthAnother(fail) {
			return nil, fail
		}
		if err := r.sleep(req.Context(), pause(try, fail.RetryAfter)); err != nil {
			return nil, interrupted(req, err)
		}
	}
}

func worthAnother(fail *failure.Error) bool {
	again := fail.Reason == failure.Transient || fail.Reason == failure.RateLimited
	return again && fail.RetryAfter <= maxPatience
}

// pause is how long to wait before the next try: what the remote asked for, else
// exponential backoff with full jitter.
func pause(try int, asked time.Duration) time.Duration {
	if asked > 0 {
		return asked
	}
	return rand.N(min(firstBackoff<<try, maxBackoff)) + time.Millisecond
}

// sleep waits for d, or until ctx ends, and then says why it ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// callLog writes one line a try: never a body, a query or a SID.
type callLog struct {
	next    http.RoundTripper
	log     *slog.Logger
	clock   func() time.Time
	budgets *budgets
}

// RoundTrip implements http.RoundTripper.
func (l *callLog) RoundTrip(req *http.Request) (*http.Response, error) {
	start := l.clock()
	left, perSecond := l.budgets.left(req.URL) // this call spent already
	resp, err := l.next.RoundTrip(req)
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	l.log.LogAttrs(req.Context(), slog.LevelInfo, "twilio call",
		slog.String("method", req.Method),
		slog.String("api", apiOf(req.URL)),
		slog.String("path", pathTemplate(req.URL.Path)),
		slog.Int("status", status),
		slog.Duration("duration", l.clock().Sub(start)),
		slog.Int("budget_left", left),
		slog.Float64("budget_per_second", perSecond),
		slog.Bool("ok", err == nil))
	return resp, err
}

// whole gives a try its time-out and reads its body to the end, so that a
// connection that breaks in the middle is this try's failure and nobody else's.
type whole struct {
	next    http.RoundTripper
	timeout time.Duration
	clock   *serverClock
}

// RoundTrip implements http.RoundTripper.
func (w *whole) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(req.Context(), w.timeout,
		fmt.Errorf("no complete answer within %s", w.timeout))
	defer cancel()
	resp, err := w.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, because(ctx, err)
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusTooManyRequests {
		w.clock.observe(resp.Header) // other answers may be a proxy's
	}
	body, err := readBody(resp)
	if err != nil {
		return nil, because(ctx, err)
	}
	resp.Body, resp.ContentLength = hold(body), int64(len(body))
	return resp, nil
}

// readBody reads an answer to its end, without growing the buffer where the length
// is told.
func readBody(resp *http.Response) ([]byte, error) {
	var b bytes.Buffer
	if 0 < resp.ContentLength && resp.ContentLength <= maxBody {
		b.Grow(int(resp.ContentLength) + bytes.MinRead)
	}
	_, err := b.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	if err == nil && b.Len() > maxBody {
		err = errTooLarge
	}
	return b.Bytes(), err
}

// heldBody is a body that is in memory: the layers above take it as it is.
type heldBody struct {
	io.Reader
	b []byte
}

func hold(b []byte) *heldBody { return &heldBody{bytes.NewReader(b), b} }

// Close implements io.Closer.
func (*heldBody) Close() error { return nil }

// bodyOf returns the body of an answer that came through whole.
func bodyOf(resp *http.Response) ([]byte, error) {
	if h, ok := resp.Body.(*heldBody); ok {
		return h.b, nil
	}
	return readBody(resp)
}

// because returns the cause of ctx's end where it ended, else err.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// origin adds the credentials and, with a stand-in, sends the call there: a call
// for https://taskrouter.twilio.com/v1/X goes to BASE/taskrouter/v1/X (design 6).
// Page URLs come from answers, so it refuses to send the credentials to any other
// host.
type origin struct {
	next           http.RoundTripper
	base           *url.URL
	user, password string
}

// RoundTrip implements http.RoundTripper.
func (o *origin) RoundTrip(req *http.Request) (*http.Response, error) {
	u, err := o.resolve(req.URL)
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.URL, req.Host = u, u.Host
	req.SetBasicAuth(o.user, o.password)
	req.Header.Set("Accept", "application/json")
	return o.next.RoundTrip(req)
}

func (o *origin) resolve(u *url.URL) (*url.URL, error) {
	api, isTwilio := strings.CutSuffix(u.Host, ".twilio.com")
	switch {
	case isTwilio && u.Scheme == "https" && o.base == nil:
		return u, nil
	case isTwilio && u.Scheme == "https":
		to := *u
		to.Scheme, to.Host = o.base.Scheme, o.base.Host
		to.Path = o.base.Path + "/" + api + u.Path
		to.RawPath = ""
		return &to, nil
	case o.base != nil && u.Scheme == o.base.Scheme && u.Host == o.base.Host:
		return u, nil // a stand-in that names itself in its page URLs
	}
	return nil, errLeaves
}

// apiOf names the API of a call by its host, such as "taskrouter".
func apiOf(u *url.URL) string {
	api, ok := strings.CutSuffix(u.Host, ".twilio.com")
	if !ok {
		// A page URL of a stand-in names the API in its path.
		api, _, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	}
	return api
}

var (
	sidSegment = regexp.MustCompile(`^[A-Z]{2}[0-9a-fA-F]{32}$`)
	pathWord   = regexp.MustCompile(`^(v[0-9]|[A-Za-z]+|flex-api)$`)
)

// namedBelow says whether a name that somebody chose follows a word of a path.
func namedBelow(word string) bool {
	return word == "Items" || word == "Documents" || word == "Maps" || word == "Lists" || word == "Streams"
}

// pathTemplate replaces the SIDs of a path, and whatever is no word of Twilio's, so
// that it can be logged and counted. What Sync is asked for by name may be somebody's.
func pathTemplate(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if p != "" && (!pathWord.MatchString(p) || i > 0 && namedBelow(parts[i-1])) {
			parts[i] = "{sid}"
		}
	}
	return strings.Join(parts, "/")
}
