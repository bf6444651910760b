package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/config"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
	"flexbrevo/connector/twilio"
	"flexbrevo/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const connector = "flex"

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// fake is a Sync service that does what it is told to, once each.
type fake struct {
	values   map[twilio.SyncPlace]twilio.SyncValue
	maps     map[string]bool
	messages []string
	calls    []string
	// fail is what the next call gives; done says that it does its work all the same. broken is
	// what all give.
	fail   error
	done   bool
	broken error
}

// call notes a call and says whether it fails, and whether it is done.
func (f *fake) call(what string) (fails error, works bool) {
	f.calls = append(f.calls, what)
	if f.broken != nil {
		return f.broken, false
	}
	fails, works = f.fail, f.fail == nil || f.done
	f.fail, f.done = nil, false
	return fails, works
}

func refusal(reason failure.Reason) error { return &failure.Error{Op: "POST sync", Reason: reason} }

func conflict(what error) error { return fmt.Errorf("%w: %w", what, refusal(failure.Transient)) }

func (f *fake) set(p twilio.SyncPlace, data []byte) twilio.SyncValue {
	v := twilio.SyncValue{Data: data, Revision: f.values[p].Revision + "i"}
	f.values[p] = v
	return v
}

func (f *fake) FetchSyncValue(_ context.Context, p twilio.SyncPlace) (twilio.SyncValue, error) {
	if fails, _ := f.call("fetch " + p.Key); fails != nil {
		return twilio.SyncValue{}, fails
	}
	v, ok := f.values[p]
	if !ok {
		return v, refusal(failure.Gone)
	}
	return v, nil
}

func (f *fake) CreateSyncValue(_ context.Context, p twilio.SyncPlace, data []byte, _ time.Duration) (v twilio.SyncValue, err error) {
	fails, works := f.call("create " + p.Key)
	if works {
		if _, known := f.values[p]; known {
			return v, conflict(twilio.ErrSyncExists)
		}
		if p.Map != "" && !f.maps[p.Map] {
			return v, refusal(failure.Gone)
		}
		v = f.set(p, data)
	}
	return v, fails
}

func (f *fake) UpdateSyncValue(_ context.Context, p twilio.SyncPlace, data []byte, _ time.Duration, revision string) (v twilio.SyncValue, err error) {
	fails, works := f.call("update " + p.Key)
	if works {
		switch stands, known := f.values[p]; {
		case !known:
			return v, refusal(failure.Gone)
		case stands.Revision != revision:
			return v, conflict(twilio.ErrSyncChanged)
		}
		v = f.set(p, data)
	}
	return v, fails
}

func (f *fake) DeleteSyncValue(_ context.Context, p twilio.SyncPlace) error {
	fails, works := f.call("delete " + p.Key)
	if works {
		delete(f.values, p)
	}
	return fails
}

func (f *fake) MakeSyncMap(_ context.Context, _, name string) error {
	fails, _ := f.call("make " + name)
	f.maps[name] = fails == nil
	return fails
}

func (f *fake) MakeSyncStream(_ context.Context, _, name string) error {
	fails, _ := f.call("make " + name)
	return fails
}

func (f *fake) SendSyncMessage(_ context.Context, _, _ string, data []byte) error {
	fails, works := f.call("send")
	if works {
		f.messages = append(f.messages, string(data))
	}
	return fails
}

// desk is a shift with a store, a fake Sync and customers to change.
type desk struct {
	*testing.T
	*shift
	sync      *fake
	customers map[int64]*pipeline.Customer
	digest    store.Lease
	now       time.Time
}

