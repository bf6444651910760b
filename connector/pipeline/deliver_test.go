package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
)

const labKey = "xkeysib-of-a-test-0123456789"

// lab is a store, a simulated Brevo and the delivery between them, on a time that
// costs nothing: everything runs in a synctest bubble.
type lab struct {
	*testing.T
	sim     *brevosim.Server
	brevo   *brevo.Destination
	store   store.Store
	digest  store.Lease
	lease   store.Lease
	deliver *pipeline.Deliver
	holders int
}

// setup says what a lab is made of; zero fields mean the defaults.
type setup struct {
	sim     brevosim.Options
	brevo   brevo.Options
	deliver pipeline.DeliverOptions
	// store stands between the delivery and the store.
	store func(store.Store) store.Deliverer
}

// adapter lets the pipeline use Brevo, as the service does.
type adapter struct{ *brevo.Destination }

// Lookup implements pipeline.Destination.
func (a adapter) Lookup(ctx context.Context, events []record.Event) (pipeline.Found, error) {
	ids, err := a.Destination.Lookup(ctx, events)
	return pipeline.Found{IDs: ids}, err
}

// inBubble runs a test on simulated time. What the caller of Brevo must never do
// fails it at its end.
func inBubble(t *testing.T, s setup, test func(*lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, s)
		test(l)
		for _, v := range l.sim.Violations() {
			t.Errorf("violation: %s", v)
		}
	})
}

func newLab(t *testing.T, s setup) *lab {
	t.Helper()
	s.sim.APIKey = labKey
	if s.sim.Tier == "" {
		s.sim.Tier = brevosim.TierNone
	}
	l := &lab{T: t, sim: brevosim.New(s.sim), store: openStore(t)}
	l.sim.AddAttribute(brevosim.Attribute{Name: "TICKETS", Type: "float"})
	l.sim.AddAttribute(brevosim.Attribute{Name: "NOTE", Type: "text"})
	l.sim.AddList(32, "Support")
	s.brevo.APIKey, s.brevo.HTTP = labKey, l.sim.Transport()
	if s.brevo.Tier == "" {
		s.brevo.Tier = string(s.sim.Tier)
	}
	var err error
	if l.brevo, err = brevo.New(s.brevo); err != nil {
		t.Fatal(err)
	}
	s.deliver.Account, s.deliver.Destination, s.deliver.Store = "a", adapter{l.brevo}, l.store
	if s.store != nil {
		s.deliver.Store = s.store(l.store)
	}
	s.deliver.Clock, s.deliver.Logger = time.Now, quiet
	l.deliver = pipeline.NewDeliver(s.deliver)
	l.digest = l.acquire("digest")
	return l
}

func (l *lab) acquire(role string) store.Lease {
	l.Helper()
	l.holders++
	lease, err := l.store.Acquire(l.Context(), role, fmt.Sprint("holder ", l.holders), time.Hour)
	if err != nil {
		l.Fatal(err)
	}
	return lease
}

// owe puts changes in the outbox.
func (l *lab) owe(d store.Digest) {
	l.Helper()
	d.Connector, d.Account, d.At = "c", "a", time.Now()
	seen := map[int64]bool{}
	add := func(id int64) {
		if !seen[id] {
			seen[id] = true
			d.Customers = append(d.Customers, store.Customer{ID: id, CreatedAt: time.Now()})
		}
	}
	for _, c := range d.Contacts {
		add(c.CustomerID)
	}
	for _, e := range d.Events {
		add(e.CustomerID)
	}
	if err := l.store.SaveDigest(l.Context(), l.digest, &d); err != nil {
		l.Fatal(err)
	}
}

// contactOf is what a customer should be in Brevo.
func contactOf(id int64, tickets int, more ...record.Attribute) store.ContactChange {
	attributes := append([]record.Attribute{{Name: "TICKETS", Value: float64(tickets), Type: "float"}}, more...)
	return store.ContactChange{CustomerID: id, Contact: record.Contact{
		Email: fmt.Sprintf("c%d@example.com", id), Create: true, Lists: []string{"32"}, Attributes: attributes,
	}}
}

