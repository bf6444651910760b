// Package webhook is the source by callback: it takes what Twilio, the Flex UI
// plugin and survey tools post, checks where it came from, keeps it, and only
// then answers 2xx.
//
// Nothing is interpreted here beyond what makes a record's key, type and moment.
// An unproven request changes nothing and costs little: bodies, fields, header
// bytes, requests in flight and questions to Twilio are all bounded, and what
// cannot be taken now is answered 503 with Retry-After at once.
//
// There is one file per sender: flex.go, taskrouter.go, events.go,
// conversations.go, survey.go. Sources: design section 6; facts/twilio.md 1.6,
// 2.4, 6, 7 and 8.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"flexbrevo/connector/record"
)

// Sender is a kind of sender. Each has a path and a proof of its own.
type Sender string

// The senders.
const (
	Flex          Sender = "flex"
	TaskRouter    Sender = "taskrouter"
	EventStreams  Sender = "event_streams"
	Conversations Sender = "conversations"
	Survey        Sender = "survey"
	// Kinesis posts nothing: it is Event Streams read from a Kinesis stream, and is
	// counted beside the others.
	Kinesis Sender = "kinesis"
)

// Options are what New needs.
type Options struct {
	// Connectors are those that are posted to; at least one.
	Connectors []Connector
	// PublicURL is the address that senders were given, up to the path that
	// arrives here: "https://connector.example.com". Signatures are checked
	// against it and never against what a proxy made of the request. While it is
	// empty no signature is accepted.
	PublicURL string
	// Ready says whether records can be kept now; nil means always.
	Ready func() error
	// Answered, if set, is told of every answer on a webhook path. It must return
	// at once.
	Answered func(Answered)
	// Logger is required.
	Logger *slog.Logger
	// Clock is time.Now where nil.
	Clock func() time.Time
	// Limits bound what a request may cost; zero fields mean defaults.
	Limits Limits
}

// Connector is one connector's side of the listener. Functions are asked at
// every request, so that a reload needs no restart.
type Connector struct {
	// Name makes the prefix /c/NAME, which is required when there are several
	// connectors and accepted when there is one.
	Name string
	// AccountSID is the Twilio account.
	AccountSID string
	// AuthTokens are the account's tokens that may sign now: the primary one, and
	// while rotating the one to come (facts/twilio.md 7.4).
	AuthTokens func() []string
	// Suspects are other keys of the configuration that an operator may have mixed up
	// with the auth token. Nothing is accepted by them; they only serve to explain a
	// refusal. May be nil.
	Suspects func() []NamedToken
	// SurveySecret is what survey tools send as Bearer; nil or an empty answer
	// leaves signatures as the only proof.
	SurveySecret func() string
	// Origins are the Flex origins of this account, as Flex configuration has
	// them: flex_url and runtime_domain. https://flex.twilio.com is always one.
	Origins func() []string
	// BaseURL is where a stand-in for Twilio listens; empty means Twilio.
	BaseURL string
	// Transport carries token checks; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Validate checks a Flex user token; nil means asking Twilio, see Token.
	Validate func(ctx context.Context, flexToken string) (Token, error)
	// Verifiers replace the check of X-Twilio-Signature for single senders.
	Verifiers map[Sender]Verifier
	// KeepText keeps the text and media of messages, which are otherwise removed
	// from what is kept.
	KeepText bool
	// Keep stores records; they are durable when it returns nil. It is called from
	// many goroutines at once, may be called again with the same records, and
	// should return when its context ends. Required.
	Keep func(ctx context.Context, records []record.Record) error
	// Tested, if set, is told the test_id of every test event of Event Streams, by which
	// a sink is validated. It must return at once.
	Tested func(testID string)
	// Refused, if set, is told of every request that was answered 4xx. It must
	// return at once.
	Refused func(Refusal)
}

