package brevo_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
)

// bubble returns a destination and a simulated account without a network between
// them, for the clock of testing/synctest.
func bubble(t *testing.T, so brevosim.Options, change ...func(*brevo.Options)) (*brevo.Destination, *brevosim.Server) {
	t.Helper()
	sim := brevosim.New(so)
	o := brevo.Options{APIKey: testKey, HTTP: sim.Transport()}
	for _, f := range change {
		f(&o)
	}
	d, err := brevo.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d, sim
}

// backlog delivers events from several goroutines until a time, and counts them.
func backlog(t *testing.T, d *brevo.Destination, contact int64, lasting time.Duration) (delivered, failed int) {
	t.Helper()
	var wg sync.WaitGroup
	var done, broken atomic.Int64
	end := time.Now().Add(lasting)
	for n := range 32 {
		wg.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				e := record.Event{Name: "X", ID: fmt.Sprintf("%d-%d", n, i), At: time.Now()}
				switch out := d.Deliver(t.Context(), record.Change{Event: &e, Held: record.Held{ID: contact}}); {
				case out.Reason == failure.None:
					done.Add(1)
				case out.RetryAfter > 0:
					broken.Add(1)
					time.Sleep(out.RetryAfter)
				default:
					broken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return int(done.Load()), int(broken.Load())
}

func TestBacklogUsesTheShareAndNeverMore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tier      brevosim.Tier
		told      string // the tier we are told
		perSecond float64
		share     float64
	}{
		{brevosim.TierGeneral, "auto", 10, 0.8}, {brevosim.TierGeneral, "auto", 10, 1},
		{brevosim.TierAdvanced, "advanced", 20, 0.8}, {brevosim.TierExtended, "extended", 60, 1},
		{brevosim.TierExtended, "auto", 60, 0.8}, {brevosim.TierGeneral, "extended", 10, 0.5},
	} {
		t.Run(fmt.Sprintf("%s told %s share %v", c.tier, c.told, c.share), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const minutes = 10
				d, sim := bubble(t, brevosim.Options{Tier: c.tier, Faults: brevosim.Faults{Latency: 200 * time.Millisecond, Jitter: 12 * time.Millisecond}},
					func(o *brevo.Options) { o.Share, o.Tier = c.share, c.told })
				id, err := sim.AddContact(brevosim.Contact{Email: "zoe@example.com"})
				if err != nil {
					t.Fatal(err)
				}
				done, failed := backlog(t, d, id, minutes*time.Minute)
				allowed := c.perSecond * c.share * minutes * 60
				if used := float64(done) / allowed; used < 0.98 || used > 1 {
					t.Errorf("used %.4f of our share", used)
				}
				limited := sim.Summary().RateLimited
				// Told a better tier than it has, the account has to say so once.
				if c.told != "extended" || c.tier == brevosim.TierExtended {
					if failed != 0 || limited != 0 {
						t.Errorf("%d calls failed, %d were answered 429", failed, limited)
					}
				} else if limited > 32 {
					t.Errorf("%d calls were answered 429", limited)
				}
			})
		})
	}
}

func TestOthersMayUseTheKeyToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, sim := bubble(t, brevosim.Options{Tier: brevosim.TierGeneral}, func(o *brevo.Options) { o.Share = 1 })
		id, err := sim.AddContact(brevosim.Contact{Email: "zoe@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 600 {
				sim.SpendLimit(brevosim.BucketEvents, 4)
				time.Sleep(time.Second)
			}
		})
		done, _ := backlog(t, d, id, 10*time.Minute)
		wg.Wait()
		if limited := sim.Summary().RateLimited; limited > 60 || done < 1500 {
			t.Errorf("%d delivered, %d answered 429", done, limited)
		}
	})
}

