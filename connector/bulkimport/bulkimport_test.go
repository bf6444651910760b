package bulkimport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/config"
	"flexbrevo/connector/brevo"
	"flexbrevo/connector/bulkimport"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/part"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
	"flexbrevo/mapping"
)

const testKey = "xkeysib-of-a-test-0123456789"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// lab is a store, a simulated Brevo on simulated time, and the part between them.
type lab struct {
	*testing.T
	sim     *brevosim.Server
	brevo   *brevo.Destination
	store   store.Store
	digest  store.Lease
	part    part.Loader
	steps   []string
	holders int
}

// setup says what a lab is made of; zero fields mean the defaults.
type setup struct {
	sim  brevosim.Options
	rows string
	wait time.Duration
	// wire stands before the simulated account.
	wire func(http.RoundTripper) http.RoundTripper
}

// inBubble runs a test on time that costs nothing. What nobody may do to an account
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
	s.sim.APIKey = testKey
	s.sim.Quirks.Allow.Import = true
	l := &lab{T: t, sim: brevosim.New(s.sim)}
	l.sim.AddAttribute(brevosim.Attribute{Name: "TICKETS", Type: "float"})
	l.sim.AddAttribute(brevosim.Attribute{Name: "NOTE", Type: "text"})
	l.sim.AddList(32, "Support")
	l.sim.AddList(33, "Gold")
	var err error
	l.store, err = sqlstore.Open(context.Background(), "sqlite://"+filepath.Join(t.TempDir(), "flexbrevo.db"),
		sqlstore.Options{Pipeline: true, Logger: quiet, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.store.Close(); err != nil {
			t.Error(err)
		}
	})
	wire := l.sim.Transport()
	if s.wire != nil {
		wire = s.wire(wire)
	}
	l.brevo, err = brevo.New(brevo.Options{APIKey: testKey, BaseURL: "http://127.0.0.1:1/v3", Tier: string(s.sim.Tier), HTTP: wire})
	if err != nil {
		t.Fatal(err)
	}
	l.digest = l.acquire("digest")
	l.part = l.newPart(s, wire)
	return l
}

func (l *lab) newPart(s setup, wire http.RoundTripper) part.Loader {
	l.Helper()
	c := &config.Connector{Name: "c", Rules: &mapping.Rules{Fields: []*mapping.Field{{To: "TICKETS"}, {To: "NOTE"}}}}
	c.Brevo = config.Brevo{BulkImport: config.ImportBackfill, BulkRows: config.RowsEmail, BulkLeast: 3, BulkWait: time.Hour}
	if s.rows != "" {
		c.Brevo.BulkRows = s.rows
	}
	if s.wait != 0 {
		c.Brevo.BulkWait = s.wait
	}
	p, err := bulkimport.New(part.Site{
		Config: c, Account: "a", Store: l.store, Brevo: l.brevo, Transport: wire, Logger: quiet, Clock: time.Now,
		OnceOfAccount: func(ctx context.Context, role string, work func(context.Context, store.Lease) error) error {
			lease := l.acquire(role + ":a")
			err := work(ctx, lease)
			return errors.Join(err, l.store.Release(context.WithoutCancel(ctx), lease))
		},
	})
	if err != nil {
		l.Fatal(err)
	}
	return p.(part.Loader)
}

func (l *lab) acquire(role string) store.Lease {
	l.Helper()
	l.holders++
	lease, err := l.store.Acquire(context.WithoutCancel(l.Context()), role, fmt.Sprint("holder ", l.holders), time.Hour)
	if err != nil {
		l.Fatal(err)
	}
	return lease
}

// owe puts the contacts of customers in the outbox, in a lane.
func (l *lab) owe(lane record.Lane, customers int, change func(id int64, c *record.Contact)) {
	l.Helper()
	d := store.Digest{Connector: "c", Account: "a", At: time.Now()}
	for id := int64(1); id <= int64(customers); id++ {
		c := record.Contact{
			Email: fmt.Sprintf("c%d@example.com", id), Create: true, Lists: []string{"32"},
			Attributes: []record.Attribute{{Name: "TICKETS", Value: float64(id), Type: "float"}},
		}
		if change != nil {
			change(id, &c)
		}
		d.Customers = append(d.Customers, store.Customer{ID: id, CreatedAt: time.Now()})
		d.Contacts = append(d.Contacts, store.ContactChange{CustomerID: id, Lane: lane, Contact: c})
		d.Tokens = append(d.Tokens, store.StoredToken{Token: store.Token{Kind: store.Email, Value: c.Email}, CustomerID: id})
	}
	if err := l.store.SaveDigest(l.Context(), l.digest, &d); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) load() error {
	l.steps = nil
	return l.part.Load(l.Context(), true, func(step string) { l.steps = append(l.steps, step) })
}

