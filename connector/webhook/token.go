package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"flexbrevo/connector/failure"
)

const (
	tokenLife     = 5 * time.Minute // longest trust in a good answer
	refusalLife   = time.Minute     // how long a bad answer is remembered
	tokensHeld    = 20_000
	refusalsHeld  = 4_000
	maxTokenBytes = 8 << 10
	maxAnswer     = 64 << 10
	iamURL        = "https://iam.twilio.com"
	checkOp       = "POST iam /v1/Accounts/{sid}/Tokens/validate"
)

// ErrTokenRefused is returned for a Flex user token that Twilio says is not
// valid, or whose time is over.
var ErrTokenRefused = errors.New("the Flex user token is not valid")

// errCheckTimeout is the cause when Twilio took longer than Limits.CheckTimeout.
var errCheckTimeout = errors.New("checking the token took too long")

// Token is what Twilio says of a Flex user's token (facts/twilio.md 8).
type Token struct {
	// WorkerSID is the user's worker; empty for a user who has none.
	WorkerSID string
	// Roles are the user's roles.
	Roles []string
	// ExpiresAt is when the token ends; zero when Twilio did not say.
	ExpiresAt time.Time
}

// MayPost says whether one of the user's roles is agent, supervisor or admin.
func (t Token) MayPost() bool {
	return slices.ContainsFunc(t.Roles, func(role string) bool {
		return role == "agent" || role == "supervisor" || role == "admin"
	})
}

// proveFlexToken accepts a Flex user's token as the proof of a post.
func proveFlexToken(ctx context.Context, c Connector, r *request, credential string) *problem {
	t, err := c.Validate(ctx, credential)
	switch {
	case errors.Is(err, ErrTokenRefused):
		return forbidden("Flex user token refused")
	case err != nil:
		return later("Flex user token could not be checked", err)
	case !t.MayPost():
		return forbidden("Flex user is neither agent, supervisor nor admin")
	}
	r.token = &t
	return nil
}

// tokenChecker asks Twilio about Flex user tokens, seldom: answers are kept under
// the token's hash, questions about one token at once are one question, and the
// number of questions a second is bounded, since anybody can send garbage.
type tokenChecker struct {
	url        string
	accountSID string
	authTokens func() []string
	client     *http.Client
	clock      func() time.Time
	timeout    time.Duration
	flight     singleflight.Group
	budget     *rate.Limiter
	good, bad  *tokenCache
}

