package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// longestKey bounds keys and types, which are indexed text in the store.
const longestKey = 200

// hashOf names bytes that carry no identity of their own.
func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// keyOf joins what identifies a record. Parts that are too long, or hold bytes
// that not every database takes as text, are replaced by their hash.
func keyOf(prefix string, parts ...string) string {
	joined := strings.Join(parts, ":")
	if len(joined) > longestKey || !isPlain(joined) {
		joined = hashOf([]byte(joined))
	}
	return prefix + ":" + joined
}

// isPlain says whether s is printable ASCII without spaces.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isName says whether s can be a type's name.
func isName(s string) bool {
	return s != "" && len(s) <= longestKey && isPlain(s)
}

// isSID says whether s is a SID with the given two letters: 34 characters, the
// letters and then hexadecimal digits (facts/twilio.md 0).
func isSID(s, letters string) bool {
	if len(s) != 34 || s[:2] != letters {
		return false
	}
	for i := 2; i < len(s); i++ {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

// firstTime returns the first of the texts that is an ISO 8601 moment, in UTC, or
// the fallback.
func firstTime(fallback time.Time, texts ...string) time.Time {
	for _, s := range texts {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			return t.UTC()
		}
	}
	return fallback.UTC()
}

// epoch returns the moment that s counts in the given unit since 1970.
func epoch(s string, unit time.Duration) (time.Time, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > int64(maxEpoch/unit) {
		return time.Time{}, false
	}
	return time.Unix(0, n*int64(unit)).UTC(), true
}

// maxEpoch is the last moment that nanoseconds since 1970 can count.
const maxEpoch = time.Duration(1<<63 - 1)
