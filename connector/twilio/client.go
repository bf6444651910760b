package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	twilioclient "github.com/twilio/twilio-go/client"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/rawjson"
)

// Where the APIs live; origin sends the calls elsewhere for a stand-in.
const (
	taskrouterURL    = "https://taskrouter.twilio.com/v1/Workspaces/"
	conversationsURL = "https://conversations.twilio.com/v1/Services/"
)

// client makes single reads on the one transport.
type client struct {
	rt      http.RoundTripper
	once    http.RoundTripper // the same without repetition, for what changes something
	clock   *serverClock
	account string
}

// answer is a complete JSON answer with the moment Twilio gave it.
type answer struct {
	body []byte
	date time.Time
}

// get reads one resource. Errors are *failure.Error.
func (c *client) get(ctx context.Context, rawURL string) (answer, error) {
	resp, err := c.send(ctx, rawURL)
	if err != nil {
		return answer{}, err
	}
	body, err := bodyOf(resp)
	if err != nil {
		return answer{}, c.misread(rawURL, err)
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return answer{}, c.misread(rawURL, errors.New("the answer has no Date header"))
	}
	return answer{body: body, date: date.UTC()}, nil
}

func (c *client) send(ctx context.Context, rawURL string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, &failure.Error{Op: "GET", Reason: failure.Invalid, Err: errors.New("the URL cannot be parsed")}
	}
	return c.rt.RoundTrip(req)
}

// misread is an answer that cannot be used. It never carries the answer's text,
// which decoders like to quote.
func (c *client) misread(rawURL string, err error) error {
	e := &failure.Error{Op: "GET", Reason: failure.Transient, Status: http.StatusOK, Err: err}
	if u, parseErr := url.Parse(rawURL); parseErr == nil {
		e.Op = op(&http.Request{Method: http.MethodGet, URL: u})
	}
	return e
}

// page is one page of a list: its rows as the source's own bytes.
type page struct {
	rows []json.RawMessage
	next string
	size int // the page size in force, as the answer tells it; 0 when it does not
	date time.Time
}

// readPage reads the envelope of a list (facts/twilio.md 1.1). The rows are parts of
// body: twilio-go's own page types would lose the bytes, and one date in the form of
// RFC 2822 would lose the page (facts/twilio.md 11.4).
func readPage(body []byte, key string) (page, error) {
	var p page
	r := rawjson.ReadBytes(body)
	r.Object(func(name string) {
		switch {
		case name == "meta" && r.IsObject():
			p.readMeta(r)
		case name == key && r.IsArray():
			p.rows = []json.RawMessage{}
			r.Array(func() {
				from, to := r.Span()
				p.rows = append(p.rows, body[from:to:to])
			})
		}
	})
	if r.End() != nil {
		return page{}, errors.New("the answer is not the JSON of a list")
	}
	if p.rows == nil {
		return page{}, fmt.Errorf("the answer has no %s", key)
	}
	return p, nil
}

func (p *page) readMeta(r *rawjson.Reader) {
	r.Object(func(name string) {
		switch name {
		case "next_page_url":
			p.next = strings.Clone(textOf(r.Raw()))
		case "page_size":
			p.size, _ = strconv.Atoi(textOf(r.Raw())) // a list may not tell
		}
	})
}

// fetchPage reads one page. An answer without the list is an error, never an
// empty page.
func (c *client) fetchPage(ctx context.Context, rawURL, key string) (page, error) {
	a, err := c.get(ctx, rawURL)
	if err != nil {
		return page{}, err
	}
	p, err := readPage(a.body, key)
	if err != nil {
		return page{}, c.misread(rawURL, err)
	}
	p.date = a.date
	return p, nil
}

// errPageLost: a following page was refused, because a token names an item that
// is gone by now. The list must be read from its beginning (facts/twilio.md 1.2).
var errPageLost = errors.New("the next page is gone")

// walk reads a list page by page until each wants no more. Page URLs are never
// built here: next_page_url is followed until it is null. twilio-go's List and
// Stream are not used: they gather everything or leak, and know no context
// (facts/twilio.md 11.4).
func (c *client) walk(ctx context.Context, first, key string, each func(page) (more bool, err error)) error {
	seen := map[string]bool{}
	for at := first; ; {
		p, err := c.fetchPage(ctx, at, key)
		if err != nil {
			if at != first && refusedPage(err) {
				return fmt.Errorf("%w: %w", errPageLost, err)
			}
			return err
		}
		more, err := each(p)
		if err != nil || !more || p.next == "" {
			return err
		}
		seen[at] = true
		if seen[p.next] {
			return c.misread(p.next, errors.New("paging does not advance"))
		}
		at = p.next
	}
}

func refusedPage(err error) bool {
	reason := failure.ReasonOf(err)
	return reason == failure.Invalid || reason == failure.Gone
}

// restarts is how often a list whose next page was lost is read anew.
const restarts = 3

// walkAgain is walk for lists that may be begun again: it does so when a page was
// lost. What each has taken by then must be good to be taken twice.
func (c *client) walkAgain(ctx context.Context, first, key string, each func(page) (bool, error)) error {
	for left := restarts; ; left-- {
		err := c.walk(ctx, first, key, each)
		if !errors.Is(err, errPageLost) {
			return err
		}
		if left == 0 {
			return c.misread(first, errors.New("its pages keep vanishing"))
		}
	}
}

// sdk returns twilio-go's way to make calls, bound to one context. The handler is
// made by hand because its constructor reads TWILIO_EDGE and TWILIO_REGION.
func (c *client) sdk(ctx context.Context) *twilioclient.RequestHandler {
	return &twilioclient.RequestHandler{Client: &bound{ctx: ctx, client: c}}
}

// bound lends one call's context to twilio-go, which has no parameter for it, and
// makes its calls on our transport (facts/twilio.md 11.2). It lives for that call
// only.
type bound struct {
	ctx    context.Context
	client *client
}

var _ twilioclient.BaseClient = (*bound)(nil)

// AccountSid implements twilioclient.BaseClient.
func (b *bound) AccountSid() string { return b.client.account }

// SetTimeout implements twilioclient.BaseClient; the transport has its own.
func (b *bound) SetTimeout(time.Duration) {}

// SetOauth implements twilioclient.BaseClient; OAuth is not used.
func (b *bound) SetOauth(twilioclient.OAuth) {}

// OAuth implements twilioclient.BaseClient; OAuth is not used.
func (b *bound) OAuth() twilioclient.OAuth { return nil }

// SendRequest implements twilioclient.BaseClient for reads. The query is encoded
// here, because twilio-go's own client deletes every dot followed by digits.
func (b *bound) SendRequest(method, rawURL string, data url.Values, _ map[string]any, _ ...byte) (*http.Response, error) {
	if method != http.MethodGet {
		return nil, fmt.Errorf("%s: this client only reads", method)
	}
	if len(data) > 0 {
		rawURL += "?" + data.Encode()
	}
	return b.client.send(b.ctx, rawURL)
}

// withQuery joins a URL and its query.
func withQuery(rawURL string, query url.Values) string {
	return rawURL + "?" + query.Encode()
}

// segment escapes one part of a path.
func segment(s string) string { return url.PathEscape(strings.TrimSpace(s)) }
