package kinesis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/config"
	"flexbrevo/connector/part"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a Kinesis with one stream that answers as the real one does, and fails when told to.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	created  time.Time
	shards   []fakeShard
	failures []string // codes of the next answers to GetRecords; "" is none
	lacking  string   // code of every answer
	begun    []string // how iterators were asked for
	reads    int
}

type fakeShard struct {
	id, parent string
	records    []string
	closed     bool
}

func newFake(t *testing.T, shards ...fakeShard) *fake {
	f := &fake{created: time.Unix(1_700_000_000, 0), shards: shards}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var in struct {
		ShardID   string `json:"ShardId"`
		Type      string `json:"ShardIteratorType"`
		After     string `json:"StartingSequenceNumber"`
		Iterator  string `json:"ShardIterator"`
		NextToken string
	}
	_ = json.NewDecoder(r.Body).Decode(&in) // an operation without a body is none of these
	if f.lacking != "" {
		refuse(w, f.lacking)
		return
	}
	switch _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); operation {
	case "DescribeStreamSummary":
		answer(w, map[string]any{"StreamDescriptionSummary": map[string]any{
			"StreamName": "s", "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24, "StreamCreationTimestamp": f.created.Unix(),
		}})
	case "ListShards":
		f.list(w, in.NextToken)
	case "GetShardIterator":
		f.begun = append(f.begun, in.ShardID+" "+in.Type+" "+in.After)
		at := 0
		if in.After != "" {
			_, _ = fmt.Sscan(in.After, &at) // our own number
		}
		answer(w, map[string]any{"ShardIterator": fmt.Sprintf("%s/%d", in.ShardID, at)})
	case "GetRecords":
		f.read(w, in.Iterator)
	}
}

// list gives one shard a page.
func (f *fake) list(w http.ResponseWriter, token string) {
	i := 0
	_, _ = fmt.Sscan(token, &i) // none is the first page
	s := f.shards[i]
	one := map[string]any{"ShardId": s.id, "HashKeyRange": map[string]any{"StartingHashKey": "0", "EndingHashKey": "1"}, "SequenceNumberRange": map[string]any{"StartingSequenceNumber": "0"}}
	if s.parent != "" {
		one["ParentShardId"] = s.parent
	}
	out := map[string]any{"Shards": []any{one}}
	if i+1 < len(f.shards) {
		out["NextToken"] = fmt.Sprint(i + 1)
	}
	answer(w, out)
}

func (f *fake) read(w http.ResponseWriter, iterator string) {
	f.reads++
	if len(f.failures) > 0 {
		code := f.failures[0]
		f.failures = f.failures[1:]
		if code != "" {
			refuse(w, code)
			return
		}
	}
	id, place, _ := strings.Cut(iterator, "/")
	at := 0
	_, _ = fmt.Sscan(place, &at)
	i := slices.IndexFunc(f.shards, func(s fakeShard) bool { return s.id == id })
	if i < 0 {
		refuse(w, "ResourceNotFoundException")
		return
	}
	s := f.shards[i]
	records := []any{}
	for ; at < len(s.records) && len(records) < 2; at++ {
		records = append(records, map[string]any{
			"Data": []byte(s.records[at]), "SequenceNumber": fmt.Sprint(at + 1), "PartitionKey": "k", "ApproximateArrivalTimestamp": time.Now().Unix(),
		})
	}
	out := map[string]any{"Records": records, "MillisBehindLatest": 1000 * (len(s.records) - at)}
	if !s.closed || at < len(s.records) {
		out["NextShardIterator"] = fmt.Sprintf("%s/%d", id, at)
	}
	answer(w, out)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(v) // whoever went away does not read it
}

func refuse(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": "User: arn:aws:iam::1:user/jane.doe is refused"})
}

func (f *fake) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.begun)
}

// site is what a part works with here: a store of its own, and a list of what was kept.
type site struct {
	part.Site
	t    *testing.T
	log  strings.Builder
	mu   sync.Mutex
	kept []string
	busy int // how often Keep refuses
}

func newSite(t *testing.T, f *fake) *site {
	t.Helper()
	st, err := sqlstore.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"), sqlstore.Options{Pipeline: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return siteOn(t, f, st)
}

