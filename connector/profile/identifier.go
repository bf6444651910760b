package profile

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"

	"flexbrevo/connector/fact"
)

// Email returns the normalised form of an address: trimmed, lower case, a bare
// addr-spec with a dotted domain. It returns false for anything else.
func Email(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if !strings.Contains(s, "@") {
		return "", false
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 {
		return "", false
	}
	_, domain, _ := strings.Cut(s, "@")
	if !strings.Contains(domain, ".") || strings.HasPrefix(domain, "[") || strings.ContainsRune(s, utf8.RuneError) {
		return "", false
	}
	return s, true
}

// Phone returns a number as E.164. The prefixes of messaging channels
// ("whatsapp:") are stripped; a national number needs the default region.
// Client names, SIP addresses, withheld callers and what cannot be a number
// give false.
func Phone(s, region string) (string, bool) {
	s, ok := bare(s)
	if !ok || !numeric(s) || withheld[digits(s)] {
		return "", false
	}
	p, ok := e164(s, region)
	if !ok || p == s {
		return p, ok
	}
	// Of some junk, such as a row of zeros, every reading strips another digit.
	if again, ok := e164(p, ""); !ok || again != p {
		return "", false
	}
	return p, true
}

func e164(s, region string) (string, bool) {
	n, err := phonenumbers.Parse(s, region)
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}

// bare strips the prefix of a messaging channel; it returns false for the
// prefixes of what is no phone.
func bare(s string) (string, bool) {
	s = strings.TrimSpace(s)
	i := strings.IndexByte(s, ':')
	if i < 0 {
		return s, true
	}
	switch strings.ToLower(s[:i]) {
	case "whatsapp", "sms", "rcs", "tel":
		return strings.TrimSpace(s[i+1:]), true
	}
	return "", false
}

// numeric says whether s may be a number: libphonenumber reads letters as keys.
func numeric(s string) bool {
	return s != "" && !strings.ContainsAny(s, "@abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// withheld are the digits that carriers send in place of a withheld caller: the
// keypad spelling of ANONYMOUS, RESTRICTED, UNAVAILABLE, UNKNOWN, BLOCKED and
// PRIVATE.
var withheld = map[string]bool{
	"266696687": true, "7378742833": true, "86282452253": true,
	"8656696": true, "2562533": true, "7748283": true,
}

// isWithheld says whether an address is rightly no customer's: a client or SIP
// name, which is the company's own, or a withheld caller.
func isWithheld(s string) bool {
	scheme, _, _ := strings.Cut(s, ":")
	if strings.EqualFold(scheme, "client") || strings.EqualFold(scheme, "sip") || strings.EqualFold(scheme, "sips") {
		return true
	}
	if b, ok := bare(s); ok {
		s = b
	}
	return isPlaceholder(s) || numeric(s) && withheld[digits(s)]
}

// isPlaceholder knows what stands in place of a withheld caller's number or of a
// name that nobody gave.
func isPlaceholder(s string) bool {
	switch strings.ToLower(s) {
	case "anonymous", "restricted", "unavailable", "unknown", "blocked", "private", "withheld",
		"no caller id", "null", "undefined", "n/a", "na", "-":
		return true
	}
	return false
}

// isSID says whether s is one of Twilio's SIDs: two letters and 32 hex digits.
func isSID(s string) bool {
	if len(s) != 34 || strings.Trim(s[:2], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return false
	}
	return strings.Trim(s[2:], "0123456789abcdef") == ""
}

// machineName matches the random identities that web chat gives to visitors; they are
// identities, but no names.
var machineName = regexp.MustCompile(`^([0-9a-fA-F]{16,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$`)

// nameOf returns s if a person might be called so: not a number, an address, a
// SID, a placeholder or a machine's name.
func nameOf(s, region string) string {
	s = strings.TrimSpace(clean(s))
	if s == "" || isPlaceholder(s) || isSID(s) || machineName.MatchString(s) {
		return ""
	}
	if strings.Contains(s, "@") || strings.Contains(s, "_40") || strings.ContainsRune(s, ':') {
		return ""
	}
	if strings.Trim(s, "+0123456789 ()-./") == "" {
		return ""
	}
	if _, ok := Phone(s, region); ok {
		return ""
	}
	return s
}

// clean removes what no store and no API wants inside a name or an identifier.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.Map(func(r rune) rune {
		if r == 0 {
			return -1
		}
		return r
	}, s)
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// str returns an attribute as text; numbers count (a phone may be given as one).
func str(m map[string]any, path ...string) string {
	var v any = m
	for _, p := range path {
		inner, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = inner[p]
	}
	return textOf(v)
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case int:
		return itoa(v)
	}
	return ""
}

// object returns an attribute that is an object, or a string that holds one.
func object(m map[string]any, key string) map[string]any {
	switch v := m[key].(type) {
	case map[string]any:
		return v
	case string:
		if decoded, err := fact.DecodeJSON([]byte(v)); err == nil {
			o, _ := decoded.(map[string]any)
			return o
		}
	}
	return nil
}