func (l *lab) mustLoad() {
	l.Helper()
	if err := l.load(); err != nil {
		l.Fatal(err)
	}
}

// adapter lets the pipeline use Brevo, as the service does.
type adapter struct{ *brevo.Destination }

// Lookup implements pipeline.Destination.
func (a adapter) Lookup(ctx context.Context, events []record.Event) (pipeline.Found, error) {
	ids, err := a.Destination.Lookup(ctx, events)
	return pipeline.Found{IDs: ids}, err
}

// delivering delivers until the returned function is called.
func (l *lab) delivering() (stop func()) {
	d := pipeline.NewDeliver(pipeline.DeliverOptions{Account: "a", Store: l.store, Destination: adapter{l.brevo}, Clock: time.Now, Logger: quiet})
	lease := l.acquire("deliver")
	ctx, cancel := context.WithCancel(l.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, l.Context(), lease) }()
	return func() {
		cancel()
		if err := errors.Join(<-ended, l.store.Release(context.Background(), lease)); err != nil {
			l.Error(err)
		}
	}
}

// settle delivers until nothing waits any more.
func (l *lab) settle(limit time.Duration) {
	l.Helper()
	defer l.delivering()()
	l.until(limit, func() bool {
		states := l.contacts()
		return states[store.Pending]+states[store.Sending] == 0
	})
}

func (l *lab) contacts() map[store.DeliveryState]int {
	l.Helper()
	sum, err := l.store.LoadSummary(l.Context(), "c", time.Now())
	if err != nil {
		l.Fatal(err)
	}
	return sum.Deliveries[store.ContactDelivery]
}

func (l *lab) until(limit time.Duration, holds func() bool) {
	l.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.Fatalf("not within %v: %v", limit, l.contacts())
		}
	}
}

// mustHold says that Brevo has every customer as it should be.
func (l *lab) mustHold(customers int) {
	l.Helper()
	byEmail := map[string]brevosim.Contact{}
	for _, c := range l.sim.Contacts() {
		byEmail[c.Email] = c
	}
	for id := 1; id <= customers; id++ {
		c, there := byEmail[fmt.Sprintf("c%d@example.com", id)]
		if !there || c.Attributes["TICKETS"] != float64(id) || len(c.ListIDs) == 0 || c.ListIDs[0] != 32 {
			l.Fatalf("customer %d: %v, %+v", id, there, c)
		}
	}
	if got := l.contacts(); got[store.Delivered] != customers {
		l.Errorf("deliveries %v, want %d delivered", got, customers)
	}
}

// writes counts single writes of contacts.
func (l *lab) writes() int {
	return l.sim.CallsTo("POST /contacts") + l.sim.CallsTo("PUT /contacts/{identifier}")
}

func (l *lab) looks() int {
	return l.sim.CallsTo("GET /processes") + l.sim.CallsTo("GET /processes/{processId}")
}

func (l *lab) state() part.State {
	l.Helper()
	s, err := l.part.State(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	return s
}

func TestNeverIsNoPart(t *testing.T) {
	t.Parallel()
	p, err := bulkimport.New(part.Site{Config: &config.Connector{Brevo: config.Brevo{BulkImport: config.ImportNever}}})
	if p != nil || err != nil {
		t.Errorf("%v, %v", p, err)
	}
}

// TestWhatAnImportSaves prints the figures of docs/bulk-import.md: calls, and the time
// that the budget of the smallest plan asks for.
func TestWhatAnImportSaves(t *testing.T) {
	t.Parallel()
	const customers = 1000
	for _, imports := range []bool{false, true} {
		t.Run(fmt.Sprint("import ", imports), func(t *testing.T) {
			t.Parallel()
			quirks := brevosim.Quirks{ImportTime: time.Minute}
			inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierGeneral, Quirks: quirks}}, func(l *lab) {
				l.owe(record.Backfill, customers, nil)
				began := time.Now()
				if imports {
					l.mustLoad()
				}
				l.settle(time.Hour)
				l.mustHold(customers)
				t.Logf("%d contacts in %v: %d single writes, %d imports, %d looks, %d pages", customers, time.Since(began).Round(time.Second),
					l.writes(), l.sim.CallsTo("POST /contacts/import"), l.looks(), l.sim.CallsTo("GET /contacts"))
				if imports && (l.writes() != 0 || l.sim.CallsTo("POST /contacts/import") != 1 || l.looks() > 10 || l.sim.CallsTo("GET /contacts") > 10) {
					t.Errorf("more calls than that")
				}
				if refused := l.sim.Calls()[brevosim.Call{Method: "GET", Path: "/processes/{processId}", Status: 429}]; refused != 0 {
					t.Errorf("%d looks were refused", refused)
				}
			})
		})
	}
}

