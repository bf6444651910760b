package config_test

import (
	"strings"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/mapping"
)

func TestCRM(t *testing.T) {
	t.Parallel()
	load := func(rule string) (*config.Config, error) {
		text := "connectors:\n  main:\n    account_sid: " + accountSID + "\n    auth_token: x\n    crm:\n      vip:\n" + rule + "brevo: {api_key: y}\n"
		return config.Parse("crm.yaml", []byte(text), config.Options{Env: env()})
	}
	for rule, says := range map[string]string{
		"        on: task.abandonned\n        note: x\n": "crm.yaml:7:13: connectors.main.crm.vip.on: unknown event type task.abandonned; is task.abandoned meant?",
		"        note: x\n":            "no event type",
		"        on: task.abandoned\n": "nothing to write",
		"        on: task.abandoned\n        note: waited {task.wait_time +} s\n":           "crm.yaml:8:",
		"        on: task.abandoned\n        note: \"{ task.wait_time\"\n":                  "crm.yaml:8:15: connectors.main.crm.vip.note: an opening brace without a closing one",
		"        on: task.abandoned\n        note: \"it is }\"\n":                           "a closing brace without an opening one",
		"        on: task.abandoned\n        when: task.wait_time\n        note: x + {1}\n": "",
		"        on: task.abandoned\n        when: \"'a'\"\n        note: x\n":              "the condition gives",
		"        on: task.abandoned\n        task: {type: Call}\n":                          "a task without a name",
		"        on: task.abandoned\n        task: {name: x, assign_to: nobody}\n":          "is no email address",
		"        on: task.abandoned\n        task: {name: x, due: -1h}\n":                   "due",
		"        on: task.abandoned\n        text: x\n":                                     "unknown key",
	} {
		_, err := load(rule)
		if says == "" && err == nil {
			continue
		}
		if says != "" && err != nil && strings.Contains(err.Error(), says) {
			continue
		}
		t.Errorf("%s%v, want %q", rule, err, says)
	}
	c, err := load("        on: task.abandoned\n        when: customer_tier == \"vip\"\n        note: \"Left after {task.wait_time} s in {task.queue_name}{{!}}\"\n        task: {name: \"Call {friendly_name}\", assign_to: a@example.com}\n")
	if err != nil {
		t.Fatal(err)
	}
	k := c.Connectors[0]
	if r := k.CRM[0]; r.Name != "vip" || r.Task.Type != "Call" || r.Task.Due != 24*time.Hour {
		t.Errorf("%+v", r)
	}
	rule := k.Rules.Cases[0]
	e := &mapping.Env{FriendlyName: "Ann", Attributes: map[string]any{"customer_tier": "vip"}, Task: map[string]any{"wait_time": 61.0}}
	if w, holds, err := rule.Apply(e); !holds || err != nil || w.Note != "Left after 61 s in {!}" || w.Task != "Call Ann" {
		t.Errorf("%+v, %v, %v", w, holds, err)
	}
	e.Attributes = nil
	if _, holds, err := rule.Apply(e); holds || err != nil {
		t.Errorf("of somebody without a tier: %v, %v", holds, err)
	}
	if paths := strings.Join(k.Rules.Paths(), " "); !strings.Contains(paths, "task.queue_name") || !strings.Contains(paths, "customer_tier") {
		t.Errorf("paths are %s", paths)
	}
	if !k.Rules.Reads("task.abandoned") || k.Rules.Reads("task.created") {
		t.Error("does not tell what it reads")
	}
}
