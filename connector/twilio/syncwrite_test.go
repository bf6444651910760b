package twilio

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestSyncIsWritten goes through the life of an item and of a document: made, made again, updated, updated
// under an old revision, expired, deleted.
func TestSyncIsWritten(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]SyncPlace{
		"item":     {Service: "default", Map: "flex customers", Key: "+33612345678"},
		"document": {Service: "default", Key: "customer.jo?e%20@x+y"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCentre(t, world.Options{Seed: 12, Contacts: 10}, twiliosim.Options{}, Options{})
			ctx, s := t.Context(), c.source
			want := func(what string, err, want error) {
				t.Helper()
				if !errors.Is(err, want) || want == nil && err != nil {
					t.Fatalf("%s: %v, want %v", what, err, want)
				}
			}
			gone := func(what string, err error) {
				t.Helper()
				if failure.ReasonOf(err) != failure.Gone {
					t.Fatalf("%s: %v, want it gone", what, err)
				}
			}
			if p.Map != "" {
				_, err := s.CreateSyncValue(ctx, p, []byte(`{}`), 0)
				gone("without its map", err)
				want("make", s.MakeSyncMap(ctx, p.Service, p.Map), nil)
				want("make again", s.MakeSyncMap(ctx, p.Service, p.Map), nil)
			}
			_, err := s.FetchSyncValue(ctx, p)
			gone("read nothing", err)
			first, err := s.CreateSyncValue(ctx, p, []byte(`{"n":1}`), time.Hour)
			want("create", err, nil)
			_, err = s.CreateSyncValue(ctx, p, []byte(`{"n":1}`), time.Hour)
			want("create again", err, ErrSyncExists)
			second, err := s.UpdateSyncValue(ctx, p, []byte(`{"n":2}`), time.Hour, first.Revision)
			want("update", err, nil)
			_, err = s.UpdateSyncValue(ctx, p, []byte(`{"n":3}`), time.Hour, first.Revision)
			want("update an old revision", err, ErrSyncChanged)
			if v, err := s.FetchSyncValue(ctx, p); err != nil || string(v.Data) != `{"n":2}` || v.Revision != second.Revision {
				t.Fatalf("read %+v, %v", v, err)
			}
			c.clock.pass(time.Hour)
			_, err = s.UpdateSyncValue(ctx, p, []byte(`{"n":4}`), time.Hour, second.Revision)
			gone("update what expired", err)
			_, err = s.CreateSyncValue(ctx, p, []byte(`{"n":5}`), 0)
			want("create for ever", err, nil)
			want("delete", s.DeleteSyncValue(ctx, p), nil)
			want("delete again", s.DeleteSyncValue(ctx, p), nil)
		})
	}
}

// TestSyncMessages sends to a stream, and to a service that is not there.
func TestSyncMessages(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 12, Contacts: 10}, twiliosim.Options{}, Options{})
	send := func(data string) error {
		return c.source.SendSyncMessage(t.Context(), "default", "runs", []byte(data))
	}
	if err := send(`{}`); failure.ReasonOf(err) != failure.Gone {
		t.Errorf("without the stream: %v", err)
	}
	if err := c.source.MakeSyncStream(t.Context(), "default", "runs"); err != nil {
		t.Fatal(err)
	}
	if err := send(`{"run":1}`); err != nil || len(c.sim.SyncMessages("runs")) != 1 {
		t.Errorf("sent: %v, %d came", err, len(c.sim.SyncMessages("runs")))
	}
	if err := send(`{"x":"` + strings.Repeat("y", MaxSyncMessage) + `"}`); failure.ReasonOf(err) != failure.Invalid {
		t.Errorf("too large: %v", err)
	}
	c.sim.RemoveSync(true)
	if err := c.source.MakeSyncStream(t.Context(), "default", "runs"); failure.ReasonOf(err) != failure.Gone || !strings.Contains(err.Error(), "sync_publish.service") {
		t.Errorf("without the service: %v", err)
	}
}

// TestSyncWritesFail says of each fault what it was, and never the key.
func TestSyncWritesFail(t *testing.T) {
	t.Parallel()
	c := newCentre(t, world.Options{Seed: 12, Contacts: 10}, twiliosim.Options{}, Options{})
	p := SyncPlace{Service: "default", Map: "m", Key: "Zoe"}
	if err := c.source.MakeSyncMap(t.Context(), "default", "m"); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]struct {
		faults twiliosim.Faults
		want   failure.Reason
	}{
		"rate":             {twiliosim.Faults{SyncRefused: 1, RetryAfterSeconds: 1}, failure.RateLimited},
		"done, then error": {twiliosim.Faults{SyncLate: 1}, failure.Transient},
		"cut off":          {twiliosim.Faults{Reset: 1}, failure.Unknown},
		"proxy":            {twiliosim.Faults{BadGateway: 1}, failure.Transient},
		"credential":       {twiliosim.Faults{StrayUnauthorized: 1}, failure.Unauthorized},
	} {
		c.sim.SetFaults(f.faults)
		_, err := c.source.CreateSyncValue(t.Context(), p, []byte(`{}`), 0)
		if got := failure.ReasonOf(err); got != f.want && !errors.Is(err, ErrSyncExists) {
			t.Errorf("%s: %v, want %s", name, err, f.want)
		}
		if err != nil && strings.Contains(err.Error(), "Zoe") {
			t.Errorf("%s shows the key: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.source.CreateSyncValue(ctx, p, []byte(`{}`), 0); failure.ReasonOf(err) != failure.Interrupted {
		t.Errorf("an ended context: %v", err)
	}
}

// TestSyncWritesSpend says which writes share a budget.
func TestSyncWritesSpend(t *testing.T) {
	t.Parallel()
	b := newBudgets(nil)
	of := func(p SyncPlace, method string) []*budget {
		req, err := http.NewRequest(method, p.url(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		return b.spentBy(req)
	}
	one := of(SyncPlace{Service: "default", Map: "m", Key: "a"}, http.MethodPost)
	two := of(SyncPlace{Service: "default", Map: "m", Key: "b"}, http.MethodDelete)
	read := of(SyncPlace{Service: "default", Map: "m", Key: "b"}, http.MethodGet)
	if len(one) != 2 || one[1] != two[1] || one[0] != two[0] || read[1] == one[1] {
		t.Error("the items of a map share its budget of writes, apart from that of reads")
	}
	d, e := of(SyncPlace{Service: "default", Key: "a"}, http.MethodPost), of(SyncPlace{Service: "default", Key: "b"}, http.MethodPost)
	if d[1] != e[1] || d[1] == one[1] {
		t.Error("documents share the budget of their service")
	}
}
