package mapping_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/mapping"
)

func compile(t *testing.T, spec mapping.Spec) *mapping.Rules {
	t.Helper()
	rules, problems := mapping.Compile(spec)
	if rules == nil {
		t.Fatal(problems)
	}
	return rules
}

func pointer[T any](v T) *T { return &v }

func TestFieldApply(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	env := customer()
	env.Attributes["at"] = "2026-01-31T23:30:00Z"
	env.Attributes["blank_text"] = "  "
	env.Attributes["picked"] = "a|b"
	env.Attributes["digits"] = 33612345678.0
	for name, test := range map[string]struct {
		rule mapping.FieldSpec
		want any
		why  mapping.Why
		note string
		fail bool
	}{
		"plain":                      {mapping.FieldSpec{Source: "customer_tier", To: "T"}, "gold", mapping.WhyValue, "", false},
		"number":                     {mapping.FieldSpec{Source: "avg_wait_time", To: "T"}, 12.5, mapping.WhyValue, "", false},
		"count":                      {mapping.FieldSpec{Source: "total_conversations", To: "T"}, 3.0, mapping.WhyValue, "", false},
		"number as text":             {mapping.FieldSpec{Source: "n", To: "T", Type: "text"}, "4", mapping.WhyValue, "", false},
		"text as number":             {mapping.FieldSpec{Source: "answer", To: "T", Type: "float"}, 4.0, mapping.WhyValue, "", false},
		"moment as date in the zone": {mapping.FieldSpec{Source: "at", To: "T", Type: "date"}, "2026-02-01", mapping.WhyValue, "", false},
		"date stays that date":       {mapping.FieldSpec{Source: "last_conversation_date", To: "T", Type: "date"}, "2026-11-02", mapping.WhyValue, "", false},
		"list":                       {mapping.FieldSpec{Source: "tags", To: "T", Type: "multiple-choice"}, []string{"a", "b"}, mapping.WhyValue, "", false},
		"joined by a pipe":           {mapping.FieldSpec{Source: "picked", To: "T", Type: "multiple-choice"}, []string{"a", "b"}, mapping.WhyValue, "", false},
		"phone as JSON number":       {mapping.FieldSpec{Source: "digits", To: "SMS"}, "33612345678", mapping.WhyValue, "", false},
		"condition holds":            {mapping.FieldSpec{Source: "n", To: "T", When: "vip"}, 4.0, mapping.WhyValue, "", false},
		"absent":                     {mapping.FieldSpec{Source: "nobody", To: "T"}, nil, mapping.WhyEmpty, "", false},
		"blank":                      {mapping.FieldSpec{Source: "blank_text", To: "T"}, nil, mapping.WhyEmpty, "", false},
		"default for absent":         {mapping.FieldSpec{Source: "nobody", To: "T", Default: "x"}, "x", mapping.WhyDefault, "", false},
		"default in the type":        {mapping.FieldSpec{Source: "nobody", To: "T", Type: "text", Default: 7.0}, "7", mapping.WhyDefault, "", false},
		"default for a false condition": {
			mapping.FieldSpec{Source: "customer_tier", To: "T", Default: "standard", When: `customer_tier == "silver"`},
			"standard", mapping.WhyDefault, "", false,
		},
		"the example of the documentation": {
			mapping.FieldSpec{Source: "nobody", To: "T", Type: "category", Default: "standard", When: `nobody != ""`},
			"standard", mapping.WhyDefault, "nobody has no value", false,
		},
		"condition false":   {mapping.FieldSpec{Source: "n", To: "T", When: "!vip"}, nil, mapping.WhyCondition, "", false},
		"condition absent":  {mapping.FieldSpec{Source: "n", To: "T", When: "nobody > 1"}, nil, mapping.WhyCondition, "nobody has no value", false},
		"computed absent":   {mapping.FieldSpec{Source: "nobody + 1", To: "T"}, nil, mapping.WhyEmpty, "nobody has no value", false},
		"wrong type":        {mapping.FieldSpec{Source: "customer_tier", To: "T", Type: "float"}, nil, mapping.WhyFailed, "text where float is wanted", true},
		"failed":            {mapping.FieldSpec{Source: "int(customer_tier)", To: "T"}, nil, mapping.WhyFailed, "evaluate int(customer_tier): text that is no number", true},
		"failed, defaulted": {mapping.FieldSpec{Source: "int(customer_tier)", To: "T", Default: 1.0}, 1.0, mapping.WhyDefault, "evaluate int(customer_tier): text that is no number", true},
		"failed condition":  {mapping.FieldSpec{Source: "n", To: "T", When: "customer_tier > 1"}, nil, mapping.WhyFailed, "evaluate customer_tier > 1: text > a number", true},
		"division by zero":  {mapping.FieldSpec{Source: "n / 0", To: "T"}, nil, mapping.WhyEmpty, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := compile(t, mapping.Spec{Fields: []mapping.FieldSpec{test.rule}, Location: paris})
			value, err := rules.Fields[0].Apply(env)
			if !equal(value.Data, test.want) || value.Why != test.why || value.Note != test.note || (err != nil) != test.fail {
				t.Errorf("got %#v, %v", value, err)
			}
			if value.Empty != (test.want == nil) || value.To != test.rule.To || value.Source != test.rule.Source {
				t.Errorf("got %#v", value)
			}
		})
	}
}

