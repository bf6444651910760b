// Package tracing tells OpenTelemetry how long records take from the source to the
// destination.
//
// The three steps are joined by tables only, and a record may be captured by one
// process, digested by another and delivered by a third. So nothing is handed on:
// the ids of traces and spans are made of what each step finds in the tables. A
// record's trace has the id that its connector and key make; the trace of a batch
// that was digested together, with the deliveries that it put in the outbox, the one
// that connector and moment make, which every delivery carries as its creation. A
// record's span links to its batch. Whether a trace is kept follows from its id, too.
//
// Spans name connectors, streams, types and states: nothing of a person, and a
// record's key only where it is a SID.
package tracing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options are what New needs.
type Options struct {
	// Endpoint is where a collector takes OTLP over HTTP, without /v1/traces.
	Endpoint string
	// Sample is the part of all traces that is kept, from 0 to 1.
	Sample float64
	// Transport carries the spans; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Version is the program's.
	Version string
	// Clock is time.Now where nil.
	Clock func() time.Time
	// Logger is required.
	Logger *slog.Logger
}

// Tracer makes spans and sends them in the background; what the collector does not
// take in time is dropped, and nobody waits for it.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	clock    func() time.Time
}

// New makes a tracer. Shutdown ends it.
func New(o Options) *Tracer {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	about := resource.NewSchemaless(attribute.String("service.name", "flexbrevo"), attribute.String("service.version", o.Version))
	provider := sdk.NewTracerProvider(
		sdk.WithResource(about), sdk.WithIDGenerator(ids{}), sdk.WithSampler(sdk.TraceIDRatioBased(o.Sample)),
		sdk.WithBatcher(newExporter(o)),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer("flexbrevo"), clock: o.Clock}
}

// Shutdown sends what waits, as long as ctx lasts.
func (t *Tracer) Shutdown(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// span is one that is over.
type span struct {
	id         identity
	parent     trace.SpanID // zero for the first of a trace
	name       string
	begin, end time.Time
	failed     bool
	link       identity // zero for none
	about      []attribute.KeyValue
}

func (t *Tracer) tell(s span) {
	ctx := context.WithValue(context.Background(), identity{}, s.id)
	if s.parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, identity{s.id.trace, s.parent}.context())
	}
	options := []trace.SpanStartOption{trace.WithTimestamp(s.begin), trace.WithAttributes(s.about...)}
	if s.link.span.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: s.link.context()}))
	}
	_, told := t.tracer.Start(ctx, s.name, options...)
	if s.failed {
		told.SetStatus(codes.Error, "")
	}
	if s.end.Before(s.begin) { // two machines' clocks
		s.end = s.begin
	}
	told.End(trace.WithTimestamp(s.end))
}

// identity is which span of which trace.
type identity struct {
	trace trace.TraceID
	span  trace.SpanID
}

// identify makes a trace's id of what identifies it, and a span's of its name in it.
func identify(span string, parts ...string) identity {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write(append([]byte(p), 0)) // never fails
	}
	var id identity
	copy(id.trace[:], h.Sum(nil))
	_, _ = h.Write([]byte(span))
	copy(id.span[:], h.Sum(nil))
	return id
}

func (i identity) context() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: i.trace, SpanID: i.span, TraceFlags: trace.FlagsSampled, Remote: true})
}

// ids gives every span the identity that its context carries, and a random one to
// what has none.
type ids struct{}

// NewIDs implements sdktrace.IDGenerator.
func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id, ok := ctx.Value(identity{}).(identity)
	if !ok || !id.trace.IsValid() {
		_, _ = rand.Read(id.trace[:]) // never fails
		_, _ = rand.Read(id.span[:])
	}
	return id.trace, id.span
}

// NewSpanID implements sdktrace.IDGenerator.
func (g ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	_, span := g.NewIDs(ctx)
	return span
}
