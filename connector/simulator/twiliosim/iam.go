package twiliosim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"flexbrevo/connector/simulator/world"
)

// userTokenLife is how long a Flex user token is good; facts/twilio.md 8.
const userTokenLife = time.Hour

type userToken struct {
	worker  string
	roles   []string
	expires time.Time
}

// IssueToken logs a worker in and returns a Flex user token, good for an hour by the account's clock.
// Without roles the worker is an agent. An unknown worker SID is taken as it is, for tests that need a
// stranger.
func (s *Server) IssueToken(workerSID string, roles ...string) string {
	if len(roles) == 0 {
		roles = []string{"agent"}
	}
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	// A real token is an encrypted JWE: five parts, opaque to everybody but Twilio.
	number := uint64(len(s.tokens))
	token := fmt.Sprintf("eyJhbGciOiJkaXIifQ..%016x.%016x.%016x", scatter(s.options.Seed, number), scatter(s.options.Seed+1, number), scatter(s.options.Seed+2, number))
	s.tokens[token] = userToken{worker: workerSID, roles: roles, expires: now.Add(userTokenLife)}
	return token
}

// validateToken answers as the IAM service does. Only the account's own token is taken as credentials,
// since whether API keys work here is not known; facts/twilio.md 8 and 13.
func (s *Server) validateToken(w http.ResponseWriter, r *http.Request) {
	if user, _, _ := r.BasicAuth(); user != s.world.AccountSID || r.PathValue("account") != s.world.AccountSID {
		sendProblem(w, unauthorized())
		return
	}
	var body struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&body); err != nil {
		sendProblem(w, badRequest(20001, "The body is not the JSON expected"))
		return
	}
	s.mu.Lock()
	token, ok := s.tokens[body.Token]
	s.mu.Unlock()
	if !ok || !s.Now().Before(token.expires) {
		refused := object("valid", false, "code", 20101, "message", "Invalid Access Token")
		send(w, http.StatusForbidden, refused.AppendJSON(nil))
		return
	}
	send(w, http.StatusOK, s.validToken(token).AppendJSON(nil))
}

func (s *Server) validToken(token userToken) world.Fields {
	identity := "stranger"
	if agent, ok := s.agent(token.worker); ok {
		identity = agent.Identity
	}
	roles := make([]any, len(token.roles))
	for i, role := range token.roles {
		roles[i] = role
	}
	return object(
		"valid", true, "code", 0, "message", nil, "expiration", token.expires.UTC().Format(world.StampLayout),
		"realm_user_id", identity, "identity", identity, "roles", roles, "worker_sid", token.worker)
}
