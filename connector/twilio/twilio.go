// Package twilio is the source by polling: it reads a Flex account's TaskRouter
// events, conversations, workers and queues, page by page, and hands them over as
// records. It also decodes every record that Twilio can give, whichever way it
// came in, into facts.
//
// Everything the package does on the network is a read, so a call is repeated a
// few times where that can help (facts/twilio.md 10). What it knows of a stream
// between two fetches is in the stream's cursor; the rest is memory that a restart
// may lose at the price of a few more reads.
//
// twilio-go has its home here. It serves where its typed answers do; where it
// would send or swallow something wrong (facts/twilio.md 11.4), a few lines of our
// own make the call, on the same transport.
package twilio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"flexbrevo/connector/record"
)

// The streams, as named in checkpoints, logs and the configuration.
const (
	EventsStream        = "events"
	ConversationsStream = "conversations"
	WorkersStream       = "workers"
	QueuesStream        = "queues"
	// TasksStream holds the snapshots that hints make; it has no cursor.
	TasksStream = "tasks"
	// MessagesStream holds the messages of the conversations that are read; it has no
	// cursor of its own.
	MessagesStream = "messages"
)

// maxLookback is how far back TaskRouter events can be read (facts/twilio.md 1.3).
const maxLookback = 30 * 24 * time.Hour

// Options are what a Source needs. Zero fields mean defaults.
type Options struct {
	// AccountSID is the Flex account. With it goes either AuthToken, or an API key:
	// where APIKeySID is set, it is used and AuthToken is not.
	AccountSID, AuthToken   string
	APIKeySID, APIKeySecret string
	// WorkspaceSID is TaskRouter's; empty means the one of Flex Configuration.
	WorkspaceSID string
	// BaseURL is where a stand-in for Twilio listens (design 6); empty for Twilio.
	BaseURL string
	// InitialLookback is how far back the first fetch goes: 48 hours by default, 30
	// days at most.
	InitialLookback time.Duration
	// HTTP makes the calls. The default has TLS 1.2 as its minimum and honours the
	// proxies of the environment.
	HTTP   http.RoundTripper
	Clock  func() time.Time
	Logger *slog.Logger
	// LogCalls writes a line for every call, without bodies, queries and SIDs.
	LogCalls bool
	// Redact are the paths of capture.redact, see NewRedactor. KeepText keeps the
	// text of messages, because a rule reads it.
	Redact   []string
	KeepText bool
	// Budgets are calls a second that differ from DefaultBudgets.
	Budgets map[string]float64
	// ConversationEvery is how often an open conversation is read again (15 minutes),
	// ConversationsAtOnce how many of them a fetch reads (50).
	ConversationEvery   time.Duration
	ConversationsAtOnce int
	// SyncObjects are what of Twilio Sync is read.
	SyncObjects []SyncObject
	// WorkerChannels reads the channels of agents, too, below ManyWorkers.
	WorkerChannels bool
	// CallTimeout is that of one try of one call: 30 seconds.
	CallTimeout time.Duration

	// OpenConversations returns SIDs of conversations that are not known to be
	// closed and were not read since before, the longest unread first. Nil means
	// that none is read again.
	OpenConversations func(ctx context.Context, before time.Time, limit int) ([]string, error)

	// DueInteractions returns interactions that a task named, and that were not read since
	// it began and since it ended. Nil means that none is read.
	DueInteractions func(ctx context.Context, limit int) ([]DueInteraction, error)
	// InteractionsAtOnce is how many a fetch reads (100), each with two calls.
	InteractionsAtOnce int

	// Messages reads the messages of each conversation that is read, one call more for
	// each; without it none are read and none are decoded.
	Messages bool
	// PolledIndex returns up to which index a conversation's messages were read without a
	// gap, false where none were. Nil means that only memory knows.
	PolledIndex func(ctx context.Context, conversation string) (int, bool, error)
}

// Source reads one Flex account. Its methods may be called from several
// goroutines at once, but a stream is fetched by one at a time.
type Source struct {
	o        Options
	client   *client
	budgets  *budgets
	redactor *Redactor
	// memo is of what was decoded last.
	memo *memo
	log  *slog.Logger

	discovering chan struct{} // holds one token: a lock that an ended context can leave
	discovered  Discovery
	discoverAt  time.Time

	mu       sync.Mutex
	listed   map[string]conversationSeen // handed over lately by listing
	asked    map[string]openSeen         // open conversations read again lately
	vanished map[string]bool             // open conversations that Twilio no longer has
	synced   map[string]string           // versions of Sync items handed over, by item
	indexes  map[string]seenIndex        // how far the messages of conversations were handed over
	// interactions are those that were read a moment ago.
	interactions map[string]time.Time
}

// Hint names something worth reading at once. A task SID may be given where a
// reservation's belongs and the other way round; the prefix decides.
type Hint struct {
	Task, Reservation, Conversation string
	// Began says that a task begins in the conversation, which matters only for one that
	// is known to be closed.
	Began bool
}

