package main_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

// TestKills plays a day in well under a minute to a daemon that is killed at fifty random instants of it, its starts
// included, and then left to finish.
func TestKills(t *testing.T) {
	t.Parallel()
	const kills, longest = 50, 1500 * time.Millisecond
	options := aDay(7, 150, true)
	l := newLab(t, setup{
		world:  options,
		shared: true,
		clock:  playing(options.Start, today(), kills*longest/2),
		brevo:  brevosim.Options{ReadLag: 200 * time.Millisecond},
		env:    map[string]string{"LOOKUP_AFTER": "1s"},
	})
	random := rand.New(rand.NewPCG(7, 7))
	for range kills {
		d := l.start()
		after := time.NewTimer(time.Duration(random.Int64N(int64(longest))))
		select {
		case <-after.C:
			d.kill()
		case err := <-d.ended:
			d.ended <- err
			t.Fatalf("the daemon ended by itself: %v\n%s", err, d.stderr.String())
		}
	}
	if l.writes() < kills {
		t.Errorf("the kills met only %d writes", l.writes())
	}
	d := l.run()
	s := liveSettings(today())
	l.eventuallyEqual(s, 90*time.Second, d)
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr.String())
	}
	l.mustEqual(s)
}
