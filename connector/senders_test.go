package connector

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/part"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/webhook"
)

const quietConfig = `
connectors:
  flex:
    account_sid: AC00000000000000000000000000000001
    auth_token: 0123456789abcdef0123456789abcdef
    base_url: http://127.0.0.1:1
    field_mapping: {attributes.email: email}
brevo: {api_key: key, base_url: "http://127.0.0.1:1", tier: none}
`

// noon is when these tests look.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// newQuiet makes a service that never runs, with its one flow.
func newQuiet(t *testing.T, parts ...part.Maker) (*Service, *flow) {
	t.Helper()
	text := quietConfig + fmt.Sprintf("store: {url: %q}\n", "sqlite://"+filepath.Join(t.TempDir(), "q.db"))
	cfg, err := config.Parse("quiet.yaml", []byte(text), config.Options{Env: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	st, err := OpenStore(t.Context(), cfg, logger, true, false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Config: cfg, Store: st, Logger: logger, Clock: func() time.Time { return noon }, Parts: parts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, s.flows[0]
}

// TestQuietSenders lets tasks end after a sender's last post, for longer or shorter than it would try again.
func TestQuietSenders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sender       webhook.Sender
		posted, ends time.Duration // before noon
		quiet        bool
	}{
		"Event Streams, longer than it tries":      {webhook.EventStreams, 10 * time.Hour, 5 * time.Hour, true},
		"Event Streams, while it may still try":    {webhook.EventStreams, 10 * time.Hour, 3 * time.Hour, false},
		"Event Streams, a night without any task":  {webhook.EventStreams, 10 * time.Hour, 11 * time.Hour, false},
		"Event Streams, its post a little late":    {webhook.EventStreams, 10 * time.Hour, 10*time.Hour - time.Minute, false},
		"a callback, which is tried once":          {webhook.TaskRouter, 2 * time.Hour, time.Hour, true},
		"a callback, a moment ago":                 {webhook.TaskRouter, 2 * time.Hour, 10 * time.Minute, false},
		"the plugin, for more than a day":          {webhook.Flex, 72 * time.Hour, 25 * time.Hour, true},
		"conversations, which need not have tasks": {webhook.Conversations, 72 * time.Hour, 25 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, f := newQuiet(t)
			f.arrivals.answered(string(c.sender), 204, noon.Add(-c.posted))
			f.saveArrivals(t.Context())
			f.arrivals.polled(record.Page{Records: []record.Record{
				{Type: "task.completed", Via: record.Poll, At: noon.Add(-c.ends)},
				{Type: "task.completed", Via: record.Poll, Lane: record.Backfill, At: noon.Add(-4 * time.Hour)},
				{Type: "task.created", Via: record.Poll, At: noon.Add(-4 * time.Hour)},
				{Type: "task.completed", Via: record.EventStreams, At: noon.Add(-4 * time.Hour)},
			}})
			f.saveArrivals(t.Context())
			st, err := ReadStatus(t.Context(), s.o.Config, s.o.Store, "", noon)
			if err != nil {
				t.Fatal(err)
			}
			told := strings.Contains(strings.Join(st.Connectors[0].Problems, "\n"), string(c.sender)+" has posted nothing since")
			if got := st.Connectors[0].Webhooks[string(c.sender)]; (got.QuietSince != nil) != c.quiet || told != c.quiet || got.Accepted != 1 {
				t.Errorf("sender %+v, problems %q, want quiet %t", got, st.Connectors[0].Problems, c.quiet)
			}
		})
	}
}

