package store

import "context"

// Follower tells which customers a digest touched, to whoever keeps something of
// them elsewhere. A customer stands in the feed once, at the last touch. Any number
// of readers may follow, each with a place of its own.
type Follower interface {
	// LoadChanged returns the customers of a connector that were touched behind a
	// place in its feed, in order of their places, at most limit. Only digests that
	// say so (Digest.Feed) are in it. A place is never given again, and none is seen before
	// a smaller one. A customer that was merged away stands in it like the one that
	// took it over; one that was erased does not any more.
	LoadChanged(ctx context.Context, connector string, after int64, limit int) ([]Changed, error)
	// LoadShared returns those of the phones, in E.164, that several customers were seen
	// with, so that they lead to nobody.
	LoadShared(ctx context.Context, connector string, phones []string) (map[string]bool, error)
}

// Changed is a customer with their place in the feed.
type Changed struct {
	CustomerID int64
	// Seq is above zero.
	Seq int64
}
