package brevo

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"flexbrevo/connector/record"
)

// maxText is the longest text sent as an attribute, in bytes. Brevo documents no
// limit (facts/brevo.md 12, 13); a longer one is nobody's attribute, and is left
// out rather than cut, because half a text says something else.
const maxText = 10_000

// Reasons of omissions, constant so that they can be counted.
const (
	reasonUnknownAttribute = "attribute unknown in Brevo"
	reasonOtherType        = "attribute has another type in Brevo"
	reasonReadOnly         = "attribute is calculated in Brevo"
	reasonNotDate          = "not a date"
	reasonNotNumber        = "not a number"
	reasonNotBoolean       = "not a boolean"
	reasonNotText          = "not a text"
	reasonNotOption        = "not one of the attribute's values"
	reasonTooLong          = "text too long"
)

// convert brings a value into the form that an attribute's type asks for
// (facts/brevo.md 2), because Brevo drops what does not fit in silence. An empty
// value gives nil. The reason is not empty when something was left out; with
// a multiple choice the rest is returned beside it.
func convert(v any, def definition) (out any, reason string) {
	if v == nil || v == "" {
		return nil, ""
	}
	switch def.kind {
	case "date":
		return asDate(v)
	case "float":
		return asFloat(v)
	case "boolean":
		return asBoolean(v)
	case "category":
		return asOption(v, def.options)
	case "multiple-choice":
		return asOptions(v, def.options)
	case "text":
		return asText(v)
	}
	return nil, reasonOtherType
}

// asText takes texts, numbers and booleans.
func asText(v any) (any, string) {
	text, ok := scalar(v)
	if !ok {
		return nil, reasonNotText
	}
	text = cleanText(text)
	switch {
	case text == "":
		return nil, ""
	case len(text) > maxText:
		return nil, reasonTooLong
	}
	return text, ""
}

// scalar writes a single value as text.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	}
	if f, ok := number(v); ok {
		return strconv.FormatFloat(f, 'f', -1, 64), true
	}
	return "", false
}

// cleanText removes NULs and replaces what is no UTF-8: neither survives JSON and
// a database.
func cleanText(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// number takes the number types that rules and stored JSON give.
func number(v any) (float64, bool) {
	var f float64
	switch v := v.(type) {
	case int:
		f = float64(v)
	case int64:
		f = float64(v)
	case float64:
		f = v
	case json.Number:
		var err error
		if f, err = v.Float64(); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return f, !math.IsNaN(f) && !math.IsInf(f, 0)
}

// asFloat takes numbers and texts that are one.
func asFloat(v any) (any, string) {
	if f, ok := number(v); ok {
		return f, ""
	}
	if s, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, ""
		}
	}
	return nil, reasonNotNumber
}

// asDate takes days and moments; of a moment the day in its own zone stays.
func asDate(v any) (any, string) {
	s, ok := v.(string)
	if !ok {
		return nil, reasonNotDate
	}
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", time.DateTime} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(time.DateOnly), ""
		}
	}
	return nil, reasonNotDate
}

// asBoolean takes booleans and the usual words and digits for them.
func asBoolean(v any) (any, string) {
	text, ok := scalar(v)
	if !ok {
		return nil, reasonNotBoolean
	}
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "yes", "1":
		return true, ""
	case "false", "no", "0":
		return false, ""
	}
	return nil, reasonNotBoolean
}

// asOption finds the option that a value or label means.
func asOption(v any, options []option) (any, string) {
	text, ok := scalar(v)
	if !ok {
		return nil, reasonNotOption
	}
	text = strings.TrimSpace(text)
	for _, o := range options {
		if slices.ContainsFunc(o.names, func(name string) bool { return strings.EqualFold(name, text) }) {
			return o.send, ""
		}
	}
	return nil, reasonNotOption
}

// asOptions finds the options that a list of labels means; those that mean none
// are left out.
func asOptions(v any, options []option) (any, string) {
	var items []any
	switch v := v.(type) {
	case []any:
		items = v
	case []string:
		for _, s := range v {
			items = append(items, s)
		}
	default:
		items = []any{v}
	}
	var out []any
	reason := ""
	for _, item := range items {
		one, why := asOption(item, options)
		if why != "" {
			reason = why
			continue
		}
		if !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	if len(out) == 0 {
		return nil, reason
	}
	return out, reason
}

// sameValue says whether Brevo holds what we would send. What it holds was read
// from its JSON or from ours: numbers are float64, a day may carry a time, a
// category may be told by its value or its label, options have no order.
func sameValue(held, want any, def definition) bool {
	if held == nil || held == "" {
		return want == nil || want == ""
	}
	if want == nil || want == "" {
		return false
	}
	held, reason := convert(held, def)
	if reason != "" {
		return false
	}
	if a, ok := number(held); ok {
		b, ok := number(want)
		return ok && a == b
	}
	a, isList := held.([]any)
	b, isListToo := want.([]any)
	if isList != isListToo {
		return false
	}
	if isList {
		return len(a) == len(b) && !slices.ContainsFunc(a, func(x any) bool { return !slices.Contains(b, x) })
	}
	return held == want
}

// mask shortens a value of any type for an omission.
func mask(v any) string {
	if text, ok := scalar(v); ok {
		return record.Mask(text)
	}
	return "*"
}
