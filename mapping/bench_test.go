package mapping_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"flexbrevo/mapping"
)

// twelve are the rules of the original connector page and one that is computed.
func twelve() []mapping.FieldSpec {
	return []mapping.FieldSpec{
		{Source: "identity", To: "FLEX_IDENTITY"}, {Source: "friendly_name", To: "FIRSTNAME"}, {Source: "attributes.email", To: "email"},
		{Source: "attributes.phone", To: "SMS"}, {Source: "last_conversation_date", To: "LAST_SUPPORT_DATE"},
		{Source: "total_conversations", To: "SUPPORT_TICKET_COUNT"}, {Source: "avg_wait_time", To: "AVG_WAIT_TIME"},
		{Source: "last_csat_score", To: "CSAT_SCORE"}, {Source: "preferred_channel", To: "PREFERRED_CHANNEL"},
		{Source: "customer_tier", To: "VIP_TIER", Type: "category", When: `customer_tier != ""`, Default: "standard"},
		{Source: "account_id", To: "ACCOUNT_ID"}, {Source: `upper(attributes.conversations.outcome ?? "none")`, To: "OUTCOME"},
	}
}

// twoKilobytes gives the decoded attributes of a busy task.
func twoKilobytes(b *testing.B) map[string]any {
	b.Helper()
	attributes := map[string]any{"email": "alice@example.com", "phone": "+33612345678", "customer_tier": "gold"}
	insights := map[string]any{"outcome": "Refund", "conversation_measure_1": 5.0}
	for i := range 30 {
		insights[fmt.Sprintf("conversation_attribute_%d", i)] = "a value of some length"
	}
	attributes["conversations"] = insights
	attributes["customers"] = map[string]any{"account_id": "A-1", "name": "Alice"}
	text, err := json.Marshal(attributes)
	if err != nil || len(text) < 1500 || len(text) > 2500 {
		b.Fatalf("%d bytes of attributes, %v", len(text), err)
	}
	return attributes
}

func BenchmarkApplyTwelve(b *testing.B) {
	rules, problems := mapping.Compile(mapping.Spec{Fields: twelve()})
	if rules == nil {
		b.Fatal(problems)
	}
	env := &mapping.Env{
		Identity: "alice", FriendlyName: "Alice", Attributes: twoKilobytes(b),
		Metrics: map[string]any{"last_conversation_date": "2026-11-02", "total_conversations": 3.0, "avg_wait_time": 12.5, "preferred_channel": "voice"},
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, field := range rules.Fields {
			if _, err := field.Apply(env); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkCompileTwelve(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if rules, problems := mapping.Compile(mapping.Spec{Fields: twelve()}); rules == nil {
			b.Fatal(problems)
		}
	}
}
