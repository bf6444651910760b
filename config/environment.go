package config

import (
	"fmt"
	"strings"

	"flexbrevo/mapping"
)

// fromEnvironment fills what the file leaves out from the variables that a first user sets, so that the configuration
// of the original page, which holds no credential, loads as it is.
func (l *loader) fromEnvironment() {
	brevo := &l.root.Brevo
	if !brevo.hasCredentials() {
		l.variable(&brevo.APIKey, "BREVO_API_KEY")
	}
	l.variable(&l.root.Server.SurveySecret, "SURVEY_SECRET")
	l.variable(&l.root.Server.ConsolePassword, "CONSOLE_PASSWORD")
	l.variable(&l.root.Forget.Key, "FLEXBREVO_FORGET_KEY")
	for _, c := range l.root.Connectors {
		l.plainVariable(&c.AccountSID, "TWILIO_ACCOUNT_SID")
		l.plainVariable(&c.FlexFlowSID, "TWILIO_FLEX_FLOW_SID")
		// Credentials belong together: a connector with one of its own takes none of another account's.
		if !c.hasCredentials() && c.APIKeySID == "" {
			l.variable(&c.AuthToken, "TWILIO_AUTH_TOKEN")
			l.plainVariable(&c.APIKeySID, "TWILIO_API_KEY_SID")
			l.variable(&c.APIKey, "TWILIO_API_KEY_SECRET")
		}
		c.Brevo.inheritAccount(*brevo)
	}
}

func (l *loader) plainVariable(into *string, name string) {
	if *into == "" {
		*into, _ = l.expand.lookup(name)
	}
}

// variable takes a secret from NAME, or from the file that NAME_FILE names.
func (l *loader) variable(into *Secret, name string) {
	if into.IsSet() {
		return
	}
	if text, ok := l.expand.lookup(name); ok && text != "" {
		*into = NewSecret(text)
		return
	}
	path, _ := l.expand.lookup(name + "_FILE")
	if path == "" {
		return
	}
	text, err := l.readFile(path)
	if err != nil {
		l.fail(mapping.Position{File: l.file, Line: 1, Column: 1},
			fmt.Sprintf("the file that %s_FILE names cannot be read", name), reasonOfFile(err))
	}
	*into = NewSecret(strings.TrimSpace(text))
}

func (b *Brevo) hasCredentials() bool {
	return b.APIKey.IsSet() || b.OAuth.ClientSecret.IsSet() || b.OAuth.ClientID != ""
}

// inheritAccount takes the common credentials for an account that has none of its own.
func (b *Brevo) inheritAccount(common Brevo) {
	if !b.hasCredentials() {
		b.APIKey, b.OAuth = common.APIKey, common.OAuth
	}
}

func (c *Connector) hasCredentials() bool {
	return c.AuthToken.IsSet() || len(c.AuthTokens) > 0 || c.APIKey.IsSet()
}

// preset gives a connector its defaults before its block is read.
func (c *Connector) preset(root *Config) { *c = defaultConnector(root.Brevo) }

// SigningTokens gives every auth token that a webhook may be signed with, the current one first.
func (c *Connector) SigningTokens() []Secret {
	var tokens []Secret
	if c.AuthToken.IsSet() {
		tokens = append(tokens, c.AuthToken)
	}
	for _, token := range c.AuthTokens {
		if token.IsSet() {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// Credentials gives the user and the password of Twilio's API: the API key where there is one, else the account and its
// auth token.
func (c *Connector) Credentials() (user string, password Secret) {
	if c.APIKeySID != "" && c.APIKey.IsSet() {
		return c.APIKeySID, c.APIKey
	}
	if tokens := c.SigningTokens(); len(tokens) > 0 {
		return c.AccountSID, tokens[0]
	}
	return c.AccountSID, Secret{}
}
