package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	cookieName  = "flexbrevo_session"
	tokenHeader = "X-Flexbrevo-Token"
	// sessionLife is how long the password is remembered, whatever is done with it.
	sessionLife = 12 * time.Hour
	maxSessions = 1000
	// A stranger may be wrong five times at once and then once in ten seconds, all
	// strangers together ten times as often.
	wrongAtOnce = 5
	wrongEvery  = 10 * time.Second
	maxAsking   = 10_000
)

// Sessions remember who gave the password. They outlive a reload; a changed
// password ends them.
type Sessions struct {
	key [32]byte // signs the tokens of pages

	mu   sync.Mutex
	held map[[32]byte]session // by hash of the cookie
}

type session struct {
	until    time.Time
	password [32]byte
}

// NewSessions makes an empty memory.
func NewSessions() *Sessions {
	s := &Sessions{held: map[[32]byte]session{}}
	_, _ = rand.Read(s.key[:]) // never fails
	return s
}

// begin remembers a session and returns what its cookie holds.
func (s *Sessions) begin(password [32]byte, now time.Time) string {
	var id [32]byte
	_, _ = rand.Read(id[:]) // never fails
	text := base64.RawURLEncoding.EncodeToString(id[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, old := range s.held {
		if len(s.held) >= maxSessions || now.After(old.until) {
			delete(s.held, k)
		}
	}
	s.held[sha256.Sum256([]byte(text))] = session{until: now.Add(sessionLife), password: password}
	return text
}

func (s *Sessions) holds(cookie string, password [32]byte, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.held[sha256.Sum256([]byte(cookie))]
	return ok && now.Before(held.until) && held.password == password
}

func (s *Sessions) end(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, sha256.Sum256([]byte(cookie)))
}

// guard lets in who may come in.
type guard struct {
	o        Options
	assets   *assets
	password [32]byte
	origins  *http.CrossOriginProtection

	mu     sync.Mutex
	wrong  map[string]*rate.Limiter // by address
	wrongs *rate.Limiter            // all together
}

func newGuard(o Options, a *assets) *guard {
	return &guard{
		o: o, assets: a, password: sha256.Sum256([]byte(o.Password)), origins: http.NewCrossOriginProtection(),
		wrong: map[string]*rate.Limiter{}, wrongs: rate.NewLimiter(rate.Every(wrongEvery/10), 10*wrongAtOnce),
	}
}

// wrap asks for the password. Without one only a request that names this machine
// is answered: a page elsewhere whose name was made to point at loopback must learn
// nothing.
func (g *guard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		if err := g.origins.Check(r); err != nil {
			http.Error(w, "posted from another site", http.StatusForbidden)
			return
		}
		switch {
		case g.o.Password == "" && !isLoopback(r.Host):
			http.Error(w, "the admin listener answers to loopback names only", http.StatusForbidden)
		case g.o.Password == "", strings.HasPrefix(r.URL.Path, "/static/"), r.URL.Path == "/healthz", g.inSession(r):
			next.ServeHTTP(w, r)
		case r.URL.Path == "/login":
			g.login(w, r)
		case r.Header.Get("Authorization") != "":
			g.basic(w, r, next)
		case r.URL.Path == "/" && r.Method == http.MethodGet:
			http.Redirect(w, r, "login", http.StatusSeeOther)
		default:
			g.refuse(w)
		}
	})
}

// harden sets what holds for every answer.
func harden(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
}

func (g *guard) refuse(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="flexbrevo", charset="UTF-8"`)
	http.Error(w, "server.console_password is needed", http.StatusUnauthorized)
}

func (g *guard) inSession(r *http.Request) bool {
	cookie, err := r.Cookie(cookieName)
	return err == nil && g.o.Sessions.holds(cookie.Value, g.password, g.o.Clock())
}

// basic is for programs, which have no session.
func (g *guard) basic(w http.ResponseWriter, r *http.Request, next http.Handler) {
	_, given, _ := r.BasicAuth()
	switch wait := g.try(r, given); {
	case wait > 0:
		tooMany(w)
	case wait < 0:
		g.refuse(w)
	default:
		next.ServeHTTP(w, r)
	}
}

// login shows the form and takes it.
func (g *guard) login(w http.ResponseWriter, r *http.Request) {
	form := map[string]any{"Style": g.assets.url("app.css")}
	if r.Method != http.MethodPost {
		g.assets.render(w, "login.html", form)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	switch wait := g.try(r, r.PostFormValue("password")); {
	case wait > 0:
		tooMany(w)
	case wait < 0:
		form["Wrong"] = true
		w.WriteHeader(http.StatusUnauthorized)
		g.assets.render(w, "login.html", form)
	default:
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: g.o.Sessions.begin(g.password, g.o.Clock()), Path: "/", MaxAge: int(sessionLife.Seconds()),
			HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
		})
		http.Redirect(w, r, "./", http.StatusSeeOther)
	}
}

func (g *guard) logout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		g.o.Sessions.end(cookie.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "login", http.StatusSeeOther)
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "10")
	http.Error(w, "too many wrong passwords; wait ten seconds", http.StatusTooManyRequests)
}

// try compares a password: 0 when it is right, below 0 when it is wrong, above 0
// when it was not even looked at because too many were wrong.
func (g *guard) try(r *http.Request, given string) int {
	own := g.limiter(r)
	now := g.o.Clock()
	if own.TokensAt(now) < 1 || g.wrongs.TokensAt(now) < 1 {
		return 1
	}
	got := sha256.Sum256([]byte(given))
	if subtle.ConstantTimeCompare(got[:], g.password[:]) == 1 {
		return 0
	}
	own.AllowN(now, 1)
	g.wrongs.AllowN(now, 1)
	g.o.Logger.Warn("wrong console password")
	return -1
}

// limiter is that of the address a request comes from.
func (g *guard) limiter(r *http.Request) *rate.Limiter {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l, ok := g.wrong[host]
	if !ok {
		if len(g.wrong) >= maxAsking {
			clear(g.wrong) // all together stay bounded by wrongs
		}
		l = rate.NewLimiter(rate.Every(wrongEvery), wrongAtOnce)
		g.wrong[host] = l
	}
	return l
}

// token is what a page must give back with whatever it changes; a page of another
// site cannot know it.
func (g *guard) token(r *http.Request) string {
	mac := hmac.New(sha256.New, g.o.Sessions.key[:])
	if cookie, err := r.Cookie(cookieName); err == nil && g.o.Password != "" {
		_, _ = mac.Write([]byte(cookie.Value)) // never fails
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (g *guard) sameToken(r *http.Request) bool {
	return hmac.Equal([]byte(r.Header.Get(tokenHeader)), []byte(g.token(r)))
}

func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
