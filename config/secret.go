package config

import (
	"fmt"
	"io"
	"log/slog"
)

const hidden = "<secret>"

// Secret is a text that prints as <secret> in every format, in JSON, in YAML and in logs. Only Reveal gives it away.
// The zero Secret is unset.
type Secret struct{ text string }

// NewSecret keeps text from being printed.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal gives the text itself. What it returns must not be logged or put into an error.
func (s Secret) Reveal() string { return s.text }

// IsSet tells whether the secret holds anything.
func (s Secret) IsSet() bool { return s.text != "" }

// Format prints <secret> for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String prints <secret>.
func (s Secret) String() string { return hidden }

// GoString prints <secret>.
func (s Secret) GoString() string { return hidden }

// LogValue logs <secret>.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText encodes <secret>; encoding/json and YAML encoders use it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
