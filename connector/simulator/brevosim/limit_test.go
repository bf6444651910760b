package brevosim_test

import (
	"net/http"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

// headers reads limit, remaining and reset.
func headers(h http.Header) [3]string {
	return [3]string{h.Get("x-sib-ratelimit-limit"), h.Get("x-sib-ratelimit-remaining"), h.Get("x-sib-ratelimit-reset")}
}

func TestSecondWindow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		tier  brevosim.Tier
		limit int
	}{{brevosim.TierGeneral, 10}, {brevosim.TierAdvanced, 20}, {brevosim.TierExtended, 60}}
	for _, test := range tests {
		s := newSim(t, brevosim.Options{Tier: test.tier})
		s.contact(brevosim.Contact{ExtID: "a"})
		body := event("e", object{"ext_id": "a"})
		for range test.limit {
			s.send("POST", "/events", body, 204)
		}
		s.clock.add(999 * time.Millisecond)
		refused := s.send("POST", "/events", body, 429)
		if got := headers(refused.header); got[1] != "0" || got[2] != "1" || refused.header.Get("Retry-After") != "" {
			t.Errorf("%s: refused with %v", test.tier, refused.header)
		}
		s.send("GET", "/contacts", nil, 200)
		s.clock.add(time.Millisecond)
		s.send("POST", "/events", body, 204)
		if got := len(s.Events()); got != test.limit+1 {
			t.Errorf("%s: %d events, want %d: a refused one was stored", test.tier, got, test.limit+1)
		}
		if got := s.Summary().RateLimited; got != 1 {
			t.Errorf("%s: %d calls counted as refused", test.tier, got)
		}
	}
}

func TestHourWindow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		tier     brevosim.Tier
		contacts int
		other    int
	}{{brevosim.TierGeneral, 36_000, 100}, {brevosim.TierAdvanced, 72_000, 200}, {brevosim.TierExtended, 0, 600}}
	for _, test := range tests {
		s := newSim(t, brevosim.Options{Tier: test.tier})
		for range test.other {
			s.send("GET", "/account", nil, 200)
		}
		s.clock.add(time.Hour - time.Second)
		if got := headers(s.send("GET", "/events", nil, 429).header); got[2] != "1" {
			t.Errorf("%s: refused with %v", test.tier, got)
		}
		s.clock.add(time.Second)
		s.send("GET", "/processes", nil, 200)
		if test.contacts == 0 {
			continue
		}
		s.SpendLimit(brevosim.BucketContacts, test.contacts-1)
		s.clock.add(time.Second)
		s.send("GET", "/contacts", nil, 200)
		got := headers(s.send("GET", "/contacts", nil, 429).header)
		if got[2] != "3599" {
			t.Errorf("%s: refused with %v, want the hour window", test.tier, got)
		}
	}
}

func TestLimitHeaders(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{Tier: brevosim.TierGeneral})
	see := func(want [3]string) {
		t.Helper()
		if got := headers(s.send("GET", "/contacts", nil, 200).header); got != want {
			t.Errorf("headers %v, want %v", got, want)
		}
	}
	see([3]string{"10", "9", "1"})
	s.clock.add(1500 * time.Millisecond)
	see([3]string{"10", "9", "1"})
	s.clock.add(100 * time.Millisecond)
	s.SetQuirks(brevosim.Quirks{FloorReset: true})
	see([3]string{"10", "8", "0"})
	s.SetQuirks(brevosim.Quirks{ReportHour: true})
	see([3]string{"36000", "35996", "3599"})
	if got := headers(newSim(t, brevosim.Options{}).send("GET", "/contacts", nil, 200).header); got != [3]string{} {
		t.Errorf("tier none sends %v", got)
	}
}

func TestBucketOfBatches(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		s := newSim(t, brevosim.Options{Tier: brevosim.TierGeneral, Quirks: brevosim.Quirks{BatchInEvents: shared}})
		s.contact(brevosim.Contact{ExtID: "a"})
		r := s.send("POST", "/events/batch", object{"events": []any{event("e", object{"ext_id": "a"})}}, 202)
		want := "100"
		if shared {
			want = "10"
		}
		if got := headers(r.header)[0]; got != want {
			t.Errorf("shared %v: limit %s, want %s", shared, got, want)
		}
	}
}

func TestResetGivesFreshWindows(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{Tier: brevosim.TierGeneral})
	s.SpendLimit(brevosim.BucketOther, 100)
	s.send("GET", "/account", nil, 429)
	s.Reset()
	s.send("GET", "/account", nil, 200)
	if got := s.Summary().Calls; got != 1 {
		t.Errorf("%d calls counted after the reset", got)
	}
}

func TestUnknownTierPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	brevosim.New(brevosim.Options{Tier: "gold"})
}