func newDesk(t *testing.T, change func(*config.SyncPublish)) *desk {
	t.Helper()
	st, err := sqlstore.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "p.db"), sqlstore.Options{Pipeline: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &desk{T: t, sync: &fake{values: map[twilio.SyncPlace]twilio.SyncValue{}, maps: map[string]bool{"m": true}}, customers: map[int64]*pipeline.Customer{}, now: noon}
	cfg := &config.SyncPublish{Service: "default", Map: "m", Key: "phone", TTL: 24 * time.Hour, Events: 3, Types: []string{"task.completed"}}
	if change != nil {
		change(cfg)
	}
	p := &Publisher{cfg: cfg, connector: connector, store: st, sync: d.sync, logger: slog.New(slog.DiscardHandler), clock: func() time.Time { return d.now }}
	p.customer = func(_ context.Context, id int64) (*pipeline.Customer, error) {
		if c, ok := d.customers[id]; ok {
			return c, nil
		}
		return nil, store.ErrNotFound
	}
	p.once = func(ctx context.Context, _ string, work func(context.Context, store.Lease) error) error {
		return work(ctx, d.lease)
	}
	lease, err := st.Acquire(t.Context(), name+":"+connector, "me", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if d.digest, err = st.Acquire(t.Context(), "digest:"+connector, "me", time.Hour); err != nil {
		t.Fatal(err)
	}
	d.shift = &shift{Publisher: p, lease: lease}
	return d
}

// touch lets customers be digested.
func (d *desk) touch(ids ...int64) {
	d.Helper()
	digest := &store.Digest{Connector: connector, Account: "brevo", At: d.now, Feed: true}
	for _, id := range ids {
		row := store.Customer{ID: id, CreatedAt: noon}
		if c := d.customers[id]; c != nil {
			row.MergedInto = c.MergedInto
		}
		digest.Customers = append(digest.Customers, row)
	}
	if err := d.store.SaveDigest(d.Context(), d.digest, digest); err != nil {
		d.Fatal(err)
	}
}

// is makes a customer with a phone and a name.
func (d *desk) is(id int64, phone, name string) *pipeline.Customer {
	c := &pipeline.Customer{
		Customer: store.Customer{ID: id, CreatedAt: noon},
		Profile:  &profile.Profile{Phone: phone, Identity: "id-" + name, FriendlyName: name, Contacts: 1, Metrics: map[string]any{"total_tasks": 1}, SharedPhones: map[string]bool{}},
		Env:      &mapping.Env{FriendlyName: name},
	}
	d.customers[id] = c
	return c
}

// turns works until nothing is due, and wants the calls that were made.
func (d *desk) turns(calls ...string) {
	d.Helper()
	for busy := true; busy; {
		var err error
		if busy, err = d.turn(d.Context()); err != nil {
			d.Fatal(err)
		}
	}
	d.called(calls...)
}

func (d *desk) called(calls ...string) {
	d.Helper()
	if len(calls)+len(d.sync.calls) > 0 && !reflect.DeepEqual(d.sync.calls, calls) {
		d.Errorf("calls %q, want %q", d.sync.calls, calls)
	}
	d.sync.calls = nil
}

// name is whom an item of the map shows.
func (d *desk) shows(key string) string {
	var s Screen
	_ = json.Unmarshal(d.sync.values[twilio.SyncPlace{Service: "default", Map: "m", Key: key}].Data, &s) // none shows nobody
	return s.Name
}

func (d *desk) row(id int64) store.Published {
	d.Helper()
	rows, err := d.store.LoadPublished(d.Context(), connector, []int64{id})
	if err != nil || len(rows) != 1 {
		d.Fatalf("of %d: %+v, %v", id, rows, err)
	}
	return rows[0]
}

func TestWritesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.is(1, "+331", "Zoe")
	d.touch(1)
	d.turns("create +331")
	d.touch(1)
	d.turns()
	d.is(1, "+331", "Zoé")
	d.touch(1)
	d.turns("update +331")
	if got := d.shows("+331"); got != "Zoé" {
		t.Errorf("shows %q", got)
	}
	// A new shift knows what stands, and where it is in the feed.
	d.shift = &shift{Publisher: d.Publisher, lease: d.lease}
	d.turns()
}

func TestKeysMove(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.is(1, "+331", "Zoe")
	d.is(2, "+332", "Max")
	d.touch(1, 2)
	d.turns("create +331", "create +332")

	// A newer phone: the old place is emptied first.
	d.is(1, "+333", "Zoe")
	d.touch(1)
	d.turns("delete +331", "create +333")

	// The phone of somebody who goes by it stays theirs.
	d.is(1, "+332", "Zoe")
	d.touch(1)
	d.turns("delete +333")
	if got := d.row(1); got.State != store.PublishedLeftOut || got.Reason != reasonTaken || d.shows("+332") != "Max" {
		t.Errorf("stands as %+v, and the phone shows %q", got, d.shows("+332"))
	}

	// The two turn out to be one: the survivor takes over, whoever comes first.
	d.customers[2].MergedInto = 1
	d.touch(1, 2)
	d.turns("update +332")
	if d.shows("+332") != "Zoe" || d.row(2).State != store.PublishedLeftOut || d.row(2).Reason != reasonMerged {
		t.Errorf("shows %q; the other stands as %+v", d.shows("+332"), d.row(2))
	}
}

func TestLeftOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*pipeline.Customer)
		key    string
		want   string
	}{
		"no phone":                {func(c *pipeline.Customer) { c.Profile.Phone = "" }, "phone", reasonNoKey},
		"a shared phone":          {func(c *pipeline.Customer) { c.Profile.SharedPhones["+331"] = true }, "phone", reasonShared},
		"no contact":              {func(c *pipeline.Customer) { c.Profile.Contacts = 0 }, "phone", reasonNone},
		"an old contact":          {func(c *pipeline.Customer) { c.CreatedAt = noon.Add(-25 * time.Hour) }, "phone", reasonOld},
		"an identity in a path":   {func(c *pipeline.Customer) { c.Profile.Identity = "a/b" }, "identity", reasonBadKey},
		"an endless identity":     {func(c *pipeline.Customer) { c.Profile.Identity = strings.Repeat("x", 321) }, "identity", reasonBadKey},
		"more than Sync takes":    {func(c *pipeline.Customer) { c.Profile.FriendlyName = strings.Repeat("x", 16<<10) }, "phone", reasonTooLarge},
		"a value that is no JSON": {func(c *pipeline.Customer) { c.Profile.Metrics["x"] = func() {} }, "phone", reasonRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, func(p *config.SyncPublish) { p.Key = c.key })
			one := d.is(1, "+331", "Zoe")
			d.touch(1)
			key := map[string]string{"phone": "+331", "identity": "id-Zoe"}[c.key]
			d.turns("create " + key)
			c.change(one)
			d.touch(1)
			d.turns("delete " + key)
			if got := d.row(1); got.State != store.PublishedLeftOut || got.Reason != c.want {
				t.Errorf("stands as %+v, want %s", got, c.want)
			}
			state, err := d.State(t.Context())
			if err != nil || state.Counts["left_out"] != 1 || state.Counts["left_out_"+snake(c.want)] != 1 {
				t.Errorf("counts %v, %v", state.Counts, err)
			}
		})
	}
}

// TestTheOldestEventsGoFirst fills a document with a note until not all events find room.
func TestTheOldestEventsGoFirst(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(p *config.SyncPublish) { p.Types = []string{profile.TaskCreated} })
	c := d.is(1, "+331", "Zoe")
	var facts []*fact.Fact
	for n := range 5 {
		f := &fact.Fact{Kind: fact.Task, SID: fmt.Sprintf("WT%032d", n)}
		f.SetTime(fact.Created, noon.Add(time.Duration(n)*time.Minute))
		facts = append(facts, f)
	}
	c.Moments = profile.Build(facts, map[string]bool{}, &profile.Options{}).Moments(&profile.Options{})
	for note, want := range map[int][]string{0: {"12:04", "12:03", "12:02"}, 16<<10 - 500: {"12:04", "12:03"}, 16<<10 - 150: {}} {
		c.Profile.Metrics["note"] = strings.Repeat("x", note)
		data, why := d.screen(c)
		var s Screen
		if err := json.Unmarshal(data, &s); why != "" || err != nil || len(data) > twilio.MaxSyncData {
			t.Fatalf("%d bytes, %s, %v", len(data), why, err)
		}
		got := []string{}
		for _, e := range s.Events {
			got = append(got, e["at"].(string)[11:16])
		}
		if !reflect.DeepEqual(got, want) || s.EventsLeftOut != 3-len(want) {
			t.Errorf("beside a note of %d bytes %v are shown, %d left out, want %v", note, got, s.EventsLeftOut, want)
		}
	}
}

// TestDoubts lets calls fail in every way, done or not: in the end what should stand stands.
func TestDoubts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail  error
		done  bool
		calls []string
	}{
		"an error after it was made": {refusal(failure.Transient), true, []string{"create +331", "create +331", "fetch +331"}},
		"an answer that was lost":    {refusal(failure.Unknown), true, []string{"create +331", "create +331", "fetch +331"}},
		"an error before":            {refusal(failure.Transient), false, []string{"create +331", "create +331"}},
		"the map is missing":         {refusal(failure.Gone), false, []string{"create +331", "make m", "create +331"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, nil)
			d.is(1, "+331", "Zoe")
			d.touch(1)
			d.sync.fail, d.sync.done = c.fail, c.done
			for range 3 {
				if _, err := d.turn(t.Context()); err != nil {
					t.Fatal(err)
				}
				d.now = d.now.Add(time.Minute)
			}
			d.called(c.calls...)
			if d.shows("+331") != "Zoe" || d.row(1).State != store.PublishedWritten {
				t.Errorf("shows %q, stands as %+v", d.shows("+331"), d.row(1))
			}
		})
	}
}

func TestSomebodyElseWrites(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.is(1, "+331", "Zoe")
	d.touch(1)
	d.turns("create +331")
	place := twilio.SyncPlace{Service: "default", Map: "m", Key: "+331"}
	d.sync.set(place, []byte(`{"name":"somebody's"}`))
	d.is(1, "+331", "Zoé")
	d.touch(1)
	d.turns("update +331", "fetch +331", "update +331")
	if d.shows("+331") != "Zoé" {
		t.Errorf("shows %q", d.shows("+331"))
	}
	// It expired, or was removed: it is made again.
	delete(d.sync.values, place)
	d.is(1, "+331", "Zoe")
	d.touch(1)
	d.turns("update +331", "create +331")
}

func TestOneCustomerStopsNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	for id := range int64(3) {
		d.is(id+1, fmt.Sprintf("+33%d", id), "Zoe")
		d.touch(id + 1)
	}
	d.sync.fail = refusal(failure.Invalid)
	d.turns("create +330", "delete +330", "create +331", "create +332")
	if got := d.row(1); got.State != store.PublishedLeftOut || got.Reason != reasonRefused {
		t.Errorf("stands as %+v", got)
	}
}

// TestRefusalsStopAll lets Sync refuse for the rate, for the credential, and be gone: the next customer is not tried.
func TestRefusalsStopAll(t *testing.T) {
	t.Parallel()
	for _, reason := range []failure.Reason{failure.RateLimited, failure.Unauthorized, failure.Forbidden} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, nil)
			d.is(1, "+331", "Zoe")
			d.is(2, "+332", "Max")
			d.touch(1, 2)
			d.sync.fail = refusal(reason)
			if _, err := d.turn(t.Context()); failure.ReasonOf(err) != reason {
				t.Fatalf("the turn gives %v", err)
			}
			d.called("create +331")
			state, err := d.State(t.Context())
			if err != nil || state.Counts["waiting_"+snake(string(reason))] != 1 || reason != failure.RateLimited && len(state.Notices) != 1 {
				t.Errorf("state %+v, %v", state, err)
			}
			d.now = d.now.Add(time.Minute)
			d.turns("create +332", "create +331")
		})
	}
}

func TestForgottenAreTakenAway(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	d.is(1, "+331", "Zoe")
	d.is(2, "+332", "Max")
	d.touch(1, 2)
	d.turns("create +331", "create +332")
	if err := d.Forget(t.Context(), []int64{1, 99}); err != nil {
		t.Fatal(err)
	}
	d.called("delete +331")
	d.touch(1) // nothing brings them back before they are erased
	d.turns()
	if err := d.Forget(t.Context(), []int64{1}); err != nil {
		t.Fatal(err)
	}
	d.called()

	// Sync cannot be told: neither is the person said to be gone, nor are they written again.
	d.sync.broken = refusal(failure.Unauthorized)
	d.clock = func() time.Time { d.now = d.now.Add(forgetGrace / 4); return d.now }
	if err := d.Forget(t.Context(), []int64{2}); !errors.Is(err, errStays) || failure.ReasonOf(err) != failure.Unauthorized {
		t.Errorf("with Sync refusing: %v", err)
	}
	d.sync.broken, d.sync.calls = nil, nil
	d.now = d.now.Add(time.Hour)
	d.is(2, "+332", "Maximilian")
	d.touch(2)
	d.turns("delete +332")
}

func TestRunsAreToldOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(p *config.SyncPublish) { p.Map, p.Runs = "", "runs" })
	add := func(kind, of string, state store.RunState) store.Run {
		t.Helper()
		run := store.Run{Kind: kind, Connector: of, State: state, CreatedAt: d.now, Progress: []byte(`{"captured": 7, "who": "zoe@example.com", "more": {"n": 1}}`)}
		id, err := d.store.AddRun(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		run.ID = id
		if err := d.store.SaveRun(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		return run
	}
	look := func() error {
		d.now = d.now.Add(runsEvery)
		return d.tellRuns(t.Context())
	}
	add("sync", "", store.RunDone) // history
	open := add("backfill", connector, store.RunRunning)
	if err := look(); err != nil || len(d.sync.calls) != 0 {
		t.Fatalf("at first: %v, %q", err, d.sync.calls)
	}
	add("replay", "another", store.RunDone)
	add("forget", connector, store.RunDone)
	add("sync", "", store.RunFailed)
	if err := look(); err != nil || len(d.sync.messages) != 1 {
		t.Fatalf("then: %v, %q", err, d.sync.messages)
	}
	open.State, open.EndedAt = store.RunDone, d.now
	if err := d.store.SaveRun(t.Context(), open); err != nil {
		t.Fatal(err)
	}
	d.sync.fail = refusal(failure.Transient)
	if err := look(); failure.ReasonOf(err) != failure.Transient {
		t.Fatalf("a failure: %v", err)
	}
	d.shift = &shift{Publisher: d.Publisher, lease: d.lease} // another process goes on
	for range 2 {
		if err := look(); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.sync.messages) != 2 || !strings.Contains(d.sync.messages[1], `"kind":"backfill"`) || !strings.Contains(d.sync.messages[1], `"captured":7`) || strings.Contains(d.sync.messages[1], "zoe") {
		t.Errorf("told %q", d.sync.messages)
	}
}
