package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"flexbrevo/config"
)

func TestRedaction(t *testing.T) {
	t.Parallel()
	const key = "xkeysib-redacted-in-the-log"
	c := &config.Config{Brevo: config.Brevo{APIKey: config.NewSecret(key)}}
	for name, line := range map[string]func(*slog.Logger){
		"attribute": func(l *slog.Logger) { l.Info("x", "to", "jane.doe+a@example.co.uk", "from", "+33 6 12 34 56 78") },
		"error": func(l *slog.Logger) {
			l.Info("x", "err", errors.New("GET /contacts/jane@example.com?k="+key+" +33612345678"))
		},
		"message": func(l *slog.Logger) { l.Info("jane@example.com") },
		"with":    func(l *slog.Logger) { l.With("key", key).WithGroup("g").Info("x", "who", "jane@example.com") },
		"group":   func(l *slog.Logger) { l.Info("x", slog.Group("g", slog.String("who", "+33612345678"))) },
	} {
		for form, handler := range map[string]func(*bytes.Buffer, *slog.HandlerOptions) slog.Handler{
			"json": func(b *bytes.Buffer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(b, o) },
			"text": func(b *bytes.Buffer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(b, o) },
		} {
			var out bytes.Buffer
			line(slog.New(handler(&out, &slog.HandlerOptions{ReplaceAttr: newRedactor(c).attr})))
			for _, private := range []string{"jane", key, "33612345678", "12 34 56"} {
				if strings.Contains(out.String(), private) {
					t.Errorf("%s as %s shows %s: %s", name, form, private, out.String())
				}
			}
		}
	}
}

func TestRedactionLeavesTheRest(t *testing.T) {
	t.Parallel()
	r := newRedactor(nil)
	for _, s := range []string{
		"GET taskrouter /v1/Workspaces/{sid}/Events: transient (status 502)", "2026-11-21T05:00:00+01:00", "+1 retry", "WT00000000000000000000000000000001", "@every 15s", "",
	} {
		if got := r.text(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func BenchmarkRedaction(b *testing.B) {
	r := newRedactor(nil)
	for b.Loop() {
		r.text("GET taskrouter /v1/Workspaces/{sid}/Events: transient (status 502)")
	}
}