func TestOverwrite(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		to   string
		wish *bool
		want mapping.Overwrite
	}{
		{"VIP_TIER", nil, mapping.OverwriteAlways},
		{"VIP_TIER", pointer(false), mapping.OverwriteEmpty},
		{"email", nil, mapping.OverwriteEmpty},
		{"SMS", nil, mapping.OverwriteEmpty},
		{"EXT_ID", nil, mapping.OverwriteEmpty},
		{"WHATSAPP", pointer(true), mapping.OverwriteAlways},
	} {
		rules := compile(t, mapping.Spec{Fields: []mapping.FieldSpec{{Source: "identity", To: test.to, Overwrite: test.wish}}})
		if got := rules.Fields[0].Overwrite; got != test.want {
			t.Errorf("%s with %v: got %v, want %v", test.to, test.wish, got, test.want)
		}
	}
}

func TestInferredType(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"last_conversation_date": "date", "avg_wait_time": "float", "total_tasks": "float", "last_queue": "text",
		"customer_tier": "text", "identity": "text", "attributes.vip": "text", "abandoned_count > 2": "boolean",
		"avg_wait_time / 60": "float", `split(identity, ",")`: "multiple-choice", `date("2026-01-02")`: "date", "len(identity)": "float",
	} {
		rules := compile(t, mapping.Spec{Fields: []mapping.FieldSpec{{Source: source, To: "T"}}})
		if got := rules.Fields[0].InferredType(); got != want {
			t.Errorf("%s: got %s, want %s", source, got, want)
		}
	}
}

func TestIdentifierFields(t *testing.T) {
	t.Parallel()
	rules := compile(t, mapping.Spec{Fields: []mapping.FieldSpec{
		{Source: "attributes.email", To: "EMAIL"}, {Source: "customer_tier", To: "VIP_TIER"},
		{Source: "attributes.phone", To: "SMS"}, {Source: "account_id", To: "ext_id"},
	}})
	targets := func(fields []*mapping.Field) string {
		var names []string
		for _, f := range fields {
			names = append(names, f.To)
		}
		return strings.Join(names, " ")
	}
	if got := targets(rules.IdentifierFields()); got != "email SMS ext_id" {
		t.Errorf("all: %s", got)
	}
	if got := targets(rules.IdentifierFields(mapping.TargetSMS, mapping.TargetWhatsApp)); got != "SMS" {
		t.Errorf("phones: %s", got)
	}
	env := &mapping.Env{Attributes: map[string]any{"email": "a@example.com"}}
	if got, err := rules.IdentifierFields(mapping.TargetEmail)[0].SourceValue(env); got != "a@example.com" || err != nil {
		t.Errorf("the email's source gives %v, %v", got, err)
	}
}

