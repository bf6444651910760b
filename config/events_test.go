package config_test

import (
	"strings"
	"testing"

	"flexbrevo/config"
)

func TestEventLink(t *testing.T) {
	t.Parallel()
	for link, good := range map[string]bool{
		`""`: true, "https://flex.example.com/t/{task_sid}": true, "https://x.example/?c={conversation_sid}&t={task_sid}": true,
		"https://flex.example.com/": false, "http://flex.example.com/{task_sid}": false, "https://x.example/{task}": false, "{task_sid}": false,
	} {
		text := "connectors:\n  main:\n    account_sid: " + accountSID + "\n    auth_token: x\n    events: {link: '" + strings.Trim(link, `"`) + "'}\nbrevo: {api_key: y}\n"
		_, err := config.Parse("link.yaml", []byte(text), config.Options{Env: env()})
		if good != (err == nil) || !good && !strings.Contains(err.Error(), "expected https://") {
			t.Errorf("%s: %v", link, err)
		}
	}
}
