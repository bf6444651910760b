package profile_test

import (
	"testing"

	"flexbrevo/connector/profile"
)

// TestMomentsOfATypeAreThoseOfAll: leaving types out leaves out nothing else.
func TestMomentsOfATypeAreThoseOfAll(t *testing.T) {
	t.Parallel()
	o := &profile.Options{}
	p := build(o,
		thread(1, created(-5), closed(60)),
		task(1, inThread(1), created(0), accepted(1, "ana", 10), accepted(2, "bo", 20), completed(30), raw("reservation.rejected", "EV1", 5)),
		task(2, inThread(1), created(40), accepted(3, "ana", 41), completed(50)),
		task(3, created(100), canceled(110, "hangup")),
		posted(4, 5, 90),
	)
	all := p.Moments(o)
	types := map[string]int{}
	for _, m := range all {
		types[m.Type]++
	}
	if len(types) < 8 {
		t.Fatalf("only %v: the test tells nothing", types)
	}
	for eventType := range types {
		for _, want := range []bool{true, false} { // that type alone, and all but that
			var keys, wanted []string
			for _, m := range p.MomentsOf(o, func(other string) bool { return (other == eventType) == want }) {
				keys = append(keys, m.Key)
			}
			for _, m := range all {
				if (m.Type == eventType) == want {
					wanted = append(wanted, m.Key)
				}
			}
			equal(t, "moments of "+eventType, keys, wanted)
		}
	}
}
