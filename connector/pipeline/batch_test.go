package pipeline_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
)

const batchCall = "POST /events/batch"

// known makes customers whose contacts are there already.
func (l *lab) known(customers int) {
	l.Helper()
	var d store.Digest
	for id := range int64(customers) {
		d.Contacts = append(d.Contacts, contactOf(id+1, 1))
	}
	l.owe(d)
	l.settle(24 * time.Hour)
	l.sim.ResetCalls()
}

// events owes so many events of each customer.
func (l *lab) events(customers, each int) {
	l.Helper()
	var d store.Digest
	for id := range int64(customers) {
		for n := range each {
			d.Events = append(d.Events, eventOf(id+1, n))
		}
	}
	l.owe(d)
}

// What a batch costs is read from the headers of the first one: with the events it
// is used for everything, among the calls of the hour only beside single calls.
func TestBatchesAreUsedWhereTheyAreCheaper(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		quirks           brevosim.Quirks
		atLeast, atMost  int // batches
		singles          int // at most
		slowest, fastest time.Duration
	}{
		{"counted with events", brevosim.Quirks{BatchInEvents: true}, 15, 60, 100, 30 * time.Second, 0},
		{"counted with events, by the hour", brevosim.Quirks{BatchInEvents: true, ReportHour: true}, 15, 60, 100, 30 * time.Second, 0},
		{"counted by the hour", brevosim.Quirks{}, 3, 20, 2900, 6 * time.Minute, 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := setup{sim: brevosim.Options{Tier: brevosim.TierGeneral, Quirks: c.quirks, Faults: brevosim.Faults{Latency: 150 * time.Millisecond}}}
			inBubble(t, s, func(l *lab) {
				const customers, each = 1000, 3
				l.known(customers)
				l.events(customers, each)
				took := l.settle(time.Hour)
				l.eachOnce(customers * each)
				batches, singles := l.calls(batchCall), l.calls("POST /events")
				l.Logf("%d events in %v: %d batches and %d single calls", customers*each, took, batches, singles)
				if batches < c.atLeast || batches > c.atMost || singles > c.singles || took > c.slowest || took < c.fastest {
					l.Errorf("%d batches and %d single calls in %v", batches, singles, took)
				}
				if n := l.sim.Summary().RateLimited; n > 0 {
					l.Errorf("%d calls were refused for their rate", n)
				}
			})
		})
	}
}

// A few events are no reason for a batch.
func TestFewEventsGoOneByOne(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierGeneral}}, func(l *lab) {
		l.known(10)
		l.events(10, 1)
		l.settle(time.Minute)
		if n := l.calls(batchCall); n != 0 || l.calls("POST /events") != 10 {
			l.Errorf("%d batches and %d single calls for 10 events", n, l.calls("POST /events"))
		}
	})
}

// A batch that is partly refused is taken apart, also where all of it is.
func TestRefusedEventsOfABatchDieAlone(t *testing.T) {
	t.Parallel()
	for _, good := range []int{97, 0} {
		s := setup{sim: brevosim.Options{Quirks: brevosim.Quirks{UnknownContact: brevosim.UnknownRefused}}}
		inBubble(t, s, func(l *lab) {
			l.known(100)
			for _, c := range l.sim.Contacts()[:100-good] { // deleted, which we do not know yet
				if err := l.sim.DeleteContact(c.ID); err != nil {
					l.Fatal(err)
				}
			}
			l.events(100, 1)
			l.settle(time.Minute)
			events := l.summary().Deliveries[store.EventDelivery]
			if events[store.Delivered] != good || events[store.Dead] != 100-good {
				l.Errorf("of 100 with %d refused: %v", 100-good, events)
			}
			if n := l.calls(batchCall); n == 0 || l.calls("POST /events") > 10 {
				l.Errorf("%d batches, %d single calls", n, l.calls("POST /events"))
			}
			l.eachOnce(good)
		})
	}
}

