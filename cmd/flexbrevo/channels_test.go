package main_test

import (
	"strings"
	"testing"
	"time"
)

// TestChannelsAreFilteredWhenTold pushes calls only, and then all channels: what was captured is there to be told.
func TestChannelsAreFilteredWhenTold(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(81, 120, false)})
	all := l.configuration("connector.yaml")
	const channels = "channels: [voice, sms, whatsapp, webchat, messenger, email]"
	if !strings.Contains(all, channels) {
		t.Fatal("the configuration names other channels")
	}
	l.write("connector.yaml", strings.Replace(all, channels, "channels: [voice]", 1))
	l.must(0, "sync")
	calls := settings(today().Add(-10 * time.Second))
	calls.Channels = []string{"voice"}
	l.mustEqual(calls)
	l.mustSendNothing()

	l.write("connector.yaml", all)
	read := l.callsTo("/Participants")
	l.must(0, "replay", "--yes")
	l.must(0, "sync")
	l.mustEqual(settings(today().Add(-10 * time.Second)))
	if n := l.callsTo("/Participants") - read; n > 3 {
		t.Errorf("%d conversations were read again to tell of them", n)
	}
}
