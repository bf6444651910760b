// Package console is the operator's side: a page for people, status for programs
// and metrics for Prometheus, on the admin listener, which is loopback only or has
// a password.
//
// The page is one document with one script and one style sheet, all embedded. It
// asks nobody else for anything, and its content security policy lets it do
// nothing that is written in a page instead of in those two files.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Options are what the admin listener shows.
type Options struct {
	// Password guards everything when it is not empty; a user name is ignored.
	Password string
	// ReadOnly takes away whatever changes something.
	ReadOnly bool
	// Sessions remember who gave the password; nil means a memory of the server's own.
	Sessions *Sessions
	// Status returns what GET /api/v1/status shows as JSON, Overview what the page
	// shows.
	Status, Overview func(ctx context.Context) (any, error)
	// Requeue makes dead letters of a connector wait again, by their numbers such as
	// d12 and r7, and returns how many it did. An error that wraps ErrBadRequest is
	// the asker's. Nil: it cannot be done.
	Requeue func(ctx context.Context, connector string, ids []string) (int, error)
	// Explain answers why contacts hold what they hold: of a task or conversation SID, an
	// email, a phone or an identity, as JSON full of personal data. An error that wraps
	// ErrBadRequest is the asker's. Nil: it cannot be asked.
	Explain func(ctx context.Context, what string) (any, error)
	// Metrics answers GET /metrics; nil: there are none.
	Metrics http.Handler
	Version string
	// Clock is the local clock; nil means time.Now.
	Clock  func() time.Time
	Logger *slog.Logger
}

// ErrBadRequest is wrapped by errors that the asker made.
var ErrBadRequest = errors.New("bad request")

// maxRequest bounds a request's body: the numbers of a few hundred dead letters.
const maxRequest = 64 << 10

// server answers the admin listener.
type server struct {
	Options
	guard  *guard
	assets *assets
}

// Server returns a server for the admin listener with its limits set.
func Server(o Options) *http.Server {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Sessions == nil {
		o.Sessions = NewSessions()
	}
	s := &server{Options: o, assets: newAssets()}
	s.guard = newGuard(o, s.assets)
	return &http.Server{
		Handler:           s.guard.wrap(s.routes()),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      40 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /static/{name}", s.assets.serve)
	mux.HandleFunc("GET /api/v1/status", s.json(s.Status))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if s.Overview != nil {
		mux.HandleFunc("GET /api/v1/overview", s.json(s.Overview))
	}
	if s.Requeue != nil && !s.ReadOnly {
		mux.HandleFunc("POST /api/v1/dead/requeue", s.requeue)
	}
	if s.Explain != nil {
		mux.HandleFunc("POST /api/v1/explain", s.explain)
	}
	if s.Metrics != nil {
		mux.Handle("GET /metrics", s.Metrics)
	}
	mux.HandleFunc("POST /logout", s.guard.logout)
	return mux
}

// page is the console for people; all it shows comes from the API.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	s.assets.render(w, "page.html", map[string]any{
		"Version": s.Version, "Token": s.guard.token(r), "Style": s.assets.url("app.css"), "Script": s.assets.url("app.js"),
		"CanLogOut": s.Password != "", "CanRequeue": s.Requeue != nil && !s.ReadOnly, "CanExplain": s.Explain != nil,
	})
}

func (s *server) json(read func(context.Context) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := read(r.Context())
		if err != nil {
			if r.Context().Err() == nil {
				s.Logger.Warn("status cannot be read", "err", err)
			}
			http.Error(w, "status cannot be read; see the log", http.StatusServiceUnavailable)
			return
		}
		s.send(w, value)
	}
}

func (s *server) send(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		s.Logger.Debug("answer was not taken", "err", err)
	}
}

// posted reads what the page posts: JSON with the page's token.
func (s *server) posted(w http.ResponseWriter, r *http.Request, into any, expected string) bool {
	if !s.guard.sameToken(r) {
		http.Error(w, "the page is too old; load it again", http.StatusForbidden)
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || d.Decode(into) != nil {
		http.Error(w, "expected JSON: "+expected, http.StatusBadRequest)
		return false
	}
	return true
}

// explain takes {"what": "…"}: in the body, because addresses end up in logs and
// histories, and personal data is shown to nobody who did not ask for it.
func (s *server) explain(w http.ResponseWriter, r *http.Request) {
	var question struct {
		What string `json:"what"`
	}
	if !s.posted(w, r, &question, `{"what": "…"}`) {
		return
	}
	found, err := s.Explain(r.Context(), question.What)
	switch {
	case errors.Is(err, ErrBadRequest):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		s.Logger.Warn("a question cannot be answered", "err", err)
		http.Error(w, "it cannot be answered now; see the log", http.StatusServiceUnavailable)
	default:
		s.send(w, found)
	}
}

// requeue takes {"connector": "…", "ids": ["d12", "r7"]}.
func (s *server) requeue(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Connector string   `json:"connector"`
		IDs       []string `json:"ids"`
	}
	const expected = `{"connector": "…", "ids": ["d12"]}`
	if !s.posted(w, r, &order, expected) {
		return
	}
	if len(order.IDs) == 0 {
		http.Error(w, "expected JSON: "+expected, http.StatusBadRequest)
		return
	}
	n, err := s.Requeue(r.Context(), order.Connector, order.IDs)
	switch {
	case errors.Is(err, ErrBadRequest):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		s.Logger.Warn("dead letters cannot be requeued", "err", err)
		http.Error(w, "they cannot be requeued now; see the log", http.StatusServiceUnavailable)
	default:
		s.Logger.Info("dead letters requeued from the console", "connector", order.Connector, "count", n)
		s.send(w, map[string]int{"requeued": n})
	}
}
