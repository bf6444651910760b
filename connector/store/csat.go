package store

import "context"

// Rater keeps what the figures of survey answers are summed up from.
type Rater interface {
	// LoadCSATDays sums up the days from one up to, not including, another, as
	// "2006-01-02" in the connector's time zone: one row for each day, channel, queue,
	// scale and score, in this order.
	LoadCSATDays(ctx context.Context, connector, from, until string) ([]CSATPart, error)
}

// CSATPart is what one survey answer adds to the day on which it was given; or the sum
// of all with the same score.
type CSATPart struct {
	// Source is what it comes from; empty in a sum.
	Source string
	Day    string
	// Channel is a normalised one, Queue a SID; each is empty where it is not known.
	Channel, Queue string
	// Score and Scale are hundredths; a Scale of 0 is not known.
	Score, Scale int64
	// Count is how many there are in a sum.
	Count int64
}
