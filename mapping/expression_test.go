package mapping_test

import (
	"errors"
	"strings"
	"testing"

	"flexbrevo/mapping"
)

func customer() *mapping.Env {
	return &mapping.Env{
		Identity: "alice", FriendlyName: "Alice", Email: "alice@example.com",
		Attributes: map[string]any{
			"customer_tier": "gold", "blank": "", "Customer-Tier": "silver", "answer": "4", "n": 4.0, "vip": true,
			"tags":          []any{"a", "b"},
			"customers":     map[string]any{"account_id": "A-1", "blank": "filled", "name": "Alice A"},
			"conversations": map[string]any{"outcome": "Refund", "conversation_measure_1": 5.0},
			"text":          "plain",
			"items":         []any{map[string]any{"sku": "x", "n": 2.0}, map[string]any{"sku": "y", "n": 3.0}},
		},
		Metrics: map[string]any{
			"avg_wait_time": 12.5, "total_conversations": 3, "last_conversation_date": "2026-11-02", "preferred_channel": "voice",
		},
		Task: map[string]any{"queue_name": "Support", "wait_time": 31.0, "transfer": false, "canceled_reason": "hangup"},
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want any
	}{
		{"identity", "alice"},
		{"phone", ""},
		{"attributes.customer_tier", "gold"},
		{`attributes["Customer-Tier"]`, "silver"},
		{"customer_tier", "gold"},
		{"account_id", "A-1"},
		{"outcome", "Refund"},
		{"blank", "filled"},
		{"customers.name", "Alice A"},
		{"avg_wait_time", 12.5},
		{"total_conversations", 3},
		{"last_conversation_date", "2026-11-02"},
		{"tags[0]", "a"},
		{"tags[-1]", "b"},
		{"task.queue_name", "Support"},
		{"total_conversations % 2", 1},
		{"n % 3", 1},
		{"avg_wait_time * 2", 25.0},
		{`upper(customer_tier) + "!"`, "GOLD!"},
		{`friendly_name | lower()`, "alice"},
		{"-n", -4.0},
		{"tags[1:]", []any{"b"}},
		{`customer_tier ?? "none"`, "gold"},
		{`nobody ?? "none"`, "none"},
		{`nobody.knows?.this ?? "none"`, "none"},
		{`n > 3 ? "many" : "few"`, "many"},
		{`nobody > 3 ? "many" : "few"`, "few"},
		{`if vip { "yes" } else { "no" }`, "yes"},
		{`let x = n + 1; x * x`, 25.0},
		{`sum(items, .n)`, 5.0},
		{`map(items, .sku)`, []any{"x", "y"}},
		{`find(items, .n > 2).sku`, "y"},
		{`count(items, .n > nobody)`, 0},
		{`type(nobody)`, "nil"},
		{`{"a": n}.a`, 4.0},
		{`date("2026-01-03") > date("2026-01-02")`, true},
		{`tags[type(nobody) == "nil" ? 1 : 0]`, "b"},
		{`join(tags, "+")`, "a+b"},
	} {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			e, problems := mapping.CompileValue(test.text, mapping.EventScope, mapping.Position{})
			if e == nil {
				t.Fatal(problems)
			}
			got, err := e.Eval(customer())
			if err != nil {
				t.Fatal(err)
			}
			if !equal(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

func TestEvalOfWhatIsAbsent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"nobody + 1":                       "nobody has no value",
		"attributes.a.b * attributes.c":    "attributes.a.b, attributes.c have no value",
		"upper(nobody)":                    "nobody has no value",
		"string(nobody)":                   "nobody has no value",
		"len(filter(nobody, # > 1))":       "nobody has no value",
		"text.deeper + 1":                  "text.deeper has no value",
		"tags[7] + 1":                      "tags[7] has no value",
		"tags[n] + 1":                      "an element it works with has no value",
		`attributes["no key"][0] + 1`:      `attributes["no key"][0] has no value`,
		"-nobody":                          "nobody has no value",
		"nobody[1:2]":                      "nobody has no value",
		`conversation.sid + "x"`:           "conversation.sid has no value",
		"first_conversation_date + \"T0\"": "first_conversation_date has no value",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			e, problems := mapping.CompileValue(text, mapping.EventScope, mapping.Position{})
			if e == nil {
				t.Fatal(problems)
			}
			got, err := e.Eval(customer())
			if got != nil || !errors.Is(err, mapping.ErrAbsent) || err.Error() != want {
				t.Errorf("got %#v, %v; want no value, %s", got, err, want)
			}
		})
	}
}

func TestPlainPathThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"nobody", "attributes.a.b.c", "text.deeper", "tags.first", "tags[9]", "survey.score", "last_csat_score"} {
		e, problems := mapping.CompileValue(text, mapping.EventScope, mapping.Position{})
		if e == nil {
			t.Fatal(problems)
		}
		if got, err := e.Eval(customer()); got != nil || err != nil {
			t.Errorf("%s: got %#v, %v; want neither value nor error", text, got, err)
		}
	}
}

func TestCondition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`customer_tier == "gold"`:                           true,
		`nobody == "gold"`:                                  false,
		`nobody != "gold"`:                                  false,
		`not (nobody == "gold")`:                            false,
		`nobody == "x" or customer_tier == "gold"`:          true,
		`customer_tier == "gold" or nobody == "x"`:          true,
		`nobody == "x" and customer_tier == "gold"`:         false,
		`not (nobody == "x" and customer_tier == "silver")`: true,
		`not (nobody == "x" or customer_tier == "silver")`:  false,
		`nobody == nil`:                                     true,
		`customer_tier != nil`:                              true,
		`last_csat_score == nil`:                            true,
		`phone == ""`:                                       true,
		`vip`:                                               true,
		`!vip`:                                              false,
		`task.transfer`:                                     false,
		`task.canceled_reason == "hangup"`:                  true,
		`customer_tier in ["gold", "silver"]`:               true,
		`customer_tier not in ["gold"]`:                     false,
		`nobody in ["gold"]`:                                false,
		`nobody not in ["gold"]`:                            false,
		`"a" in tags`:                                       true,
		`any(tags, # == "b")`:                               true,
		`all(tags, # > nobody)`:                             false,
		`email endsWith "@example.com"`:                     true,
		`customer_tier matches "^g"`:                        true,
		`nobody matches "^g"`:                               false,
		`nobody contains "x"`:                               false,
		`task.wait_time > 30 && total_conversations >= 3`:   true,
		`last_conversation_date >= "2026-11-01"`:            true,
		`(nobody ?? 0) == 0`:                                true,
		`len(tags) == 2`:                                    true,
		`n in [4]`:                                          true,
		`type(answer) == "string" and int(answer) > 3`:      true,
		`type(n) == "string" and int(text) > 3`:             false,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			c, problems := mapping.CompileCondition(text, mapping.EventScope, mapping.Position{})
			if c == nil {
				t.Fatal(problems)
			}
			got, err := c.Eval(customer())
			if err != nil && !errors.Is(err, mapping.ErrAbsent) {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("got %v, want %v (%v)", got, want, err)
			}
		})
	}
}

func TestEvalFailsWithoutShowingTheValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`int(customer_tier)`:          "text that is no number",
		`date(customer_tier)`:         "text that is no date",
		`customer_tier > 3`:           "text > a number",
		`customer_tier and vip`:       "text where true or false is wanted",
		`not customer_tier`:           "text where true or false is wanted",
		`n contains "x"`:              "a value has the wrong type",
		`n % 0`:                       "% needs two whole numbers, the second not 0",
		`customer_tier in n`:          "a value has the wrong type",
		`any(tags, #)`:                "text where true or false is wanted",
		`date(customer_tier, "2006")`: "text that is no date",
		`join(items)`:                 "a value has the wrong type",
		`customer_tier ? "a" : "b"`:   "text where true or false is wanted",
		`fromJSON(customer_tier)`:     "a value has the wrong type",
		`map(items, .sku | int())[0]`: "text that is no number",
		`sum(tags)`:                   "text + a number",
		`upper(n)`:                    "a value has the wrong type",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			e, problems := mapping.CompileValue(text, mapping.EventScope, mapping.Position{})
			if e == nil {
				t.Fatal(problems)
			}
			_, err := e.Eval(customer())
			var failure *mapping.EvalError
			if !errors.As(err, &failure) || failure.Reason != want {
				t.Fatalf("got %v, want %s", err, want)
			}
			if strings.Contains(err.Error(), "gold") {
				t.Errorf("the error shows the value: %v", err)
			}
		})
	}
}