func TestEventApply(t *testing.T) {
	t.Parallel()
	rules := compile(t, mapping.Spec{Events: []mapping.EventSpec{
		{On: "task.completed", Event: "DONE"},
		{On: "task.canceled", Event: "GONE", When: "task.wait_time > 30", Properties: []mapping.PropertySpec{
			{Name: "queue", Value: "task.queue_name"}, {Name: "waited", Value: "task.wait_time / 60"}, {Name: "none", Value: "task.nothing"},
			{Name: "absent", Value: "task.nothing + 1"}, {Name: "broken", Value: "int(task.queue_name)"}, {Name: "nested", Value: `{"n": n}`},
		}},
		{On: "survey.completed", Event: "RATED", When: "survey.score > 3"},
		{On: "reservation.rejected", Event: "REJECTED", Properties: []mapping.PropertySpec{}},
	}})
	env := customer()
	if got, err := rules.Events["task.completed"].Apply(env); err != nil || !got.When || got.Name != "DONE" || got.Properties != nil {
		t.Errorf("short form: %+v, %v", got, err)
	}
	got, err := rules.Events["task.canceled"].Apply(env)
	want := map[string]any{"queue": "Support", "waited": 31.0 / 60, "nested": map[string]any{"n": 4.0}}
	if !got.When || !equal(got.Properties, want) {
		t.Errorf("long form: %+v", got)
	}
	if err == nil || err.Error() != "property broken: evaluate int(task.queue_name): text that is no number" {
		t.Errorf("long form: %v", err)
	}
	if got, err := rules.Events["survey.completed"].Apply(env); err != nil || got.When || got.Note != "survey.score has no value" {
		t.Errorf("absent condition: %+v, %v", got, err)
	}
	if got, _ := rules.Events["reservation.rejected"].Apply(env); got.Properties == nil || len(got.Properties) != 0 || !rules.Events["reservation.rejected"].OwnProperties() {
		t.Errorf("empty properties: %+v", got)
	}
}

