package record

import (
	"strings"
	"unicode/utf8"
)

// Mask shortens a private value so that an operator who knows it recognises it
// and nobody else learns it: "+33612345678" becomes "+33*******78" and
// "zoe@example.com" becomes "z**@e******.com".
func Mask(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if local, domain, ok := strings.Cut(s, "@"); ok && local != "" {
		host, tld := domain, ""
		if i := strings.LastIndexByte(domain, '.'); i >= 0 {
			host, tld = domain[:i], domain[i:]
		}
		return keep(local, 1, 0) + "@" + keep(host, 1, 0) + tld
	}
	if strings.HasPrefix(s, "+") {
		return keep(s, 3, 2)
	}
	return keep(s, 1, 0)
}

// keep replaces all but the first head and last tail runes by stars, and never
// shows more than half of the value.
func keep(s string, head, tail int) string {
	n := utf8.RuneCountInString(s)
	if head+tail > n/2 {
		head, tail = min(head, n/2), 0
	}
	r := []rune(s)
	stars := min(n-head-tail, 8)
	return string(r[:head]) + strings.Repeat("*", stars) + string(r[n-tail:])
}
