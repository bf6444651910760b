package config_test

import (
	"strings"
	"testing"
	"time"

	"flexbrevo/config"
)

func TestSyncPublish(t *testing.T) {
	t.Parallel()
	load := func(first, second string) (*config.Config, error) {
		text := "brevo: {api_key: y}\nconnectors:\n  main:\n    account_sid: " + accountSID + "\n    auth_token: x\n    sync_publish: " + first + "\n"
		if second != "" {
			text += "  other:\n    account_sid: " + accountSID + "\n    auth_token: x\n    sync_publish: " + second + "\n"
		}
		return config.Parse("publish.yaml", []byte(text), config.Options{Env: env()})
	}
	c, err := load("{map: customers, ttl: 7d, fields: {Tier: customer_tier, Days: 'total_tasks + 1'}}", "")
	if err != nil {
		t.Fatal(err)
	}
	p := c.Connectors[0].SyncPublish
	if !p.Customers() || p.Key != "phone" || p.Service != "default" || p.TTL != 7*24*time.Hour || p.Events != 10 ||
		len(p.Fields) != 2 || p.Fields[0].Name != "Tier" || p.Fields[1].Read == nil {
		t.Errorf("loaded %+v", p)
	}
	for name, c := range map[string]struct{ first, second, want string }{
		"a map and documents":        {"{map: a, documents: b}", "", "both a map and documents"},
		"an unknown key":             {"{map: a, key: email}", "", "expected one of phone, identity"},
		"longer than Sync keeps":     {"{map: a, ttl: 366d}", "", "sync_publish.ttl"},
		"a type that there is not":   {"{map: a, event_types: [task.complete]}", "", "is task.completed meant?"},
		"a field that is wrong":      {"{map: a, fields: {Tier: 'customer_tier +'}}", "", "sync_publish.fields.Tier"},
		"a field about events":       {"{map: a, fields: {Queue: task.queue_name}}", "", "sync_publish.fields.Queue"},
		"one map for two connectors": {"{map: a}", "{map: a}", "the same map is written by connector main"},
		"one status for two":         {"{status: s}", "{status: s}", "the same document is written by connector main"},
		"a misspelt word":            {"{mapp: a}", "", "is map meant?"},
		"too many events":            {"{map: a, events: 101}", "", "sync_publish.events"},
	} {
		if _, err := load(c.first, c.second); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if c, err := load("{fields: {Tier: customer_tier}}", ""); err != nil || !strings.Contains(c.Warnings.Error(), "no customer is published") || c.Connectors[0].SyncPublish.Asked() {
		t.Errorf("fields for nobody: %v", err)
	}
	if _, err := load("{map: a, runs: r}", "{map: b, runs: r}"); err != nil {
		t.Errorf("a stream may be told by two: %v", err)
	}
}
