package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"golang.org/x/time/rate"
)

// Handler is the public listener: the webhook paths, /healthz and /readyz, and
// nothing else. It is safe for use by many goroutines and starts none.
type Handler struct {
	options  Options
	limits   Limits
	inFlight gate
	large    gate
	routes   map[string]*route
	lines    *lines
	explain  *rate.Limiter
}

var _ http.Handler = (*Handler)(nil)

// errKeepTimeout is the cause when Keep took longer than Limits.KeepTimeout.
var errKeepTimeout = errors.New("keeping the records took too long")

// ServeHTTP answers one request, see design section 6: 2xx only after the
// records are durable, 503 with Retry-After when they cannot be now, 403 for a
// proof that does not hold, 400 for what can never be read, 413 for what is too
// large.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.serveHealth(w, r) {
		return
	}
	rt := h.routes[r.URL.Path]
	if rt == nil {
		http.NotFound(w, r)
		return
	}
	start := h.options.Clock()
	if rt.sender.browser {
		allowOrigin(w.Header(), r.Header.Get("Origin"), rt.connector.Origins)
		if r.Method == http.MethodOptions {
			servePreflight(w)
			return
		}
	}
	kept, p := h.guard(w, r, rt, start)
	status := http.StatusNoContent
	if p != nil {
		status = p.status
		p.write(w, h.limits.RetryAfter)
		h.report(rt, r, start, p)
	} else {
		// TaskRouter asks for 204 with this type (facts/twilio.md 1.6); every other
		// sender is content with any 2xx.
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
	}
	if h.options.Answered != nil {
		h.options.Answered(Answered{
			Connector: rt.connector.Name, Sender: rt.sender.name, Status: status, Records: kept,
			Took: h.options.Clock().Sub(start),
		})
	}
}

// guard takes a request and turns a panic into a 503, so that the sender comes
// again and the operator sees where it was. The panic's value may quote what was
// posted, so only its type is told.
func (h *Handler) guard(w http.ResponseWriter, r *http.Request, rt *route, at time.Time) (kept int, p *problem) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		h.options.Logger.Error("webhook handler panicked", slog.String("connector", rt.connector.Name),
			slog.String("sender", string(rt.sender.name)), slog.String("type", fmt.Sprintf("%T", v)),
			slog.String("stack", string(debug.Stack())))
		kept, p = 0, later("handler panicked", nil)
	}()
	return h.take(w, r, rt, at)
}

// take goes through the steps of a post and returns how many records were kept.
// The cheapest refusals come first: a stranger is sent away before the body is
// read, and nothing of a body is looked at before its proof.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, rt *route, at time.Time) (int, *problem) {
	if p := h.checkHead(w, r, rt); p != nil {
		return 0, p
	}
	if !h.inFlight.enter() {
		return 0, later("too many requests at once", nil)
	}
	defer h.inFlight.leave()

	req := &request{method: r.Method, uri: requestURI(r), header: r.Header, at: at}
	defer h.release(req)
	if p := h.read(w, r, rt, req); p != nil {
		return 0, p
	}
	if p := rt.prove(r.Context(), req); p != nil {
		h.diagnose(rt, r, req, p)
		return 0, p
	}
	return h.keep(r.Context(), rt, req)
}

// keep makes the records and stores them. A sender that hangs up does not make
// its event less true, so its going away does not cut the storing short.
func (h *Handler) keep(ctx context.Context, rt *route, req *request) (int, *problem) {
	records, err := rt.sender.records(rt.connector, req)
	if err != nil {
		if p, ok := errors.AsType[*problem](err); ok {
			return 0, p
		}
		return 0, later("reading the post", err)
	}
	if len(records) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), h.limits.KeepTimeout, errKeepTimeout)
	defer cancel()
	if err := rt.connector.Keep(ctx, records); err != nil {
		return 0, later("records could not be kept", fmt.Errorf("keep %d records: %w", len(records), err))
	}
	return len(records), nil
}

// report tells the log, at most once a minute for each thing, and the ring.
func (h *Handler) report(rt *route, r *http.Request, at time.Time, p *problem) {
	h.lines.write(r.Context(), rt, p)
	if rt.connector.Refused != nil && p.status < http.StatusInternalServerError {
		rt.connector.Refused(newRefusal(rt, r, at, p, h.options.PublicURL))
	}
}
