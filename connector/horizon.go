package connector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/store"
)

// tooOld is from when on a snapshot that others hold of the database is a problem: at a
// thousand rows a second claims have become several times slower by then.
const tooOld = 10 * time.Minute

// readHorizon says who keeps the database from clearing away what is no longer needed.
func readHorizon(ctx context.Context, s store.Horizon, c *ConnectorStatus) error {
	old, err := s.LoadOldSnapshot(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil && old.Age >= tooOld {
		c.Problems = append(c.Problems, fmt.Sprintf(
			"a transaction of %s has been open on the database for %s: nothing that was deleted since can be cleared away, and delivering "+
				"becomes slower; end it, and set idle_in_transaction_session_timeout for who forgets one",
			old.Holder, old.Age.Round(time.Minute)))
	}
	return err
}