func TestAbandonedByDefault(t *testing.T) {
	t.Parallel()
	abandoned := compile(t, mapping.Spec{}).Abandoned
	for name, test := range map[string]struct {
		env  mapping.Env
		want bool
	}{
		"hangup":   {mapping.Env{Task: map[string]any{"canceled_reason": "hangup"}}, true},
		"insights": {mapping.Env{Attributes: map[string]any{"conversations": map[string]any{"abandoned": "Yes"}}}, true},
		"survey":   {mapping.Env{Task: map[string]any{"canceled_reason": "Survey completed"}}, false},
		"nothing":  {mapping.Env{}, false},
	} {
		if got, _ := abandoned.Eval(&test.env); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestCSATScore(t *testing.T) {
	t.Parallel()
	csat := compile(t, mapping.Spec{CSAT: []mapping.CSATSpec{{From: "attributes.score", When: `attributes.kind == "Survey"`, Scale: 5}}}).CSAT[0]
	for name, test := range map[string]struct {
		attributes map[string]any
		score      float64
		found      bool
		failed     bool
	}{
		"number":         {map[string]any{"score": 4.0, "kind": "Survey"}, 4, true, false},
		"text":           {map[string]any{"score": " 4 ", "kind": "Survey"}, 4, true, false},
		"no answer":      {map[string]any{"kind": "Survey"}, 0, false, false},
		"other task":     {map[string]any{"score": 4.0}, 0, false, false},
		"not a number":   {map[string]any{"score": "good", "kind": "Survey"}, 0, false, true},
		"infinite":       {map[string]any{"score": "Inf", "kind": "Survey"}, 0, false, true},
		"blank":          {map[string]any{"score": "", "kind": "Survey"}, 0, false, false},
		"strange object": {map[string]any{"score": map[string]any{"a": 1.0}, "kind": "Survey"}, 0, false, true},
	} {
		score, found, err := csat.Score(&mapping.Env{Attributes: test.attributes})
		if score != test.score || found != test.found || (err != nil) != test.failed {
			t.Errorf("%s: got %v, %v, %v", name, score, found, err)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	rules := compile(t, mapping.Spec{
		Fields:        []mapping.FieldSpec{{Source: `upper(attributes["Customer-Tier"])`, To: "T", When: "tags[0] == friendly_name"}},
		Events:        []mapping.EventSpec{{On: "message.received", Event: "M", Properties: []mapping.PropertySpec{{Name: "text", Value: "event.body"}}}},
		CSAT:          []mapping.CSATSpec{{From: "let x = attributes.a; x.b", When: "task[identity] == 1"}},
		AbandonedWhen: "task.x == nil",
	})
	want := []string{`attributes.a`, `attributes["Customer-Tier"]`, "event.body", "friendly_name", "identity", "tags[0]", "task", "task.x"}
	if got := rules.Paths(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestCompileProblems names the mistakes that connector.yaml's own tests (package config) do not show.
func TestCompileProblems(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "the expression is empty; expected a name, a path or an expression",
		" ":                               "the expression is empty; expected a name, a path or an expression",
		"a b":                             `unexpected token Identifier("b"); is an operator or a quote missing before it?`,
		"$env":                            `names with $ are reserved; expected a name; for an awkward key attributes["$env"]`,
		"$env[identity]":                  `names with $ are reserved; expected a name; for an awkward key attributes["$env"]`,
		"let $1 = 2; $1":                  "names with $ are reserved; expected a name of letters, digits and _",
		"$path(1, 2)":                     `names with $ are reserved; expected a name; for an awkward key attributes["$path"]`,
		"identity.Len()":                  "methods are not part of the rules; expected a function, as in upper(x)",
		"1..9":                            "ranges are not part of the rules",
		"keys(attributes)":                "the function keys is not part of the rules",
		"reduce(tags, #acc + #)":          "the function reduce is not part of the rules",
		"identity matches friendly_name":  "the pattern of matches is computed; expected a pattern in quotes",
		"true; false":                     "several expressions in one; expected a single one without ;",
		"identity > 3":                    "invalid operation: > (mismatched types string and int)",
		"identity and true":               "invalid operation: and (mismatched types string and bool)",
		"any(a, any(b, any(c, # == 1)))":  "a loop inside a loop inside a loop; expected at most two, one inside the other",
		strings.Repeat("x", 5000):         "the expression is too long; expected at most 4096 bytes",
		strings.Repeat("x+", 400) + "x":   "compilation failed: expression exceeds maximum allowed nodes",
		`b"bytes"`:                        "bytes are not part of the rules; expected text in quotes",
		`identity ? 1 : 2`:                "non-bool expression (type string) used as condition",
		"let identity = 1; identity":      "cannot redeclare identity",
		"task.abandoned and queue.length": "",
	} {
		_, problems := mapping.CompileValue(text, mapping.EventScope, mapping.Position{})
		got := ""
		if len(problems) > 0 {
			got = problems[0].Error()
		}
		if got != want {
			t.Errorf("%.40s: got %q, want %q", text, got, want)
		}
	}
}

func TestProblemsKnowTheirPlace(t *testing.T) {
	t.Parallel()
	at := mapping.Position{File: "connector.yaml", Line: 3, Column: 5, Path: "field_mapping.x"}
	whenAt := mapping.Position{File: "connector.yaml", Line: 4, Column: 11, Path: "field_mapping.x.when"}
	rules, problems := mapping.Compile(mapping.Spec{Fields: []mapping.FieldSpec{{
		Source: "identity + frobnicate(1)", To: "T", When: "true and task.x == 1", At: at, Keys: map[string]mapping.Position{"when": whenAt},
	}}})
	if rules != nil || len(problems) != 2 || !problems.Failed() {
		t.Fatalf("got %v", problems)
	}
	if problems[0].At != at || problems[0].Offset != 11 || problems[1].At != whenAt || problems[1].Offset != 9 {
		t.Errorf("got %+v", problems)
	}
	want := "connector.yaml:3:5: field_mapping.x: unknown function frobnicate\n" +
		"connector.yaml:4:11: field_mapping.x.when: task is known in event rules only; expected a metric or something below attributes"
	if problems.Error() != want {
		t.Errorf("got %s", problems.Error())
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"email", "attributes", "avg_wait_time", "task"}
	for word, want := range map[string]string{
		"emial": "email", "atributes": "attributes", "atribute": "attributes", "avg_wiat_time": "avg_wait_time",
		"tier": "", "tasks": "task", "tosks": "", "avg_handle": "", "": "", "émail": "email",
	} {
		if got := mapping.Nearest(word, known); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestVocabulary(t *testing.T) {
	t.Parallel()
	types := mapping.EventTypes()
	sorted := slices.Sorted(slices.Values(types))
	if len(slices.Compact(sorted)) != len(types) {
		t.Error("an event type is there twice")
	}
	for _, name := range []string{"task.abandoned", "reservation.rejected", "task.system-deleted", "task-queue.expression.updated", "worker.activity.update"} {
		if !slices.Contains(types, name) {
			t.Errorf("%s is missing", name)
		}
	}
	for _, metric := range mapping.KnownMetrics() {
		if !slices.Contains([]string{"text", "date", "float"}, metric.Type) || !slices.Contains(mapping.KnownNames(mapping.FieldScope), metric.Name) {
			t.Errorf("metric %+v", metric)
		}
	}
}

func TestCoerce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value any
		to    string
		want  any // nil: refused
	}{
		"bool to text":          {true, "text", "true"},
		"large number to text":  {33612345678.0, "text", "33612345678"},
		"list to text":          {[]any{"a", 1.5}, "text", "a, 1.5"},
		"object to text":        {map[string]any{}, "text", nil},
		"text to float":         {" 2.5 ", "float", 2.5},
		"bad text to float":     {"two", "float", nil},
		"infinite text":         {"Inf", "float", nil},
		"duration to float":     {90 * time.Second, "float", 90.0},
		"yes to boolean":        {"Yes", "boolean", true},
		"zero to boolean":       {0, "boolean", false},
		"two to boolean":        {2.0, "boolean", nil},
		"word to boolean":       {"maybe", "boolean", nil},
		"moment to date":        {"2026-01-02T23:00:00-05:00", "date", "2026-01-03"},
		"time to date":          {time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "date", "2026-01-02"},
		"number to date":        {20260102.0, "date", nil},
		"text to category":      {"gold", "category", "gold"},
		"text to choices":       {"a|b | c", "multiple-choice", []string{"a", "b", "c"}},
		"number to choices":     {3.0, "multiple-choice", []string{"3"}},
		"nested list":           {[]any{[]any{"a"}}, "multiple-choice", nil},
		"no type leaves JSON":   {[]any{1, "a"}, "", []any{1.0, "a"}},
		"unknown type as it is": {"x", "id", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := mapping.Coerce(test.value, test.to, nil)
			var wrong *mapping.WrongTypeError
			if test.want == nil {
				if got != nil || !errors.As(err, &wrong) {
					t.Errorf("got %#v, %v; want it refused", got, err)
				}
				return
			}
			if err != nil || !equal(got, test.want) {
				t.Errorf("got %#v, %v; want %#v", got, err, test.want)
			}
		})
	}
}

// TestApplyChangesNothing guards the promise that rules only read what they are given.
func TestApplyChangesNothing(t *testing.T) {
	t.Parallel()
	env := customer()
	before := maps.Clone(env.Attributes)
	list := slices.Clone(env.Attributes["tags"].([]any))
	rules := compile(t, mapping.Spec{Fields: []mapping.FieldSpec{
		{Source: "tags", To: "A", Type: "multiple-choice"}, {Source: "sort(tags)", To: "B"}, {Source: "reverse(tags)", To: "C"}, {Source: "attributes", To: "D"},
	}})
	for _, f := range rules.Fields {
		if _, err := f.Apply(env); err != nil {
			t.Error(err)
		}
	}
	if !equal(env.Attributes, before) || !equal(env.Attributes["tags"], list) {
		t.Error("the attributes were changed")
	}
}

func TestRulesServeSeveralGoroutines(t *testing.T) {
	t.Parallel()
	rules := compile(t, mapping.Spec{Fields: twelve()})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			env := customer()
			for _, field := range rules.Fields {
				if _, err := field.Apply(env); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
