// Package twiliosim is a Twilio Flex account over HTTP, for tests, demonstrations and people who want to
// try things: it answers as the real one does, its traps included, with what happens in a world.World up
// to the present of its own clock. Paths have the stand-in form of the design: every call for
// https://taskrouter.twilio.com/v1/X is served under /taskrouter/v1/X, likewise flex-api, conversations,
// sync, events and iam. Page URLs point to twilio.com all the same, as they do in reality.
//
// What it does is taken from facts/twilio.md sections 1 to 3, 8 and 10, and section 15 is its checklist.
// Where the sheet says that something is unknown, an option chooses between the answers.
package twiliosim

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"flexbrevo/connector/simulator/world"
)

// Options says whose Twilio it is and how it behaves. Only World is required.
type Options struct {
	// World is what happens in the account.
	World *world.World
	// Clock is the account's present: nothing after it is visible. Default time.Now.
	Clock func() time.Time
	// Wall measures what is about the process and not about the account: request rates and durations.
	// Default time.Now.
	Wall func() time.Time
	// Seed decides which requests random faults hit, which events are late, and the order of rows.
	Seed uint64
	// Faults is what goes wrong from the start; see Server.SetFaults.
	Faults Faults
	// Latency is how long after its date an event is listed. The zero value lists it at once.
	Latency Latency
	// TaskLife is how long an ended task can still be read. Default 2 minutes, the shorter of the two
	// figures that Twilio gives; facts/twilio.md 1.7.
	TaskLife time.Duration
	// ListAttributes fills the attributes in task lists, where the specification has null; facts 1.1.
	ListAttributes bool
	// KeepOld lists events older than 30 days with blank attributes instead of not at all; facts 1.3.
	KeepOld bool
	// LegacyChat lists the channels of web chats in the model before Conversations as well; facts 3.3.
	LegacyChat bool
	// StrictPages refuses a PageSize above the maximum, instead of lowering it; facts 13.
	StrictPages bool
	// Deliver brings test events to the sinks that clients made; nil brings none.
	Deliver *http.Client
	// PutKinesis writes a test event to the Kinesis stream of a sink that clients made; nil writes none.
	PutKinesis func(arn string, data []byte)
	// Logger gets one line for each request at debug level. Default: none.
	Logger *slog.Logger
}

// Server is the account. It is an http.Handler, safe for concurrent use, and starts no goroutine but for test
// events, see Options.Deliver.
type Server struct {
	world    *world.World
	options  Options
	mux      *http.ServeMux
	control  *http.ServeMux
	inFlight atomic.Int64
	requests atomic.Uint64
	limits   limiter
	pages    chan []byte // free buffers

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	faults Faults
	script []Fault
	calls  map[Call]int
	tokens map[string]userToken

	streams streams

	webChannels []WebChannel

	syncs syncs
}

// New returns a server for a world. It panics when there is none.
func New(options Options) *Server {
	if options.World == nil {
		panic("twiliosim: Options.World is nil")
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.Wall == nil {
		options.Wall = time.Now
	}
	if options.TaskLife == 0 {
		options.TaskLife = 2 * time.Minute
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		world: options.World, options: options, mux: http.NewServeMux(), control: http.NewServeMux(),
		limits: limiter{buckets: map[string]*bucket{}}, pages: make(chan []byte, 8),
		random: rand.New(rand.NewPCG(options.Seed, 1)), faults: options.Faults.clone(),
		calls: map[Call]int{}, tokens: map[string]userToken{},
	}
	s.routes()
	s.controlRoutes()
	return s
}

// World returns the world that the server shows.
func (s *Server) World() *world.World { return s.world }

// Now returns the present of the account.
func (s *Server) Now() time.Time { return s.options.Clock().UTC() }

func (s *Server) routes() {
	s.routeTaskRouter()
	s.routeConversations()
	s.routeFlex()
	s.routeLegacyChat()
	s.routeSync()
	s.routeStreams()
	s.mux.HandleFunc("POST /iam/v1/Accounts/{account}/Tokens/validate", s.validateToken)
}

// page lends a buffer for an answer, which may be megabytes; giveBack takes it back.
func (s *Server) page() []byte {
	select {
	case page := <-s.pages:
		return page[:0]
	default:
		return nil
	}
}

func (s *Server) giveBack(page []byte) {
	select {
	case s.pages <- page:
	default:
	}
}

// get serves a path with a handler that needs the request's values and gives an object or a problem.
func (s *Server) get(pattern string, handle func(*request) (world.Fields, error)) {
	s.getRendered(pattern, rendering(handle))
}

// rendering makes a handler that gives an object into one that renders it.
func rendering(handle func(*request) (world.Fields, error)) func(q *request, dst []byte) ([]byte, error) {
	return func(q *request, dst []byte) ([]byte, error) {
		body, err := handle(q)
		if err != nil {
			return dst, err
		}
		return body.AppendJSON(dst), nil
	}
}

// getRendered is get for a handler that renders its object itself. What it appends to is empty.
func (s *Server) getRendered(pattern string, render func(q *request, dst []byte) ([]byte, error)) {
	s.mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
		q := &request{Request: r, query: r.URL.Query(), now: s.Now(), redact: s.roll(func(f *Faults) float64 { return f.Redact })}
		page, err := render(q, s.page())
		if err != nil {
			s.giveBack(page)
			sendProblem(w, err)
			return
		}
		if s.roll(func(f *Faults) float64 { return f.UnknownFields }) {
			page = withUndocumented(page)
		}
		for name, value := range q.header {
			w.Header().Set(name, value)
		}
		send(w, http.StatusOK, page)
		s.giveBack(page)
	})
}

