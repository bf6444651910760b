package brevosim

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The scopes that endpoints ask of a bearer token (facts/brevo.md 7). Which one covers /processes is not known;
// contacts:read is taken.
const (
	scopeContactsRead  = "contacts:read"
	scopeContactsWrite = "contacts:write"
	scopeEventsRead    = "events:read"
	scopeEventsWrite   = "events:write"
	scopeAccountRead   = "account:read"
	scopeObjectsRead   = "objects:read"
	scopeObjectsWrite  = "objects:write"
	scopeCRMWrite      = "crm:write"
	scopeCRMRead       = "crm:read"
)

func allScopes() []string {
	return []string{
		scopeContactsRead, scopeContactsWrite, scopeEventsRead, scopeEventsWrite, scopeAccountRead,
		scopeObjectsRead, scopeObjectsWrite, scopeCRMRead, scopeCRMWrite,
	}
}

// authorize lets a request in that has the account's key, or a token with the scope.
func (s *Server) authorize(r *http.Request, scope string) (answer, bool) {
	if token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); bearer && s.options.OAuth != nil {
		return s.tokens.check(token, scope, s.now())
	}
	// More than one key is what a misused client sends (facts/brevo.md 9); the first one counts.
	key := r.Header.Get("Api-Key")
	switch {
	case key == "":
		return refuse(http.StatusUnauthorized, codeUnauthorized, "authentication not found in headers"), false
	case s.options.APIKey == "" || same(key, s.options.APIKey):
		return answer{}, true
	}
	return badKey(), false
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// tokenStore holds the tokens that were handed out.
type tokenStore struct {
	mu     sync.Mutex
	tokens map[string]grant
}

type grant struct {
	scopes  []string
	expires time.Time
}

func (t *tokenStore) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tokens = map[string]grant{}
}

func (t *tokenStore) add(token string, g grant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tokens[token] = g
}

func (t *tokenStore) check(token, scope string, now time.Time) (answer, bool) {
	t.mu.Lock()
	g, known := t.tokens[token]
	t.mu.Unlock()
	switch {
	case !known || !now.Before(g.expires):
		return refuse(http.StatusUnauthorized, codeUnauthorized, "Invalid or expired token"), false
	case !slices.Contains(g.scopes, scope):
		return refuse(http.StatusForbidden, codeDenied, "Token lacks the scope "+scope), false
	}
	return answer{}, true
}

// oauthError is the error shape of RFC 6749.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// token hands out bearer tokens by client credentials.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	a := s.grant(r)
	s.calls.count(Call{Method: http.MethodPost, Path: tokenPath, Status: a.status})
	a.write(w)
}

func (s *Server) grant(r *http.Request) answer {
	client := s.options.OAuth
	if client == nil || r.ParseForm() != nil {
		return reply(http.StatusBadRequest, oauthError{"invalid_request", "Malformed request"})
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if !same(id, client.ID) || !same(secret, client.Secret) {
		return reply(http.StatusUnauthorized, oauthError{"invalid_client", "Invalid client or Invalid client credentials"})
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		return reply(http.StatusBadRequest, oauthError{"unsupported_grant_type", "Unsupported grant_type"})
	}
	scopes, ok := granted(client.Scopes, strings.Fields(r.PostForm.Get("scope")))
	if !ok {
		return reply(http.StatusBadRequest, oauthError{"invalid_scope", "Invalid scopes: " + r.PostForm.Get("scope")})
	}
	return s.issue(client, scopes)
}

// granted returns the scopes of a new token: those asked for, or everything if none was.
func granted(allowed, wanted []string) ([]string, bool) {
	if len(allowed) == 0 {
		allowed = allScopes()
	}
	if len(wanted) == 0 {
		return allowed, true
	}
	for _, scope := range wanted {
		if !slices.Contains(allowed, scope) {
			return nil, false
		}
	}
	return wanted, true
}

func (s *Server) issue(client *OAuthClient, scopes []string) answer {
	life := client.TokenLife
	if life <= 0 {
		life = time.Hour
	}
	token := strconv.FormatUint(s.random.next(), 36) + strconv.FormatUint(s.random.next(), 36)
	s.tokens.add(token, grant{scopes: scopes, expires: s.now().Add(life)})
	return reply(http.StatusOK, struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		TokenType   string `json:"token_type"`
		Scope       string `json:"scope"`
	}{token, int(life.Seconds()), "Bearer", strings.Join(scopes, " ")})
}
