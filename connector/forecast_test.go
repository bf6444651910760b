package connector

import (
	"testing"
	"time"

	"flexbrevo/connector/brevo"
)

func TestForecast(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	general := []brevo.Budget{{Bucket: "contacts", PerSecond: 8}, {Bucket: "events", PerSecond: 8}, {Bucket: "other", PerSecond: 0.02}}
	blocked := []brevo.Budget{{Bucket: "contacts", PerSecond: 8, BlockedUntil: now.Add(time.Minute)}, {Bucket: "events", PerSecond: 8}}
	for name, c := range map[string]struct {
		backlog Backlog
		budgets []brevo.Budget
		perCall float64
		want    float64
	}{
		"nothing owed":                {Backlog{}, general, 1, 0},
		"the slower bucket counts":    {Backlog{Contacts: 80, Events: 800}, general, 1, 100},
		"batches are faster":          {Backlog{Contacts: 80, Events: 800}, general, 100, 10},
		"a block is waited out first": {Backlog{Contacts: 80}, blocked, 1, 70},
		"an account without limits":   {Backlog{Contacts: 80, Events: 800}, []brevo.Budget{{Bucket: "contacts"}, {Bucket: "events"}}, 1, 0},
	} {
		if got := needed(&c.backlog, c.budgets, c.perCall, now); got != c.want {
			t.Errorf("%s: %v seconds, want %v", name, got, c.want)
		}
	}
}
