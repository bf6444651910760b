package connector

import (
	"fmt"

	"flexbrevo/config"
	"flexbrevo/connector/webhook"
)

// Keys are the keys of the configuration that can have signed a webhook, rightly
// or because they were mixed up, each with its setting: first the auth tokens,
// then API key secrets. An empty name means all connectors.
func Keys(c *config.Config, connector string) []webhook.NamedToken {
	var tokens, others []webhook.NamedToken
	for _, one := range c.Connectors {
		if connector != "" && connector != one.Name {
			continue
		}
		at := "connectors." + one.Name
		for i, t := range one.SigningTokens() {
			setting := at + ".auth_token"
			if i > 0 || !one.AuthToken.IsSet() {
				setting = fmt.Sprintf("%s.auth_tokens (number %d)", at, i+1)
			}
			tokens = append(tokens, webhook.NamedToken{Setting: setting, Token: t.Reveal()})
		}
		if one.APIKey.IsSet() {
			others = append(others, webhook.NamedToken{Setting: at + ".api_key_secret", Token: one.APIKey.Reveal()})
		}
	}
	return append(tokens, others...)
}