func TestUrgentContactsDoNotWaitForAnImport(t *testing.T) {
	t.Parallel()
	quirks := brevosim.Quirks{ImportTime: 20 * time.Minute}
	inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierNone, Quirks: quirks}}, func(l *lab) {
		const customers = 10
		l.owe(record.Backfill, customers, nil)
		loaded := make(chan error, 1)
		go func() { loaded <- l.load() }()
		l.until(time.Minute, func() bool { return l.looks() > 2 })
		stop := l.delivering()
		l.owe(record.Live, 1, nil) // the first customer calls
		began := time.Now()
		l.until(time.Minute, func() bool { return l.contacts()[store.Delivered] == 1 })
		t.Logf("the live one waited %v", time.Since(began))
		if waited := time.Since(began); waited > 15*time.Second {
			t.Errorf("it waited %v", waited)
		}
		if err := <-loaded; err != nil {
			t.Fatal(err)
		}
		stop()
		l.settle(time.Minute)
		l.mustHold(customers)
		if n := l.writes(); n != 1 {
			t.Errorf("%d single writes, want that of the live one", n)
		}
	})
}

// tooLong refuses bodies that are longer than so many bytes.
type tooLong struct {
	next    http.RoundTripper
	most    int
	refused int
}

// RoundTrip implements http.RoundTripper.
func (w *tooLong) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || !strings.HasSuffix(r.URL.Path, "/import") {
		return w.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if len(body) > w.most {
		w.refused++
		return &http.Response{StatusCode: http.StatusRequestEntityTooLarge, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return w.next.RoundTrip(r)
}

func TestImportsThatAreTooLongAreHalved(t *testing.T) {
	t.Parallel()
	wall := &tooLong{most: 1 << 20}
	s := setup{sim: brevosim.Options{Tier: brevosim.TierNone, Quirks: brevosim.Quirks{ImportTime: time.Second}}}
	s.wire = func(next http.RoundTripper) http.RoundTripper { wall.next = next; return wall }
	inBubble(t, s, func(l *lab) {
		const customers = 300
		l.owe(record.Backfill, customers, func(_ int64, c *record.Contact) {
			c.Attributes = append(c.Attributes, record.Attribute{Name: "NOTE", Value: strings.Repeat("n", 9000), Type: "text"})
		})
		l.mustLoad()
		l.settle(time.Minute)
		l.mustHold(customers)
		if imports := l.sim.CallsTo("POST /contacts/import"); wall.refused != 2 && wall.refused != 3 || imports != 3 || l.writes() != 0 {
			t.Errorf("%d refused, %d imports, %d single writes", wall.refused, imports, l.writes())
		}
	})
}

func TestRefusedCredentialEndsTheLoad(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierNone, Quirks: brevosim.Quirks{ImportTime: time.Second}}}, func(l *lab) {
		l.owe(record.Backfill, 10, nil)
		l.sim.SetFaults(brevosim.Faults{BadKey: 1, Only: []string{"POST /contacts/import"}})
		if err := l.load(); failure.ReasonOf(err) != failure.Unauthorized {
			t.Fatalf("load: %v", err)
		}
		l.sim.SetFaults(brevosim.Faults{})
		l.mustLoad() // once the key is good again
		l.settle(time.Minute)
		l.mustHold(10)
		if l.writes() != 0 {
			t.Errorf("%d single writes", l.writes())
		}
	})
}

// TestOthersImportFirst has marketing's import under way: Brevo wants one at a time.
func TestOthersImportFirst(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierNone, Quirks: brevosim.Quirks{ImportTime: 90 * time.Second}}}, func(l *lab) {
		row := brevo.ImportRow{Email: "else@example.com", JSON: []byte(`{"email":"else@example.com"}`)}
		if _, err := l.brevo.Import(l.Context(), []int64{33}, []brevo.ImportRow{row}); err != nil {
			t.Fatal(err)
		}
		l.owe(record.Backfill, 10, nil)
		l.mustLoad()
		l.settle(time.Minute)
		l.mustHold(10)
	})
}