// TestUnconfirmedPosts posts about tasks of which Twilio tells the end, something else, or nothing.
func TestUnconfirmedPosts(t *testing.T) {
	t.Parallel()
	s, f := newQuiet(t)
	sid := func(prefix string, n int) string { return fmt.Sprintf("%s%032x", prefix, n) }
	post := func(key, body string, ago time.Duration) {
		r := record.Record{Key: key, Stream: "plugin", Type: "plugin.task-complete", At: noon.Add(-ago), Via: record.Plugin, Body: []byte(body)}
		_, err := s.o.Store.Capture(t.Context(), []store.Batch{{Connector: "flex", At: noon.Add(-ago), Pages: []record.Page{{Stream: "plugin", Records: []record.Record{r}}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	const past = 10 * time.Minute
	post("ended", `{"taskSid":"`+sid("WT", 1)+`"}`, past)
	post("open", `{"taskSid":"`+sid("WT", 2)+`"}`, past)
	post("never seen, long ago", `{"taskSid":"`+sid("WT", 3)+`"}`, 5*time.Hour)
	post("too young to tell", `{"taskSid":"`+sid("WT", 4)+`"}`, time.Minute)
	post("older than a day", `{"taskSid":"`+sid("WT", 5)+`"}`, 25*time.Hour)
	post("in wrap-up", `{"taskSid":"`+sid("WT", 6)+`"}`, past)
	post("a reservation", `{"reservationSid":"`+sid("WR", 7)+`"}`, past)

	task := func(n int, change func(*fact.Fact)) store.StoredFact {
		one := &fact.Fact{Kind: fact.Task, SID: sid("WT", n)}
		one.SetTime(fact.Created, noon.Add(-time.Hour))
		change(one)
		return store.StoredFact{Fact: one}
	}
	lease, err := s.o.Store.Acquire(t.Context(), "digest:flex", "test", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	err = s.o.Store.SaveDigest(t.Context(), lease, &store.Digest{Connector: "flex", Account: mainAccount, At: noon, Facts: []store.StoredFact{
		task(1, func(f *fact.Fact) { f.SetTime(fact.Completed, noon.Add(-past)) }),
		task(2, func(*fact.Fact) {}),
		task(6, func(f *fact.Fact) { f.SetPartTime(fact.Reservation+sid("WR", 6), fact.Wrapup, noon.Add(-past)) }),
		task(7, func(f *fact.Fact) { f.SetPartTime(fact.Reservation+sid("WR", 7), fact.Completed, noon.Add(-past)) }),
	}})
	if err != nil {
		t.Fatal(err)
	}

	look := func(unconfirmed, again int, tasks string) {
		t.Helper()
		got, hints, err := f.unconfirmed(t.Context())
		if err != nil || got.Unconfirmed != unconfirmed || len(hints) != again || strings.Join(got.Tasks, " ") != tasks || !got.Oldest.Equal(noon.Add(-5*time.Hour)) {
			t.Errorf("unconfirmed %+v, %d asked for again, %v; want %d, %d, %s", got, len(hints), err, unconfirmed, again, tasks)
		}
	}
	look(3, 2, sid("WR", 7)+" "+sid("WT", 2)+" "+sid("WT", 3))

	// Following the hint tells which task the reservation belongs to, and that one has ended.
	body := fmt.Sprintf(`{"event_type":"reservation.completed","event_date_ms":%d,"event_data":{"task_sid":%q,"reservation_sid":%q}}`, noon.UnixMilli(), sid("WT", 7), sid("WR", 7))
	f.learn(pipeline.Hint{Reservation: sid("WR", 7)}, record.Page{Records: []record.Record{{
		Key: sid("EV", 1), Stream: "events", Type: "reservation.completed", Via: record.Poll, At: noon, Body: []byte(body),
	}}})
	look(2, 1, sid("WT", 2)+" "+sid("WT", 3))

	got, _, err := f.unconfirmed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.posts.set(got)
	c := &ConnectorStatus{}
	f.livePosts(c)
	if c.PluginPosts.Unconfirmed != 2 || len(c.Problems) != 1 || !strings.Contains(c.Problems[0], "2 posts of the Flex plugin") {
		t.Errorf("status %+v", c)
	}
}

// TestArrivalsAreBounded refuses more than the ring takes between two savings.
func TestArrivalsAreBounded(t *testing.T) {
	t.Parallel()
	var a arrivals
	for i := range 3 * store.RefusalsKept {
		a.refused(webhook.Refusal{At: noon.Add(time.Duration(i) * time.Second)})
		a.answered("flex", 403, noon)
		a.answered("flex", 503, noon)
	}
	got, refusals := a.take()
	if len(refusals) != store.RefusalsKept || !refusals[store.RefusalsKept-1].At.Equal(noon.Add((3*store.RefusalsKept-1)*time.Second)) {
		t.Errorf("%d refusals", len(refusals))
	}
	if len(got.Posts) != 1 || got.Posts[0].Refused != 3*store.RefusalsKept || got.Posts[0].Accepted != 0 {
		t.Errorf("arrivals %+v", got)
	}
	if again, refusals := a.take(); len(again.Posts) != 0 || len(refusals) != 0 {
		t.Errorf("taken twice: %+v", again)
	}
}
