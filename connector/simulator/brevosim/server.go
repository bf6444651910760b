package brevosim

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Server is a simulated Brevo account. All its methods may be called at once from several goroutines.
type Server struct {
	options Options
	clock   func() time.Time
	log     *slog.Logger
	mux     *http.ServeMux
	random  random
	limits  atomic.Pointer[limiter]
	faults  atomic.Pointer[faultState]
	quirks  atomic.Pointer[Quirks]
	tokens  tokenStore
	calls   callCounter

	mu      sync.Mutex
	account *account // guarded by mu
	ignored int      // events for unknown contacts; guarded by mu
}

// faultState is a setting of the faults and how many of them were met since.
type faultState struct {
	Faults
	none  bool
	fired atomic.Int64
}

// New makes an account that is as Brevo opens one: without contacts, with the built-in attributes, one folder and one
// list. It panics on a tier that does not exist.
func New(o Options) *Server {
	tier, err := ParseTier(string(o.Tier))
	if err != nil {
		panic("brevosim: " + err.Error())
	}
	o.Tier = tier
	s := &Server{options: o, clock: o.Clock, log: o.Logger, mux: http.NewServeMux(), random: random{seed: o.Seed}}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.SetFaults(o.Faults)
	s.SetQuirks(o.Quirks)
	s.Reset()
	s.routes()
	return s
}

// SetFaults replaces the faults from the next request on.
func (s *Server) SetFaults(f Faults) { s.faults.Store(&faultState{Faults: f, none: f.none()}) }

// SetQuirks replaces the quirks from the next request on.
func (s *Server) SetQuirks(q Quirks) { s.quirks.Store(&q) }

// Reset empties the account and forgets calls, violations, tokens and what was spent of the rate limits. Faults and
// quirks stay.
func (s *Server) Reset() {
	s.limits.Store(newLimiter(s.options.Tier))
	s.calls.reset()
	s.tokens.reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ignored = 0
	s.account = newAccount(s.options.ReadLag, func() time.Duration { return s.random.upTo(s.options.ReadLag) }, s.now())
}

// now is the time in UTC without its monotonic part, which stored times have no use for.
func (s *Server) now() time.Time { return s.clock().UTC().Round(0) }

// enter locks the account and brings it up to date. The caller unlocks.
func (s *Server) enter() (*account, time.Time) {
	s.mu.Lock()
	now := s.now()
	s.account.advance(now)
	return s.account, now
}

// ServeHTTP implements http.Handler. A connection that a fault drops ends in a panic with http.ErrAbortHandler, which
// is how a handler asks for that.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// endpoint is one operation of the API.
type endpoint struct {
	method, path string
	bucket       Bucket
	scope        string
	handle       func(*Server, *call) answer
}

// call is a request that was let in.
type call struct {
	endpoint *endpoint
	request  *http.Request
	query    url.Values
	body     []byte
	quirks   *Quirks
}

// path returns a decoded part of the path.
func (c *call) path(name string) string { return c.request.PathValue(name) }

// bodyLimit is the largest body that is read at all: an import of 10 MB and some room to be told that it is too large.
const bodyLimit = 12 << 20

// serve makes the handler of an endpoint. The order is Brevo's as far as it is known: who calls, whether the limit
// allows it, and only then what is wanted. A refused request changes nothing.
func (s *Server) serve(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if a, ok := s.authorize(r, e.scope); !ok {
			s.finish(w, r, &e, a)
			return
		}
		quirks := s.quirks.Load()
		if !s.admit(w, &e, quirks) {
			s.finish(w, r, &e, tooMany())
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
		if err != nil {
			s.finish(w, r, &e, unreadable(err))
			return
		}
		s.finish(w, r, &e, s.perform(&call{endpoint: &e, request: r, query: queryOf(r), body: body, quirks: quirks}))
	}
}

// queryOf parses the query string, where there is one.
func queryOf(r *http.Request) url.Values {
	if r.URL.RawQuery == "" {
		return nil
	}
	return r.URL.Query()
}

// unreadable answers a body that did not arrive whole, or was far too large.
func unreadable(err error) answer {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return refuse(http.StatusRequestEntityTooLarge, codeInvalid, "Request body is too large")
	}
	return malformed()
}

// admit spends one request of the endpoint's bucket and writes the limit headers.
func (s *Server) admit(w http.ResponseWriter, e *endpoint, quirks *Quirks) bool {
	bucket := e.bucket
	if bucket == bucketBatch {
		bucket = BucketOther
		if quirks.BatchInEvents {
			bucket = BucketEvents
		}
	}
	r, limited, ok := s.limits.Load().take(bucket, 1, s.now(), quirks.ReportHour)
	if limited {
		r.write(w.Header(), quirks.FloorReset)
	}
	return ok
}

// perform carries a call out, or lets a fault have its way with it.
func (s *Server) perform(c *call) answer {
	faults := s.faults.Load()
	if !s.pause(c.request.Context(), faults.Latency+s.random.upTo(faults.Jitter)) {
		return empty(drop)
	}
	f, slow, met := s.meet(faults, c.endpoint)
	if !met {
		return c.endpoint.handle(s, c)
	}
	if f.before != nil {
		return f.before(faults.Faults)
	}
	a := f.after(faults.Faults, c.endpoint.handle(s, c))
	if slow && !s.pause(c.request.Context(), slowFor(faults)) {
		return empty(drop)
	}
	return a
}

func slowFor(f *faultState) time.Duration {
	if f.SlowFor > 0 {
		return f.SlowFor
	}
	return 10 * time.Second
}

// meet draws the fault that a call meets, if any.
func (s *Server) meet(f *faultState, e *endpoint) (met fault, slow, ok bool) {
	if f.none || !f.applies(e.method, e.path) {
		return fault{}, false, false
	}
	draw := s.random.share()
	for i, candidate := range f.table() {
		if draw -= candidate.share; draw >= 0 || candidate.share == 0 {
			continue
		}
		if n := f.fired.Add(1); f.AtMost > 0 && n > int64(f.AtMost) {
			return fault{}, false, false
		}
		s.calls.fault()
		return candidate, i == slowFault, true
	}
	return fault{}, false, false
}

// pause waits, unless the caller goes away first.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// finish counts a call and sends its answer, or drops the connection.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, e *endpoint, a answer) {
	s.calls.count(Call{Method: e.method, Path: e.path, Status: a.status})
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		s.log.LogAttrs(r.Context(), slog.LevelDebug, "brevo request answered",
			slog.String("method", e.method), slog.String("path", e.path), slog.Int("status", a.status))
	}
	if a.status == drop {
		panic(http.ErrAbortHandler)
	}
	a.write(w)
}
