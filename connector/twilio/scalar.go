package twilio

import (
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/rawjson"
)

// scalar is a JSON value as text: a string without its quotes, a number as it is
// written, null as nothing, and anything else as its JSON. Twilio gives the same
// field as a string in one place and as a number in another (facts/twilio.md 1.4).
type scalar string

// UnmarshalJSON implements json.Unmarshaler; it never fails on valid JSON.
func (s *scalar) UnmarshalJSON(b []byte) error {
	*s = scalar(textOf(string(b)))
	return nil
}

// textOf is the text of one valid JSON value, see scalar.
func textOf[T ~string | ~[]byte](value T) string {
	raw := strings.TrimSpace(string(value))
	if raw == "null" {
		return ""
	}
	if text, ok := rawjson.Text(raw); ok {
		return text
	}
	return raw
}

// clean replaces what is no UTF-8, byte by byte, as encoding/json does it, so that
// a form and a JSON body tell the same.
func clean(s string) string { return string([]rune(s)) }

// timeLayouts are the forms in which Twilio writes dates (facts/twilio.md 1.1).
func timeLayouts() [5]string {
	return [...]string{time.RFC3339Nano, time.RFC1123Z, time.RFC1123, "2006-01-02T15:04:05.999999999", time.DateTime}
}

// parseTime reads a date in any of Twilio's forms: ISO 8601, RFC 2822, seconds or
// milliseconds since 1970. Dates without a zone are UTC.
func parseTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return fromNumber(n)
	}
	for _, layout := range timeLayouts() {
		if t, err := time.Parse(layout, s); err == nil && inRange(t) {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// firstSecond and lastSecond bound the dates that are taken for dates.
const (
	firstSecond = 0x20000000   // 1987
	lastSecond  = 253402300799 // the end of the year 9999
)

func fromNumber(n int64) (time.Time, bool) {
	switch {
	case n >= firstSecond && n <= 1<<35: // seconds, until the year 3058
		return time.Unix(n, 0).UTC(), true
	case n > 1<<35 && n <= lastSecond*1000:
		return time.UnixMilli(n).UTC(), true
	}
	return time.Time{}, false
}

func inRange(t time.Time) bool { return t.Unix() >= firstSecond && t.Unix() <= lastSecond }

// firstTime returns the first of the texts that is a date, else the fallback.
func firstTime(fallback time.Time, texts ...string) time.Time {
	for _, s := range texts {
		if t, ok := parseTime(s); ok {
			return t
		}
	}
	return fallback
}
