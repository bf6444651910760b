package config_test

import (
	"testing"
	"time"

	"flexbrevo/config"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0s": 0, "10s": 10 * time.Second, "72h": 72 * time.Hour, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "500ms": 500 * time.Millisecond,
	} {
		if got, err := config.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "-1s", "1d-1h", "two days", "1.5d", "10", "99999d", "-1d", "1d1d"} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2026-01-31":           "2026-01-30T23:00:00Z",
		"2026-07-01":           "2026-06-30T22:00:00Z",
		"2026-01-31T15:04:05Z": "2026-01-31T15:04:05Z",
	} {
		got, err := config.ParseDate(text, paris)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: got %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "31/01/2026", "2026-13-01", "yesterday"} {
		if got, err := config.ParseDate(text, paris); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
