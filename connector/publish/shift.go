package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/part"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
)

const (
	// feedBatch is how many changed customers are taken from the feed at once, dueBatch how
	// many are published between two looks at it.
	feedBatch, dueBatch = 500, 50
	// shortRest and longRest bound how long a shift rests after a failure.
	shortRest, longRest = time.Second, 30 * time.Second
	// refusedRest is how long where the credential is refused: only a person helps.
	refusedRest = 5 * time.Minute
	// patience is how many customers in a row may fail before a shift rests.
	patience = 5
)

// shift is the work of one holder of the role, which nobody else does meanwhile.
type shift struct {
	*Publisher
	lease store.Lease
	// place is that in the feed, once it was loaded.
	place  *int64
	status standing
	runs   *told
	runsAt time.Time
	// failures counts rests in a row, unlucky customers in a row that failed.
	failures, unlucky int
}

// turn does some of what is due and says whether there was anything. An error is about
// all customers: the next turn would meet it again.
func (s *shift) turn(ctx context.Context) (busy bool, err error) {
	if s.cfg.Customers() {
		followed, err := s.follow(ctx)
		if err != nil {
			return false, err
		}
		published, err := s.publishDue(ctx)
		if err != nil {
			return false, err
		}
		busy = followed || published
	}
	if err := s.tellStatus(ctx); err != nil {
		return false, fmt.Errorf("status document: %w", err)
	}
	if err := s.tellRuns(ctx); err != nil {
		return false, fmt.Errorf("stream of runs: %w", err)
	}
	return busy, nil
}

// follow makes the customers due that changed. The place in the feed is saved after them,
// so that what is cut short in between is only asked for twice.
func (s *shift) follow(ctx context.Context) (bool, error) {
	if s.place == nil {
		place, err := s.loadPlace(ctx)
		if err != nil {
			return false, err
		}
		s.place = &place
	}
	changed, err := s.store.LoadChanged(ctx, s.connector, *s.place, feedBatch)
	if err != nil || len(changed) == 0 {
		return false, err
	}
	ids := make([]int64, len(changed))
	for i, c := range changed {
		ids[i] = c.CustomerID
	}
	if err := s.store.AskPublished(ctx, s.lease, s.connector, ids, s.clock()); err != nil {
		return false, err
	}
	last := changed[len(changed)-1].Seq
	if err := part.SaveCursor(ctx, s.store, s.connector, name, s.clock(), last); err != nil {
		return false, err
	}
	s.place = &last
	return true, nil
}

func (s *shift) loadPlace(ctx context.Context) (place int64, err error) {
	_, err = part.LoadCursor(ctx, s.store, s.connector, name, &place)
	return place, err
}

// publishDue publishes the next customers that are due. One that fails is due again later
// and does not hold the others up, unless many do.
func (s *shift) publishDue(ctx context.Context) (bool, error) {
	due, err := s.store.LoadDuePublished(ctx, s.connector, s.clock(), dueBatch)
	if err != nil {
		return false, err
	}
	for _, row := range due {
		if err := s.publish(ctx, row.CustomerID); err != nil {
			return false, err
		}
	}
	return len(due) > 0, nil
}

// publish brings one customer's place up to date, if they are due, and notes how they stand
// now. They are loaded anew: somebody before them may have taken their key over, and
// what stands there is not theirs to remove any more.
func (s *shift) publish(ctx context.Context, customer int64) error {
	rows, err := s.store.LoadPublished(ctx, s.connector, []int64{customer})
	if err != nil || len(rows) == 0 || rows[0].DueAt.IsZero() || rows[0].DueAt.After(s.clock()) {
		return err
	}
	row := rows[0]
	err = s.bring(ctx, &row)
	fail := failure.As(err)
	switch {
	case err == nil:
		s.unlucky = 0
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case fail == nil || fail.Reason == failure.Interrupted:
		return err // the store's, or our own
	case fail.Reason == failure.Invalid:
		return s.leaveOut(ctx, &row, reasonRefused)
	}
	s.logger.Warn("customer is published later", "customer_id", row.CustomerID, "attempt", row.Attempts+1, "reason", fail.Reason, "err", fail)
	row.Attempts++
	row.Reason = reasonOf(fail)
	row.DueAt = s.clock().Add(max(backoff(row.Attempts, longRest), fail.RetryAfter))
	if e := s.store.SavePublished(ctx, s.lease, s.connector, row, 0, s.clock()); e != nil {
		return errors.Join(e, err)
	}
	if s.unlucky++; fail.Reason == failure.Transient && s.unlucky < patience || fail.Reason == failure.Unknown && s.unlucky < patience {
		return nil
	}
	return err
}

// rest waits after a failure that is about all customers: the longer the more there were.
func (s *shift) rest(ctx context.Context, err error) {
	s.failures++
	wait := backoff(s.failures, longRest)
	if fail := failure.As(err); fail != nil {
		wait = max(wait, fail.RetryAfter)
		if fail.Reason.Stops() && s.failures > 1 { // a stray refusal passes
			wait = min(backoff(s.failures+3, refusedRest), refusedRest)
		}
	}
	s.unlucky = 0
	s.logger.Warn("publishing to sync rests", "reason", failure.ReasonOf(err), "wait", wait, "err", err)
	schedule.Pause(ctx, wait)
}

func backoff(failures int, longest time.Duration) time.Duration {
	return min(shortRest<<min(failures-1, 10), longest)
}
