package webhook

import (
	"net/http"
	"strings"
	"time"

	"flexbrevo/connector/record"
)

// longestSeen bounds what a refusal repeats of a request.
const longestSeen = 300

// Refusal is what is remembered of a refused request: enough to find the wrong
// setting, nothing of the body, values masked.
type Refusal struct {
	At        time.Time `json:"at"`
	Connector string    `json:"connector"`
	Sender    Sender    `json:"sender"`
	Status    int       `json:"status"`
	// Reason is constant text.
	Reason string `json:"reason"`
	Method string `json:"method"`
	// URL is what the signature was checked against. Values in its query are
	// masked, save bodySHA256.
	URL string `json:"url"`
	// Host is the Host header; ForwardedProto and ForwardedHost are what a proxy
	// added. They show where they differ from URL.
	Host           string `json:"host"`
	ForwardedProto string `json:"forwardedProto"`
	ForwardedHost  string `json:"forwardedHost"`
	// ContentType is the media type without parameters.
	ContentType string `json:"contentType"`
	// Signed and Bearer say which proofs were there.
	Signed bool `json:"signed"`
	Bearer bool `json:"bearer"`
	// Length is the body's length as announced; -1 where it was not.
	Length int64 `json:"length"`
	// Tried says that Differs and Advice come from trying how the signature would have
	// matched, Found that something did. Only a few refusals a second are tried.
	Tried   bool         `json:"tried"`
	Found   bool         `json:"found"`
	Differs []Difference `json:"differs"`
	// Advice says what to do; empty where there is nothing to say.
	Advice string `json:"advice"`
}

func newRefusal(rt *route, r *http.Request, at time.Time, p *problem, publicURL string) Refusal {
	contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	refusal := Refusal{
		At:             at.UTC(),
		Connector:      rt.connector.Name,
		Sender:         rt.sender.name,
		Status:         p.status,
		Reason:         p.reason,
		Method:         seen(r.Method),
		URL:            strings.TrimRight(publicURL, "/") + seen(maskQuery(requestURI(r))),
		Host:           seen(r.Host),
		ForwardedProto: seen(r.Header.Get("X-Forwarded-Proto")),
		ForwardedHost:  seen(r.Header.Get("X-Forwarded-Host")),
		ContentType:    seen(strings.TrimSpace(contentType)),
		Signed:         r.Header.Get(signatureHeader) != "",
		Bearer:         bearer(r.Header) != "",
		Length:         r.ContentLength,
		Advice:         adviceFor(p.reason),
	}
	if d := p.diagnosis; d != nil {
		refusal.Tried, refusal.Found, refusal.Differs, refusal.Advice = true, d.Found, d.Differs, d.Advice
	}
	return refusal
}

// maskQuery masks every value of a query but the body's hash, and a part without
// a name altogether.
func maskQuery(uri string) string {
	path, query, ok := strings.Cut(uri, "?")
	if !ok {
		return uri
	}
	if len(query) > longestSeen {
		query = query[:longestSeen]
	}
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, value, named := strings.Cut(part, "=")
		switch {
		case !named:
			parts[i] = record.Mask(part)
		case name != bodyHashField:
			parts[i] = name + "=" + record.Mask(value)
		}
	}
	return path + "?" + strings.Join(parts, "&")
}

// seen shortens what a stranger wrote and replaces what does not print.
func seen(s string) string {
	if len(s) > longestSeen {
		s = s[:longestSeen]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
