package config_test

import (
	"strings"
	"testing"
	"time"

	"flexbrevo/config"
)

func TestCustomObjects(t *testing.T) {
	t.Parallel()
	load := func(block string) (*config.Config, error) {
		text := "connectors:\n  main:\n    account_sid: " + accountSID + "\n    auth_token: x\n    " + block + "\nbrevo: {api_key: y}\n"
		return config.Parse("objects.yaml", []byte(text), config.Options{Env: env()})
	}
	for block, says := range map[string]string{
		"custom_objects: {agent_days: Flex Day}":                        "objects.yaml:5:34: connectors.main.custom_objects.agent_days: \"Flex Day\" is no name of a type of custom object",
		"custom_objects: {agent_days: a, queue_hours: a}":               "expected two types",
		"custom_objects: {agent_day: a}":                                "is agent_days meant?",
		"custom_objects: {since: 500d}":                                 "is too large",
		"custom_objects: {agent_days: " + strings.Repeat("a", 33) + "}": "at most 32",
	} {
		if _, err := load(block); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", block, err, says)
		}
	}
	c, err := load("custom_objects: {agent_days: flex_agent_day, queue_hours: flex_queue_hour}")
	if err != nil || strings.Count(c.Warnings.Error(), "no figures of") != 2 {
		t.Errorf("without figures: %v, %v", c, err)
	}
	c, err = load("custom_objects: {agent_days: flex_agent_day}\n    sync: {agent_activity: true}")
	if err != nil || strings.Contains(c.Warnings.Error(), "figures") {
		t.Fatalf("%v, %v", c, err)
	}
	if o := c.Connectors[0].CustomObjects; !o.IsSet() || o.AgentDays != "flex_agent_day" || o.Since != 72*time.Hour {
		t.Errorf("%+v", o)
	}
	if c, err = load("debug: false"); err != nil || c.Connectors[0].CustomObjects.IsSet() {
		t.Errorf("not asked for: %v", err)
	}
}