// eventOf is the n-th event of a customer.
func eventOf(id int64, n int) store.EventChange {
	key := fmt.Sprintf("task.completed:WT%d-%d", id, n)
	return store.EventChange{
		CustomerID: id, Key: key, Fact: fact.Key{Kind: fact.Task, SID: fmt.Sprintf("WT%d-%d", id, n)}, Type: "task.completed",
		Event: record.Event{Name: "SUPPORT_RESOLVED", ID: key, At: time.Now().Add(time.Duration(n)*time.Second - time.Hour),
			Properties: map[string]any{"queue": "Billing"}},
	}
}

// begin starts delivering; the returned function stops it and gives its error.
func (l *lab) begin() (stop func() error) {
	l.lease = l.acquire("deliver")
	ctx, cancel := context.WithCancel(l.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.deliver.Run(ctx, l.Context(), l.lease) }()
	return func() error {
		cancel()
		err := <-ended
		if e := l.store.Release(context.Background(), l.lease); e != nil {
			l.Error(e)
		}
		return err
	}
}

// settle delivers until nothing is owed, and fails the test when that takes longer
// than limit.
func (l *lab) settle(limit time.Duration) (took time.Duration) {
	l.Helper()
	began := time.Now()
	stop := l.begin()
	l.untilIdle(limit)
	if err := stop(); err != nil {
		l.Fatal(err)
	}
	return time.Since(began)
}

func (l *lab) untilIdle(limit time.Duration) {
	l.Helper()
	for deadline := time.Now().Add(limit); !l.idle(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.Fatalf("not settled within %v: %+v", limit, l.summary().Deliveries)
		}
	}
}

func (l *lab) idle() bool {
	due, err := l.store.NextDue(l.Context(), "a")
	unknown, err2 := l.store.LoadUnknown(l.Context(), "a", 1)
	if err := errors.Join(err, err2); err != nil {
		l.Fatal(err)
	}
	return due.IsZero() && len(unknown) == 0 && l.deliver.InHand() == 0
}

func (l *lab) summary() *store.Summary {
	l.Helper()
	sum, err := l.store.LoadSummary(l.Context(), "c", time.Now())
	if err != nil {
		l.Fatal(err)
	}
	return sum
}

// eachOnce checks that Brevo has every event exactly once.
func (l *lab) eachOnce(want int) {
	l.Helper()
	count := map[string]int{}
	for _, e := range l.sim.Events() {
		id, _ := e.Property("source_event_id").(string)
		count[id]++
	}
	wrong := 0
	for id, n := range count {
		if n != 1 {
			if wrong++; wrong <= 10 {
				l.Errorf("%s is there %d times", id, n)
			}
		}
	}
	if len(count) != want || wrong > 0 {
		l.Errorf("%d different events, want %d; %d are there more than once", len(count), want, wrong)
	}
}

// crashing is a store that now and then ends the process before an outcome is
// kept: between the call and its settlement.
type crashing struct {
	store.Deliverer
	mu     sync.Mutex
	random *rand.Rand
	left   int // crashes still to come
	cut    context.CancelFunc
}

var errCrash = errors.New("the process was killed")

// Settle implements store.Deliverer.
func (c *crashing) Settle(ctx context.Context, lease store.Lease, now time.Time, s []store.Settlement) error {
	c.mu.Lock()
	crash := c.left > 0 && c.random.IntN(60) == 0
	if crash {
		c.left--
	}
	c.mu.Unlock()
	if crash {
		c.cut()
		return errCrash
	}
	return c.Deliverer.Settle(ctx, lease, now, s)
}

