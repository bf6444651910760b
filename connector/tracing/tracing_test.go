package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("{}")), Header: http.Header{}}
}

// waiting is a store of one batch of records.
type waiting struct {
	store.Store
	records []record.Record
}

func (w waiting) EachUndigested(_ context.Context, _ string, _ int, _ []int64, each func(record.Record)) error {
	for _, r := range w.records {
		each(r)
	}
	return nil
}

func (w waiting) SaveDigest(context.Context, store.Lease, *store.Digest) error { return nil }

// TestRecordsAreTold digests a batch twice, by two processes: the ids are the same, and a key shows where it is a SID.
func TestRecordsAreTold(t *testing.T) {
	const sid = "EV00000000000000000000000000000001"
	batch := waiting{records: []record.Record{
		{ID: 1, Key: sid, Stream: "events", Type: "task.created", At: noon.Add(-2 * time.Second), CapturedAt: noon.Add(-time.Second), Via: record.Poll},
		{ID: 2, Key: "sync:dispositions:jane@example.com", Stream: "sync", Type: "item", CapturedAt: noon, Body: []byte("private")},
	}}
	tell := func() (text string, ids map[string]bool) {
		var got bytes.Buffer
		tracer := New(Options{Endpoint: "https://collector.example.com/", Sample: 1, Logger: slog.New(slog.DiscardHandler), Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() != "https://collector.example.com/v1/traces" {
				t.Errorf("posted to %s", r.URL)
			}
			_, err := got.ReadFrom(r.Body)
			return answer(200), err
		})})
		s := tracer.Store(batch)
		if err := s.EachUndigested(t.Context(), "flex", 500, nil, func(record.Record) {}); err != nil {
			t.Fatal(err)
		}
		d := &store.Digest{Connector: "flex", At: noon, Records: []store.RecordResult{{ID: 1, State: store.Digested}, {ID: 2, State: store.Ignored, Reason: "x"}}}
		if err := s.SaveDigest(t.Context(), store.Lease{}, d); err != nil {
			t.Fatal(err)
		}
		if err := tracer.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		var e export
		if err := json.Unmarshal(got.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		ids = map[string]bool{}
		for _, span := range e.ResourceSpans[0].ScopeSpans[0].Spans {
			ids[span.Name+" "+span.TraceID+" "+span.SpanID] = true
		}
		return got.String(), ids
	}
	text, first := tell()
	if _, again := tell(); len(first) != 7 || len(again) != 7 {
		t.Errorf("%d spans, then %d; want the batch and three of each record", len(first), len(again))
	} else {
		for id := range first {
			if !again[id] {
				t.Errorf("span %s has another id in another process", id)
			}
		}
	}
	if !strings.Contains(text, sid) || strings.Contains(text, "jane") || strings.Contains(text, "private") {
		t.Errorf("the spans tell too little or too much: %s", text)
	}
}

// TestSample keeps about the part that is asked for, and all spans of a trace or none.
func TestSample(t *testing.T) {
	var spans []spanJSON
	tracer := New(Options{Endpoint: "https://c.example.com", Sample: 0.25, Logger: slog.New(slog.DiscardHandler), Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		var e export
		err := json.NewDecoder(r.Body).Decode(&e)
		spans = append(spans, e.ResourceSpans[0].ScopeSpans[0].Spans...)
		return answer(200), err
	})})
	for i := range 400 {
		id := identify("record", "flex", string(rune('a'+i)))
		tracer.tell(span{id: id, name: "whole", begin: noon, end: noon})
		tracer.tell(span{id: identify("part", "flex", string(rune('a'+i))), parent: id.span, name: "part", begin: noon, end: noon.Add(-time.Second)})
	}
	if err := tracer.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	parts := map[string]int{}
	for _, s := range spans {
		parts[s.TraceID]++
		if s.End < s.Begin {
			t.Error("a span ends before it begins")
		}
	}
	for id, n := range parts {
		if n != 2 {
			t.Errorf("%d spans of trace %s, want both or none", n, id)
		}
	}
	if n := len(parts); n < 60 || n > 140 {
		t.Errorf("%d of 400 traces are kept, want about 100", n)
	}
}

// TestLostSpans refuses spans: the log says so once a minute, without the address, and nothing fails.
func TestLostSpans(t *testing.T) {
	var log bytes.Buffer
	now := noon
	e := newExporter(Options{
		Endpoint: "https://user:secret@c.example.com", Logger: slog.New(slog.NewJSONHandler(&log, nil)), Clock: func() time.Time { return now },
		Transport: roundTrip(func(*http.Request) (*http.Response, error) { return answer(503), nil }),
	})
	for range 3 {
		if err := e.ExportSpans(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	e.client.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
	now = now.Add(lostEvery)
	if err := e.ExportSpans(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "spans are lost"); n != 2 || strings.Contains(log.String(), "secret") {
		t.Errorf("%d lines: %s", n, log.String())
	}
}
