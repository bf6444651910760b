package connector

import (
	"context"
	"fmt"
	"testing"
	"time"

	"flexbrevo/connector/part"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// idle is a part that does nothing.
type idle struct{}

func (idle) Name() string                              { return "idle" }
func (idle) Run(ctx context.Context) error             { <-ctx.Done(); return nil }
func (idle) Pass(context.Context) error                { return nil }
func (idle) State(context.Context) (part.State, error) { return part.State{}, nil }

// follower is one that reads the feed.
type follower struct{ idle }

func (follower) Follows() {}

// TestFeed lets customers be digested, become one, and be computed anew: those
// stand in the feed, if a part follows it.
func TestFeed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		part part.Part
		fed  bool
	}{
		"nobody follows": {idle{}, false},
		"a part follows": {follower{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, f := newQuiet(t, func(part.Site) (part.Part, error) { return c.part, nil })
			lease, err := s.o.Store.Acquire(t.Context(), "digest:flex", "test", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			read := int64(0)
			fed := func(want int) {
				t.Helper()
				if !c.fed {
					want = 0
				}
				got, err := s.o.Store.LoadChanged(t.Context(), "flex", read, 100)
				if err != nil || len(got) != want {
					t.Fatalf("the feed has %+v, %v, want %d customers", got, err, want)
				}
				for _, c := range got {
					read = c.Seq
				}
			}
			digest := func(task int, attributes string) {
				t.Helper()
				r := record.Record{
					Key: fmt.Sprintf("EV%032x", task), Stream: "events", Type: "task.created", At: noon, Via: record.Poll,
					Body: fmt.Appendf(nil, `{"sid":"EV%032x","event_type":"task.created","event_date":"2026-11-20T12:00:00Z",
						"event_data":{"task_sid":"WT%032x","task_channel_unique_name":"voice","task_attributes":%q}}`, task, task, attributes),
				}
				_, err := s.o.Store.Capture(t.Context(), []store.Batch{{Connector: "flex", At: noon, Pages: []record.Page{{Stream: "events", Records: []record.Record{r}}}}})
				if err != nil {
					t.Fatal(err)
				}
				if n, err := f.digestOnce(t.Context(), lease); err != nil || n != 1 {
					t.Fatalf("digested %d, %v", n, err)
				}
			}
			digest(1, `{"email":"zoe@example.com"}`)
			fed(1)
			digest(2, `{"from":"+33612345678"}`)
			fed(1)
			digest(3, `{"email":"zoe@example.com","from":"+33612345678"}`)
			fed(2)
			digest(4, `{"email":"zoe@example.com"}`)
			fed(1)
		})
	}
}
