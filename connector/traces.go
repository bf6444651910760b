package connector

import (
	"context"
	"time"

	"flexbrevo/connector/tracing"
)

// lastSpans is how long a collector may take at the end for what is still here.
const lastSpans = 2 * time.Second

// trace tells OpenTelemetry of what passes through the store, where that is wanted.
func (s *Service) trace() {
	wanted := s.o.Config.Traces
	if wanted.Endpoint == "" || wanted.Sample == 0 || s.o.Store == nil {
		return
	}
	s.tracer = tracing.New(tracing.Options{
		Endpoint: wanted.Endpoint, Sample: wanted.Sample, Transport: s.transport,
		Version: s.o.Version, Clock: s.o.Clock, Logger: s.o.Logger,
	})
	s.o.Store = s.tracer.Store(s.o.Store)
}

// endTrace sends the last spans. It may be called again.
func (s *Service) endTrace() {
	if s.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
	defer cancel()
	_ = s.tracer.Shutdown(ctx) // what is lost by it is lost
}
