// Package brevo is the destination: one change in, one classified outcome out.
//
// It keeps four promises towards the account it writes to. No request carries a
// blocklist flag or asks for a merge; the email of an existing contact is never
// changed; an identifier that Brevo holds is replaced only where a rule says so;
// and a contact that was deleted in Brevo is not made again, unless the change says
// so. What is left out for these or other reasons is told as an omission.
//
// Every call goes through one RoundTripper, which waits for the rate budget,
// authenticates, sets the time-out, reads the budget's headers and keeps the call
// log. Trying again is the caller's job: an adapter tries once.
//
// What Brevo really does is kept in facts/brevo.md; comments name its sections.
package brevo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/getbrevo/brevo-go/lib"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// DefaultBaseURL is where Brevo's API v3 listens.
const DefaultBaseURL = "https://api.brevo.com/v3"

// Options are the settings of New. Zero fields mean the defaults named here.
type Options struct {
	// APIKey authenticates; exactly one of APIKey and OAuth is set.
	APIKey string
	// OAuth authenticates by client credentials instead (facts/brevo.md 7).
	OAuth *OAuthOptions
	// BaseURL replaces DefaultBaseURL. Plain http is taken for loopback only.
	BaseURL string
	// Tier is what is believed of the account's limits until its answers say more:
	// auto (the default, starts as general), general, advanced, extended, or none
	// for stand-ins without limits.
	Tier string
	// Share is the part of the account's limits that may be used, above 0 and up
	// to 1; default 0.8.
	Share float64
	// HTTP carries the requests; default is a transport of our own with TLS 1.2 as
	// its minimum that honours the proxy variables of the environment.
	HTTP http.RoundTripper
	// Timeout of one call, without the wait for the budget; default 30 s. Reading
	// long pages may take four times as long.
	Timeout time.Duration
	// Clock tells the time; default time.Now.
	Clock func() time.Time
	// Logger takes the call log and warnings; default discards.
	Logger *slog.Logger
	// LogCalls raises the call log from debug to info.
	LogCalls bool
}

// Destination writes to one Brevo account. All methods may be called from
// several goroutines at once.
type Destination struct {
	base      string
	transport *transport
	budget    *budget
	sdk       *lib.APIClient
	clock     func() time.Time
	logger    *slog.Logger

	// account is what is known of attributes and lists. refresh is held while it is
	// read: a channel, so that a waiter can leave when its context ends.
	account atomic.Pointer[account]
	refresh chan struct{}

	batches batches
	answers answers
}

// New checks the options and returns a destination. It makes no call.
func New(o Options) (*Destination, error) {
	base, err := checkBaseURL(cmp.Or(o.BaseURL, DefaultBaseURL))
	if err != nil {
		return nil, err
	}
	clock := o.Clock
	if clock == nil {
		clock = time.Now
	}
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	limits, err := newBudget(o.Tier, o.Share, clock)
	if err != nil {
		return nil, err
	}
	wire := o.HTTP
	if wire == nil {
		wire = newWire()
	}
	auth, err := newAuthenticator(o, base, wire, clock)
	if err != nil {
		return nil, err
	}
	t := &transport{
		wire: wire, auth: auth, budget: limits, clock: clock, logger: logger, prefix: base.Path,
		timeout: cmp.Or(o.Timeout, defaultTimeout), logLevel: slog.LevelDebug,
	}
	if o.LogCalls {
		t.logLevel = slog.LevelInfo
	}
	d := &Destination{base: base.String(), transport: t, budget: limits, clock: clock, logger: logger, refresh: make(chan struct{}, 1)}
	d.answers.clock = clock
	t.batches, t.answers = &d.batches, &d.answers
	d.sdk = newSDK(d.base, t)
	return d, nil
}

// checkBaseURL parses the base URL and refuses what would send the key in clear.
func checkBaseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(raw, "/"))
	if err != nil || u.Host == "" || u.User != nil {
		return nil, errors.New("base url of Brevo: expected https://host/path")
	}
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return u, nil
	}
	return nil, fmt.Errorf("base url of Brevo: %q is taken for loopback only, use https", u.Scheme)
}

// isLoopback says whether a host name means this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close gives idle connections back. Calls under way are not cut.
func (d *Destination) Close() error {
	if c, ok := d.transport.wire.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
	return nil
}

// Deliver makes one attempt at one change. A contact may take several requests (a
// read before a value is filled in, a corrective resend), an event takes one; the
// outcome counts them. An ended context gives failure.Interrupted when nothing
// was written to the network, and failure.Unknown after that. Repeating a contact
// is always safe; an event whose outcome is unknown may exist, see Lookup.
func (d *Destination) Deliver(ctx context.Context, c record.Change) record.Outcome {
	switch {
	case c.Held.Deleted && !(c.Recreate && c.Contact != nil):
		return record.Outcome{Skipped: skippedDeleted, Held: c.Held}
	case c.Contact != nil && c.Event == nil:
		return d.deliverContact(ctx, c)
	case c.Event != nil && c.Contact == nil:
		return d.deliverEvent(ctx, c)
	}
	err := &failure.Error{Op: "deliver change", Reason: failure.Invalid, Err: errors.New("exactly one of contact and event must be set")}
	return record.Outcome{Reason: err.Reason, Err: err, Held: c.Held}
}

// Why nothing was sent, as Outcome.Skipped says it.
const (
	skippedUnchanged    = "unchanged"
	skippedAbsent       = "not in Brevo"
	skippedDeleted      = "deleted in Brevo"
	skippedNoIdentifier = "no identifier left"
)

// Ping makes sure that Brevo answers and takes the credential, by GET /account.
// It costs one call of the hourly bucket; when none is to be had it returns
// failure.RateLimited with the wait instead of waiting.
func (d *Destination) Ping(ctx context.Context) error {
	const op = "GET /account"
	got, resp, err := d.sdk.AccountApi.GetAccount(ctx)
	if err != nil {
		return d.sdkError(ctx, op, read, resp, err)
	}
	if got.Email == "" && got.CompanyName == "" {
		return unreadable(op, read, resp.StatusCode)
	}
	return nil
}

// Budgets says how each bucket of the rate budget stands, for status.
func (d *Destination) Budgets() []Budget { return d.budget.snapshot() }

// Pace is how many contact writes or events a second may go out now, whichever is
// more; 0 where the account has no limits.
func (d *Destination) Pace() float64 {
	return max(d.budget.contacts.snapshot(bucketContacts).PerSecond, d.budget.events.snapshot(bucketEvents).PerSecond)
}