// survive delivers until nothing is owed, starting again after each crash.
func (l *lab) survive(c *crashing, limit time.Duration) (crashes int) {
	l.Helper()
	for deadline := time.Now().Add(limit); ; crashes++ {
		process, kill := context.WithCancel(l.Context())
		c.mu.Lock()
		c.cut = kill
		c.mu.Unlock()
		l.lease = l.acquire("deliver")
		ended := make(chan error, 1)
		go func() { ended <- l.deliver.Run(process, process, l.lease) }()
		for !l.idle() && process.Err() == nil && time.Now().Before(deadline) {
			time.Sleep(100 * time.Millisecond)
		}
		crashed := process.Err() != nil
		kill()
		err := <-ended
		if e := l.store.Release(l.Context(), l.lease); e != nil {
			l.Fatal(e)
		}
		switch {
		case time.Now().After(deadline):
			l.Fatalf("not settled within %v: %+v", limit, l.summary().Deliveries)
		case !crashed && err != nil:
			l.Fatal(err)
		case !crashed:
			return crashes
		}
	}
}

// TestMovesTellWhatHappenedBetweenTwoLooks: whoever looks at the outbox while a delivery
// goes through the hands of the session finds it nowhere, and must know.
func TestMovesTellWhatHappenedBetweenTwoLooks(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{}, func(l *lab) {
		stop := l.begin()
		time.Sleep(100 * time.Millisecond)
		before := l.deliver.Moves()
		l.owe(store.Digest{Contacts: []store.ContactChange{contactOf(1, 1)}})
		l.deliver.Wake()
		l.untilIdle(time.Minute)
		if moves := l.deliver.Moves() - before; moves < 4 {
			l.Errorf("%d moves of a claim and a settlement, want one as each begins and ends", moves)
		}
		if err := stop(); err != nil {
			l.Fatal(err)
		}
	})
}

// ambiguous are all the failures after which nobody knows whether a call counted.
func ambiguous() brevosim.Faults {
	return brevosim.Faults{
		BadGatewayApplied: 0.03, DroppedApplied: 0.03, SlowApplied: 0.01, BrokenJSON: 0.01, EmptySuccess: 0.01,
		Dropped: 0.02, BadGateway: 0.02, ServerError: 0.01, HTMLSuccess: 0.01, TooEarly: 0.01, TooMany: 0.005,
		SlowFor: 45 * time.Second, Latency: 5 * time.Millisecond, Jitter: 20 * time.Millisecond,
	}
}

// Each event is there exactly once, whatever is not known about the calls, and
// however often the process dies between a call and its settlement.
func TestTenThousandEventsAreThereOnce(t *testing.T) {
	t.Parallel()
	for _, tier := range []brevosim.Tier{brevosim.TierNone, brevosim.TierGeneral} {
		t.Run(string(tier), func(t *testing.T) {
			t.Parallel()
			if testing.Short() && tier != brevosim.TierGeneral {
				t.Skip("takes ten seconds")
			}
			c := &crashing{random: rand.New(rand.NewPCG(3, 1)), left: 25}
			inBubble(t, setup{
				sim:   brevosim.Options{Tier: tier, Seed: 11, ReadLag: 8 * time.Second, Faults: ambiguous()},
				store: func(s store.Store) store.Deliverer { c.Deliverer = s; return c },
			}, func(l *lab) {
				customers, each := 2000, 5
				if testing.Short() {
					customers = 200
				}
				var d store.Digest
				for id := int64(0); id < int64(customers); id++ {
					d.Contacts = append(d.Contacts, contactOf(id+1, 1))
					for n := range each {
						d.Events = append(d.Events, eventOf(id+1, n))
					}
				}
				l.owe(d)
				crashes := l.survive(c, 24*time.Hour)
				if crashes < customers/200 {
					t.Errorf("only %d crashes; too few to prove anything", crashes)
				}
				l.eachOnce(customers * each)
				if n := len(l.sim.Contacts()); n != customers {
					t.Errorf("%d contacts, want %d", n, customers)
				}
				if sum := l.summary(); sum.Deliveries[store.EventDelivery][store.Delivered] != customers*each {
					t.Errorf("deliveries %v", sum.Deliveries)
				}
				t.Logf("%d crashes, %+v", crashes, l.sim.Summary())
			})
		})
	}
}
