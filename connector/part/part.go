// Package part is how something that only some users need joins a connector
// without the core knowing it. A part is a package of its own above this one; only
// the program names it, and a build may leave it out.
package part

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/brevo"
	"flexbrevo/connector/figures"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// Part is one part at work for one connector.
type Part interface {
	// Name is one word; it is shown, and it begins the names of the part's roles.
	Name() string
	// Run works until ctx ends, beside everything else, in every replica: what only
	// one may do it does under a role, see Site.Hold. An error is logged, and Run is
	// called again after a pause.
	Run(ctx context.Context) error
	// Pass does once what is due, at the end of a pass that a command makes.
	Pass(ctx context.Context) error
	// State says how the part stands, from the store alone.
	State(ctx context.Context) (State, error)
}

// FigureTeller is a part that tells agents' days and queues' hours somewhere itself.
// While it does, the operations contact is not told them; while it cannot, the contact
// is told what comes after that which the part has told.
type FigureTeller interface {
	// TellsFigures says which of the two it tells now, and how far each was told, from
	// the store alone.
	TellsFigures(ctx context.Context) (agents, queues bool, through figures.Mark, err error)
}

// Prober is a part that can be tried, as the command test does.
type Prober interface {
	// Probe asks for everything that the part needs, changes nothing, and says what it
	// found.
	Probe(ctx context.Context) (detail string, err error)
}

// Loader is a part that brings contacts to the destination in a way of its own where a
// backfill owes many of them.
type Loader interface {
	Part
	// Terms says what that way costs, for the operator to agree to.
	Terms() string
	// Load is called by a backfill once all that it owes is in the outbox, before its
	// deliveries are waited for. It finishes what an earlier call left and, where the
	// operator agreed, brings what it can; told hears what it is at. All the rest stays in
	// the outbox, and is delivered as ever. It may be cut short at any moment and called
	// again, in another process, too.
	Load(ctx context.Context, agreed bool, told func(step string)) error
}

// Follower is a Part that reads the connector's feed of customers that changed
// (store.Follower). The feed is kept where a part asks for it; its place in it is the part's
// to remember, as the cursor of a stream of its own. Who was digested before the feed
// began is in it after a replay.
type Follower interface {
	Part
	// Follows is never called: having it is the asking.
	Follows()
}

// Forgetter is a Part that keeps something of customers elsewhere.
type Forgetter interface {
	Part
	// Forget takes away what is kept of customers, before they are erased from the store. It is
	// called under the role of the connector's digest, so that nobody changes meanwhile; with an error nobody is
	// erased. It may be repeated.
	Forget(ctx context.Context, customers []int64) error
}

// State is how a part stands.
type State struct {
	Name string `json:"name"`
	// Counts are by what is counted, in snake case, such as documents_written.
	Counts map[string]int64 `json:"counts,omitempty"`
	// Notices say what the operator should know, and what to do.
	Notices []string `json:"notices,omitempty"`
}

// Maker makes a part for a connector; nil where its configuration does not ask for
// it. It makes no call.
type Maker func(Site) (Part, error)

// Site is a connector as its parts see it.
type Site struct {
	Config *config.Connector
	// Account names the connector's Brevo account in the store.
	Account string
	// Store is nil where the two sides are only tried.
	Store  store.Store
	Twilio *twilio.Source
	Brevo  *brevo.Destination
	// Transport carries calls to anybody else, by the configured proxy and authorities.
	Transport http.RoundTripper
	Logger    *slog.Logger
	Clock     func() time.Time
	// Wants says whether the connector's sync switches let an event type through.
	Wants func(eventType string) bool
	// KeepText says that a rule reads the text of messages, which is otherwise not kept.
	KeepText bool
	// Customer computes a customer of the connector from the store, as the rules of now see
	// them, or gives store.ErrNotFound. Phones that several customers have are nobody's.
	Customer func(ctx context.Context, id int64) (*pipeline.Customer, error)
	// Keep stores records that somebody sent, as webhooks are stored, and returns once
	// they are durable. It gives pipeline.ErrBusy while the store is behind.
	Keep func(ctx context.Context, records []record.Record) error
	// Hold does work under a role of this connector, and again, until ctx ends; see
	// schedule.Roles.
	Hold func(ctx context.Context, role string, work func(ctx context.Context, lease store.Lease) error)
	// OnceOfAccount is Once for a role of the Brevo account, which other connectors may
	// share.
	OnceOfAccount func(ctx context.Context, role string, work func(ctx context.Context, lease store.Lease) error) error
	// Once does work under a role of this connector, or gives store.ErrLeaseHeld.
	Once func(ctx context.Context, role string, work func(ctx context.Context, lease store.Lease) error) error
}
