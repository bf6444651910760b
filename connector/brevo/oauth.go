package brevo

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"flexbrevo/connector/failure"
)

// DefaultTokenURL is where Brevo gives tokens since 13 October 2026
// (facts/brevo.md 7).
const DefaultTokenURL = "https://api.brevo.com" + tokenPath

// renewBefore is how long before its end a token is not used any more.
const renewBefore = time.Minute

// tokenLife is how long a token lasts that does not say so (facts/brevo.md 7).
const tokenLife = time.Hour

// OAuthOptions are client credentials.
type OAuthOptions struct {
	ClientID, ClientSecret string
	// TokenURL is where tokens are given; default is DefaultTokenURL's path beside the
	// base URL's own, so that a stand-in gives its tokens itself.
	TokenURL string
	// Scopes replaces those this package needs. They are always asked for by name:
	// a token asked for without scopes may do everything.
	Scopes []string
	// Further are asked for beside those this package needs.
	Further []string
}

// neededScopes is what the calls of this package need; ":write" does not include
// ":read".
func neededScopes() []string {
	return []string{"contacts:read", "contacts:write", "events:read", "events:write", "account:read"}
}

// authenticator puts the credential on a request.
type authenticator interface {
	// authorize adds the header; it may ask the network for a token.
	authorize(ctx context.Context, h http.Header) error
	// refused is told the header of a request that was answered 401.
	refused(h http.Header)
}

// newAuthenticator returns the one that the options ask for.
func newAuthenticator(o Options, base *url.URL, wire http.RoundTripper, clock func() time.Time) (authenticator, error) {
	switch {
	case o.OAuth != nil && o.APIKey != "":
		return nil, errors.New("credential of Brevo: set an API key or OAuth, not both")
	case o.OAuth != nil:
		return newTokens(*o.OAuth, tokenURL(base), wire, clock)
	case o.APIKey == "":
		return nil, errors.New("credential of Brevo: no API key is set")
	case strings.ContainsFunc(o.APIKey, notHeader):
		return nil, errors.New("credential of Brevo: the API key has spaces or control characters in it; copy it again into brevo.api_key, or by `flexbrevo secrets set BREVO_API_KEY`")
	}
	return apiKey(o.APIKey), nil
}

// notHeader finds what a pasted key must not have.
func notHeader(r rune) bool { return r <= ' ' || r >= 0x7f }

// apiKey authenticates by the api-key header. brevo-go's ContextAPIKey is not
// used because it sends the key as partner-key too (facts/brevo.md 9).
type apiKey string

func (k apiKey) authorize(_ context.Context, h http.Header) error {
	h["Api-Key"] = []string{string(k)}
	return nil
}

func (apiKey) refused(http.Header) {}

// tokens authenticates by bearer tokens, each used until shortly before its end.
type tokens struct {
	config clientcredentials.Config
	client *http.Client
	clock  func() time.Time

	// gate is held while a token is asked for: a channel, so that a waiter can
	// leave when its context ends.
	gate chan struct{}
	mu   sync.Mutex
	now  *oauth2.Token
	ends time.Time // of now, by our clock
}

// tokenPath is the path of DefaultTokenURL.
const tokenPath = "/realms/partner/oauth/token"

// tokenURL is where tokens are given beside a base URL; for DefaultBaseURL that is
// DefaultTokenURL.
func tokenURL(base *url.URL) string {
	at := url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimSuffix(base.Path, "/v3") + tokenPath}
	return at.String()
}

// newTokens checks OAuth's options.
func newTokens(o OAuthOptions, usual string, wire http.RoundTripper, clock func() time.Time) (*tokens, error) {
	if o.ClientID == "" || o.ClientSecret == "" {
		return nil, errors.New("credential of Brevo: OAuth needs a client id and a client secret")
	}
	at, err := url.Parse(cmp.Or(o.TokenURL, usual))
	if err != nil || at.Host == "" || at.Scheme != "https" && !isLoopback(at.Hostname()) {
		return nil, errors.New("token url of Brevo: expected https://host/path")
	}
	scopes := o.Scopes
	if len(scopes) == 0 {
		scopes = append(neededScopes(), o.Further...)
	}
	return &tokens{
		config: clientcredentials.Config{
			ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: at.String(),
			Scopes: scopes, AuthStyle: oauth2.AuthStyleInParams,
		},
		client: &http.Client{Transport: wire, Timeout: defaultTimeout, CheckRedirect: noRedirect},
		clock:  clock,
		gate:   make(chan struct{}, 1),
	}, nil
}

func (t *tokens) authorize(ctx context.Context, h http.Header) error {
	if tok := t.current(); tok != nil {
		tok.SetAuthHeader(&http.Request{Header: h})
		return nil
	}
	select {
	case t.gate <- struct{}{}:
		defer func() { <-t.gate }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// Another call may have renewed it while we waited.
	tok := t.current()
	if tok == nil {
		var err error
		if tok, err = t.fetch(ctx); err != nil {
			return err
		}
	}
	tok.SetAuthHeader(&http.Request{Header: h})
	return nil
}

// current returns the token if it may still be used.
func (t *tokens) current() *oauth2.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == nil || t.clock().Add(renewBefore).After(t.ends) {
		return nil
	}
	return t.now
}

// fetch asks for a token.
func (t *tokens) fetch(ctx context.Context) (*oauth2.Token, error) {
	began := t.clock()
	tok, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err != nil {
		return nil, tokenError(ctx, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	life := time.Duration(tok.ExpiresIn) * time.Second
	t.now, t.ends = tok, began.Add(cmp.Or(life, tokenLife))
	return tok, nil
}

// refused forgets a token that Brevo does not take, so that the next call asks
// for another.
func (t *tokens) refused(h http.Header) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now != nil && h.Get("Authorization") == t.now.Type()+" "+t.now.AccessToken {
		t.now = nil
	}
}

// tokenError classifies a failed token call. The library's own text holds the
// answer's body and is not passed on.
func tokenError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	out := &failure.Error{Op: "POST oauth token", Reason: failure.Transient}
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		out.Err = errors.New("no token could be read")
		return out
	}
	out.Status, out.Code = refused.Response.StatusCode, openCode(refused.ErrorCode)
	switch {
	case out.Status == http.StatusTooManyRequests:
		out.Reason = failure.RateLimited
	case out.Status >= 400 && out.Status < 500:
		out.Reason = failure.Unauthorized
		out.Remedy = "Check brevo.oauth: the client id, its secret, and that the app was granted the scopes it asks for"
	}
	return out
}

// noRedirect keeps a client from following redirects.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
