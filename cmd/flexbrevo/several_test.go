package main_test

import (
	"strings"
	"testing"
)

// TestABrokenConnectorDoesNotTouchTheOthers syncs three connectors in one process,
// of which one has a wrong password and one speaks to nobody.
func TestABrokenConnectorDoesNotTouchTheOthers(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(12, 80, false)})
	text := l.configuration("connector.yaml")
	broken := `
  refused:
    account_sid: ${TWILIO_ACCOUNT_SID}
    auth_token: "00000000000000000000000000000000"
    base_url: ${TWILIO_URL}
    field_mapping: {attributes.email: email}
    brevo: {api_key: "another", base_url: "${BREVO_URL}"}
  unreachable:
    account_sid: ${TWILIO_ACCOUNT_SID}
    auth_token: ${TWILIO_AUTH_TOKEN}
    base_url: http://127.0.0.1:1
    field_mapping: {attributes.email: email}
    brevo: {api_key: "third", base_url: "http://127.0.0.1:1"}
`
	l.write("connector.yaml", strings.Replace(text, "\nbrevo:\n", broken+"brevo:\n", 1))
	r := l.must(4, "sync") // refused
	for _, name := range []string{"refused", "unreachable"} {
		if !strings.Contains(r.stderr, "connector "+name) {
			t.Errorf("it says nothing of the connector %q:\n%s", name, r.stderr)
		}
	}
	l.mustEqual(settings(today()))
}
