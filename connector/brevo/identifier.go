package brevo

import (
	"net/url"
	"strings"

	"flexbrevo/connector/record"
)

// The identifiers of a contact as record.Held names them (facts/brevo.md 1.1).
const (
	email    = "email"
	sms      = "SMS"
	whatsApp = "WHATSAPP"
	landline = "LANDLINE_NUMBER"
	extID    = "EXT_ID"
)

// identifierNames returns all of them, the strongest first.
func identifierNames() []string { return []string{email, sms, whatsApp, landline, extID} }

// identifierType returns the identifierType of a path for an identifier.
func identifierType(name string) string {
	switch name {
	case email:
		return "email_id"
	case sms:
		return "phone_id"
	case whatsApp:
		return "whatsapp_id"
	case landline:
		return "landline_number_id"
	}
	return "ext_id"
}

// identifierNamed returns the identifier that a word of Brevo's means. Spellings
// differ by endpoint and by year (facts/brevo.md 1.6), so letters count and case
// does not.
func identifierNamed(word string) (name string, ok bool) {
	word = strings.ToLower(strings.TrimSpace(word))
	word = strings.TrimSuffix(strings.ReplaceAll(word, "-", "_"), "_id")
	switch word {
	case "email", "mail":
		return email, true
	case "sms", "phone", "mobile", "phone_number":
		return sms, true
	case "whatsapp":
		return whatsApp, true
	case "landline_number", "landline", "landlinenumber":
		return landline, true
	case "ext", "extid", "external":
		return extID, true
	}
	return "", false
}

// identifierRule returns the identifier that a rule's upper-case target is; PHONE
// or MAIL are attributes of somebody's own.
func identifierRule(target string) (name string, ok bool) {
	if target == "EMAIL" {
		return email, true
	}
	name, ok = identifierNamed(target)
	return name, ok && name == target
}

// isPhone says whether an identifier is a phone number.
func isPhone(name string) bool { return name == sms || name == whatsApp || name == landline }

// sameIdentifier compares two values of one identifier: phones by digits, because
// Brevo drops the plus sign, addresses without regard to case.
func sameIdentifier(name, a, b string) bool {
	switch {
	case isPhone(name):
		return digits(a) == digits(b)
	case name == email:
		return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
	}
	return a == b
}

// digits returns a phone number's digits from the country code on.
func digits(phone string) string {
	only := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phone)
	if strings.HasPrefix(strings.TrimSpace(phone), "+") {
		return only
	}
	return strings.TrimPrefix(only, "00")
}

// Reasons why a phone number is not sent.
const (
	reasonNotPhone      = "not a phone number"
	reasonNoCountryCode = "phone number without country code"
)

// phoneNumber brings a number into the form +digits (facts/brevo.md 1.8). A number
// without country code is taken only when the customer's resolved number says
// which country it means.
func phoneNumber(raw, resolved string) (number, reason string) {
	raw = strings.TrimPrefix(strings.TrimSpace(raw), "whatsapp:")
	if strings.Trim(raw, "+0123456789 ().-/\u00a0") != "" {
		return "", reasonNotPhone
	}
	d := digits(raw)
	if len(d) < 6 || len(d) > 15 {
		return "", reasonNotPhone
	}
	if strings.HasPrefix(raw, "+") || strings.HasPrefix(raw, "00") {
		return "+" + d, ""
	}
	full := digits(resolved)
	if full == d || full != "" && strings.HasSuffix(full, strings.TrimLeft(d, "0")) {
		return "+" + full, ""
	}
	return "", reasonNoCountryCode
}

// contactPath is the path of a contact below the base URL. PathEscape leaves a
// plus sign, which Brevo wants escaped (facts/brevo.md 1.3).
func contactPath(identifier, kind string) string {
	return "/contacts/" + strings.ReplaceAll(url.PathEscape(identifier), "+", "%2B") + "?identifierType=" + kind
}

// omitted makes an omission of a rule's value.
func omitted(what string, value any, reason, rule string) record.Omission {
	return record.Omission{What: what, Value: mask(value), Reason: reason, Rule: rule}
}
