package main

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"flexbrevo/config"
)

// redactor is the last thing before a log line is written. Nothing private should
// come so far; what does, a stranger's error text for example, ends here.
type redactor struct {
	// secrets are replaced wherever they stand.
	secrets *strings.Replacer
}

var (
	emailPattern = regexp.MustCompile(`[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(\.[\p{L}\p{N}-]+)+`)
	phonePattern = regexp.MustCompile(`\+\d[\d ().-]{6,18}\d`)
)

// newRedactor knows the secrets of a configuration; nil knows none.
func newRedactor(c *config.Config) *redactor {
	pairs := []string{}
	add := func(secrets ...config.Secret) {
		for _, s := range secrets {
			if len(s.Reveal()) >= 6 { // shorter ones would blot out ordinary words
				pairs = append(pairs, s.Reveal(), "<secret>")
			}
		}
	}
	if c != nil {
		add(c.Brevo.APIKey, c.Brevo.OAuth.ClientSecret, c.Server.SurveySecret, c.Server.ConsolePassword, c.Store.URL, c.Forget.Key)
		for _, k := range c.Connectors {
			add(k.AuthToken, k.APIKey, k.Brevo.APIKey, k.Brevo.OAuth.ClientSecret)
			add(k.AuthTokens...)
		}
	}
	return &redactor{secrets: strings.NewReplacer(pairs...)}
}

// attr is the ReplaceAttr of the log's handlers.
func (r *redactor) attr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return a
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(r.text(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(r.text(v.Error()))
		case fmt.Stringer:
			a.Value = slog.StringValue(r.text(v.String()))
		}
	}
	return a
}

// text takes secrets, addresses and phone numbers out of a text.
func (r *redactor) text(s string) string {
	s = r.secrets.Replace(s)
	if strings.IndexByte(s, '@') >= 0 {
		s = emailPattern.ReplaceAllString(s, "<email>")
	}
	if strings.IndexByte(s, '+') >= 0 {
		s = phonePattern.ReplaceAllString(s, "<phone>")
	}
	return s
}
