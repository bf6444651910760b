package config_test

import (
	"strings"
	"testing"

	"flexbrevo/config"
)

func TestListRulesAreRead(t *testing.T) {
	t.Parallel()
	text := `connectors:
  main:
    account_sid: ` + accountSID + `
    auth_token: x
    lists:
      support_contacts: 32
      rules:
        - {list: "Gold support", when: customer_tier == "gold", remove_when: customer_tier != "gold"}
        - {list: 40}
brevo: {api_key: y}
`
	c, err := config.Parse("lists.yaml", []byte(text), config.Options{Env: env()})
	if err != nil {
		t.Fatal(err)
	}
	rules := c.Connectors[0].Rules.Lists
	if len(rules) != 2 || rules[0].List != "Gold support" || rules[1].List != "40" || rules[1].At.Line != 9 {
		t.Errorf("rules %+v", rules)
	}
	_, err = config.Parse("lists.yaml", []byte(strings.Replace(text, "list: 40", "when: 'nothing ='", 1)), config.Options{Env: env()})
	if err == nil || !strings.Contains(err.Error(), "no list") {
		t.Errorf("a rule without list: %v", err)
	}
}
