package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exportTimeout is how long a collector may take; lostEvery is how often it is said
// that spans are lost.
const (
	exportTimeout = 10 * time.Second
	lostEvery     = time.Minute
)

// exporter posts spans as OTLP/HTTP in its JSON form, which every collector takes.
// OpenTelemetry's own exporter brings grpc and its relatives into the program: 135
// packages and 9 MB, where this needs none.
type exporter struct {
	url    string
	client *http.Client
	logger *slog.Logger
	clock  func() time.Time

	mu   sync.Mutex
	lost int
	said time.Time
}

var _ sdk.SpanExporter = (*exporter)(nil)

func newExporter(o Options) *exporter {
	return &exporter{
		url: strings.TrimRight(o.Endpoint, "/") + "/v1/traces",
		client: &http.Client{
			Transport: o.Transport, Timeout: exportTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		logger: o.Logger, clock: o.Clock,
	}
}

// ExportSpans implements sdktrace.SpanExporter. It never fails: the SDK would tell
// of it outside of our log.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := e.post(ctx, spans); err != nil {
		e.lose(len(spans), err)
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

func (e *exporter) post(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	body, err := json.Marshal(encode(spans))
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("make the request: traces.endpoint is no usable address")
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := e.client.Do(r)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // the outer one repeats the address
		}
		return fmt.Errorf("post spans: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("post spans: status %d", response.StatusCode)
	}
	return nil
}

// lose counts what was lost and says so once a minute.
func (e *exporter) lose(spans int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost += spans
	now := e.clock()
	if now.Sub(e.said) < lostEvery {
		return
	}
	e.logger.Warn("spans are lost; the collector does not take them", "count", e.lost, "err", err)
	e.lost, e.said = 0, now
}

// The JSON form of OTLP: ids in hexadecimal, 64-bit numbers as texts, enumerations as
// numbers.
type (
	export struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   attributes   `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	attributes struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope      `json:"scope"`
		Spans []spanJSON `json:"spans"`
	}
	scope struct {
		Name string `json:"name"`
	}
	spanJSON struct {
		TraceID    string     `json:"traceId"`
		SpanID     string     `json:"spanId"`
		ParentID   string     `json:"parentSpanId,omitempty"`
		Name       string     `json:"name"`
		Kind       int        `json:"kind"`
		Begin      string     `json:"startTimeUnixNano"`
		End        string     `json:"endTimeUnixNano"`
		Attributes []keyValue `json:"attributes,omitempty"`
		Links      []linkJSON `json:"links,omitempty"`
		Status     statusJSON `json:"status"`
	}
	linkJSON struct {
		TraceID string `json:"traceId"`
		SpanID  string `json:"spanId"`
	}
	statusJSON struct {
		Code int `json:"code,omitempty"`
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// The numbers of OTLP's enumerations that are used.
const (
	kindInternal = 1
	statusError  = 2
)

func encode(spans []sdk.ReadOnlySpan) export {
	if len(spans) == 0 {
		return export{}
	}
	list := make([]spanJSON, len(spans))
	for i, s := range spans {
		list[i] = encodeSpan(s)
	}
	return export{[]resourceSpans{{
		Resource:   attributes{encodeAttributes(spans[0].Resource().Attributes())},
		ScopeSpans: []scopeSpans{{Scope: scope{spans[0].InstrumentationScope().Name}, Spans: list}},
	}}}
}

func encodeSpan(s sdk.ReadOnlySpan) spanJSON {
	out := spanJSON{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(), Name: s.Name(), Kind: kindInternal,
		Begin: strconv.FormatInt(s.StartTime().UnixNano(), 10), End: strconv.FormatInt(s.EndTime().UnixNano(), 10),
		Attributes: encodeAttributes(s.Attributes()),
	}
	if s.Parent().SpanID().IsValid() {
		out.ParentID = s.Parent().SpanID().String()
	}
	for _, l := range s.Links() {
		out.Links = append(out.Links, linkJSON{l.SpanContext.TraceID().String(), l.SpanContext.SpanID().String()})
	}
	if s.Status().Code == codes.Error {
		out.Status.Code = statusError
	}
	return out
}

func encodeAttributes(list []attribute.KeyValue) []keyValue {
	out := make([]keyValue, len(list))
	for i, a := range list {
		value := map[string]any{"stringValue": a.Value.AsString()}
		if a.Value.Type() == attribute.INT64 {
			value = map[string]any{"intValue": strconv.FormatInt(a.Value.AsInt64(), 10)}
		}
		out[i] = keyValue{string(a.Key), value}
	}
	return out
}