// withUndocumented adds a field to an object that has been rendered.
func withUndocumented(object []byte) []byte {
	j := world.JSON{Bytes: object[:len(object)-1]}
	j.Open("x_undocumented")
	j.Text("since", "2026-11")
	j.End()
	j.End()
	return j.Bytes
}

// request is one read by a client.
type request struct {
	*http.Request
	query  map[string][]string
	now    time.Time
	redact bool
	header map[string]string // of the answer
}

func (q *request) param(name string) string {
	if values := q.query[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// ServeHTTP answers one request: the edge with its faults first, then credentials, limits and the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.control.ServeHTTP(w, r)
		return
	}
	began := s.options.Wall()
	concurrent := s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	_, pattern := s.mux.Handler(r)
	rec := &recorder{ResponseWriter: w}
	defer func() { s.count(r, pattern, rec.status, s.options.Wall().Sub(began)) }()

	faults := s.currentFaults()
	header := w.Header()
	header.Set("Date", s.Now().Add(faults.skew()).Format(http.TimeFormat))
	header.Set("Twilio-Request-Id", fmt.Sprintf("RQ%032x", s.requests.Add(1)))
	header.Set("Twilio-Concurrent-Requests", strconv.FormatInt(concurrent, 10))
	fault := s.nextFault(api(r.URL.Path))
	if s.failAtEdge(rec, r, fault, &faults) {
		return
	}
	if problem := s.admit(r, concurrent, &faults); problem != nil {
		sendProblem(rec, problem)
		return
	}
	if pattern == "" {
		sendProblem(rec, notFound(r))
		return
	}
	rec.cut = fault == Reset
	s.mux.ServeHTTP(rec, r)
}

// admit checks who asks and how often.
func (s *Server) admit(r *http.Request, concurrent int64, faults *Faults) error {
	if !s.authorized(r) {
		return unauthorized()
	}
	tooMany := faults.Concurrent > 0 && concurrent > int64(faults.Concurrent)
	if !tooMany && s.limits.allow(api(r.URL.Path), faults.RequestsPerSecond, s.options.Wall()) {
		return nil
	}
	return tooManyRequests(faults)
}

func (s *Server) authorized(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	w := s.world
	return ok && (user == w.AccountSID && password == w.AuthToken || user == w.APIKeySID && password == w.APIKeySecret)
}

// api is the first part of a stand-in path, such as "taskrouter".
func api(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}

// recorder remembers the status of an answer and, when told to, breaks the connection in the middle of it.
type recorder struct {
	http.ResponseWriter
	status int
	cut    bool
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(body []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if !r.cut {
		return r.ResponseWriter.Write(body)
	}
	if _, err := r.ResponseWriter.Write(body[:len(body)/2]); err == nil {
		_ = http.NewResponseController(r.ResponseWriter).Flush()
	}
	// The server ends the connection without the rest of the announced length.
	panic(http.ErrAbortHandler)
}

// Unwrap lets http.ResponseController reach the real writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