// TestNobodyIsMerged says that a phone that Brevo has, or that two rows have, is in no
// row.
func TestNobodyIsMerged(t *testing.T) {
	t.Parallel()
	s := setup{rows: config.RowsAll, sim: brevosim.Options{Tier: brevosim.TierNone, Quirks: brevosim.Quirks{ImportTime: time.Second}}}
	inBubble(t, s, func(l *lab) {
		other, err := l.sim.AddContact(brevosim.Contact{Email: "family@example.com", SMS: "+33600000001"})
		if err != nil {
			t.Fatal(err)
		}
		l.owe(record.Backfill, 12, func(id int64, c *record.Contact) {
			if id == 3 {
				id = 2 // they share a phone
			}
			c.Phone = fmt.Sprintf("+336000000%02d", id)
			c.Attributes = append(c.Attributes, record.Attribute{Name: "SMS", Value: c.Phone})
		})
		l.mustLoad()
		l.settle(time.Minute)
		l.mustHold(12)
		if c, there := l.sim.Contact(other); !there || c.SMS == "" || c.Email != "family@example.com" {
			t.Errorf("the other contact: %v, %+v", there, c)
		}
		if counts := l.state().Counts; counts["contacts_handed"] != 9 || counts["contacts_found"] != 9 {
			t.Errorf("%v, want all imported but the three whose phone is not theirs alone", counts)
		}
	})
}

// TestLeftListsCostNothing says that a contact that a rule keeps off a list is not
// taken off it by a call of its own.
func TestLeftListsCostNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierNone, Quirks: brevosim.Quirks{ImportTime: time.Second}}}, func(l *lab) {
		l.owe(record.Backfill, 10, func(_ int64, c *record.Contact) { c.Leave = []string{"Gold"} })
		l.mustLoad()
		l.settle(time.Minute)
		l.mustHold(10)
		if l.writes() != 0 {
			t.Errorf("%d single writes", l.writes())
		}
	})
}

// TestReportsAreCounted says that reports are read, and that one that cannot be is no
// harm: what they are about is written singly.
func TestReportsAreCounted(t *testing.T) {
	t.Parallel()
	for _, expired := range []bool{false, true} {
		quirks := brevosim.Quirks{ImportTime: time.Second, ReportsExpired: expired}
		inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierNone, Quirks: quirks}}, func(l *lab) {
			l.owe(record.Backfill, 10, func(id int64, c *record.Contact) {
				if id > 8 {
					c.Email = fmt.Sprint("nonsense", id)
				}
			})
			l.mustLoad()
			l.settle(time.Minute)
			want := int64(2)
			if expired {
				want = 0
			}
			if s := l.state(); s.Counts["reported_invalid_emails"] != want || s.Counts["contacts_found"] != 8 || s.Counts["imports_done"] != 1 {
				t.Errorf("expired %v: %+v", expired, s)
			}
			if last := l.steps[len(l.steps)-1]; last != "8 of 10 contacts made by import (1 calls)" {
				t.Errorf("it ends with %q", last)
			}
			if got := l.contacts(); got[store.Delivered] != 8 || got[store.Pending] != 0 {
				t.Errorf("deliveries %v", got)
			}
		})
	}
}

// TestImportOutlivesItsProcess ends the holder at each of its steps; another goes on.
func TestImportOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	const customers = 10
	for _, step := range []string{"hands", "imports", "looks for"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			inBubble(t, setup{sim: brevosim.Options{Tier: brevosim.TierNone, Quirks: brevosim.Quirks{ImportTime: time.Minute}}}, func(l *lab) {
				l.owe(record.Backfill, customers, nil)
				ctx, cancel := context.WithCancel(l.Context())
				defer cancel()
				err := l.part.Load(ctx, true, func(told string) {
					if strings.Contains(told, step) {
						cancel()
					}
				})
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("load: %v", err)
				}
				if err := l.part.Load(l.Context(), false, func(string) {}); err != nil { // nobody agreed this time
					t.Fatal(err)
				}
				l.settle(time.Minute)
				l.mustHold(customers)
				if n := l.sim.CallsTo("POST /contacts/import"); n > 1 {
					t.Errorf("%d imports", n)
				}
			})
		})
	}
}

// TestStuckImportIsLeft says that single writes do what an import does not end.
func TestStuckImportIsLeft(t *testing.T) {
	t.Parallel()
	s := setup{wait: 10 * time.Minute, sim: brevosim.Options{Tier: brevosim.TierGeneral, Quirks: brevosim.Quirks{ImportTime: 2 * time.Hour}}}
	inBubble(t, s, func(l *lab) {
		l.owe(record.Backfill, 10, nil)
		l.mustLoad()
		looks := l.looks()
		l.settle(time.Minute)
		time.Sleep(3 * time.Hour) // the import ends after all
		l.mustHold(10)
		if n := len(l.sim.Contacts()); n != 10 || l.writes() != 10 || looks > 12 {
			t.Errorf("%d contacts, %d single writes, %d looks in ten minutes", n, l.writes(), looks)
		}
		if s := l.state(); s.Counts["imports_overdue"] != 1 || len(s.Notices) != 1 || !strings.Contains(s.Notices[0], "bulk_wait") {
			t.Errorf("%+v", s)
		}
	})
}
