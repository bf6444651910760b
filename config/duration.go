package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Age is a length of time after which something is removed. Zero, written "keep", means never.
type Age time.Duration

// Keep is the Age of what is never removed.
const Keep Age = 0

// Duration gives the age; ok is false for Keep.
func (a Age) Duration() (d time.Duration, ok bool) { return time.Duration(a), a != Keep }

// ParseDuration reads what Go's durations can say, and days: 72h, 30d, 1d12h, 500ms. A negative one is an error.
func ParseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	}
	whole, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, errNoDuration
	}
	if found && rest == "" {
		rest = "0s"
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return 0, errNoDuration
	}
	total := time.Duration(whole)*24*time.Hour + d
	if total < 0 {
		return 0, errNoDuration
	}
	return total, nil
}

var errNoDuration = errors.New("not a duration such as 10s, 72h or 30d")

// ParseDate reads a day, 2026-01-31, as its first moment in the zone, or an RFC 3339 moment.
func ParseDate(text string, zone *time.Location) (time.Time, error) {
	if at, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return at, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("not a date such as 2026-01-31 or 2026-01-31T15:04:05Z")
	}
	return at, nil
}