func newTokenChecker(c Connector, l Limits, clock func() time.Time) *tokenChecker {
	base := iamURL
	if c.BaseURL != "" {
		base = strings.TrimRight(c.BaseURL, "/") + "/iam"
	}
	return &tokenChecker{
		url:        base + "/v1/Accounts/" + url.PathEscape(c.AccountSID) + "/Tokens/validate",
		accountSID: c.AccountSID,
		authTokens: c.AuthTokens,
		client: &http.Client{
			Transport:     c.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		clock:   clock,
		timeout: l.CheckTimeout,
		budget:  rate.NewLimiter(rate.Limit(l.ChecksPerSecond), 2*l.ChecksPerSecond),
		good:    newTokenCache(tokensHeld),
		bad:     newTokenCache(refusalsHeld),
	}
}

// Validate returns what Twilio says of a token. The error is ErrTokenRefused for
// one that is not valid; any other error carries a failure.Reason and says that
// nothing is known.
func (c *tokenChecker) Validate(ctx context.Context, flexToken string) (Token, error) {
	if flexToken == "" || len(flexToken) > maxTokenBytes {
		return Token{}, ErrTokenRefused
	}
	digest := sha256.Sum256([]byte(flexToken))
	now := c.clock()
	if t, ok := c.good.load(digest, now); ok {
		return t, nil
	}
	if _, ok := c.bad.load(digest, now); ok {
		return Token{}, ErrTokenRefused
	}
	// The question outlives the request that asked it first: others wait for it.
	v, err, _ := c.flight.Do(string(digest[:]), func() (any, error) {
		return c.ask(context.WithoutCancel(ctx), flexToken, digest)
	})
	if err != nil {
		return Token{}, err
	}
	return v.(Token), nil
}

// ask asks Twilio and remembers the answer.
func (c *tokenChecker) ask(ctx context.Context, flexToken string, digest tokenDigest) (Token, error) {
	now := c.clock()
	if !c.budget.AllowN(now, 1) {
		return Token{}, &failure.Error{Op: checkOp, Reason: failure.RateLimited, Err: errors.New("too many tokens to check")}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errCheckTimeout)
	defer cancel()
	t, err := c.fetch(ctx, flexToken)
	if err == nil && !t.ExpiresAt.IsZero() && !t.ExpiresAt.After(now) {
		err = ErrTokenRefused
	}
	switch {
	case errors.Is(err, ErrTokenRefused):
		c.bad.save(digest, Token{}, now.Add(refusalLife))
	case err == nil:
		until := now.Add(tokenLife)
		if !t.ExpiresAt.IsZero() && t.ExpiresAt.Before(until) {
			until = t.ExpiresAt
		}
		c.good.save(digest, t, until)
	}
	return t, err
}

// fetch tries the auth tokens until Twilio accepts one: while rotating, only one
// of them is the primary.
func (c *tokenChecker) fetch(ctx context.Context, flexToken string) (Token, error) {
	err := error(&failure.Error{Op: checkOp, Reason: failure.Unauthorized, Err: ErrNoAuthToken})
	for _, authToken := range c.authTokens() {
		if authToken == "" {
			continue
		}
		var t Token
		t, err = c.post(ctx, flexToken, authToken)
		if failure.ReasonOf(err) != failure.Unauthorized {
			return t, err
		}
	}
	return Token{}, err
}

// post makes one call.
func (c *tokenChecker) post(ctx context.Context, flexToken, authToken string) (Token, error) {
	body, err := json.Marshal(map[string]string{"token": flexToken})
	if err != nil {
		return Token{}, fmt.Errorf("encode the token: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return Token{}, fmt.Errorf("make the token check: %w", err)
	}
	req.SetBasicAuth(c.accountSID, authToken)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cache-Control", "no-cache")
	res, err := c.client.Do(req)
	if err != nil {
		return Token{}, &failure.Error{Op: checkOp, Reason: failure.Transient, Err: cmp.Or(context.Cause(ctx), errors.Unwrap(err), err)}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Token{}, &failure.Error{Op: checkOp, Reason: failure.Transient, Status: res.StatusCode, Err: cmp.Or(context.Cause(ctx), err)}
	}
	return readTokenAnswer(res.StatusCode, answer)
}

// readTokenAnswer reads Twilio's answer as its own validator does: whatever the status
// is, only a true `valid` counts. Without that field the status tells whether the
// token, our credential or neither is to blame.
func readTokenAnswer(status int, body []byte) (Token, error) {
	var a struct {
		Valid      *bool    `json:"valid"`
		Expiration string   `json:"expiration"`
		Roles      []string `json:"roles"`
		WorkerSID  string   `json:"worker_sid"`
	}
	err := json.Unmarshal(body, &a)
	switch {
	case err == nil && a.Valid != nil && *a.Valid:
		expires, _ := time.Parse(time.RFC3339, a.Expiration)
		return Token{WorkerSID: a.WorkerSID, Roles: a.Roles, ExpiresAt: expires}, nil
	case err == nil && a.Valid != nil:
		return Token{}, ErrTokenRefused
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return Token{}, &failure.Error{
			Op: checkOp, Reason: failure.Unauthorized, Status: status,
			Remedy: "Token checks need the account SID and its primary auth token; an API key does not do",
		}
	case status == http.StatusTooManyRequests:
		return Token{}, &failure.Error{Op: checkOp, Reason: failure.RateLimited, Status: status}
	case status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusNotFound && err == nil:
		return Token{}, ErrTokenRefused
	}
	return Token{}, &failure.Error{Op: checkOp, Reason: failure.Transient, Status: status, Err: errors.New("the answer says nothing of the token")}
}
