package webhook

import (
	"fmt"
	"net/http"

	"golang.org/x/time/rate"
)

// Trying out what a signature may have been made of costs some thousand hashes, and
// strangers can ask for it: so it is done for few requests, and small ones.
const (
	explainedPerSecond rate.Limit = 1
	explainedAtOnce               = 5
	explainedBody                 = 16 << 10
)

// diagnose notes, for the operator, how a signature that did not match would have
// matched. Only now are the body and the query at hand: neither is kept.
func (h *Handler) diagnose(rt *route, r *http.Request, req *request, p *problem) {
	if p.reason != ErrSignatureWrong.Error() || len(req.body) > explainedBody || !h.explain.AllowN(req.at, 1) {
		return
	}
	q := Question{
		Signature: req.header.Get(signatureHeader), PublicURL: h.options.PublicURL, URI: req.uri,
		Method: req.method, Form: req.form, Body: req.body,
		Hosts:    present(r.Host, req.header.Get("X-Forwarded-Host")),
		Schemes:  present(req.header.Get("X-Forwarded-Proto")),
		Prefixes: present(req.header.Get("X-Forwarded-Prefix")),
	}
	for i, token := range rt.connector.AuthTokens() {
		q.Tokens = append(q.Tokens, NamedToken{fmt.Sprintf("auth token %d", i+1), token})
	}
	if rt.connector.Suspects != nil {
		q.Suspects = rt.connector.Suspects()
	}
	d := Diagnose(q)
	p.diagnosis = &d
}

// present are the values that are there and not absurdly long.
func present(values ...string) []string {
	var out []string
	for _, v := range values {
		if v != "" && len(v) <= longestSeen {
			out = append(out, v)
		}
	}
	return out
}
