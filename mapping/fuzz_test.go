package mapping_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"flexbrevo/mapping"
)

// FuzzCompileAndEval holds two promises: nothing panics, and the same Env gives the same answer.
func FuzzCompileAndEval(f *testing.F) {
	attributes := `{"customer_tier":"gold","n":4,"tags":["a","b"],"customers":{"email":"x"},"deep":[{"a":null}]}`
	for _, text := range []string{
		"customer_tier", `attributes["Customer-Tier"]`, "n + 1 > 3 and not (tags[0] == nobody)", `upper(customers.email) ?? "x"`,
		"filter(tags, # != \"a\")[0]", "let x = n; x * x", "tags[1:n]", "deep[0].a.b ?? n % 3", `{"a": [n, -n]}.a[1]`,
		"sum(map(deep, .a))", `customer_tier matches "^g" ? date("2026-01-02") : nil`, "any(tags, all(tags, # == #))", "n / 0 ^ 2",
		"first(sortBy(tags, #))", "type(tags) in attributes",
	} {
		f.Add(text, attributes)
	}
	f.Fuzz(func(t *testing.T, text, attributes string) {
		env := &mapping.Env{FriendlyName: "Alice", Metrics: map[string]any{"avg_wait_time": 1.5}}
		if json.Unmarshal([]byte(attributes), &env.Attributes) != nil {
			env.Attributes = map[string]any{"raw": attributes}
		}
		e, problems := mapping.CompileValue(text, mapping.EventScope, mapping.Position{})
		if (e == nil) != problems.Failed() {
			t.Fatalf("expression %v with %v", e, problems)
		}
		if e == nil {
			return
		}
		first, err := e.Eval(env)
		second, again := e.Eval(env)
		if (err == nil) != (again == nil) || !sameJSON(first, second) {
			t.Fatalf("two answers: %#v, %v and %#v, %v", first, err, second, again)
		}
		var failed *mapping.EvalError
		if err != nil && !errors.Is(err, mapping.ErrAbsent) && !errors.As(err, &failed) {
			t.Fatalf("an error of another kind: %v", err)
		}
		for _, to := range append(mapping.Types(), "") {
			if data, err := mapping.Coerce(first, to, nil); err == nil {
				if _, err := json.Marshal(data); err != nil {
					t.Fatalf("%s gives what JSON cannot carry: %v", to, err)
				}
			}
		}
	})
}

func sameJSON(a, b any) bool {
	x, errX := mapping.Coerce(a, "", nil)
	y, errY := mapping.Coerce(b, "", nil)
	return equal(x, y) && (errX == nil) == (errY == nil)
}

// FuzzCompile compiles whole rules out of fuzzed parts.
func FuzzCompile(f *testing.F) {
	f.Add("customer_tier", "VIP_TIER", "category", "vip", "task.completed", "DONE", "task.sid")
	f.Add("attributes.phone", "SMS", "", "", "reservation.rejected", "R-1", "worker.name + 1")
	f.Add("", "vip tier", "catgory", "1", "task.complete", "a b", "")
	f.Fuzz(func(t *testing.T, source, to, kind, when, on, event, property string) {
		rules, problems := mapping.Compile(mapping.Spec{
			Fields:        []mapping.FieldSpec{{Source: source, To: to, Type: kind, When: when, Default: property}, {Source: when, To: to}},
			Events:        []mapping.EventSpec{{On: on, Event: event, When: when, Properties: []mapping.PropertySpec{{Name: event, Value: property}}}},
			CSAT:          []mapping.CSATSpec{{From: property, When: when}},
			AbandonedWhen: when,
		})
		if (rules == nil) != problems.Failed() {
			t.Fatalf("rules %v with %v", rules, problems)
		}
		if rules == nil {
			if strings.TrimSpace(problems.Error()) == "" {
				t.Fatal("a problem without words")
			}
			return
		}
		env := &mapping.Env{Attributes: map[string]any{"customer_tier": "gold"}}
		for _, field := range rules.Fields {
			if value, _ := field.Apply(env); value.Empty != (value.Data == nil) {
				t.Fatalf("empty %v with %#v", value.Empty, value.Data)
			}
		}
		_, _ = rules.Events[on].Apply(env)
		_, _, _ = rules.CSAT[0].Score(env)
		_ = rules.Paths()
	})
}
