package config

// Forget is how those who were forgotten are kept from coming back.
type Forget struct {
	// Key is what the digests in the store are made under. It is kept apart from the
	// store: with both, phone numbers could be tried out until one fits.
	Key Secret `yaml:"key" desc:"secret under which the forgotten are remembered; environment FLEXBREVO_FORGET_KEY"`
}

// forgetKeyLength is the least length of the key: 16 random bytes as hexadecimal digits.
const forgetKeyLength = 32

// checkForget refuses a key that could be guessed, and people who would be forgotten
// without one.
func (l *loader) checkForget() {
	const how = "make one with: openssl rand -hex 32"
	switch key := l.root.Forget.Key; {
	case key.IsSet() && len(key.Reveal()) < forgetKeyLength:
		l.fail(l.place("Config.Forget.Key").at, "the key is too short", "expected at least 32 characters; "+how)
	case !key.IsSet() && l.root.Retention.Customers != Keep:
		l.fail(l.place("Config.Retention.Customers").at, "customers cannot be forgotten without a key",
			"set forget.key, or FLEXBREVO_FORGET_KEY; "+how)
	}
}
