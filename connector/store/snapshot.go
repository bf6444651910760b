package store

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
)

// SnapshotKind is what a snapshot is of.
type SnapshotKind string

// The kinds of snapshot.
const (
	// QueueHourSnapshot is of a queue over a closed UTC hour, QueueNowSnapshot of a queue
	// at a moment.
	QueueHourSnapshot SnapshotKind = "queue_hour"
	QueueNowSnapshot  SnapshotKind = "queue_now"
	// AgentsDaySnapshot is of all agents together over a closed local day.
	AgentsDaySnapshot SnapshotKind = "agents_day"
)

// Snapshot is what the source's own statistics said. It corrects nothing: it is there
// to be shown beside what follows from events.
type Snapshot struct {
	Kind SnapshotKind
	// SID is the queue's, or the name of the day, such as 2026-11-20.
	SID string
	// Since and Until are the ends of the interval, the same for a moment.
	Since, Until time.Time
	Body         []byte // JSON as the source gave it
}

// Snapshotter keeps snapshots, and lists what belongs to no customer.
type Snapshotter interface {
	// SaveSnapshots stores snapshots of a connector in one transaction; one of the same
	// kind, SID and interval is replaced.
	SaveSnapshots(ctx context.Context, connector string, snapshots []Snapshot) error
	// LoadSnapshots returns those of a kind whose interval ends after one moment and not
	// after another, in order of their end and then of their SID.
	LoadSnapshots(ctx context.Context, connector string, kind SnapshotKind, after, through time.Time) ([]Snapshot, error)
	// LoadLastSnapshot returns when the newest interval of a kind ends, the zero time
	// where there is none.
	LoadLastSnapshot(ctx context.Context, connector string, kind SnapshotKind) (time.Time, error)
	// LoadKind returns at most limit facts of a kind in order of their SIDs, those
	// after one: agents or queues.
	LoadKind(ctx context.Context, connector string, kind fact.Kind, after string, limit int) ([]*fact.Fact, error)
}
