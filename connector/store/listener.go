package store

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// RefusalsKept is how many refused requests are remembered of each connector.
const RefusalsKept = 500

// Listener keeps what is known of those who post to us. Any process may call it,
// beside a running daemon too.
type Listener interface {
	// KeepRefusals adds refused requests, in the order given, to the connector's
	// ring; of all that were ever added the latest RefusalsKept stay.
	KeepRefusals(ctx context.Context, connector string, refusals []Refusal) error
	// LoadRefusals returns what is in the ring, the latest first.
	LoadRefusals(ctx context.Context, connector string, limit int) ([]Refusal, error)
	// SaveArrivals adds what was posted lately to what is known of the connector's
	// senders. Counts are added up and moments only go forward, so that several
	// processes may save what each of them saw.
	SaveArrivals(ctx context.Context, connector string, a Arrivals) error
	// LoadSenders returns the connector's senders by name.
	LoadSenders(ctx context.Context, connector string) ([]Sender, error)
	// LoadPluginPosts returns the posts of the Flex UI plugin that were captured from
	// a moment up to, not including, another, the latest first.
	LoadPluginPosts(ctx context.Context, connector string, from, until time.Time, limit int) ([]record.Record, error)
	// LoadFacts returns those of the facts that exist, without their marks, in no
	// order.
	LoadFacts(ctx context.Context, connector string, keys []fact.Key) ([]StoredFact, error)
}

// Refusal is a request that was refused. It holds nothing private.
type Refusal struct {
	At time.Time
	// Data is JSON, as package webhook describes a refusal.
	Data []byte
}

// Arrivals is what was posted to one connector in a short time.
type Arrivals struct {
	Posts []Posted
	// TaskEndedAt is when the latest task ended of which polling told, by the
	// source's clock; zero for none.
	TaskEndedAt time.Time
}

// Posted counts the posts of one sender.
type Posted struct {
	Sender string
	// LastAt is when the last accepted one came; zero when all were refused.
	LastAt            time.Time
	Accepted, Refused int
	// TestID is that of a test event that came; empty for none.
	TestID string
}

// Sender is what is known of one sender.
type Sender struct {
	Name string
	// FirstAt and LastAt are when its first and its last accepted post came, by the
	// local clock; zero for a sender of whom all was refused.
	FirstAt, LastAt   time.Time
	Accepted, Refused int
	// SilentSince is when a task ended, the first one seen by polling after LastAt,
	// of which this sender has told nothing yet; zero when there is none.
	SilentSince time.Time
	// TestID is that of the latest test event.
	TestID string
}
