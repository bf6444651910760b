package main_test

import (
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
)

// TestWebChannelCreate begins legacy web chats as an operator would, and says what each mistake gives.
func TestWebChannelCreate(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(72, 20, false)})
	who := []string{"webchannel", "create", "--identity", "zoe", "--customer-name", "Zoe A"}
	by := func(more ...string) []string { return append(append([]string{}, who...), more...) }
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		says  string
		begun int
	}{
		{"without a flow", by("--yes"), 2, "no Flex flow", 0},
		{"without a word of agreement", by("--flow", twiliosim.FlexFlowSID), 2, "say --yes", 0},
		{"without a customer", []string{"webchannel", "create", "--identity", "zoe", "--yes"}, 2, "--customer-name is missing", 0},
		{"with data that are no object", by("--pre-engagement-data", `["private@example.com"]`, "--yes"), 2, "expected a JSON object", 0},
		{"with another connector", by("--connector", "nobody", "--yes"), 2, "there is no connector", 0},
		{"with a flow that is none", by("--flow", strings.Replace(twiliosim.FlexFlowSID, "1", "2", 1), "--yes"), 1, "Check the Flex flow", 0},
		{"rightly", by("--flow", twiliosim.FlexFlowSID, "--pre-engagement-data", `{"email":"private@example.com"}`, "--yes"), 0, "begun: CH", 1},
		{"rightly, as JSON", by("--flow", twiliosim.FlexFlowSID, "--chat-name", "Help", "--unique-name", "zoe-1", "--yes", "--json"), 0, `"sid": "CH`, 2},
	} {
		r := l.must(c.code, c.args...)
		out := r.stdout + r.stderr
		if !strings.Contains(out, c.says) {
			t.Errorf("%s: says %q, want %q", c.name, out, c.says)
		}
		if n := len(l.twilio.WebChannels()); n != c.begun {
			t.Errorf("%s: %d chats were begun, want %d", c.name, n, c.begun)
		}
		if strings.Contains(out, "private@example.com") {
			t.Errorf("%s: an address is printed", c.name)
		}
	}
	if made := l.twilio.WebChannels(); len(made) == 2 && (made[0].ChatName != "Zoe A" || made[1].ChatName != "Help" || made[1].UniqueName != "zoe-1") {
		t.Errorf("begun: %+v", made)
	}
	l.twilio.FailNext(twiliosim.BadGateway, 1)
	if r := l.must(5, by("--flow", twiliosim.FlexFlowSID, "--yes")...); !strings.Contains(r.stderr, "look for it in Flex before you try again") {
		t.Errorf("an unknown outcome says %q", r.stderr)
	}
	l.must(0, "sync")
	if n := len(l.twilio.WebChannels()); n != 2 {
		t.Errorf("a sync began %d chats", n-2)
	}
}

// TestLegacyChat polls an account that has legacy chat beside Conversations: nothing is counted twice.
func TestLegacyChat(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(73, 120, false), twilio: twiliosim.Options{LegacyChat: true, Faults: everyTwilioFault()}})
	l.must(0, "sync")
	l.mustEqual(settings(today().Add(-10 * time.Second)))
	l.mustSendNothing()
}
