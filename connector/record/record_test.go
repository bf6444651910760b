package record_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"flexbrevo/connector/record"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"+33612345678": "+33*******78", "zoe@example.com": "z**@e******.com", "z@example.co.uk": "*@e********.uk",
		"": "", "x": "*", "Zoe": "Z**", "Łukasz": "Ł*****", "+1": "+*", "@": "*", "a@b": "*@*",
		"a name that goes on": "a********", "\xff\xff\xff": "*",
	} {
		if got := record.Mask(s); got != want {
			t.Errorf("Mask(%q) = %q, want %q", s, got, want)
		}
	}
}

// TestMaskHides says that nobody learns the value: at most half of a phone or a
// name is shown, of an address at most the first letters and the last label.
func TestMaskHides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`\+[0-9]{1,15}`), rapid.StringMatching(`[a-z.]{1,9}@[a-z.]{1,9}\.[a-z]{2}`)).Draw(t, "s")
		got := record.Mask(s)
		if !utf8.ValidString(got) {
			t.Fatalf("Mask(%q) = %q is no UTF-8", s, got)
		}
		if s != "" && !strings.Contains(got, "*") {
			t.Fatalf("Mask(%q) = %q hides nothing", s, got)
		}
		local, _, isAddress := strings.Cut(s, "@")
		shown, _, _ := strings.Cut(got, "@")
		if isAddress && local != "" {
			s, got = strings.ToValidUTF8(local, "?"), shown
		}
		if open := strings.ReplaceAll(got, "*", ""); utf8.RuneCountInString(open) > max(1, utf8.RuneCountInString(s)/2) {
			t.Fatalf("of %q this is shown: %q", s, got)
		}
	})
}

func TestContactHas(t *testing.T) {
	t.Parallel()
	c := &record.Contact{Attributes: []record.Attribute{{Name: "SMS"}}}
	if !c.Has("SMS") || c.Has("WHATSAPP") || (&record.Contact{}).Has("SMS") {
		t.Error("Has does not say what is among the attributes")
	}
}