func siteOn(t *testing.T, f *fake, st store.Store) *site {
	s := &site{t: t}
	logger := slog.New(slog.NewTextHandler(lines{s}, nil))
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	roles := &schedule.Roles{Store: st, Holder: t.Name() + fmt.Sprintf("%p", s), Logger: slog.New(slog.DiscardHandler)}
	s.Site = part.Site{
		Config: &config.Connector{Name: "c", InitialLookback: 48 * time.Hour, EventStreams: config.EventStreams{
			Via: config.ViaKinesis, Stream: "s", Region: "eu-west-1", Endpoint: f.URL, AccessKeyID: "AKIA", SecretAccessKey: config.NewSecret("x"),
		}},
		Store: st, Transport: transport, Logger: logger, Clock: time.Now, Keep: s.keep, Hold: roles.Hold,
	}
	return s
}

// lines is a site's log.
type lines struct{ *site }

func (l lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(b)
}

func (s *site) keep(_ context.Context, records []record.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy > 0 {
		s.busy--
		return pipeline.ErrBusy
	}
	for _, r := range records {
		s.kept = append(s.kept, r.Key)
	}
	return nil
}

func (s *site) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.kept)
}

func (s *site) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// run runs a part with short pauses until the function that it returns is called.
func (s *site) run() (p *Part, stop func()) {
	s.t.Helper()
	made, err := New(s.Site)
	if err != nil {
		s.t.Fatal(err)
	}
	p = made.(*Part)
	p.pace = pace{idle: 5 * time.Millisecond, behind: time.Millisecond, busy: time.Millisecond, wait: 20 * time.Millisecond, refused: 20 * time.Millisecond}
	ctx, cancel := context.WithCancel(s.t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		if err := p.Run(ctx); err != nil {
			s.t.Errorf("run: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		work.Wait()
	})
	s.t.Cleanup(stop)
	return p, stop
}

// event is a CloudEvent whose record has the key "stream:ID".
func event(id string) string {
	return `{"specversion":"1.0","id":"` + id + `","type":"com.twilio.test","time":"2026-01-02T03:04:05Z","data":{}}`
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestNothingWithoutKinesis(t *testing.T) {
	t.Parallel()
	p, err := New(part.Site{Config: &config.Connector{EventStreams: config.EventStreams{Via: config.ViaWebhook}}})
	if p != nil || err != nil {
		t.Errorf("made %v, %v", p, err)
	}
}

// TestOrder reads a parent to its end before its child, children of what is not there any more at once, and each
// record once, from the place where the last run stopped.
func TestOrder(t *testing.T) {
	t.Parallel()
	f := newFake(t,
		fakeShard{id: "child", parent: "parent", records: []string{event("4")}},
		fakeShard{id: "orphan", parent: "forgotten", records: []string{event("5")}},
		fakeShard{id: "parent", records: []string{event("1"), "[" + event("2") + "," + event("3") + "]", "\xff nonsense"}, closed: true})
	s := newSite(t, f)
	p, stop := s.run()
	until(t, "all is kept", func() bool { return len(s.keys()) == 6 })
	keys := s.keys()
	if slices.Index(keys, "stream:4") < slices.Index(keys, "kinesis:parent:3") || !slices.Contains(keys, "kinesis:parent:3") {
		t.Errorf("kept %q: the child before its parent's end, or not what cannot be read", keys)
	}
	until(t, "the places are saved", func() bool {
		st, err := p.State(t.Context())
		return err == nil && st.Counts["shards_ended"] == 1 && st.Counts["shards_read"] == 2 && len(st.Notices) == 0
	})
	stop()
	senders, err := s.Store.LoadSenders(t.Context(), "c")
	if err != nil || len(senders) != 1 || senders[0].Name != "kinesis" || senders[0].Accepted == 0 {
		t.Errorf("senders %+v, %v", senders, err)
	}

	f.change(func() { f.begun, f.shards[0].records = nil, append(f.shards[0].records, event("6")) })
	_, stop = s.run()
	until(t, "the new one is kept", func() bool { return len(s.keys()) == 7 })
	stop()
	if asked := f.asked(); !slices.Contains(asked, "child AFTER_SEQUENCE_NUMBER 1") || slices.ContainsFunc(asked, func(s string) bool { return strings.HasPrefix(s, "parent") }) {
		t.Errorf("asked for %q", asked)
	}
}

// TestBeginning decides from when a stream is read that never was.
func TestBeginning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		lookback time.Duration
		want     string
	}{
		{"all that it keeps", 48 * time.Hour, "a TRIM_HORIZON "},
		{"less than it keeps", time.Hour, "a AT_TIMESTAMP "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, fakeShard{id: "a"})
			s := newSite(t, f)
			s.Config.InitialLookback = c.lookback
			s.run()
			until(t, "it begins", func() bool { return slices.Contains(f.asked(), c.want) })
		})
	}
}

