package main_test

import (
	"strings"
	"testing"
	"time"
)

// TestTwoCentresInOneDaemon runs two centres with accounts, rules, zones and schedules of their own, each with a
// Brevo account of its own, beside one whose password is wrong: each Brevo holds what its own centre's rules say.
func TestTwoCentresInOneDaemon(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(14, 60, false)})
	other := newLab(t, setup{world: aDay(15, 60, false)})
	for _, name := range []string{"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_URL", "BREVO_URL"} {
		l.env["OTHER_"+name] = other.env[name]
	}
	_, rules, found := strings.Cut(l.configuration("seed.yaml"), "    base_url: ${TWILIO_URL}\n")
	rules, _, _ = strings.Cut(rules, "brevo:")
	if !found {
		t.Fatal("the rules of the original page are not where they were")
	}
	centres := `
  original:
    account_sid: ${OTHER_TWILIO_ACCOUNT_SID}
    auth_token: ${OTHER_TWILIO_AUTH_TOKEN}
    base_url: ${OTHER_TWILIO_URL}
    schedule: {events: "@every 2s", conversations: "@every 2s"}
    brevo: {api_key: "${BREVO_API_KEY}", base_url: "${OTHER_BREVO_URL}", tier: none}
` + rules + `
  refused:
    account_sid: ${OTHER_TWILIO_ACCOUNT_SID}
    auth_token: "00000000000000000000000000000000"
    base_url: ${OTHER_TWILIO_URL}
    field_mapping: {attributes.email: email}
    brevo: {api_key: "another", base_url: "${OTHER_BREVO_URL}"}
`
	l.write("connector.yaml", strings.Replace(l.configuration("connector.yaml"), "\nbrevo:\n", centres+"brevo:\n", 1))
	d := l.run()
	now := today().Add(-10 * time.Second)
	mine, theirs := settings(now), seedSettings(now)
	mine.Live, theirs.Live = true, true
	l.eventuallyEqual(mine, time.Minute, d)
	other.eventuallyEqual(theirs, time.Minute, d)
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, tail(d.stderr.String(), 2000))
	}
	l.mustEqual(mine)
	other.mustEqual(theirs)
}
