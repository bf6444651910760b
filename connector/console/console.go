// Package console is the operator's side: status for programs on the admin
// listener, which is loopback only or has a password.
package console

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Options are what the admin listener shows.
type Options struct {
	// Password guards everything when it is not empty; the user name is ignored.
	Password string
	// Status returns what GET /api/v1/status shows as JSON.
	Status func(ctx context.Context) (any, error)
	Logger *slog.Logger
}

// Server returns a server for the admin listener with its limits set.
func Server(o Options) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/status", o.status)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return &http.Server{
		Handler:           o.guard(mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
}

// guard asks for the password. Without one only a request that names this
// machine is answered: a page elsewhere whose name was made to point at loopback
// must learn nothing.
func (o Options) guard(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(o.Password))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if o.Password == "" {
			if !isLoopback(r.Host) {
				http.Error(w, "the admin listener answers to loopback names only", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		_, given, _ := r.BasicAuth()
		got := sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="flexbrevo", charset="UTF-8"`)
			http.Error(w, "server.console_password is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (o Options) status(w http.ResponseWriter, r *http.Request) {
	status, err := o.Status(r.Context())
	if err != nil {
		o.Logger.Warn("status cannot be read", "err", err)
		http.Error(w, "status cannot be read; see the log", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(status); err != nil {
		o.Logger.Debug("status was not taken", "err", err)
	}
}
