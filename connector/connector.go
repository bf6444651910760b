// Package connector is the assembled service: it alone knows every part, makes
// them from the configuration and joins them by calls.
package connector

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/console"
	"flexbrevo/connector/part"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
	"flexbrevo/connector/tracing"
)

// Options are what a Service is made of.
type Options struct {
	Config *config.Config
	// Store is opened with OpenStore; the caller closes it.
	Store store.Store
	// Logger is required.
	Logger *slog.Logger
	// Connector restricts the service to one connector; empty means all enabled.
	Connector string
	// Clock is the local clock; nil means time.Now.
	Clock func() time.Time
	// Version is shown by the status API.
	Version string
	// Grace is how long held work may take to end; 0 means 25 s.
	Grace time.Duration
	// Parts are what only some connectors have; see package part.
	Parts []part.Maker
	// Metrics are the process's; nil means some of the service's own.
	Metrics *console.Metrics
}

// Service runs connectors: as a daemon by Run, or for one pass by Sync.
type Service struct {
	o         Options
	intake    *pipeline.Intake
	flows     []*flow
	accounts  map[string]*account
	roles     *schedule.Roles
	transport http.RoundTripper
	logCalls  bool

	status   readingCache[*Status]
	figured  readingCache[[]keptFigures] // one for each flow
	history  *history
	sessions *console.Sessions
	tracer   *tracing.Tracer // nil where no traces are wanted
}

// New makes a service from a checked configuration. It makes no call.
func New(o Options) (*Service, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Grace == 0 {
		o.Grace = 25 * time.Second
	}
	transport, err := newTransport(o.Config.TLS)
	if err != nil {
		return nil, err
	}
	if o.Metrics == nil {
		o.Metrics = console.NewMetrics(o.Version)
	}
	s := &Service{
		o: o, accounts: map[string]*account{}, transport: transport,
		history: &history{}, sessions: console.NewSessions(),
	}
	s.trace()
	s.status.read, s.status.age = s.Status, statusAge
	s.figured.read, s.figured.age = s.figures, figuresAge
	s.intake = pipeline.NewIntake(s.o.Store, o.Clock, s.kept)
	s.roles = &schedule.Roles{Store: s.o.Store, Holder: holder(), Logger: o.Logger}
	if err := s.assemble(); err != nil {
		s.endTrace()
		return nil, err
	}
	return s, nil
}

// assemble makes one account for each set of Brevo credentials, and the flows.
func (s *Service) assemble() error {
	chosen := s.chosen()
	if len(chosen) == 0 {
		return fmt.Errorf("no enabled connector named %q in %s", s.o.Connector, s.o.Config.File)
	}
	names := map[string]string{} // by credential
	choices := map[string]*choices{}
	for _, c := range chosen {
		s.logCalls = s.logCalls || c.LogAPICalls || c.Debug
		name := s.accountName(c, names)
		if choices[name] == nil {
			choices[name] = newChoices()
		}
		choices[name].add(c)
	}
	for _, c := range chosen {
		name := s.accountName(c, names)
		a, ok := s.accounts[name]
		if !ok {
			var err error
			if a, err = s.newAccount(name, c.Brevo, choices[name]); err != nil {
				return err
			}
			s.accounts[name] = a
		}
		f, err := s.newFlow(c, a)
		if err != nil {
			return fmt.Errorf("connector %s: %w", c.Name, err)
		}
		if err := s.joinParts(f); err != nil {
			return fmt.Errorf("connector %s: %w", c.Name, err)
		}
		a.flows = append(a.flows, f)
		a.linking.Connectors = append(a.linking.Connectors, c.Name)
		s.flows = append(s.flows, f)
	}
	return nil
}

// accountName names an account after the first connector that has it, or after
// the file's own block; the name is kept in the outbox, so it must not be made
// of a secret.
func (s *Service) accountName(c *config.Connector, names map[string]string) string {
	credential := func(b config.Brevo) string {
		return b.BaseURL + "\x00" + b.APIKey.Reveal() + "\x00" + b.OAuth.ClientID
	}
	key := credential(c.Brevo)
	if key == credential(s.o.Config.Brevo) {
		return mainAccount
	}
	if names[key] == "" {
		names[key] = mainAccount + ":" + c.Name
	}
	return names[key]
}

func (s *Service) chosen() []*config.Connector {
	var out []*config.Connector
	for _, c := range s.o.Config.Connectors {
		if c.Enabled && (s.o.Connector == "" || s.o.Connector == c.Name) {
			out = append(out, c)
		}
	}
	return out
}

// kept wakes the digest of a connector whose records were stored.
func (s *Service) kept(connector string) {
	for _, f := range s.flows {
		if f.cfg.Name == connector {
			f.Wake()
		}
	}
}

// loggerOf gives a connector a logger with its name and its own level.
func (s *Service) loggerOf(c *config.Connector) *slog.Logger {
	l := s.o.Logger.With("connector", c.Name)
	switch {
	case c.Debug, c.LogLevel == "verbose", c.LogLevel == "debug":
		return slog.New(leveled{l.Handler(), slog.LevelDebug})
	case c.LogLevel == "warn":
		return slog.New(leveled{l.Handler(), slog.LevelWarn})
	case c.LogLevel == "error":
		return slog.New(leveled{l.Handler(), slog.LevelError})
	}
	return l
}

// leveled is a handler with a level of its own; the handler below it must take
// every level.
type leveled struct {
	slog.Handler
	level slog.Level
}

func (l leveled) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }

func (l leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{l.Handler.WithAttrs(attrs), l.level}
}

func (l leveled) WithGroup(name string) slog.Handler {
	return leveled{l.Handler.WithGroup(name), l.level}
}

// Close gives idle connections back.
func (s *Service) Close() {
	for _, f := range s.flows {
		f.source.Close()
	}
	for _, name := range s.accountNames() {
		_ = s.accounts[name].destination.Close() // only gives idle connections back
	}
	s.endTrace()
}

func (s *Service) accountNames() []string {
	var names []string
	for name := range s.accounts {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// OpenStore opens the configured store, migrated to this version. pipeline says
// whether the caller means to move records; readOnly never changes or makes it.
func OpenStore(ctx context.Context, c *config.Config, logger *slog.Logger, pipeline, readOnly bool) (store.Store, error) {
	url := c.Store.URL.Reveal()
	if c.Store.SQLitePath != "" {
		url = "sqlite://" + c.Store.SQLitePath
	}
	st, err := sqlstore.Open(ctx, url, sqlstore.Options{Pipeline: pipeline, ReadOnly: readOnly, Logger: logger})
	if err != nil && c.Store.SQLitePath != "" {
		return nil, fmt.Errorf("store %s: %w", c.Store.SQLitePath, err)
	}
	if err != nil { // a postgres URL carries a password
		return nil, fmt.Errorf("store.url: %w", err)
	}
	if pipeline && !readOnly {
		if err := proveKey(ctx, c, st); err != nil {
			return nil, errors.Join(err, st.Close())
		}
	}
	return st, nil
}

// newTransport carries every call that goes out: TLS 1.2 at least, the proxies of
// the environment, the operator's own authorities.
func newTransport(c config.TLS) (http.RoundTripper, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read tls.ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("tls.ca_file holds no certificate; expected PEM")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// holder names this process among all that may hold roles.
func holder() string {
	host, _ := os.Hostname() // only to be told apart by a person
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return host + "/" + strconv.Itoa(os.Getpid()) + "/" + hex.EncodeToString(b[:])
}