// Health is what the source knows of its connection to Twilio.
type Health struct {
	// ServerTime is Twilio's clock now, as far as its last answer tells; zero
	// before the first.
	ServerTime time.Time
	// Skew is how far the local clock was ahead of Twilio's at the last answer.
	Skew time.Duration
	// Concurrent is the account's number of requests in flight as Twilio last told
	// it, those of other systems included; 0 when it did not.
	Concurrent int
	// Budgets are the rates in force, in calls a second, by API.
	Budgets map[string]float64
}

// New checks the options and returns a Source. It makes no call.
func New(o Options) (*Source, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("twilio source: %w", err)
	}
	o = o.withDefaults()
	base, err := standIn(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("twilio source: base URL: %w", err)
	}
	s := &Source{
		o:            o,
		budgets:      newBudgets(o.Budgets),
		redactor:     NewRedactor(o.Redact, o.KeepText),
		memo:         &memo{},
		log:          o.Logger,
		discovering:  make(chan struct{}, 1),
		listed:       map[string]conversationSeen{},
		asked:        map[string]openSeen{},
		vanished:     map[string]bool{},
		synced:       map[string]string{},
		indexes:      map[string]seenIndex{},
		interactions: map[string]time.Time{},
	}
	clock := &serverClock{local: o.Clock}
	rt := newTransport(o, base, s.budgets, clock)
	s.client = &client{rt: rt, once: rt.next, clock: clock, account: o.AccountSID}
	return s, nil
}

func (o Options) check() error {
	switch {
	case o.AccountSID == "":
		return errors.New("account SID is missing")
	case o.APIKeySID != "" && o.APIKeySecret == "":
		return errors.New("API key secret is missing")
	case o.APIKeySID == "" && o.AuthToken == "":
		return errors.New("auth token is missing")
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.InitialLookback <= 0 {
		o.InitialLookback = 48 * time.Hour
	}
	o.InitialLookback = min(o.InitialLookback, maxLookback)
	if o.ConversationEvery <= 0 {
		o.ConversationEvery = 15 * time.Minute
	}
	if o.ConversationsAtOnce <= 0 {
		o.ConversationsAtOnce = 50
	}
	if o.InteractionsAtOnce <= 0 {
		o.InteractionsAtOnce = 100
	}
	if o.CallTimeout <= 0 {
		o.CallTimeout = 30 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.HTTP == nil {
		o.HTTP = defaultHTTP()
	}
	return o
}

// credentials returns the user and password of HTTP Basic (facts/twilio.md 9).
func (o Options) credentials() (user, password string) {
	if o.APIKeySID != "" {
		return o.APIKeySID, o.APIKeySecret
	}
	return o.AccountSID, o.AuthToken
}

// standIn parses the base URL of a stand-in; nil for the real Twilio. Plain http
// is taken for loopback only, because the credentials travel with every call.
func standIn(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, nil
	}
	u, err := url.Parse(strings.TrimRight(raw, "/"))
	if err != nil || u.Host == "" || u.User != nil {
		return nil, errors.New("must be a URL such as http://127.0.0.1:9000")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil, errors.New("must be https, or http on loopback")
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// Streams returns the names of the streams that can be fetched.
func (s *Source) Streams() []string {
	return []string{EventsStream, ConversationsStream, WorkersStream, QueuesStream, SyncStream, InteractionsStream, ChatChannelsStream}
}

// Fetch reads a stream from a cursor and hands over pages, oldest first, by
// calling keep. A page's cursor is valid once keep has returned nil; an error of
// keep ends the fetch and is returned as it is. Other errors carry a
// failure.Reason. A fetch may be repeated from any cursor that was handed over.
func (s *Source) Fetch(ctx context.Context, stream string, from record.Cursor, keep func(record.Page) error) error {
	switch stream {
	case EventsStream:
		return s.fetchEvents(ctx, from, keep)
	case ConversationsStream:
		return s.fetchConversations(ctx, from, keep)
	case WorkersStream:
		return s.fetchWorkers(ctx, from, keep)
	case QueuesStream:
		return s.fetchQueues(ctx, keep)
	case SyncStream:
		return s.fetchSync(ctx, keep)
	case ChatChannelsStream:
		return s.fetchChatChannels(ctx, from, keep)
	case InteractionsStream:
		return s.fetchInteractions(ctx, keep)
	}
	return fmt.Errorf("fetch stream %q: no such stream", stream)
}

// Health returns what is known of the connection; it makes no call.
func (s *Source) Health() Health {
	h := s.client.clock.health()
	h.Budgets = s.budgets.rates()
	return h
}

// Close gives idle connections back. Calls under way are not cut short.
func (s *Source) Close() {
	if c, ok := s.o.HTTP.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