// Limits bound what requests may cost. Zero fields mean the defaults named.
type Limits struct {
	// MaxBody is the largest body in bytes, answered 413 beyond; 1 MiB.
	MaxBody int64
	// SmallBody is up to which size a body needs no place among the large ones;
	// 32 KiB.
	SmallBody int64
	// MaxLarge is how many larger bodies may be held at once; 32.
	MaxLarge int
	// MaxInFlight is how many requests may be in the handler at once; 512.
	MaxInFlight int
	// MaxFields is how many fields a form may have; 1,000.
	MaxFields int
	// MaxHeader is how many bytes a request's header may have; 32 KiB.
	MaxHeader int
	// HeaderTimeout is how long a client may take for its header; 5 s.
	HeaderTimeout time.Duration
	// BodyTimeout is how long it may take for its body beyond HeaderTimeout, which
	// both share; 5 s.
	BodyTimeout time.Duration
	// IdleTimeout is how long a connection may wait for its next request; 2 min.
	IdleTimeout time.Duration
	// KeepTimeout is how long Keep may take; 4 s, as the strictest senders wait
	// for 5 s (facts/twilio.md 2.4, 6.4).
	KeepTimeout time.Duration
	// CheckTimeout is how long Twilio may take to check a token; 3 s.
	CheckTimeout time.Duration
	// ChecksPerSecond is how often a connector asks Twilio about tokens; 50.
	ChecksPerSecond int
	// RetryAfter is what a 503 asks for; 2 s.
	RetryAfter time.Duration
}

// Answered is one answer on a webhook path.
type Answered struct {
	Connector string
	Sender    Sender
	// Status is the HTTP status.
	Status int
	// Records is how many records were kept.
	Records int
	// Took is the time from the first line of the handler to the answer.
	Took time.Duration
}

func (l Limits) withDefaults() Limits {
	fill(&l.MaxBody, 1<<20)
	fill(&l.SmallBody, 32<<10)
	fill(&l.MaxLarge, 32)
	fill(&l.MaxInFlight, 512)
	fill(&l.MaxFields, 1000)
	fill(&l.MaxHeader, 32<<10)
	fill(&l.HeaderTimeout, 5*time.Second)
	fill(&l.BodyTimeout, 5*time.Second)
	fill(&l.IdleTimeout, 2*time.Minute)
	fill(&l.KeepTimeout, 4*time.Second)
	fill(&l.CheckTimeout, 3*time.Second)
	fill(&l.ChecksPerSecond, 50)
	fill(&l.RetryAfter, 2*time.Second)
	l.SmallBody = min(l.SmallBody, l.MaxBody)
	return l
}

func fill[T int | int64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// New makes the public listener's handler. The errors name the option that is
// missing or wrong.
func New(o Options) (*Handler, error) {
	if o.Logger == nil {
		return nil, errors.New("webhook: a logger is required")
	}
	if len(o.Connectors) == 0 {
		return nil, errors.New("webhook: at least one connector is required")
	}
	bases, err := publicBases(o.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("webhook: public URL: %w", err)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	limits := o.Limits.withDefaults()
	h := &Handler{
		options:  o,
		limits:   limits,
		inFlight: make(gate, limits.MaxInFlight),
		large:    make(gate, limits.MaxLarge),
		routes:   map[string]*route{},
		lines:    newLines(o.Logger, o.Clock),
		explain:  rate.NewLimiter(explainedPerSecond, explainedAtOnce),
	}
	for _, c := range o.Connectors {
		if err := h.add(c, bases); err != nil {
			return nil, fmt.Errorf("webhook: connector %q: %w", c.Name, err)
		}
	}
	return h, nil
}

// add routes the paths of one connector.
func (h *Handler) add(c Connector, bases []string) error {
	if err := c.check(); err != nil {
		return err
	}
	signature := &TwilioSignature{bases: bases, tokens: c.AuthTokens}
	checker := newTokenChecker(c, h.limits, h.options.Clock)
	if c.Validate == nil {
		c.Validate = checker.Validate
	}
	for _, s := range senders() {
		r := &route{connector: c, sender: s, verifier: signature}
		if v := c.Verifiers[s.name]; v != nil {
			r.verifier = v
		}
		prefixed := "/c/" + c.Name + s.path
		if h.routes[prefixed] != nil {
			return errors.New("the name is used twice")
		}
		h.routes[prefixed] = r
		if len(h.options.Connectors) == 1 {
			h.routes[s.path] = r
		}
	}
	return nil
}

func (c Connector) check() error {
	switch {
	case c.Name == "" || strings.Contains(c.Name, "/"):
		return errors.New("the name must be set and hold no slash")
	case c.Keep == nil:
		return errors.New("no Keep is given")
	case c.AuthTokens == nil:
		return errors.New("no AuthTokens are given")
	}
	return nil
}
