package webhook

import (
	"errors"
	"strings"
)

// Pasted is a URL as it is configured at Twilio, taken apart without changing a
// byte of it.
type Pasted struct {
	Scheme, Host string
	// Prefix is the path before the part that flexbrevo knows; URI is that part and
	// the query.
	Prefix, URI string
}

// Base is everything before the part that flexbrevo knows: what server.public_url
// has to be for this URL.
func (p Pasted) Base() string { return p.Scheme + "://" + p.Host + p.Prefix }

// Path is the part of the path that flexbrevo knows.
func (p Pasted) Path() string {
	path, _, _ := strings.Cut(p.URI, "?")
	return path
}

// ParsePasted takes a complete URL apart. A fragment, which carries connection
// overrides at Twilio, is not part of what is signed and is dropped.
func ParsePasted(raw string) (Pasted, error) {
	raw, _, _ = strings.Cut(strings.TrimSpace(raw), "#")
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || scheme != "https" && scheme != "http" {
		return Pasted{}, errors.New("expected a complete URL such as https://connector.example.com/webhooks/twilio/events")
	}
	at := strings.IndexAny(rest, "/?")
	if at < 0 {
		return Pasted{Scheme: scheme, Host: rest}, nil
	}
	p := Pasted{Scheme: scheme, Host: rest[:at], URI: rest[at:]}
	path, _, _ := strings.Cut(p.URI, "?")
	for _, begin := range []string{"/c/", "/webhooks/"} {
		if i := strings.Index(path, begin); i >= 0 {
			p.Prefix, p.URI = p.URI[:i], p.URI[i:]
			break
		}
	}
	return p, nil
}

// Paths are the paths on which posts are taken, those of all connectors alike.
func Paths() []string {
	var out []string
	for _, s := range senders() {
		out = append(out, s.path)
	}
	return out
}

// PathOf is the path of a sender, without the prefix of a connector.
func PathOf(sender Sender) string {
	for _, s := range senders() {
		if s.name == sender {
			return s.path
		}
	}
	panic("webhook: unknown sender " + string(sender))
}
