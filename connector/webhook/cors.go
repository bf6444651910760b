package webhook

import (
	"net/http"
	"net/url"
	"strings"
)

// hostedFlex is where Twilio hosts the Flex UI (facts/twilio.md 8).
const hostedFlex = "https://flex.twilio.com"

// allowOrigin lets a browser page of a known Flex origin read the answer. It
// protects nothing: the token does.
func allowOrigin(h http.Header, origin string, origins func() []string) {
	h.Add("Vary", "Origin")
	if origin == "" || !knownOrigin(origin, origins) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Retry-After")
}

// servePreflight answers a browser's question whether it may post.
func servePreflight(w http.ResponseWriter) {
	h := w.Header()
	if h.Get("Access-Control-Allow-Origin") == "" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	h.Set("Access-Control-Allow-Methods", http.MethodPost)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	h.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
}

func knownOrigin(origin string, origins func() []string) bool {
	if strings.EqualFold(origin, hostedFlex) {
		return true
	}
	if origins == nil {
		return false
	}
	for _, known := range origins() {
		if o := originOf(known); o != "" && strings.EqualFold(origin, o) {
			return true
		}
	}
	return false
}

// originOf reduces what Flex configuration holds, a URL with a path (flex_url)
// or a bare domain (runtime_domain), to an origin; "" if it is neither.
func originOf(s string) string {
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
