package store

import (
	"context"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// Replayer keeps what replays are under way, and hands out again what they work on.
// Any process may call it, beside a running daemon too.
type Replayer interface {
	// SaveReplay writes the connector's replay; there is at most one, and another run
	// takes the place of the one before, whose staged facts go.
	SaveReplay(ctx context.Context, r Replay) error
	// LoadReplay returns the connector's replay, or ErrNotFound.
	LoadReplay(ctx context.Context, connector string) (Replay, error)
	// EndReplay forgets a run's replay and the facts it staged; it is no error if
	// there was none. Facts that a dry run staged and left behind more than a day ago
	// go with it.
	EndReplay(ctx context.Context, connector string, run int64, now time.Time) error

	// LoadRecordsAgain returns digested and ignored records with a greater id than
	// after that happened at since or later, in order of their ids. Without since those
	// of any time are returned.
	LoadRecordsAgain(ctx context.Context, connector string, after int64, since time.Time, limit int) ([]record.Record, error)
	// LoadCustomersAgain returns the first customers with a greater id than after who
	// were not merged into another, by id, and the keys of all their facts.
	LoadCustomersAgain(ctx context.Context, connector string, after int64, limit int) ([]int64, []fact.Key, error)

	// StageFacts keeps facts for a run, in place of those of the same key.
	StageFacts(ctx context.Context, connector string, run int64, facts []*fact.Fact) error
	// LoadStaged returns those of the facts that the run staged.
	LoadStaged(ctx context.Context, connector string, run int64, keys []fact.Key) ([]*fact.Fact, error)
	// LoadStagedNew returns the keys after one, in order, of facts that the run staged
	// and that are not stored.
	LoadStagedNew(ctx context.Context, connector string, run int64, after fact.Key, limit int) ([]fact.Key, error)
}

// Replay is a replay under way. Staged facts are what records tell when they are
// digested again and what the stored facts do not have; they are joined to those
// customer by customer, so that nothing is sent before all records were read.
type Replay struct {
	Connector string
	// RunID is the run that shows its progress.
	RunID int64
	// Request and Position are what was asked for and how far it is, JSON.
	Request, Position []byte
}

// DryRun is the run id of a replay that changes nothing and has no run.
func DryRun(now time.Time) int64 { return -now.UnixMilli() }
