package mapping_test

import (
	"strings"
	"testing"

	"flexbrevo/mapping"
)

func TestListRules(t *testing.T) {
	t.Parallel()
	rules, problems := mapping.Compile(mapping.Spec{Lists: []mapping.ListSpec{
		{List: "All"}, {List: "Gold", When: `customer_tier == "gold"`, RemoveWhen: `customer_tier == "silver"`},
		{List: "7", RemoveWhen: `total_conversations > 3`}, {List: "Broken", When: `attributes.x > 3`},
	}})
	if problems.Failed() {
		t.Fatal(problems)
	}
	for name, c := range map[string]struct {
		tier  any
		count int
		want  []mapping.Membership
	}{
		"nothing known": {nil, 0, []mapping.Membership{mapping.Joins, mapping.Neither, mapping.Neither, mapping.Neither}},
		"joins":         {"gold", 1, []mapping.Membership{mapping.Joins, mapping.Joins, mapping.Neither, mapping.Neither}},
		"leaves":        {"silver", 4, []mapping.Membership{mapping.Joins, mapping.Leaves, mapping.Leaves, mapping.Neither}},
	} {
		e := &mapping.Env{Attributes: map[string]any{"customer_tier": c.tier}, Metrics: map[string]any{"total_conversations": c.count}}
		for i, rule := range rules.Lists {
			if got, err := rule.Apply(e); got != c.want[i] || err != nil {
				t.Errorf("%s, list %s: %v, %v, want %v", name, rule.List, got, err, c.want[i])
			}
		}
	}
	if paths := strings.Join(rules.Paths(), " "); !strings.Contains(paths, "attributes.x") {
		t.Errorf("paths %s", paths)
	}
	_, problems = mapping.Compile(mapping.Spec{Lists: []mapping.ListSpec{{When: "1 +"}}})
	if len(problems) < 2 {
		t.Errorf("a rule without list and with half a condition: %v", problems)
	}
}