func TestHourlyBucketIsRationed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, sim := bubble(t, brevosim.Options{Tier: brevosim.TierGeneral})
		wanted := []record.Event{{Name: "X", ID: "absent", At: time.Now()}}
		began := time.Now()
		lookups := 0
		for time.Since(began) < time.Hour {
			_, err := d.Lookup(t.Context(), wanted)
			if err == nil {
				lookups++
				continue
			}
			wait := retryAfter(err)
			if failure.ReasonOf(err) != failure.RateLimited || wait <= 0 || wait > 2*time.Minute {
				t.Fatalf("refused after %d look-ups: %v, retry after %v", lookups, err, wait)
			}
			time.Sleep(wait)
		}
		if lookups < 70 || lookups > 73 { // 100 an hour, our share 0.8, a tenth in reserve
			t.Errorf("look-ups: %d", lookups)
		}
		for range 7 {
			if err := d.Ping(t.Context()); err != nil {
				t.Fatalf("the reserve is gone: %v", err)
			}
		}
		if n := sim.Summary().RateLimited; n != 0 {
			t.Errorf("%d calls were answered 429", n)
		}
	})
}

func retryAfter(err error) time.Duration {
	e, ok := err.(*failure.Error)
	if !ok {
		return 0
	}
	return e.RetryAfter
}

func TestBlockIsWaitedOutOrTold(t *testing.T) {
	t.Parallel()
	refusing := func(reset string) roundTripper {
		return func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			if reset != "" {
				w.Header().Set("x-sib-ratelimit-reset", reset)
			}
			w.WriteHeader(http.StatusTooManyRequests)
			return w.Result(), nil
		}
	}
	for _, c := range []struct {
		reset    string
		min, max time.Duration // the time that the second call is held up or told
		waits    bool
	}{
		{"0", time.Second, 2 * time.Second, true}, {"3", 3 * time.Second, 4 * time.Second, true},
		{"", time.Second, 2 * time.Second, true}, {"nonsense", time.Second, 2 * time.Second, true},
		{"600", 600 * time.Second, 661 * time.Second, false}, {"999999", time.Hour, 67 * time.Minute, false},
	} {
		t.Run("reset "+c.reset, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d, _ := bubble(t, brevosim.Options{}, func(o *brevo.Options) { o.HTTP = refusing(c.reset) })
				expectReason(t, d.Deliver(t.Context(), anEvent()), failure.RateLimited)
				began := time.Now()
				out := d.Deliver(t.Context(), anEvent())
				held := time.Since(began)
				if !c.waits {
					held = out.RetryAfter
					if out.Calls != 0 || out.Status != 0 {
						t.Errorf("a call was made: %+v", out)
					}
				}
				if out.Reason != failure.RateLimited || held < c.min || held > c.max {
					t.Errorf("held for %v: %+v", held, out)
				}
			})
		})
	}
}

// roundTripper is a carrier of the test's own.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestEndedContextLeavesTheQueueAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, sim := bubble(t, brevosim.Options{Tier: brevosim.TierGeneral})
		for range 40 {
			go d.Deliver(t.Context(), anEvent())
		}
		synctest.Wait()
		ctx, cancel := contextWithTimeout(t, 500*time.Millisecond)
		defer cancel()
		began := time.Now()
		out := d.Deliver(ctx, anEvent())
		if out.Reason != failure.Interrupted || time.Since(began) != 500*time.Millisecond || out.Calls != 0 {
			t.Errorf("after %v: %+v", time.Since(began), out)
		}
		time.Sleep(time.Minute)
		if n := sim.Summary().Calls; n != 40 {
			t.Errorf("calls: %d", n)
		}
	})
}

func TestBudgetsTellHowTheyStand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, _ := bubble(t, brevosim.Options{Tier: brevosim.TierAdvanced})
		expect(t, d.Deliver(t.Context(), anEvent()), "")
		if err := d.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := d.Budgets()
		if len(got) != 3 || got[0].Bucket != "contacts" || got[0].Limit != 10 || got[0].Used != 0 || got[0].Remaining != -1 {
			t.Errorf("contacts: %+v", got)
		}
		if e := got[1]; e.Limit != 20 || e.Window != time.Second || e.Allowed != 16 || e.Used != 1 || e.Remaining != 19 || !e.BlockedUntil.IsZero() {
			t.Errorf("events: %+v", e)
		}
		if o := got[2]; o.Limit != 200 || o.Window != time.Hour || o.Allowed != 160 || o.Used != 1 || o.Remaining != 199 {
			t.Errorf("other: %+v", o)
		}
	})
}
