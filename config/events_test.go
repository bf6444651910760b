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

func TestOperationsContact(t *testing.T) {
	t.Parallel()
	load := func(more string) (*config.Config, error) {
		text := "connectors:\n  main:\n    account_sid: " + accountSID + "\n    auth_token: x\n    operations_contact: " + more + "\nbrevo: {api_key: y}\n"
		return config.Parse("operations.yaml", []byte(text), config.Options{Env: env()})
	}
	if _, err := load("nobody"); err == nil || !strings.Contains(err.Error(), "is no email address") || strings.Contains(err.Error(), "nobody") {
		t.Errorf("no address: %v", err)
	}
	if c, err := load("ops@example.com"); err != nil || !strings.Contains(c.Warnings.Error(), "no figures are kept") {
		t.Errorf("no figures: %v, %v", c, err)
	}
	if c, err := load("ops@example.com\n    sync: {agent_activity: true}"); err != nil || strings.Contains(c.Warnings.Error(), "figures") {
		t.Errorf("figures: %v, %v", c, err)
	}
}