// TestFailures lets reads fail in every way that mends itself, or that somebody mends.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code   string
		notice string // what status says meanwhile; empty for nothing
	}{
		{"ProvisionedThroughputExceededException", ""},
		{"ExpiredIteratorException", ""},
		{"InternalFailure", "transient"},
		{"ExpiredTokenException", "secret_access_key"},
		{"AccessDeniedException", "kinesis:GetRecords"},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, fakeShard{id: "a", records: []string{event("1"), event("2"), event("3"), event("4"), event("5")}})
			f.failures = []string{"", c.code, c.code, c.code}
			s := newSite(t, f)
			s.run()
			until(t, "all is kept", func() bool { return len(s.keys()) >= 5 })
			if keys := s.keys(); !slices.Equal(keys, []string{"stream:1", "stream:2", "stream:3", "stream:4", "stream:5"}) {
				t.Errorf("kept %q", keys)
			}
			if said := s.said(); strings.Contains(said, "jane.doe") || (c.notice != "") != strings.Contains(said, "kinesis cannot be read") {
				t.Errorf("logged %s", said)
			}
			if c.code == "ExpiredIteratorException" && !slices.Contains(f.asked(), "a AFTER_SEQUENCE_NUMBER 2") {
				t.Errorf("asked for %q", f.asked())
			}
		})
	}
}

// TestNotices says what is wrong while it is, and that it is gone.
func TestNotices(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"ResourceNotFoundException": "event_streams.stream", "UnrecognizedClientException": "secret_access_key", "AccessDeniedException": "kinesis:",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, fakeShard{id: "a", records: []string{event("1")}})
			f.lacking = code
			s := newSite(t, f)
			p, _ := s.run()
			notices := func() string {
				st, err := p.State(t.Context())
				if err != nil {
					t.Error(err)
				}
				return strings.Join(st.Notices, "\n")
			}
			until(t, "the notice", func() bool { return strings.Contains(notices(), want) })
			if _, err := p.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "jane.doe") {
				t.Errorf("probe: %v", err)
			}
			f.change(func() { f.lacking = "" })
			until(t, "it is read", func() bool { return len(s.keys()) == 1 && notices() == "" })
			if detail, err := p.Probe(t.Context()); err != nil || !strings.Contains(detail, "shards 1, keeps records for 24 h") {
				t.Errorf("probe: %s, %v", detail, err)
			}
		})
	}
}

// TestBusy waits while the store is behind, and saves no place before its records are durable.
func TestBusy(t *testing.T) {
	t.Parallel()
	f := newFake(t, fakeShard{id: "a", records: []string{event("1")}})
	s := newSite(t, f)
	s.busy = 1 << 30
	_, stop := s.run()
	until(t, "it is tried", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.busy < 1<<30-3
	})
	stop()
	at, err := s.Store.LoadCheckpoints(t.Context(), "c")
	for name, c := range at {
		if strings.HasSuffix(name, ":a") {
			t.Errorf("the place %q was saved before its record was kept", c.Cursor)
		}
	}
	if err != nil || strings.Contains(s.said(), "cannot be read") {
		t.Errorf("%v, logged %s", err, s.said())
	}
	s.busy = 2
	s.run()
	until(t, "it is kept", func() bool { return slices.Equal(s.keys(), []string{"stream:1"}) })
}

