package brevosim

import (
	"net/mail"
	"strings"
)

// kind is one of the five identifiers, in the order in which an import prefers them (facts/brevo.md 1.5).
type kind int

const (
	kindExtID kind = iota
	kindEmail
	kindSMS
	kindWhatsApp
	kindLandline
	kinds
)

// attribute is the name of an identifier among contact attributes (facts/brevo.md 1.1).
func (k kind) attribute() string {
	return [kinds]string{"EXT_ID", "EMAIL", "SMS", "WHATSAPP", "LANDLINE_NUMBER"}[k]
}

// pathType is the name of an identifier in identifierType and in the identifiers of an event.
func (k kind) pathType() string {
	return [kinds]string{"ext_id", "email_id", "phone_id", "whatsapp_id", "landline_number_id"}[k]
}

// spellings are the names under which a conflict lists the identifier; nobody documents one (facts/brevo.md 1.6).
func (k kind) spellings() []string {
	return [kinds][]string{
		{"ext_id", "EXT_ID"}, {"email", "EMAIL"}, {"SMS", "sms"}, {"WHATSAPP", "whatsapp"},
		{"LANDLINE_NUMBER", "landline_number"},
	}[k]
}

// phone reports whether the identifier is a number.
func (k kind) phone() bool { return k >= kindSMS }

// kindOfPath finds the kind behind an identifierType; contact_id is none of the five.
func kindOfPath(name string) (kind, bool) {
	for k := range kinds {
		if k.pathType() == name {
			return k, true
		}
	}
	return 0, false
}

// kindOfAttribute finds the kind behind an attribute name.
func kindOfAttribute(name string) (kind, bool) {
	for k := range kinds {
		if k.attribute() == name {
			return k, true
		}
	}
	return 0, false
}

// identifiers holds one value per kind, normalised; empty means absent.
type identifiers [kinds]string

// identifierError is the refusal of an identifier, in Brevo's words.
type identifierError string

// Error implements error.
func (e identifierError) Error() string { return string(e) }

const (
	errPhone     identifierError = "Invalid phone number"
	errEmail     identifierError = "Invalid email address"
	errExtID     identifierError = "Invalid ext_id"
	errContactID identifierError = "Invalid contact id"
	errKind      identifierError = "Invalid identifierType"
)

// normalise brings an identifier into the form in which it is stored and compared.
func (k kind) normalise(value string) (string, error) {
	switch {
	case k.phone():
		return normalisePhone(value)
	case k == kindEmail:
		return normaliseEmail(value)
	case strings.TrimSpace(value) == "":
		return "", errExtID
	}
	return value, nil
}

// normalisePhone accepts a number with its country code, after +, after 00 or bare, and returns the digits
// (facts/brevo.md 1.8). Fewer than six digits and more than the fifteen of E.164 are refused, and so is a national
// number with its leading zero.
func normalisePhone(value string) (string, error) {
	digits, plus := strings.CutPrefix(strings.TrimSpace(value), "+")
	if !plus {
		digits = strings.TrimPrefix(digits, "00")
	}
	if len(digits) < 6 || len(digits) > 15 || digits[0] == '0' {
		return "", errPhone
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return "", errPhone
		}
	}
	return digits, nil
}

// normaliseEmail accepts a bare address with a dot in its domain and returns it in lower case.
func normaliseEmail(value string) (string, error) {
	value = strings.ToLower(strings.TrimSpace(value))
	local, domain, found := strings.Cut(value, "@")
	if !found || local == "" || !strings.Contains(strings.Trim(domain, "."), ".") {
		return "", errEmail
	}
	if plainAddress(value) {
		return value, nil
	}
	if address, err := mail.ParseAddress(value); err != nil || address.Address != value {
		return "", errEmail
	}
	return value, nil
}

// plainAddress recognises the addresses that need no full parse, which are nearly all.
func plainAddress(value string) bool {
	for i := range len(value) {
		c := value[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("@.-_+", rune(c)) {
			return false
		}
	}
	return strings.Count(value, "@") == 1 && !strings.Contains(value, "..") && value[0] != '.'
}
