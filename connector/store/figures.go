package store

import (
	"context"
	"time"
)

// Figurer keeps what the figures of agents and queues are summed up from.
type Figurer interface {
	// LoadAgentDays sums up the days from one up to, not including, another, as
	// "2006-01-02" in the connector's time zone: one row for each day, agent and
	// activity, and one without activity for the agent's work. In order of day.
	LoadAgentDays(ctx context.Context, connector, from, until string) ([]AgentPart, error)
	// LoadQueueHours sums up the UTC hours that begin from one moment up to, not
	// including, another, by hour, queue and channel.
	LoadQueueHours(ctx context.Context, connector string, from, until time.Time) ([]QueuePart, error)
}

// AgentPart is what one source, such as a task, adds to an agent's day; or the sum
// of many. Durations are whole seconds.
type AgentPart struct {
	// Source is what it comes from; empty in a sum.
	Source string `json:"-"`
	Day    string `json:"day"`
	Worker string `json:"worker"` // SID
	// Activity is set where Lasted, in milliseconds, counts; nothing else does then.
	Activity string `json:"activity,omitempty"`
	Lasted   int64  `json:"lasted_ms,omitempty"`

	Offered, Accepted, Rejected, TimedOut int64
	// Handled are those that were brought to their end, in Talk plus Wrap seconds.
	Handled, Talk, Wrap int64
	// CSATSum is the sum of the scores in hundredths.
	CSATCount, CSATSum int64
}

// QueuePart is what one task adds to an hour of a queue and channel; or the sum of
// many. The hour is the one in which it entered the queue.
type QueuePart struct {
	Source  string    `json:"-"`
	Hour    time.Time `json:"hour"`
	Queue   string    `json:"queue"` // SID
	Channel string    `json:"channel"`

	Offered, Accepted int64
	// Abandoned includes ShortAbandoned; InService were accepted in time.
	Abandoned, ShortAbandoned, InService int64
	// Waited is the seconds until acceptance of all accepted, Longest that of one.
	Waited, Longest int64
}