// Where Brevo has no batches, or a stand-in answers them with anything, events go
// one by one.
func TestWithoutBatchesEventsGoOneByOne(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*http.Request) *http.Response{
		"404": func(r *http.Request) *http.Response { return respond(r, 404, `<html>not here</html>`) },
		"204": func(r *http.Request) *http.Response { return respond(r, 204, ``) },
		"{}":  func(r *http.Request) *http.Response { return respond(r, 200, `{}`) },
		"shape": func(r *http.Request) *http.Response {
			return respond(r, 400, `{"code":"invalid_parameter","message":"cannot unmarshal"}`)
		},
		"413": func(r *http.Request) *http.Response { return respond(r, 413, `too large`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, setup{}, func(l *lab) {
				l.known(60)
				l.through(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/events/batch") {
						return answer(r), nil
					}
					return next.RoundTrip(r)
				})
				l.events(60, 3)
				l.settle(2 * time.Minute)
				l.eachOnce(180)
			})
		})
	}
}

func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}
}

// between is a round tripper that may answer itself.
type between struct {
	next http.RoundTripper
	f    func(*http.Request, http.RoundTripper) (*http.Response, error)
}

// RoundTrip implements http.RoundTripper.
func (b between) RoundTrip(r *http.Request) (*http.Response, error) { return b.f(r, b.next) }

// through delivers by way of f from now on.
func (l *lab) through(f func(*http.Request, http.RoundTripper) (*http.Response, error)) {
	l.Helper()
	d, err := brevo.New(brevo.Options{APIKey: labKey, Tier: "none", HTTP: between{l.sim.Transport(), f}})
	if err != nil {
		l.Fatal(err)
	}
	l.deliver = pipeline.NewDeliver(pipeline.DeliverOptions{Account: "a", Store: l.store, Destination: adapter{d}, Clock: time.Now, Logger: quiet})
}

// A batch that has to be repeated is the same to the byte.
func TestRepeatedBatchIsTheSame(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{}, func(l *lab) {
		l.known(150)
		var mu sync.Mutex
		var bodies [][]byte
		l.through(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, "/events/batch") {
				return next.RoundTrip(r)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			bodies = append(bodies, body)
			first := len(bodies) == 1
			mu.Unlock()
			if first {
				return respond(r, 409, `{"code":"account_in_process","message":"later"}`), nil
			}
			again := r.Clone(r.Context())
			again.Body = io.NopCloser(bytes.NewReader(body))
			return next.RoundTrip(again)
		})
		l.events(150, 1)
		l.settle(time.Minute)
		l.eachOnce(150)
		if len(bodies) != 2 || !bytes.Equal(bodies[0], bodies[1]) {
			l.Errorf("%d batches; the second is not the first", len(bodies))
		}
	})
}

// Batches too end exactly once.
func TestBatchesAreThereOnceWhateverIsUnknown(t *testing.T) {
	t.Parallel()
	for _, quirks := range []brevosim.Quirks{{}, {BatchInEvents: true}} {
		c := &crashing{random: rand.New(rand.NewPCG(5, 1)), left: 5}
		s := setup{
			sim:   brevosim.Options{Tier: brevosim.TierGeneral, Seed: 12, ReadLag: 8 * time.Second, Quirks: quirks},
			store: func(s store.Store) store.Deliverer { c.Deliverer = s; return c },
		}
		left := c.left
		c.left = 0
		inBubble(t, s, func(l *lab) {
			customers := 800
			if testing.Short() {
				customers = 200
			}
			l.known(customers)
			faults := ambiguous()
			faults.BadGatewayApplied, faults.DroppedApplied = 0.1, 0.1
			l.sim.SetFaults(faults)
			c.left = left
			l.events(customers, 4)
			crashes := l.survive(c, 48*time.Hour)
			l.eachOnce(4 * customers)
			l.Logf("%d crashes, %d batches, %d singles", crashes, l.calls(batchCall), l.calls("POST /events"))
			if l.calls(batchCall) == 0 {
				l.Error("no batch was sent; nothing is proved")
			}
		})
	}
}