// TestGap tells that nothing was read for longer than the stream keeps records, for a shard that is there and for one
// that is not.
func TestGap(t *testing.T) {
	t.Parallel()
	f := newFake(t, fakeShard{id: "a", records: []string{event("1")}})
	s := newSite(t, f)
	s.Clock = func() time.Time { return time.Now().Add(-50 * time.Hour) }
	places := newPlaces(s.Site, "s", f.created)
	for _, shard := range []string{"a", "lost"} {
		if err := places.save(t.Context(), shard, place{through: s.Clock()}); err != nil {
			t.Fatal(err)
		}
	}
	s.Clock = time.Now
	p, stop := s.run()
	var st part.State
	until(t, "both gaps are told", func() bool {
		var err error
		if st, err = p.State(t.Context()); err != nil {
			t.Error(err)
		}
		return len(s.keys()) == 1 && len(st.Notices) == 2 && st.Counts["shards_ended"] == 1
	})
	if !strings.Contains(strings.Join(st.Notices, "\n"), "shard lost was not read from") {
		t.Errorf("notices %q", st.Notices)
	}
	stop()
	p, _ = s.run()
	until(t, "it reads on", func() bool { return p.problemsNow() == nil })
	if strings.Count(s.said(), "went from the kinesis stream") != 2 {
		t.Errorf("logged %s", s.said())
	}
}

// TestGoneWhileReading notices that a shard was thrown away that could not be read, and reads its child.
func TestGoneWhileReading(t *testing.T) {
	t.Parallel()
	f := newFake(t, fakeShard{id: "a", records: []string{event("1")}, closed: true})
	s := newSite(t, f)
	s.busy = 1 << 30
	p, _ := s.run()
	until(t, "it is tried", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.busy < 1<<30-3
	})
	f.change(func() { f.shards = []fakeShard{{id: "b", parent: "a", records: []string{event("2")}}} })
	s.mu.Lock()
	s.busy = 0
	s.mu.Unlock()
	until(t, "the child is read, and nothing is wrong", func() bool {
		return slices.Contains(s.keys(), "stream:2") && p.problemsNow() == nil
	})
}

// TestAnotherStream reads a stream from its beginning that was deleted and made again under the same name.
func TestAnotherStream(t *testing.T) {
	t.Parallel()
	f := newFake(t, fakeShard{id: "a", records: []string{event("1"), event("2")}, closed: true})
	s := newSite(t, f)
	_, stop := s.run()
	until(t, "the first is kept", func() bool { return len(s.keys()) == 2 })
	stop()
	f.change(func() {
		f.created = f.created.Add(time.Hour)
		f.shards = []fakeShard{{id: "a", records: []string{event("3")}}}
	})
	s.run()
	until(t, "the second is kept", func() bool { return slices.Contains(s.keys(), "stream:3") })
}

// TestReplicas lets two processes share the shards; when one ends, the other goes on at its place.
func TestReplicas(t *testing.T) {
	t.Parallel()
	f := newFake(t, fakeShard{id: "a", records: []string{event("1"), event("2"), event("3")}})
	one := newSite(t, f)
	other := siteOn(t, f, one.Store)
	_, stop := one.run()
	until(t, "the first reads", func() bool { return len(one.keys()) == 3 })
	other.run()
	f.change(func() { f.shards[0].records = append(f.shards[0].records, event("4")) })
	until(t, "the first reads on", func() bool { return len(one.keys()) == 4 })
	if keys := other.keys(); len(keys) != 0 {
		t.Errorf("the other read %q as well", keys)
	}
	stop()
	f.change(func() { f.shards[0].records = append(f.shards[0].records, event("5")) })
	until(t, "the other goes on", func() bool { return slices.Contains(other.keys(), "stream:5") })
	// The last may come again, where the end came between keeping it and noting the place.
	if keys := other.keys(); keys[0] != "stream:5" && keys[0] != "stream:4" {
		t.Errorf("the other read %q", keys)
	}
}

// TestNoCredentials says which settings are missing where AWS's own chain has nothing.
func TestNoCredentials(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"), "AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"),
	} {
		t.Setenv(name, value)
	}
	f := newFake(t, fakeShard{id: "a"})
	s := newSite(t, f)
	s.Config.EventStreams.AccessKeyID, s.Config.EventStreams.SecretAccessKey = "", config.Secret{}
	p, err := New(s.Site)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.(*Part).Probe(t.Context()); !errors.Is(err, errCredentials) || !strings.Contains(err.Error(), "event_streams.access_key_id") {
		t.Errorf("probe: %v", err)
	}
}
